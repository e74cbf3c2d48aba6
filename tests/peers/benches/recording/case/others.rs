//! What the host's own logging pays for perfdeck's layer.

use std::hint::black_box;

use anyhow::Result;
use perfdeck_peers::peer::deck::Perfdeck;
use perfdeck_peers::peer::host;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

use super::{Case, Row};
use crate::job::{Job, Report};

pub(super) const CASE: Case = Case {
    name: "others",
    title: "What others pay",
    about: "A host's own event or span, where its `fmt` layer has a filter of its own for INFO and up and prints to nowhere: \
            without perfdeck's layer, and with it. `log` speaks through `LogTracer`, as `init` sets it up.",
    rows: &[
        Row::new("bare loop", |job| {
            job.time(|| {
                |number| {
                    black_box(number);
                }
            })
        }),
        Row::new("disabled `trace!`", |job| without(job, trace)),
        Row::new("disabled `trace!`, with perfdeck", |job| with(job, trace)),
        Row::new("disabled `debug!`", |job| without(job, debug)),
        Row::new("disabled `debug!`, with perfdeck", |job| with(job, debug)),
        Row::new("`info!`", |job| without(job, info)),
        Row::new("`info!`, with perfdeck", |job| with(job, info)),
        Row::new("`info_span!`", |job| without(job, span)),
        Row::new("`info_span!`, with perfdeck", |job| with(job, span)),
        Row::new("disabled `log::debug!`", |job| without(job, log_debug)),
        Row::new("disabled `log::debug!`, with perfdeck", |job| {
            with(job, log_debug)
        })
        .note("unavoidable for whoever listens at DEBUG: `log` knows one level for all"),
    ],
};

fn without(job: &Job, operation: fn(u64)) -> Result<Report> {
    registry().with(host::sink()).try_init()?;
    measure(job, operation)
}

fn with(job: &Job, operation: fn(u64)) -> Result<Report> {
    let perfdeck = Perfdeck::start()?;
    let host = registry().with(host::sink()).with(perfdeck.deck.layer());
    host.try_init()?;
    measure(job, operation)
}

/// Through a pointer, which costs the same in each row.
fn measure(job: &Job, operation: fn(u64)) -> Result<Report> {
    job.time(|| black_box(operation))
}

fn trace(number: u64) {
    tracing::trace!(number, "an event");
}

fn debug(number: u64) {
    tracing::debug!(number, "an event");
}

fn info(number: u64) {
    tracing::info!(number, "an event");
}

fn span(number: u64) {
    tracing::info_span!("span", number).in_scope(|| black_box(number));
}

fn log_debug(number: u64) {
    log::debug!("an event {number}");
}
