//! What the hit ratio of a cache would be, on a trace of look-ups: as perfdeck's estimator predicts it within the memory it
//! has in a service, and as the real engines measure it.
//!
//! cargo run --release --example cache_trace -- --capacities 100,1000,10000 [--ttl SECONDS] FILE

use std::fs::File;
use std::hash::BuildHasher as _;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Parser;
use perfdeck::cache::Eviction;
use perfdeck::cache::curve::{Candidate, Estimator, Replay};
use serde::Serialize;

/// Lines between two looks at the clock.
const LINES: u64 = 1 << 14;
const PROGRESS: Duration = Duration::from_millis(250);

/// Predicts and measures hit ratios on a trace of look-ups, one a line: `key`, or `seconds key`.
#[derive(Debug, Parser)]
#[command(name = "cache_trace")]
struct Options {
    /// How many entries fit: one or more numbers with a comma between
    #[arg(long, value_name = "N,N,..", value_delimiter = ',', required = true)]
    capacities: Vec<u64>,

    /// How long an entry is fresh, by the seconds in the trace; a trace without them counts a line as a second
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    ttl: Option<f64>,

    /// The trace, or `-` for standard input
    file: PathBuf,
}

/// One configuration's line of the answer.
#[derive(Debug, Serialize)]
struct Row {
    policy: &'static str,
    capacity: u64,
    ttl: Option<f64>,
    predicted: Option<f64>,
    error_band: Option<f64>,
    measured: f64,
    /// Of all configurations together, since one pass over the trace predicts them all.
    estimator_bytes: usize,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let policies = [
        ("default", Eviction::Default),
        ("lru", Eviction::Lru),
        ("tiny_lfu", Eviction::TinyLfu),
    ];
    let ttl = options.ttl.map(Duration::from_secs_f64);
    let (names, candidates): (Vec<_>, Vec<_>) = policies
        .into_iter()
        .flat_map(|(name, eviction)| {
            options.capacities.iter().map(move |capacity| {
                let candidate = Candidate {
                    eviction,
                    capacity: *capacity,
                    ttl,
                };
                (name, candidate)
            })
        })
        .unzip();
    let mut estimator = Estimator::new(&candidates);
    let mut replays: Vec<_> = candidates.iter().map(Replay::new).collect();
    let hasher = foldhash::quality::FixedState::with_seed(0x7065_7266);
    each(&options.file, |key, at| {
        estimator.look_up(hasher.hash_one(key), at);
        for replay in &mut replays {
            replay.look_up(key, at);
        }
    })?;
    let bytes = estimator.bytes();
    let rows: Vec<_> = names
        .into_iter()
        .zip(estimator.predictions())
        .zip(&replays)
        .map(|((policy, predicted), replay)| Row {
            policy,
            capacity: predicted.candidate.capacity,
            ttl: options.ttl,
            predicted: predicted.hit_ratio,
            error_band: predicted.error,
            measured: replay.hit_ratio().unwrap_or(0.0),
            estimator_bytes: bytes,
        })
        .collect();
    writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&rows)?)?;
    Ok(())
}

/// Reads a trace, a line at a time; the first line says whether lines begin with seconds.
fn each(file: &PathBuf, mut seen: impl FnMut(&str, Duration)) -> anyhow::Result<()> {
    let mut trace: Box<dyn BufRead> = if file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        let opened =
            File::open(file).with_context(|| format!("could not open {}", file.display()))?;
        Box::new(BufReader::with_capacity(1 << 16, opened))
    };
    let (mut line, mut number, mut timed) = (Vec::new(), 0_u64, None);
    let (mut last, mut lookups) = (Duration::ZERO, 0_u64);
    let mut progress = Progress::new();
    loop {
        line.clear();
        if trace.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        number += 1;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        let parted = text.split_once(char::is_whitespace);
        let stamped =
            parted.and_then(|(first, key)| Some((seconds(first).ok()?, key.trim_start())));
        let (key, at) = match (*timed.get_or_insert(stamped.is_some()), stamped) {
            (true, Some((seconds, key))) => (key, Duration::from_secs_f64(seconds)),
            (true, None) => {
                bail!("line {number}: no seconds before the key, as the lines before have them")
            }
            (false, _) => (text, Duration::from_secs(lookups)),
        };
        // A clock that went back stands still.
        last = last.max(at);
        lookups += 1;
        seen(key, last);
        progress.tell(lookups);
    }
    progress.end();
    Ok(())
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(_) => Ok(seconds),
        Err(error) => Err(error.to_string()),
    }
}

/// Says on a terminal how far it is.
struct Progress {
    told: Option<Instant>,
}

impl Progress {
    fn new() -> Self {
        Self {
            told: io::stderr().is_terminal().then(Instant::now),
        }
    }

    fn tell(&mut self, lookups: u64) {
        if !lookups.is_multiple_of(LINES) {
            return;
        }
        if let Some(told) = &mut self.told
            && told.elapsed() >= PROGRESS
        {
            *told = Instant::now();
            let _ = write!(io::stderr(), "\r{lookups} look-ups");
        }
    }

    fn end(&self) {
        if self.told.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
