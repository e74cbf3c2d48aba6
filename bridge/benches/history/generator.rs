//! A day of a service, second by second, as a hundred series of what perfdeck records.
//!
//! The series hang together as they do in a service: routes share a daily load and its bursts, a percentile is as noisy
//! as the number of requests behind it allows, and where there was no request there is none. The noise is drawn, not shaped;
//! the seed is fixed.

use perfdeck_bridge::series::Kind;

use crate::random::Random;

pub(crate) const DAY: usize = 24 * 60 * 60;

/// One series and its samples.
#[derive(Debug)]
pub(crate) struct Generated {
    /// Its row in the table.
    pub(crate) group: &'static str,
    pub(crate) kind: Kind,
    pub(crate) samples: Vec<Option<f64>>,
}

/// A day of a hundred series.
pub(crate) fn day() -> Vec<Generated> {
    let mut random = Random(20_260_101);
    let load = load(&mut random);
    let mut all = Vec::new();
    let mut add = |group, kind, samples| {
        all.push(Generated {
            group,
            kind,
            samples,
        });
    };

    let mut total = vec![0u64; DAY];
    for route in 0..18 {
        // From one request in eight seconds to three thousand a second at noon.
        let rate = 0.125 * 1.81f64.powi(route);
        let requests = requests(&mut random, &load, rate);
        for (total, requests) in total.iter_mut().zip(&requests) {
            *total += requests;
        }
        let base = 0.002 * (1.0 + 30.0 * random.uniform());
        let (p50, p95) = latencies(&mut random, &requests, base);
        add("requests", Kind::Count, counts(&requests));
        add("p50", Kind::Latency, p50);
        add("p95", Kind::Latency, p95);
        if route % 2 == 0 {
            add("errors", Kind::Count, errors(&mut random, &requests));
        }
    }
    for _ in 0..2 {
        add("cpu ratio", Kind::Level, cpu(&mut random, &total));
        add("rss", Kind::Level, memory(&mut random, &total, 4096.0));
        add("heap", Kind::Level, memory(&mut random, &total, 16.0));
        add("bytes sent", Kind::Count, bytes_sent(&mut random, &total));
        add("open files", Kind::Level, open_files(&mut random));
    }
    for pool in 0..6 {
        let held = 0.0004 * f64::from(pool + 1);
        let (used, queued) = pool_and_queue(&mut random, &total, held);
        add("pool in use", Kind::Level, used);
        add("queue depth", Kind::Level, queued);
    }
    for cache in 0..7 {
        let share = 0.5 / f64::from(1 << cache);
        add(
            "hit ratio",
            Kind::Level,
            hit_ratio(&mut random, &total, share),
        );
    }
    for _ in 0..4 {
        add("cache entries", Kind::Count, entries(&mut random));
    }
    for part in 0..4 {
        add(
            "queries",
            Kind::Count,
            queries(&mut random, &total, part + 1),
        );
    }
    all
}

/// The load over the day, 1 at noon: quiet nights, slow wandering, and bursts of some minutes.
fn load(random: &mut Random) -> Vec<f64> {
    let mut wander = 0.0;
    let mut burst = 0.0;
    let second = |second| {
        let daily = 0.5 - 0.5 * (std::f64::consts::TAU * second as f64 / DAY as f64).cos();
        wander = 0.999 * wander + 0.004 * random.normal();
        if random.chance(1.0 / 5_400.0) {
            burst = 1.0 + random.exponential(1.5);
        }
        burst *= 0.99;
        (0.04 + 0.96 * daily.powi(2)) * f64::exp(wander) * (1.0 + burst)
    };
    (0..DAY).map(second).collect()
}

fn requests(random: &mut Random, load: &[f64], rate: f64) -> Vec<u64> {
    load.iter()
        .map(|load| random.poisson(load * rate))
        .collect()
}

fn counts(values: &[u64]) -> Vec<Option<f64>> {
    values.iter().map(|value| Some(*value as f64)).collect()
}

/// Two percentiles of log-normal latencies whose middle wanders with the machine, and jumps when a regime begins.
fn latencies(
    random: &mut Random,
    requests: &[u64],
    base: f64,
) -> (Vec<Option<f64>>, Vec<Option<f64>>) {
    let width = 0.3 + 0.6 * random.uniform();
    let (mut regime, mut wander) = (0.0, 0.0);
    let second = |requests: &u64| {
        if random.chance(1.0 / 7_200.0) {
            regime = if random.chance(0.6) {
                0.0
            } else {
                0.7 * random.normal()
            };
        }
        wander = 0.98 * wander + 0.01 * random.normal();
        let middle = base.ln() + regime + wander;
        let [p50, p95] = percentiles(random, *requests, middle, width)?;
        Some((p50, p95))
    };
    let pairs: Vec<_> = requests.iter().map(second).collect();
    let part = |of: fn((f64, f64)) -> f64| pairs.iter().map(|pair| pair.map(of)).collect();
    (part(|pair| pair.0), part(|pair| pair.1))
}

/// The percentiles of as many log-normal values: drawn and sorted if few, else by the law that many follow.
fn percentiles(random: &mut Random, count: u64, middle: f64, width: f64) -> Option<[f64; 2]> {
    if count == 0 {
        return None;
    }
    if count > 60 {
        // Their density at the percentile tells how far a percentile of so many strays.
        let n = (count as f64).sqrt();
        let p50 = (0.25f64).sqrt() / 0.3989 / n * random.normal();
        let p95 = 1.6449 + 0.0475f64.sqrt() / 0.1031 / n * random.normal();
        return Some([p50, p95].map(|normal| (middle + width * normal).exp()));
    }
    let mut values: Vec<f64> = (0..count).map(|_| random.normal()).collect();
    values.sort_by(f64::total_cmp);
    let at = |q: f64| {
        let rank = (q * count as f64).ceil() as usize;
        let normal = values.get(rank.saturating_sub(1)).copied();
        (middle + width * normal.unwrap_or_default()).exp()
    };
    Some([at(0.5), at(0.95)])
}

/// One in two thousand, and now and then a minute in which a tenth fails.
fn errors(random: &mut Random, requests: &[u64]) -> Vec<Option<f64>> {
    let mut storm = 0u32;
    let second = |requests: &u64| {
        if random.chance(1.0 / 28_800.0) {
            storm = 20 + random.exponential(60.0) as u32;
        }
        let probability = if storm > 0 { 0.1 } else { 0.0005 };
        storm = storm.saturating_sub(1);
        Some(random.binomial(*requests, probability) as f64)
    };
    requests.iter().map(second).collect()
}

/// Busy time as the load makes it, with noise, a second's jitter, and a job each five minutes.
fn cpu(random: &mut Random, total: &[u64]) -> Vec<Option<f64>> {
    let second = |(second, total): (usize, &u64)| {
        let job = if second % 300 < 4 { 0.2 } else { 0.0 };
        let work = 0.012 + *total as f64 * 4e-5 + job;
        Some((work * (0.08 * random.normal()).exp()).min(2.0))
    };
    total.iter().enumerate().map(second).collect()
}

/// A sawtooth: each request leaves something behind, now and then much is freed, and the allocator gives whole units.
fn memory(random: &mut Random, total: &[u64], unit: f64) -> Vec<Option<f64>> {
    let floor = 180e6 + 100e6 * random.uniform();
    let mut bytes = floor;
    let second = |total: &u64| {
        bytes += *total as f64 * random.exponential(60.0);
        if random.chance(0.3) {
            bytes -= random.exponential(40_000.0);
        }
        if bytes > floor + 120e6 {
            bytes = floor + random.exponential(10e6);
        }
        bytes = bytes.max(floor);
        Some((bytes / unit).round() * unit)
    };
    total.iter().map(second).collect()
}

/// Answers of some kilobytes, log-normal, summed over a second.
fn bytes_sent(random: &mut Random, total: &[u64]) -> Vec<Option<f64>> {
    let second = |total: &u64| {
        let n = *total as f64;
        let sum = 3_800.0 * n + 5_000.0 * n.sqrt() * random.normal();
        Some(sum.max(200.0 * n).round())
    };
    total.iter().map(second).collect()
}

/// Connections come and stay.
fn open_files(random: &mut Random) -> Vec<Option<f64>> {
    let mut files: f64 = 64.0;
    let second = |_| {
        if random.chance(0.02) {
            files += if random.chance(0.5 + (64.0 - files) / 200.0) {
                1.0
            } else {
                -1.0
            };
        }
        Some(files)
    };
    (0..DAY).map(second).collect()
}

/// What a look once a second sees of a pool of 20: as many as the work needs, the rest queue.
fn pool_and_queue(
    random: &mut Random,
    total: &[u64],
    held: f64,
) -> (Vec<Option<f64>>, Vec<Option<f64>>) {
    let second = |total: &u64| {
        let wanted = random.poisson(*total as f64 * held);
        (
            Some(wanted.min(20) as f64),
            Some(wanted.saturating_sub(20) as f64),
        )
    };
    total.iter().map(second).unzip()
}

/// Hits among the look-ups of a second, of a cache that is emptied a few times a day.
fn hit_ratio(random: &mut Random, total: &[u64], share: f64) -> Vec<Option<f64>> {
    let best = 0.7 + 0.29 * random.uniform();
    let mut warm = 0.0;
    let second = |total: &u64| {
        if random.chance(1.0 / 20_000.0) {
            warm = 0.0;
        }
        warm += (1.0 - warm) * 0.005;
        let lookups = random.poisson(*total as f64 * share);
        let hits = random.binomial(lookups, best * warm);
        (lookups > 0).then(|| hits as f64 / lookups as f64)
    };
    total.iter().map(second).collect()
}

/// A cache that fills up to its bound, and loses entries as they expire.
fn entries(random: &mut Random) -> Vec<Option<f64>> {
    let bound = 2_000.0 + (20_000.0 * random.uniform()).round();
    let mut entries = 0.0f64;
    let second = |_| {
        entries += random.poisson(6.0) as f64;
        entries -= random.poisson(entries * 0.0004) as f64;
        entries = entries.clamp(0.0, bound);
        Some(entries)
    };
    (0..DAY).map(second).collect()
}

/// Statements: each request makes some.
fn queries(random: &mut Random, total: &[u64], part: u32) -> Vec<Option<f64>> {
    let second = |total: &u64| {
        let requests = random.binomial(*total, 1.0 / f64::from(part));
        Some((requests + 2 * random.binomial(*total, 0.2)) as f64)
    };
    total.iter().map(second).collect()
}
