//! What history takes in memory: `cargo bench -p perfdeck-bridge`.
//!
//! Prints Markdown tables: the bytes of a day of a hundred series beside raw numbers and Gorilla's XOR, the time of a
//! push and of a sample that is read, and the bytes of a second's histogram beside HdrHistogram's V2 with deflate.
//! Sizes are the same in each run and on each machine; times are medians of some runs.

#![expect(clippy::print_stdout, reason = "a benchmark is run for what it prints")]

mod generator;
mod histogram;
mod random;
mod xor;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use perfdeck_bridge::series::Series;

use crate::generator::{DAY, Generated};

const RUNS: usize = 5;
const RAW: f64 = 8.0;

fn main() {
    let all = generator::day();
    series(&all);
    histogram::print();
}

#[derive(Debug, Default, Clone)]
struct Row {
    series: usize,
    samples: usize,
    packed: usize,
    held: usize,
    xor: u64,
    push: Duration,
    read: Duration,
}

fn series(all: &[Generated]) {
    let mut rows = BTreeMap::<&str, Row>::new();
    let mut total = Row::default();
    for generated in all {
        let measured = measure(generated);
        rows.entry(generated.group).or_default().add(&measured);
        total.add(&measured);
    }
    println!("A day of {} series at one sample a second:\n", all.len());
    println!(
        "| what | series | B/sample | held, B/sample | XOR, B/sample | raw | ns/push | ns/read |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (group, row) in &rows {
        row.print(group);
    }
    total.print("**all**");
    println!(
        "\nIn all {:.2} MiB held, XOR {:.2} MiB, raw {:.2} MiB.\n",
        mebibytes(total.held as f64),
        mebibytes(total.xor as f64 / 8.0),
        mebibytes(total.samples as f64 * RAW)
    );
}

fn measure(generated: &Generated) -> Row {
    let (series, push) = median(|| {
        let mut series = Series::new(generated.kind, DAY);
        for sample in &generated.samples {
            series.push(*sample);
        }
        series
    });
    let ((), read) = median(|| {
        series.newest(DAY).for_each(|sample| {
            black_box(sample);
        });
    });
    Row {
        series: 1,
        samples: generated.samples.len(),
        packed: series.sealed().map(<[u8]>::len).sum(),
        held: series.bytes(),
        xor: xor::bits(&generated.samples),
        push,
        read,
    }
}

/// The result of the last of some runs, and the time of the one in the middle.
fn median<T>(run: impl Fn() -> T) -> (T, Duration) {
    let timed = || {
        let start = Instant::now();
        let result = black_box(run());
        (result, start.elapsed())
    };
    let mut times: Vec<Duration> = (1..RUNS).map(|_| timed().1).collect();
    let (result, time) = timed();
    times.push(time);
    times.sort_unstable();
    (result, times.get(RUNS / 2).copied().unwrap_or_default())
}

impl Row {
    fn add(&mut self, other: &Self) {
        self.series += other.series;
        self.samples += other.samples;
        self.packed += other.packed;
        self.held += other.held;
        self.xor += other.xor;
        self.push += other.push;
        self.read += other.read;
    }

    fn print(&self, name: &str) {
        let samples = self.samples as f64;
        println!(
            "| {name} | {} | {:.3} | {:.3} | {:.3} | {RAW} | {:.1} | {:.1} |",
            self.series,
            self.packed as f64 / samples,
            self.held as f64 / samples,
            self.xor as f64 / 8.0 / samples,
            self.push.as_nanos() as f64 / samples,
            self.read.as_nanos() as f64 / samples,
        );
    }
}

fn mebibytes(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}
