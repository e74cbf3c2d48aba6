//! What a deck predicts of its caches while they are used, and what that takes.

use perfdeck_bridge::protocol::{
    BudgetLevel, CacheForecast, Evidence, ForecastSilence, Intent, LedgerStatus, Risk,
};

use super::caches::{apply, preview};
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
fn capacity_goes_where_it_saves_most_and_comes_back() {
    let (mut agent, hand) = by_hand();
    agent.hello.allows = vec![Risk::Cache];
    agent.budget.limits.cpu_percent = f64::INFINITY;
    agent.caches.policy("small", &Policy::new().capacity(100));
    agent
        .caches
        .policy("roomy", &Policy::new().capacity(20_000));
    let small = agent.caches.namespace("small");
    let roomy = agent.caches.namespace("roomy");
    let refused = preview(&mut agent, Intent::OptimizeCaches).unwrap_err();
    assert!(refused.message.contains("nothing to gain"), "{refused:?}");
    let mut keys = Keys(1);
    for _ in 0..30 {
        second(&mut agent, &hand, &[&small, &roomy], &mut keys, 400);
    }
    let capacities = |agent: &Agent| {
        let rows = agent.caches.rows();
        let of = |name: &str| rows.iter().find(|row| *row.name == *name).unwrap();
        let bytes = |name| {
            let row = of(name);
            row.policy.capacity * row.bytes / row.entries
        };
        (
            [of("small"), of("roomy")].map(|row| row.policy.capacity),
            bytes("small") + bytes("roomy"),
        )
    };
    let (before, whole) = capacities(&agent);
    assert_eq!(before, [100, 20_000]);
    let shown = preview(&mut agent, Intent::OptimizeCaches).unwrap();
    assert_eq!(capacities(&agent).0, before, "a preview changes nothing");
    assert_eq!(
        shown.undo.statement,
        "let caches hold again: `roomy` 20000 entries, `small` 100 entries"
    );
    assert!(
        shown
            .expected
            .as_ref()
            .is_some_and(|expected| expected.contains("ms more of loading a second"))
    );
    let done = apply(&mut agent, &shown);
    assert_eq!(
        (done.status, done.message.as_str()),
        (LedgerStatus::Done, "2 caches resized")
    );
    let ([now_small, now_roomy], now_whole) = capacities(&agent);
    assert!(
        now_small >= 800 && now_roomy < 20_000,
        "{now_small}, {now_roomy}"
    );
    let spread = now_whole as f64 / whole as f64;
    assert!((0.97..1.01).contains(&spread), "{spread} of what they held");
    let held = agent.caches.rows();
    let held = held.iter().find(|row| &*row.name == "roomy").unwrap();
    assert!(
        held.entries <= now_roomy && held.evictions == 0,
        "nothing had to go: {held:?}"
    );

    let back = preview(&mut agent, Intent::Undo(done.id)).unwrap();
    assert_eq!(back.title, "put back the capacities of caches");
    let undone = apply(&mut agent, &back);
    assert_eq!(
        (undone.status, undone.undo_of),
        (LedgerStatus::Done, Some(done.id))
    );
    assert_eq!(capacities(&agent).0, before);
    let row = agent.ledger.row(done.id).unwrap();
    assert_eq!((row.status, &row.undo), (LedgerStatus::Undone, &None));

    // Whoever changed one of them meanwhile is not overruled.
    second(&mut agent, &hand, &[&small, &roomy], &mut keys, 400);
    let shown = preview(&mut agent, Intent::OptimizeCaches).unwrap();
    let from = agent.caches.changed("small").unwrap();
    let to = crate::cache::Changed {
        capacity: Some(150),
        ..from
    };
    assert!(agent.caches.change("small", from, to));
    assert_eq!(apply(&mut agent, &shown).status, LedgerStatus::Refused);
    assert_eq!(capacities(&agent).0, [150, 20_000]);
}

#[test]
fn what_is_over_goes_when_it_is_asked_for() {
    let (mut agent, _) = by_hand();
    agent.hello.allows = vec![Risk::Cache];
    let policy = Policy::new().ttl(Duration::from_millis(1));
    agent.caches.policy("users", &policy);
    let users = agent.caches.namespace("users");
    (0..10).for_each(|key| users.insert(&key, key));
    std::thread::sleep(Duration::from_millis(20));
    let shown = preview(&mut agent, Intent::OptimizeCaches).unwrap();
    assert_eq!(shown.statement, "drop 10 entries whose time is over");
    assert_eq!(shown.undo.statement, "");
    let done = apply(&mut agent, &shown);
    assert_eq!(done.message, "dropped 10 entries that were over");
    assert_eq!(done.undo, None);
    let rows = agent.caches.rows();
    let row = rows.iter().find(|row| &*row.name == "users").unwrap();
    assert_eq!((row.bytes, row.left_expired, row.evictions), (0, 10, 0));
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
