//! A counter of the service's own, through a handle.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use perfdeck_peers::peer;
use perfdeck_peers::peer::deck::Perfdeck;
use prometheus::IntCounter;

use super::{Case, OFF, Row};
use crate::job::{Job, Report};

pub(super) const CASE: Case = Case {
    name: "counter",
    title: "A counter",
    about: "One addition through a handle; two threads share the counter.",
    rows: &[
        Row::new("bare loop", bare),
        Row::new("bare AtomicU64", atomic),
        Row::new("perfdeck", perfdeck),
        Row::new("perfdeck, off", perfdeck_off).environment(OFF),
        Row::new("metrics 0.24 + Prometheus exporter 0.18", metrics),
        Row::new("prometheus 0.14 `IntCounter`", prometheus),
    ],
};

fn bare(job: &Job) -> Result<Report> {
    job.time(|| {
        |number| {
            black_box(number);
        }
    })
}

fn atomic(job: &Job) -> Result<Report> {
    let counter = AtomicU64::new(0);
    let worker = || {
        |number| {
            counter.fetch_add(1, Ordering::Relaxed);
            black_box(number);
        }
    };
    job.measure(
        worker,
        || Ok(()),
        |_| Ok(Some(counter.load(Ordering::Relaxed))),
    )
}

fn perfdeck(job: &Job) -> Result<Report> {
    let perfdeck = Perfdeck::start()?;
    count_with(job, &perfdeck, || perfdeck.metric())
}

fn perfdeck_off(job: &Job) -> Result<Report> {
    count_with(job, &Perfdeck::start()?, || Ok(None))
}

fn count_with(
    job: &Job,
    perfdeck: &Perfdeck,
    kept: impl FnOnce() -> Result<Option<u64>>,
) -> Result<Report> {
    let counter = perfdeck.deck.counter("messages");
    let worker = || {
        |number| {
            counter.add(1);
            black_box(number);
        }
    };
    job.measure(worker, || Ok(()), |_| kept())
}

fn metrics(job: &Job) -> Result<Report> {
    let handle = peer::prometheus::install()?;
    let counter = metrics::counter!("messages");
    let worker = || {
        |number| {
            counter.increment(1);
            black_box(number);
        }
    };
    job.measure(
        worker,
        || Ok(()),
        |_| Ok(Some(peer::prometheus::sum(&handle, "messages"))),
    )
}

fn prometheus(job: &Job) -> Result<Report> {
    let counter = IntCounter::new("messages", "messages sent")?;
    prometheus::register(Box::new(counter.clone()))?;
    let worker = || {
        |number| {
            counter.inc();
            black_box(number);
        }
    };
    job.measure(worker, || Ok(()), |_| Ok(Some(counter.get())))
}
