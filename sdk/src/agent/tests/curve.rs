//! What a deck predicts of its caches while they are used, and what that takes.

use perfdeck_bridge::protocol::{BudgetLevel, CacheForecast, Evidence, ForecastSilence};

use super::time::by_hand;
use super::*;
use crate::agent::Agent;
use crate::cache::{Namespace, Policy};
use crate::clock::Hand;

/// Keys of which each power of two is as likely as the next: the first few are most of it.
struct Keys(u64);

impl Keys {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        20_000_f64.powf((self.0 >> 11) as f64 / (1_u64 << 53) as f64) as u64
    }
}

/// Looks up for a second, and lets the agent look at it.
fn second(agent: &mut Agent, hand: &Hand, caches: &[&Namespace], keys: &mut Keys, lookups: u64) {
    let runtime = runtime();
    for _ in 0..lookups {
        let key = keys.next();
        for cache in caches {
            let load = || async move {
                std::thread::sleep(Duration::from_micros(100));
                Ok::<_, Infallible>(key)
            };
            assert_eq!(runtime.block_on(cache.get_or_load(&key, load)), Ok(key));
        }
    }
    hand.pass(Duration::from_secs(1));
    agent.tick();
}

fn forecast(agent: &Agent, namespace: &str) -> CacheForecast {
    let State::Caches(caches) = crate::publish::state(agent, Topic::Caches) else {
        panic!("other state")
    };
    let mut rows = caches.namespaces.into_iter();
    let row = rows.find(|row| row.namespace == namespace).unwrap();
    row.forecast.unwrap()
}

#[test]
fn a_cache_that_is_too_small_is_predicted_and_becomes_advice() {
    let (mut agent, hand) = by_hand();
    agent.budget.limits.cpu_percent = f64::INFINITY;
    agent.caches.policy("small", &Policy::new().capacity(100));
    let small = agent.caches.namespace("small");
    let mut keys = Keys(1);
    for _ in 0..25 {
        second(&mut agent, &hand, &[&small], &mut keys, 400);
        let said = forecast(&agent, "small");
        assert_eq!(said.silence, Some(ForecastSilence::TooFewLookups));
    }
    second(&mut agent, &hand, &[&small], &mut keys, 400);
    let said = forecast(&agent, "small");
    assert_eq!(said.silence, None, "{said:?}");
    let sizes = said.capacities.iter().map(|said| said.capacity);
    assert!(sizes.eq([25, 50, 100, 200, 400, 800]), "{said:?}");
    second(&mut agent, &hand, &[&small], &mut keys, 400);
    let found = agent.verdicts.findings.iter();
    let found = found.filter(|finding| finding.kind == "cache_too_small");
    let [finding] = &found.collect::<Vec<_>>()[..] else {
        panic!("{:?}", agent.verdicts.findings)
    };
    let Evidence::Cache(evidence) = &finding.evidence else {
        panic!("{finding:?}")
    };
    assert_eq!(evidence.policy, "Policy::new().capacity(800)");
    assert!(finding.score_points > 0.0);
}

#[test]
fn predictions_stay_within_their_share_and_are_the_first_to_go() {
    let (mut agent, hand) = by_hand();
    agent.budget.limits.cpu_percent = f64::INFINITY;
    let names: Vec<String> = (0..20).map(|number| format!("cache {number}")).collect();
    let caches: Vec<_> = names
        .iter()
        .map(|name| agent.caches.namespace(name))
        .collect();
    let caches: Vec<_> = caches.iter().collect();
    let mut keys = Keys(2);
    for _ in 0..3 {
        second(&mut agent, &hand, &caches, &mut keys, 20);
    }
    let held = agent.curves.bytes();
    assert!(
        held > 0 && held <= agent.budget.limits.memory_bytes / 8,
        "{held}"
    );
    assert!(agent.held_bytes() >= held, "it is counted");
    let silent = |agent: &Agent, silence| {
        let said = names.iter().map(|name| forecast(agent, name).silence);
        said.filter(|said| *said == Some(silence)).count()
    };
    let told = silent(&agent, ForecastSilence::TooFewLookups);
    assert!((1..=8).contains(&told), "{told}");
    assert_eq!(silent(&agent, ForecastSilence::NoRoom), names.len() - told);

    agent.budget.limits.memory_bytes = 1;
    while agent.budget.level() == BudgetLevel::Full {
        second(&mut agent, &hand, &caches, &mut keys, 1);
    }
    assert_eq!(agent.budget.level(), BudgetLevel::CoarseHistory);
    second(&mut agent, &hand, &caches, &mut keys, 20);
    assert_eq!(agent.curves.bytes(), 0);
    assert_eq!(silent(&agent, ForecastSilence::NoRoom), names.len());
    for name in &names {
        let taken = agent.caches.sampled(name, Vec::new()).unwrap();
        assert_eq!((taken.lookups.len(), taken.dropped), (0, 0), "{name}");
    }
}

#[test]
fn where_look_ups_are_too_many_fewer_keys_are_sampled() {
    let (mut agent, hand) = by_hand();
    agent.budget.limits.cpu_percent = f64::INFINITY;
    let busy = agent.caches.namespace("busy");
    for _ in 0..12 {
        for key in 0..20_000_u64 {
            if busy.get::<u64>(&key).is_none() {
                busy.insert(&key, key);
            }
        }
        hand.pass(Duration::from_secs(1));
        agent.tick();
    }
    let taken = agent.caches.sampled("busy", Vec::new()).unwrap();
    assert_eq!(taken.lookups.len(), 0, "the agent took them");
    agent.caches.sampled("busy", Vec::with_capacity(20_000));
    for key in 0..20_000_u64 {
        let _ = busy.get::<u64>(&key);
    }
    let taken = agent.caches.sampled("busy", Vec::new()).unwrap();
    let sampled = taken.lookups.len() as u64 + taken.dropped;
    assert!(
        (1..=3_000).contains(&sampled),
        "{sampled} of 20,000 a second"
    );
}
