//! Predictions against the real engines, on traces made with fixed seeds.

use super::*;

/// A trace's keys.
type Trace = Vec<u64>;

fn drawn(seed: &mut u64) -> f64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 11) as f64 / (1_u64 << 53) as f64
}

/// Ranks with a probability that falls with the rank's power, `drift` ranks further each look-up.
fn zipf(keys: usize, power: f64, lookups: usize, drift: f64) -> Trace {
    let mut sum = 0.0;
    let bounds: Vec<f64> = (1..=keys)
        .map(|rank| {
            sum += (rank as f64).powf(-power);
            sum
        })
        .collect();
    let mut seed = 7;
    (0..lookups)
        .map(|at| {
            let draw = drawn(&mut seed) * sum;
            let rank = bounds.partition_point(|bound| *bound < draw);
            rank as u64 + (at as f64 * drift) as u64
        })
        .collect()
}

fn with_scans(mut trace: Trace) -> Trace {
    for (next, key) in (1 << 40..).zip(trace.iter_mut().step_by(5)) {
        *key = next;
    }
    trace
}

fn cycle(keys: u64, lookups: u64) -> Trace {
    (0..lookups).map(|at| at % keys).collect()
}

fn evictions() -> Vec<Eviction> {
    vec![
        Eviction::Default,
        #[cfg(feature = "moka")]
        Eviction::Lru,
        #[cfg(feature = "moka")]
        Eviction::TinyLfu,
    ]
}

fn hash(key: u64) -> u64 {
    use std::hash::BuildHasher as _;
    foldhash::quality::FixedState::with_seed(1).hash_one(key)
}

/// How far off each prediction is, with what it allowed itself.
fn errors(
    trace: &Trace,
    capacities: &[u64],
    ttl: Option<Duration>,
    pace: Duration,
) -> Vec<(f64, f64)> {
    let candidates: Vec<_> = evictions()
        .into_iter()
        .flat_map(|eviction| {
            let candidate = move |capacity: &u64| Candidate {
                eviction,
                capacity: *capacity,
                ttl,
            };
            capacities.iter().map(candidate)
        })
        .collect();
    let mut estimator = Estimator::new(&candidates);
    let mut replays: Vec<_> = candidates.iter().map(Replay::new).collect();
    for (at, key) in trace.iter().enumerate() {
        let at = pace * at as u32;
        estimator.look_up(hash(*key), at);
        for replay in &mut replays {
            replay.look_up(&key.to_string(), at);
        }
    }
    let predictions = estimator.predictions();
    predictions
        .iter()
        .zip(&replays)
        .map(|(prediction, replay)| {
            let (predicted, measured) =
                (prediction.hit_ratio.unwrap(), replay.hit_ratio().unwrap());
            ((predicted - measured).abs(), prediction.error.unwrap())
        })
        .collect()
}

#[test]
fn predictions_are_near_what_the_engines_do() {
    let lookups = 100_000;
    let mut all = Vec::new();
    for (name, trace) in [
        ("zipf 0.7", zipf(20_000, 0.7, lookups, 0.0)),
        ("zipf 0.9", zipf(20_000, 0.9, lookups, 0.0)),
        ("zipf 1.1", zipf(20_000, 1.1, lookups, 0.0)),
        ("drifting", zipf(20_000, 0.9, lookups, 0.05)),
        ("with scans", with_scans(zipf(20_000, 0.9, lookups, 0.0))),
        ("a cycle", cycle(5_000, lookups as u64)),
    ] {
        let errors = errors(&trace, &[500, 6_000], None, Duration::ZERO);
        let worst = errors.iter().map(|(off, _)| *off).fold(0.0, f64::max);
        assert!(worst <= 0.04, "{name}: {worst:.4}");
        all.extend(errors);
    }
    let mean = all.iter().map(|(off, _)| off).sum::<f64>() / all.len() as f64;
    assert!(mean <= 0.01, "{mean:.4} off on average");
    let within = all.iter().filter(|(off, allowed)| *off <= *allowed).count();
    assert!(
        within * 10 >= all.len() * 8,
        "{within} of {} within their bands",
        all.len()
    );
}

#[test]
fn a_time_to_live_is_predicted_by_the_look_ups_own_time() {
    let trace = zipf(20_000, 0.9, 100_000, 0.0);
    // 100 s in all.
    let pace = Duration::from_millis(1);
    for seconds in [5, 30] {
        let ttl = Some(Duration::from_secs(seconds));
        for (off, _) in errors(&trace, &[1_000, 8_000], ttl, pace) {
            assert!(off <= 0.02, "{off:.4} with {seconds} s");
        }
    }
}

#[test]
fn a_cache_no_larger_than_a_miniature_is_the_thing_itself() {
    let trace = zipf(20_000, 0.9, 60_000, 0.0);
    let candidate = Candidate {
        eviction: Eviction::Default,
        capacity: PLACES,
        ttl: None,
    };
    let (mut estimator, mut replay) = (Estimator::new(&[candidate]), Replay::new(&candidate));
    for key in &trace {
        estimator.look_up(hash(*key), Duration::ZERO);
        replay.look_up(&key.to_string(), Duration::ZERO);
    }
    let predicted = estimator.predictions()[0];
    assert_eq!(predicted.error, Some(0.005), "none of the sample's");
    let off = predicted.hit_ratio.unwrap() - replay.hit_ratio().unwrap();
    // The hashes differ, and so the shards that keys fall into.
    assert!(off.abs() < 0.005, "{off}");
}

#[test]
fn with_few_look_ups_nothing_is_said() {
    let candidate = |capacity| Candidate {
        eviction: Eviction::Default,
        capacity,
        ttl: None,
    };
    let mut estimator = Estimator::new(&[candidate(100), candidate(100_000_000)]);
    for key in 0..LOOKUPS {
        assert!(
            estimator
                .predictions()
                .iter()
                .all(|said| said.hit_ratio.is_none())
        );
        estimator.look_up(hash(key % 50), Duration::ZERO);
    }
    let said = estimator.predictions();
    assert!(said[0].hit_ratio > Some(0.99));
    assert_eq!(
        said[1].hit_ratio, None,
        "of fifty keys none, or one, is in the sample"
    );
    assert!(estimator.bytes() < 1 << 20);
}
