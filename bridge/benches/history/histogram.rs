//! The bytes and the times of packed histograms.

use std::hint::black_box;
use std::time::Instant;

use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use perfdeck_bridge::histogram::{Histogram, MAX};

use crate::random::Random;

/// Values in a second's histogram.
const VALUES: u64 = 1_000;
const SECONDS: u64 = 200;
const RUNS: u32 = 7;

/// Latencies as a service has them.
#[derive(Debug)]
struct Mixture {
    name: &'static str,
    /// The share of each part, its middle in nanoseconds, and its width.
    parts: &'static [(f64, f64, f64)],
}

const MIXTURES: [Mixture; 7] = [
    Mixture {
        name: "log-normal, width 0.25",
        parts: &[(1.0, 5e6, 0.25)],
    },
    Mixture {
        name: "log-normal, width 0.5",
        parts: &[(1.0, 5e6, 0.5)],
    },
    Mixture {
        name: "log-normal, width 1",
        parts: &[(1.0, 5e6, 1.0)],
    },
    Mixture {
        name: "log-normal, width 1.5",
        parts: &[(1.0, 5e6, 1.5)],
    },
    Mixture {
        name: "log-normal, width 2",
        parts: &[(1.0, 5e6, 2.0)],
    },
    Mixture {
        name: "cache hits and misses",
        parts: &[(0.8, 2e4, 0.4), (0.2, 1.2e7, 0.6)],
    },
    Mixture {
        name: "hits, misses and time-outs",
        parts: &[(0.7, 2e4, 0.4), (0.29, 1.2e7, 0.6), (0.01, 1e9, 0.01)],
    },
];

pub(crate) fn print() {
    println!("A second of {VALUES} latencies as a packed histogram:\n");
    println!(
        "| latencies | buckets | B | B, most | coarse, B | HdrHistogram V2 deflate, B | ns/pack | ns/merge |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (mixture, seed) in MIXTURES.iter().zip(1..) {
        mixture.print(seed);
    }
}

impl Mixture {
    fn value(&self, random: &mut Random) -> u64 {
        let mut part = random.uniform();
        let mut chosen = (0.0, 0.0);
        for (share, middle, width) in self.parts {
            chosen = (*middle, *width);
            part -= share;
            if part <= 0.0 {
                break;
            }
        }
        let (middle, width) = chosen;
        ((middle * (width * random.normal()).exp()) as u64).clamp(1, MAX)
    }

    fn print(&self, seed: u64) {
        let mut random = Random(seed);
        let mut ours = Vec::new();
        let mut theirs = 0;
        for _ in 0..SECONDS {
            let values: Vec<u64> = (0..VALUES).map(|_| self.value(&mut random)).collect();
            theirs += deflated(&values).unwrap_or_default();
            let mut histogram = Histogram::new();
            values
                .iter()
                .for_each(|value| histogram.record_nanos(*value));
            ours.push(histogram);
        }
        let packed: Vec<_> = ours.iter().map(Histogram::pack).collect();
        let merge = nanos(|| {
            let mut all = Histogram::new();
            packed.iter().for_each(|packed| {
                all.merge_packed(packed);
            });
            black_box(all);
        });
        let pack = nanos(|| {
            ours.iter().for_each(|histogram| {
                black_box(histogram.pack());
            });
        });
        let mean = |sum: usize| sum as f64 / SECONDS as f64;
        println!(
            "| {} | {:.0} | {:.1} | {} | {:.1} | {:.1} | {pack:.0} | {merge:.0} |",
            self.name,
            mean(
                ours.iter()
                    .map(|histogram| histogram.buckets().count())
                    .sum()
            ),
            mean(packed.iter().map(|packed| packed.len()).sum()),
            packed
                .iter()
                .map(|packed| packed.len())
                .max()
                .unwrap_or_default(),
            mean(
                ours.iter()
                    .map(|histogram| histogram.pack_coarse().len())
                    .sum()
            ),
            mean(theirs),
        );
    }
}

/// The bytes of HdrHistogram's own packing, at two digits: an error of 1 %, where ours is 1.6 %.
fn deflated(values: &[u64]) -> Option<usize> {
    let mut histogram = hdrhistogram::Histogram::<u64>::new_with_bounds(1, MAX, 2).ok()?;
    for value in values {
        histogram.record(*value).ok()?;
    }
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(&histogram, &mut bytes)
        .ok()
}

/// The nanoseconds of one of the things that a run does [`SECONDS`] times, in the run in the middle.
fn nanos(run: impl Fn()) -> f64 {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_nanos() as f64 / SECONDS as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}
