//! The look-ups of responses are sampled for the forecast as those of values are.

use super::*;
use crate::cache::Lookup;
use crate::cache::curve::forecast::{Forecaster, Load, Setup};

fn sampled(bench: &Bench) -> Vec<Lookup> {
    let taken = bench.caches.sampled("http", Lookup::room()).unwrap();
    assert_eq!(taken.dropped, 0);
    taken.lookups
}

#[tokio::test]
async fn each_look_up_is_sampled_once_with_the_time_that_its_response_is_fresh() {
    let bench = Bench::saying(&[]);
    bench.caches.sample("http", Some(0));
    bench.get(&[]).await;
    bench.get(&[]).await;
    bench.send("GET", "/a?page=2", &[]).await;
    let seen = sampled(&bench);
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(seen[0].hash, seen[1].hash);
    assert_ne!(seen[0].hash, seen[2].hash);
    assert!(seen.iter().all(|seen| seen.own_ttl == 100_000), "{seen:?}");
    assert_eq!(seen[0].stamp, seen[1].stamp);
    bench.send("POST", "/a", &[]).await;
    bench.get(&[]).await;
    let after = sampled(&bench);
    assert_eq!(after.len(), 1);
    assert_ne!(after[0].stamp, seen[0].stamp, "a write has invalidated it");
}

#[tokio::test]
async fn what_the_cache_of_responses_answers_is_predicted() {
    let bench = Bench::saying(&[("cache-control", "max-age=30")]);
    let policy = Policy::new().capacity_bytes(400_000);
    bench.caches.policy("http", &policy);
    let mut seed = 5_u64;
    let mut page = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        400_f64.powf((seed >> 11) as f64 / (1_u64 << 53) as f64) as u64
    };
    bench.get(&[]).await;
    let first = bench.row();
    let setup = Setup::of(&first);
    // Its capacity is in bytes, so a mean size has to be known first.
    assert_eq!(setup, None);
    for number in 0..200 {
        bench.send("GET", &format!("/a?page={number}"), &[]).await;
    }
    let first = bench.row();
    let setup = Setup::of(&first).unwrap();
    let mut forecaster = Forecaster::new(&bench.caches, &first, setup, (1_024, 0), 0);
    for second in 1..=240 {
        for _ in 0..100 {
            bench.send("GET", &format!("/a?page={}", page()), &[]).await;
        }
        bench.pass(1);
        let taken = bench.caches.sampled("http", Lookup::room()).unwrap();
        forecaster.take(&taken, &bench.row(), second, Load::default());
    }
    let told = forecaster.told();
    let (measured, predicted) = (told.measured.unwrap(), told.predicted.unwrap());
    assert!((0.3..0.98).contains(&measured), "{told:?}");
    assert!((measured - predicted).abs() < 0.02, "{told:?}");
}
