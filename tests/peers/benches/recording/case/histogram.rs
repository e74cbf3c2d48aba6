//! A histogram of the service's own, through a handle.

use std::hint::black_box;

use anyhow::Result;
use perfdeck_peers::peer;
use perfdeck_peers::peer::deck::Perfdeck;
use prometheus::HistogramOpts;

use super::{Case, Row};
use crate::job::{Job, Report};

pub(super) const CASE: Case = Case {
    name: "histogram",
    title: "A histogram",
    about: "One value, of 1,024 different ones, through a handle; two threads share the histogram.",
    rows: &[
        Row::new("bare loop", bare),
        Row::new("perfdeck", perfdeck),
        Row::new("metrics 0.24 + Prometheus exporter 0.18", metrics)
            .note("with `run_upkeep`, until which its values pile up"),
        Row::new("prometheus 0.14 `Histogram`", prometheus).note("eleven fixed buckets"),
    ],
};

/// From 80 us to 1.1 ms.
fn value(number: u64) -> f64 {
    black_box((80 + number % 1_024) as f64 * 1e-6)
}

fn bare(job: &Job) -> Result<Report> {
    job.time(|| {
        |number| {
            value(number);
        }
    })
}

fn perfdeck(job: &Job) -> Result<Report> {
    let perfdeck = Perfdeck::start()?;
    let histogram = perfdeck.deck.histogram("seconds");
    let worker = || |number| histogram.record(value(number));
    job.measure(worker, || Ok(()), |_| perfdeck.metric())
}

fn metrics(job: &Job) -> Result<Report> {
    let handle = peer::prometheus::install()?;
    let histogram = metrics::histogram!("seconds");
    let worker = || |number| histogram.record(value(number));
    let settle = || {
        peer::prometheus::settle(&handle);
        Ok(())
    };
    job.measure(worker, settle, |_| {
        Ok(Some(peer::prometheus::sum(&handle, "seconds_count")))
    })
}

fn prometheus(job: &Job) -> Result<Report> {
    let histogram = prometheus::Histogram::with_opts(HistogramOpts::new("seconds", "of a call"))?;
    prometheus::register(Box::new(histogram.clone()))?;
    let worker = || |number| histogram.observe(value(number));
    job.measure(
        worker,
        || Ok(()),
        |_| Ok(Some(histogram.get_sample_count())),
    )
}
