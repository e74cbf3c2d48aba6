//! OpenTelemetry, with a batch processor whose exporter only counts.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};

static SPANS: AtomicU64 = AtomicU64::new(0);
static STATEMENTS: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
struct Counting;

impl SpanExporter for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let events = batch.iter().flat_map(|span| span.events.iter());
        let statements = events.filter(|event| {
            let mut names = event.attributes.iter().map(|pair| pair.key.as_str());
            names.any(|name| name == "db.statement")
        });
        STATEMENTS.fetch_add(statements.count() as u64, Ordering::Relaxed);
        SPANS.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// Makes a provider with the batch processor's defaults.
#[must_use]
pub fn provider() -> SdkTracerProvider {
    SdkTracerProvider::builder()
        .with_batch_exporter(Counting)
        .build()
}

/// Exports what waits.
///
/// # Errors
///
/// If it is not exported in time.
pub fn settle(provider: &SdkTracerProvider) -> Result<()> {
    Ok(provider.force_flush()?)
}

/// Returns how many spans were exported.
#[must_use]
pub fn spans() -> u64 {
    SPANS.load(Ordering::Relaxed)
}

/// Returns how many of sqlx's events were exported, in their spans.
#[must_use]
pub fn statements() -> u64 {
    STATEMENTS.load(Ordering::Relaxed)
}
