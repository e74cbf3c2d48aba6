//! The rules about caches, by given forecasts.

use perfdeck_bridge::protocol::ForecastSilence;

use super::*;

fn said(capacity: u64, hit_ratio: f64) -> Forecast {
    Forecast {
        capacity,
        eviction: "default".into(),
        ttl_seconds: Some(300.0),
        hit_ratio,
        error: 0.01,
        // 100 look-ups a second, loads of 20 ms.
        saved_seconds_per_second: (hit_ratio - 0.6) * 2.0,
    }
}

/// A full cache of 2,000 entries that hits 60 % of the look-ups, with the forecast that a rule is about.
fn cache(change: impl FnOnce(&mut Cache, &mut CacheForecast)) -> Cache {
    let mut cache = Cache {
        namespace: "analytics".into(),
        hits: 3_600,
        misses: 2_400,
        load_seconds: 0.02,
        entries: 2_000,
        bytes: 8 << 20,
        capacity: 2_000,
        eviction: "default".into(),
        ttl_seconds: Some(300.0),
        evictions_per_second: 30.0,
        age_p50_seconds: Some(90.0),
        ..Cache::default()
    };
    let mut forecast = CacheForecast {
        lookups: 60_000,
        measured: Some(0.6),
        predicted: Some(0.6),
        capacities: [500, 1_000, 2_000, 4_000, 8_000, 16_000]
            .map(|capacity| said(capacity, 0.6))
            .to_vec(),
        ..CacheForecast::default()
    };
    for (said, hits) in forecast.capacities.iter_mut().zip([0.3, 0.45]) {
        said.hit_ratio = hits;
    }
    change(&mut cache, &mut forecast);
    cache.forecast = Some(forecast);
    cache
}

fn window(cache: Cache) -> Window {
    Window {
        wait_seconds: 300.0,
        caches: vec![cache],
        ..Window::default()
    }
}

/// The rules that say something, with the policy they tell.
fn found(change: impl FnOnce(&mut Cache, &mut CacheForecast)) -> Vec<(String, String)> {
    look(&window(cache(change)))
        .map(|finding| {
            let Evidence::Cache(evidence) = finding.evidence else {
                panic!("{finding:?}")
            };
            (finding.kind, evidence.policy)
        })
        .collect()
}

fn one(kind: &str, policy: &str) -> Vec<(String, String)> {
    vec![(kind.to_owned(), policy.to_owned())]
}

fn larger(forecast: &mut CacheForecast, hits: [f64; 3]) {
    for (capacity, hits) in [4_000, 8_000, 16_000].into_iter().zip(hits) {
        let at = forecast
            .capacities
            .iter()
            .position(|said| said.capacity == capacity);
        forecast.capacities[at.unwrap()] = said(capacity, hits);
    }
}

#[test]
fn a_cache_that_is_as_good_as_any_is_no_finding() {
    assert_eq!(found(|_, _| {}), []);
}

#[test]
fn the_smallest_capacity_that_brings_most_is_told_as_code() {
    let found = found(|_, forecast| larger(forecast, [0.7, 0.88, 0.9]));
    let policy = "Policy::new().ttl(Duration::from_secs(300)).capacity(8_000)";
    assert_eq!(found, one("cache_too_small", policy));
}

#[test]
fn what_a_larger_cache_saves_is_told_in_seconds_and_as_a_share_of_the_users_wait() {
    let window = window(cache(|_, forecast| larger(forecast, [0.7, 0.88, 0.9])));
    let finding = look(&window).next().unwrap();
    assert_eq!(
        finding.title,
        "cache analytics: capacity 2 000 -> 8 000, hits 60 % -> 88 % +- 1, saves 560 ms of loading a second"
    );
    let Evidence::Cache(evidence) = &finding.evidence else {
        panic!("{finding:?}")
    };
    assert_eq!(evidence.curve.len(), 6, "the evidence is the curve");
    assert_eq!(evidence.memory_bytes, 24.0 * 1_048_576.0);
    // 0.56 s a second, of five that users wait.
    assert!((finding.impact.wait_share - 0.112).abs() < 1e-9);
    assert_eq!(finding.confidence, Confidence::Estimated);
}

#[test]
fn a_larger_cache_that_brings_less_than_it_may_be_off_by_is_none() {
    let found = |hits, error, load: f64| {
        found(move |_, forecast| {
            larger(forecast, [hits; 3]);
            for said in &mut forecast.capacities {
                said.error = error;
                said.saved_seconds_per_second *= load;
            }
        })
    };
    assert_eq!(found(0.65, 0.03, 1.0), []);
    assert_eq!(found(0.65, 0.01, 1.0).len(), 1);
    assert_eq!(
        found(0.65, 0.01, 0.01),
        [],
        "loads that take next to nothing"
    );
}

#[test]
fn nothing_is_said_where_the_forecast_is_not_sure_of_itself() {
    for silence in [
        ForecastSilence::TooFewLookups,
        ForecastSilence::NeverFull,
        ForecastSilence::Off,
        ForecastSilence::Unsure,
        ForecastSilence::NoRoom,
        ForecastSilence::NotSampled,
    ] {
        let found = found(|_, forecast| {
            larger(forecast, [0.7, 0.88, 0.9]);
            forecast.silence = Some(silence);
        });
        assert_eq!(found, [], "{silence:?}");
    }
    let unknown = Cache {
        forecast: None,
        ..cache(|_, _| {})
    };
    assert_eq!(look(&window(unknown)).count(), 0);
}

#[test]
fn a_cache_that_hits_as_often_at_half_its_size_is_too_large() {
    let shrink = |cache: &mut Cache, forecast: &mut CacheForecast| {
        cache.stale_seconds = 30.0;
        forecast.capacities[1] = said(1_000, 0.598);
    };
    let policy = "Policy::new().ttl(Duration::from_secs(300)).capacity(1_000)\
                  .stale_while_revalidate(Duration::from_secs(30))";
    assert_eq!(found(shrink), one("cache_too_large", policy));
    // Half of 100 kB is not worth a word.
    let small = |cache: &mut Cache, forecast: &mut CacheForecast| {
        shrink(cache, forecast);
        cache.bytes = 100_000;
    };
    assert_eq!(found(small), []);
}

#[test]
fn another_eviction_is_told_where_it_hits_more_often() {
    let other = |hits: f64| {
        move |_: &mut Cache, forecast: &mut CacheForecast| {
            forecast.evictions = vec![Forecast {
                eviction: "tiny_lfu".into(),
                ..said(2_000, hits)
            }];
        }
    };
    let policy =
        "Policy::new().ttl(Duration::from_secs(300)).capacity(2_000).eviction(Eviction::TinyLfu)";
    assert_eq!(found(other(0.7)), one("cache_eviction", policy));
    assert_eq!(found(other(0.63)), []);
}

#[test]
fn a_longer_time_to_live_is_told_only_where_changes_are_announced_and_entries_grow_old() {
    let longer = |invalidations: f64, age: Option<f64>| {
        found(move |cache, forecast| {
            cache.invalidations_per_second = invalidations;
            cache.age_p50_seconds = age;
            forecast.silence = Some(ForecastSilence::NeverFull);
            forecast.ttls = vec![Forecast {
                ttl_seconds: Some(1_200.0),
                ..said(2_000, 0.85)
            }];
        })
    };
    let policy = "Policy::new().ttl(Duration::from_secs(1_200)).capacity(2_000)";
    assert_eq!(longer(0.2, Some(90.0)), one("cache_ttl_too_short", policy));
    assert_eq!(longer(0.0, Some(90.0)), [], "nobody says when it changes");
    assert_eq!(longer(0.2, Some(9.0)), [], "entries don't live so long");
    assert_eq!(longer(0.2, None), [], "nobody knows how long they live");
}

#[test]
fn a_cache_that_hardly_answers_is_told_unless_another_policy_would_help() {
    let low = |cache: &mut Cache, forecast: &mut CacheForecast| {
        (forecast.measured, forecast.predicted) = (Some(0.08), Some(0.08));
        forecast.capacities = vec![said(2_000, 0.08), said(16_000, 0.09)];
        cache.hits = 480;
    };
    let kinds = |found: Vec<(String, String)>| found.into_iter().map(|(kind, _)| kind);
    assert!(kinds(found(low)).eq(["cache_low_hit_rate"]));
    let helped = |cache: &mut Cache, forecast: &mut CacheForecast| {
        low(cache, forecast);
        forecast.capacities[1] = said(16_000, 0.7);
    };
    assert!(kinds(found(helped)).eq(["cache_too_small"]));
}

#[test]
fn callers_that_wait_for_others_loads_are_a_stampede_or_one_hot_key() {
    let waits = |hottest, stale, joined| {
        found(move |cache, _| {
            (cache.joined_per_second, cache.load_seconds) = (joined, 0.2);
            (cache.hottest, cache.stale_seconds) = (hottest, stale);
        })
    };
    let policy = "Policy::new().ttl(Duration::from_secs(240)).capacity(2_000)\
                  .stale_while_revalidate(Duration::from_secs(60))";
    assert_eq!(
        waits((0.05, 5_000), 0.0, 4.0),
        one("cache_stampede", policy)
    );
    assert_eq!(waits((0.7, 5_000), 0.0, 4.0), one("cache_hot_key", policy));
    assert_eq!(
        waits((0.7, 20), 0.0, 4.0),
        one("cache_stampede", policy),
        "of too few hits it isn't known"
    );
    assert_eq!(waits((0.7, 5_000), 60.0, 4.0), [], "it is refreshed beside");
    assert_eq!(waits((0.7, 5_000), 0.0, 0.4), [], "hardly anybody waits");
}
