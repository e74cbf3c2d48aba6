//! What a deck says of what has no cache, and what that takes.

use perfdeck_bridge::protocol::{BudgetLevel, Evidence, Finding, MissingCache};

use super::time::by_hand;
use super::*;
use crate::agent::Agent;
use crate::cache::CacheKey as _;
use crate::clock::Hand;
use crate::observe::monitor::{Answer, ByHash as _, Function};

/// A function of one test's own: it is numbered once, by one deck.
macro_rules! report {
    () => {{
        static REPORT: Function = Function::new("desk::report").cacheable(", key = \"id\"");
        &REPORT
    }};
}

/// Calls it, for 2 ms.
fn call(agent: &Agent, hand: &Hand, function: &'static Function, key: u64, answer: u64) {
    let call = function.call_in(agent.eyes);
    let repeating = call.asked(|writer| key.write(writer));
    hand.pass(Duration::from_millis(2));
    if repeating.is_watched() {
        call.answered(repeating, (&&Answer(&answer)).digest());
    }
}

/// A second with so many calls.
fn second(agent: &mut Agent, hand: &Hand, mut calls: impl FnMut(&Agent)) {
    let begun = agent.clock.now();
    calls(agent);
    let taken = agent.clock.now().since(begun);
    hand.pass(Duration::from_secs(1).saturating_sub(taken));
    agent.tick();
}

fn found(agent: &Agent) -> Vec<(&Finding, &MissingCache)> {
    let findings = agent.verdicts.findings.iter();
    let missing = findings.filter_map(|finding| match &finding.evidence {
        Evidence::MissingCache(evidence) => Some((finding, evidence)),
        _ => None,
    });
    missing.collect()
}

#[test]
fn a_function_that_returns_the_same_again_and_again_becomes_advice_and_one_that_changes_doesnt() {
    static CHANGES: Function = Function::new("desk::changes").cacheable("");
    static SILENT: Function = Function::new("desk::silent");
    let report = report!();
    let (mut agent, hand) = by_hand();
    agent.budget.limits.cpu_percent = f64::INFINITY;
    let mut turn = 0;
    for _ in 0..40 {
        second(&mut agent, &hand, |agent| {
            for _ in 0..50 {
                turn += 1;
                call(agent, &hand, report, turn % 40, turn % 40);
                call(agent, &hand, &CHANGES, turn % 40, turn);
                call(agent, &hand, &SILENT, 1, 1);
            }
        });
    }
    let [(finding, evidence)] = found(&agent)[..] else {
        panic!("{:?}", agent.verdicts.findings)
    };
    assert_eq!(evidence.name, "desk::report");
    assert_eq!(
        evidence.code,
        "#[perfdeck::cached(ttl = \"10s\", key = \"id\")]"
    );
    assert!(evidence.hit_ratio > 0.85, "{evidence:?}");
    // Fifty of two milliseconds a second, but for the misses.
    let saved = evidence.saved_seconds_per_second;
    assert!((0.08..0.1).contains(&saved), "{saved}");
    assert!(
        finding.title.starts_with("desk::report has no cache"),
        "{}",
        finding.title
    );
    assert!(agent.held_bytes() >= agent.trials.bytes() && agent.trials.bytes() > 0);
}

#[test]
fn what_is_not_called_or_changes_gives_up_its_seat_for_a_while() {
    let (mut agent, hand) = by_hand();
    agent.budget.limits.cpu_percent = f64::INFINITY;
    let report = report!();
    let mut turn = 0;
    let mut seated = Vec::new();
    for _ in 0..1_000 {
        second(&mut agent, &hand, |agent| {
            for _ in 0..5 {
                turn += 1;
                call(agent, &hand, report, 1, turn);
            }
        });
        seated.push(agent.eyes.repeats.any());
    }
    assert_eq!(found(&agent).len(), 0);
    let first = seated.iter().position(|seated| *seated).unwrap();
    let given_up = seated
        .iter()
        .skip(first)
        .position(|seated| !seated)
        .unwrap();
    assert!((320..400).contains(&given_up), "{given_up}");
    let rest = seated.iter().skip(first + given_up);
    let again = rest.clone().position(|seated| *seated).unwrap();
    assert!((590..=610).contains(&again), "{again}");
    for _ in 0..70 {
        second(&mut agent, &hand, |_| {});
    }
    assert!(!agent.eyes.repeats.any(), "it is called no more");
    assert_eq!(agent.trials.bytes(), 0);
}

#[test]
fn seats_stay_within_their_share_and_are_the_first_to_go() {
    static MANY: [Function; 12] = [
        const { Function::new("a").cacheable("") },
        const { Function::new("b").cacheable("") },
        const { Function::new("c").cacheable("") },
        const { Function::new("d").cacheable("") },
        const { Function::new("e").cacheable("") },
        const { Function::new("f").cacheable("") },
        const { Function::new("g").cacheable("") },
        const { Function::new("h").cacheable("") },
        const { Function::new("i").cacheable("") },
        const { Function::new("j").cacheable("") },
        const { Function::new("k").cacheable("") },
        const { Function::new("l").cacheable("") },
    ];
    let (mut agent, hand) = by_hand();
    agent.budget.limits.cpu_percent = f64::INFINITY;
    let all = |agent: &mut Agent| {
        second(agent, &hand, |agent| {
            for function in &MANY {
                (0..10).for_each(|key| call(agent, &hand, function, key, key));
            }
        });
    };
    (0..5).for_each(|_| all(&mut agent));
    let held = agent.trials.bytes();
    assert!(
        held > 0 && held <= agent.budget.limits.memory_bytes / 16,
        "{held}"
    );
    agent.budget.limits.memory_bytes = 1;
    while agent.budget.level() == BudgetLevel::Full {
        all(&mut agent);
    }
    all(&mut agent);
    assert_eq!(agent.trials.bytes(), 0);
    assert!(!agent.eyes.repeats.any());
}

#[test]
fn of_what_is_called_too_often_fewer_keys_are_looked_at_and_it_is_found_all_the_same() {
    let (mut agent, hand) = by_hand();
    agent.budget.limits.cpu_percent = f64::INFINITY;
    let report = report!();
    let quick = |agent: &Agent, key: u64| {
        let call = report.call_in(agent.eyes);
        let repeating = call.asked(|writer| key.write(writer));
        hand.pass(Duration::from_micros(100));
        if repeating.is_watched() {
            call.answered(repeating, (&&Answer(&key)).digest());
        }
    };
    let mut turn = 0;
    for _ in 0..60 {
        second(&mut agent, &hand, |agent| {
            for _ in 0..8_000 {
                turn += 1;
                quick(agent, turn % 3_000);
            }
        });
    }
    let [(_, evidence)] = found(&agent)[..] else {
        panic!("{:?}", agent.verdicts.findings)
    };
    assert!(evidence.hit_ratio > 0.9, "{evidence:?}");
    assert!(
        (0.6..=0.8).contains(&evidence.saved_seconds_per_second),
        "{evidence:?}"
    );
    agent.eyes.repeats.take(0, Vec::with_capacity(20_000));
    (0..8_000).for_each(|key| quick(&agent, key));
    let taken = agent.eyes.repeats.take(0, Vec::new()).unwrap();
    let sampled = taken.calls.len() as u64 + taken.dropped;
    assert!(
        (1..=2_500).contains(&sampled),
        "{sampled} of 8,000 a second"
    );
}

#[test]
fn where_it_is_turned_off_nothing_is_ever_watched() {
    let report = report!();
    let (mut agent, hand) = by_hand();
    agent.eyes.repeats.turn_off();
    for _ in 0..20 {
        second(&mut agent, &hand, |agent| {
            (0..100).for_each(|key| call(agent, &hand, report, key, key));
        });
        assert!(!agent.eyes.repeats.any());
    }
    assert_eq!(found(&agent).len(), 0);
}
