//! What perfdeck costs the demo: `cargo bench -p perfdeck-demo`.
//!
//! Starts the demo twice, with perfdeck on and with `PERFDECK=off`; caching goes on in both, for perfdeck counts the cache but
//! doesn't make it faster. Slices of load on the one and on the other come in pairs, and which is first alternates from
//! pair to pair, so that what the machine does over time falls on both. The first pair warms up and isn't counted. The ratios
//! are those of the pairs; their mean is given with a 95 % interval (Student's t on the logarithms).
//!
//! Both servers have one worker thread, and nobody views the deck. Load and server share the machine: on one that is busy
//! with other work the intervals tell as much.
//!
//! `PERFDECK_BENCH_PAIRS` is how many pairs count, 11 without it; `PERFDECK_BENCH_SECONDS` is how long a slice lasts, 5
//! without it.

#![expect(clippy::print_stdout, reason = "a benchmark is run for what it prints")]

mod client;
mod server;
mod statistic;

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::client::Client;
use crate::server::{Perfdeck, Server};
use crate::statistic::Interval;

const PAIRS: u64 = 11;
const SECONDS: f64 = 5.0;

/// Worker threads of a server. One, so that the load has a core on the smallest machine.
const WORKERS: usize = 1;

/// As many as the service has database connections.
const CONNECTIONS: usize = 8;

fn main() -> Result<()> {
    let pairs = setting("PERFDECK_BENCH_PAIRS", PAIRS)?;
    let seconds = setting("PERFDECK_BENCH_SECONDS", SECONDS)?;
    ensure!(
        seconds > 0.0 && seconds <= 3600.0,
        "PERFDECK_BENCH_SECONDS must be over 0 and at most 3600"
    );
    let length = Duration::from_secs_f64(seconds);
    println!("machine: {}", machine());
    println!(
        "load:    {CONNECTIONS} connections, each asking again when answered; slices of {seconds} s; {WORKERS} worker \
         thread a server"
    );
    let mut on = Side::start(Perfdeck::On)?;
    let mut off = Side::start(Perfdeck::Off)?;
    let mut measured = Vec::new();
    head();
    for number in 0..=pairs {
        let pair = if number % 2 == 1 {
            let on = on.slice(length, number)?;
            Pair {
                on,
                off: off.slice(length, number)?,
            }
        } else {
            let off = off.slice(length, number)?;
            Pair {
                off,
                on: on.slice(length, number)?,
            }
        };
        pair.print(number);
        if number > 0 {
            measured.push(pair);
        }
    }
    summary(&measured);
    println!(
        "resident at the end:       on {:.1} MiB, off {:.1} MiB",
        on.server.resident_mebibytes()?,
        off.server.resident_mebibytes()?
    );
    Ok(())
}

/// Reads an environment variable.
fn setting<T: std::str::FromStr>(name: &str, default: T) -> Result<T> {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .ok()
            .with_context(|| format!("{name} is not a number: {text:?}")),
        Err(_) => Ok(default),
    }
}

/// One of the two servers, and its load.
#[derive(Debug)]
struct Side {
    server: Server,
    client: Client,
}

impl Side {
    fn start(perfdeck: Perfdeck) -> Result<Self> {
        let start = Server::start(perfdeck, WORKERS);
        let server =
            start.with_context(|| format!("the server with perfdeck {}", perfdeck.name()))?;
        let client = Client::connect(server.address(), CONNECTIONS)?;
        Ok(Self { server, client })
    }

    fn slice(&mut self, length: Duration, seed: u64) -> Result<Measured> {
        let before = self.server.processor_seconds()?;
        let slice = self.client.load(length, seed)?;
        let took = self.server.processor_seconds()? - before;
        Ok(Measured {
            rate: slice.rate(),
            p99_millis: slice.p99_millis(),
            processor_micros: took * 1e6 / slice.requests as f64,
        })
    }
}

/// What a slice showed of one server.
#[derive(Debug, Clone, Copy)]
struct Measured {
    /// Requests a second.
    rate: f64,
    p99_millis: f64,
    /// Processor time of the server's process for a request.
    processor_micros: f64,
}

/// One of the numbers of a slice.
type Value = fn(&Measured) -> f64;

#[derive(Debug)]
struct Pair {
    on: Measured,
    off: Measured,
}

impl Pair {
    /// Returns on over off.
    fn ratio(&self, value: Value) -> f64 {
        value(&self.on) / value(&self.off)
    }

    fn print(&self, number: u64) {
        let (on, off) = (&self.on, &self.off);
        let name = match number {
            0 => "warm-up".to_owned(),
            _ => number.to_string(),
        };
        println!(
            "{name:>7}  {:>8.0} {:>8.0} {:>6.3}  {:>8.2} {:>8.2} {:>6.3}  {:>8.1} {:>8.1} {:>6.3}",
            on.rate,
            off.rate,
            self.ratio(|side| side.rate),
            on.p99_millis,
            off.p99_millis,
            self.ratio(|side| side.p99_millis),
            on.processor_micros,
            off.processor_micros,
            self.ratio(|side| side.processor_micros),
        );
    }
}

fn head() {
    println!();
    println!(
        "{:>7}  {:^24}  {:^24}  {:^24}",
        "", "requests a second", "p99, ms", "CPU a request, us"
    );
    println!(
        "{:>7}  {:>8} {:>8} {:>6}  {:>8} {:>8} {:>6}  {:>8} {:>8} {:>6}",
        "pair", "on", "off", "ratio", "on", "off", "ratio", "on", "off", "ratio"
    );
}

fn summary(pairs: &[Pair]) {
    let rows: [(&str, Value); 3] = [
        ("requests a second", |side| side.rate),
        ("p99", |side| side.p99_millis),
        ("CPU a request", |side| side.processor_micros),
    ];
    println!();
    for (name, value) in rows {
        match Interval::of(pairs.iter().map(|pair| pair.ratio(value))) {
            Some(Interval { mean, low, high }) => println!(
                "{name:<18} on/off: {mean:.3}  (95 % interval {low:.3} to {high:.3}, {} pairs)",
                pairs.len()
            ),
            None => println!("{name:<18} on/off: not enough was measured"),
        }
    }
}

/// Describes the machine in a line.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores, {model}, Linux {}", kernel.trim())
}
