//! One call of a function that is observed.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use fastrace::collector::SpanContext;
use hotpath::Section;
use perfdeck_peers::peer::deck::Perfdeck;
use perfdeck_peers::peer::{self, host};
use tracing_subscriber::registry;

use super::{Case, OFF, Row};
use crate::job::{Job, Report};

pub(super) const CASE: Case = Case {
    name: "monitor",
    title: "An observed function",
    about: "One call of a sync function that does next to nothing.",
    rows: &[
        Row::new("bare call", bare),
        Row::new("perfdeck `#[monitor]`", perfdeck),
        Row::new("perfdeck `#[monitor]`, off", perfdeck_off).environment(OFF),
        Row::new("hotpath 0.30 `#[measure]`", hotpath),
        Row::new("metrics 0.24 histogram", metrics)
            .note("through the macro, with two `Instant`s, and `run_upkeep`"),
        Row::new("tracing `#[instrument]`, bare Registry", instrument).note("nothing is recorded"),
        Row::new("fastrace 0.7 `#[trace]`", fastrace)
            .note("with a root span for every 64 calls, for without one nothing is recorded"),
    ],
};

/// Calls under one root span.
const CALLS: u64 = 64;

#[inline(never)]
fn bare_function(number: u64) -> u64 {
    black_box(number).rotate_left(7)
}

#[inline(never)]
#[perfdeck::monitor]
fn perfdeck_function(number: u64) -> u64 {
    black_box(number).rotate_left(7)
}

#[inline(never)]
#[hotpath::measure]
fn hotpath_function(number: u64) -> u64 {
    black_box(number).rotate_left(7)
}

#[inline(never)]
fn metrics_function(number: u64) -> u64 {
    let start = Instant::now();
    let result = black_box(number).rotate_left(7);
    metrics::histogram!("call_seconds").record(start.elapsed());
    result
}

#[inline(never)]
#[tracing::instrument(skip_all)]
fn instrumented_function(number: u64) -> u64 {
    black_box(number).rotate_left(7)
}

#[inline(never)]
#[fastrace::trace]
fn fastrace_function(number: u64) -> u64 {
    black_box(number).rotate_left(7)
}

fn bare(job: &Job) -> Result<Report> {
    job.time(|| {
        |number| {
            black_box(bare_function(number));
        }
    })
}

fn perfdeck(job: &Job) -> Result<Report> {
    let perfdeck = Perfdeck::start()?;
    let worker = || {
        |number| {
            black_box(perfdeck_function(number));
        }
    };
    job.measure(worker, || Ok(()), |_| perfdeck.calls())
}

fn perfdeck_off(job: &Job) -> Result<Report> {
    let _perfdeck = Perfdeck::start()?;
    let worker = || {
        |number| {
            black_box(perfdeck_function(number));
        }
    };
    job.time(worker)
}

fn hotpath(job: &Job) -> Result<Report> {
    let hotpath = peer::hotpath::Hotpath::start(&[Section::FunctionsTiming])?;
    let worker = || {
        |number| {
            black_box(hotpath_function(number));
        }
    };
    let kept = |_| hotpath.calls("functions_timing");
    job.measure(worker, || hotpath.settle(), kept)
}

fn metrics(job: &Job) -> Result<Report> {
    let handle = peer::prometheus::install()?;
    let worker = || {
        |number| {
            black_box(metrics_function(number));
        }
    };
    let settle = || {
        peer::prometheus::settle(&handle);
        Ok(())
    };
    let kept = |_| Ok(Some(peer::prometheus::sum(&handle, "call_seconds_count")));
    job.measure(worker, settle, kept)
}

fn instrument(job: &Job) -> Result<Report> {
    host::install(registry())?;
    let worker = || {
        |number| {
            black_box(instrumented_function(number));
        }
    };
    job.time(worker)
}

fn fastrace(job: &Job) -> Result<Report> {
    peer::fastrace::install();
    let worker = || {
        let mut parent = None;
        move |number| {
            if number % CALLS == 0 {
                // The guard goes before its span.
                drop(parent.take());
                let root = fastrace::Span::root("calls", SpanContext::random());
                parent = Some((root.set_local_parent(), root));
            }
            black_box(fastrace_function(number));
        }
    };
    let settle = || {
        fastrace::flush();
        Ok(())
    };
    let kept = |calls| Ok(Some(peer::fastrace::spans().saturating_sub(calls / CALLS)));
    job.measure(worker, settle, kept)
}
