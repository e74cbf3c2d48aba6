//! What one process measures.

use std::hint::black_box;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use cpu_time::ProcessTime;
use criterion::Criterion;
use serde::{Deserialize, Serialize};

use perfdeck_tests::folder::Folder;

/// Operations between two looks at the clock.
const BATCH: u64 = 128;

/// What is to be measured of a row.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Measure {
    /// Wall-clock time on one thread, about as long as this.
    Wall(Duration),
    /// Processor time of the process, while threads work as long as this.
    Processor { threads: usize, length: Duration },
    /// Nothing here: the operations are done for callgrind, which counts.
    Instructions { operations: u64 },
}

/// What was measured.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Of the time that was asked for, that of an operation; `None` where it can't be measured in this build.
    pub(crate) nanos: Option<f64>,
    /// The part that the peer does not know of, where it tells.
    pub(crate) lost: Option<f64>,
}

/// A measure to take of a row.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) measure: Measure,
    /// The most operations of a thread where processor time is measured.
    pub(crate) most: u64,
}

impl Job {
    /// Measures what keeps nothing, or tells nobody; see [`Job::measure`].
    pub(crate) fn time<W: FnMut(u64)>(&self, worker: impl Fn() -> W + Sync) -> Result<Report> {
        self.measure(worker, || Ok(()), |_| Ok(None))
    }

    /// Measures `worker`'s operations.
    ///
    /// Each thread makes a worker of its own, which is called with 0, 1, 2 and so on. `settle` returns when the peer has
    /// handed on what it keeps for later, `kept` how many of so many operations it knows of, where it tells that.
    pub(crate) fn measure<W: FnMut(u64)>(
        &self,
        worker: impl Fn() -> W + Sync,
        settle: impl FnOnce() -> Result<()> + Send,
        kept: impl FnOnce(u64) -> Result<Option<u64>>,
    ) -> Result<Report> {
        match self.measure {
            Measure::Wall(length) => Ok(Report {
                nanos: Some(wall(length, worker)?),
                lost: None,
            }),
            Measure::Processor { threads, length } => {
                let (operations, nanos) = self.processor(threads, length, worker, settle)?;
                let lost = |kept: u64| 1.0 - kept as f64 / operations as f64;
                Ok(Report {
                    nanos: Some(nanos),
                    lost: kept(operations)?.map(lost),
                })
            }
            Measure::Instructions { operations } => {
                instructions(operations, worker, settle)?;
                Ok(Report::default())
            }
        }
    }
    /// Returns the operations of all threads, and the processor's nanoseconds of one.
    ///
    /// The first ones count, too: what a peer does later of them can't be told from the rest.
    fn processor<W: FnMut(u64)>(
        &self,
        threads: usize,
        length: Duration,
        worker: impl Fn() -> W + Sync,
        settle: impl FnOnce() -> Result<()>,
    ) -> Result<(u64, f64)> {
        let (ready, go) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
        let (operations, start) = std::thread::scope(|scope| {
            let work = || {
                let mut work = worker();
                ready.wait();
                go.wait();
                let start = Instant::now();
                let mut number = 0;
                while number < self.most && start.elapsed() < length {
                    for _ in 0..BATCH {
                        work(black_box(number));
                        number += 1;
                    }
                }
                number
            };
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            ready.wait();
            let start = ProcessTime::now();
            go.wait();
            let mut operations = 0;
            for worker in workers {
                operations += worker.join().map_err(|_| anyhow!("a worker panicked"))?;
            }
            anyhow::Ok((operations, start))
        })?;
        settle()?;
        let nanos = start.elapsed().as_nanos() as f64;
        Ok((operations, nanos / operations as f64))
    }
}

fn wall<W: FnMut(u64)>(length: Duration, worker: impl Fn() -> W) -> Result<f64> {
    let folder = Folder::new()?;
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(20)
        .nresamples(1_000)
        .warm_up_time(length / 4)
        .measurement_time(length)
        .output_directory(folder.path());
    let (mut work, mut number) = (worker(), 0);
    criterion.bench_function("row", |bencher| {
        bencher.iter(|| {
            work(number);
            number += 1;
        });
    });
    median(&folder.path().join("row/new/estimates.json"))
}

/// Reads what criterion found.
fn median(estimates: &Path) -> Result<f64> {
    let text = std::fs::read_to_string(estimates)?;
    let estimates: serde_json::Value = serde_json::from_str(&text)?;
    let median = estimates["median"]["point_estimate"].as_f64();
    median.context("criterion estimated no median")
}

/// Works on a thread of its own, by whose function callgrind's files are told apart.
fn instructions<W: FnMut(u64)>(
    operations: u64,
    worker: impl Fn() -> W + Sync,
    settle: impl FnOnce() -> Result<()> + Send,
) -> Result<()> {
    let (worked, settled) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            counted_by_callgrind(operations, worker());
            worked.wait();
            // Valgrind gives the number of a thread that has ended to the next one.
            settled.wait();
        });
        worked.wait();
        let result = scope.spawn(settle).join();
        settled.wait();
        result.unwrap_or_else(|_| Err(anyhow!("the peer did not settle")))
    })
}

/// The name by which `callgrind` finds the thread that works.
#[inline(never)]
fn counted_by_callgrind(operations: u64, mut work: impl FnMut(u64)) {
    for number in 0..operations {
        work(black_box(number));
    }
}
