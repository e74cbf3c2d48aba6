//! OpenTelemetry, with a batch processor whose exporter only counts.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};

static EVENTS: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
struct Counting;

impl SpanExporter for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let events: usize = batch.iter().map(|span| span.events.len()).sum();
        EVENTS.fetch_add(events as u64, Ordering::Relaxed);
        Ok(())
    }
}

pub(crate) fn provider() -> SdkTracerProvider {
    SdkTracerProvider::builder()
        .with_batch_exporter(Counting)
        .build()
}

pub(crate) fn settle(provider: &SdkTracerProvider) -> Result<()> {
    Ok(provider.force_flush()?)
}

/// Returns how many events were exported, in their spans.
pub(crate) fn events() -> u64 {
    EVENTS.load(Ordering::Relaxed)
}
