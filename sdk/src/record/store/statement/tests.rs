use super::*;
use crate::record::recorder::SHARD_BYTES;
use crate::record::room::{Budget, Room};

/// What one drain brings of a statement that each of so many requests ran `calls` times.
fn sums(statement: u64, calls: &[u64]) -> StatementSums {
    let mut room = Room::new(Box::leak(Box::new(Budget::new(SHARD_BYTES))));
    let mut repeats = Buckets::default();
    for calls in calls.iter().filter(|calls| **calls > 1) {
        repeats.record(*calls, &mut room);
    }
    let all: u64 = calls.iter().sum();
    StatementSums {
        manner: Manner::default(),
        statement,
        requests: calls.len() as u64,
        calls: all,
        nanos: all * 1_000,
        repeats: Some(Box::new(repeats)),
    }
}

fn add(ran: &mut Ran, sums: &StatementSums, second: u64) {
    ran.add_all(sums.calls, sums.nanos);
    ran.add(sums, second);
}

#[test]
fn calls_in_a_request_are_told_as_they_were() {
    for calls in [
        &[1, 1, 1, 24, 24][..],
        &[200; 7],
        &[1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144],
        &[1, 100_000],
    ] {
        let mut exact = Histogram::new();
        calls.iter().for_each(|calls| exact.record_many(*calls, 1));
        let mut halves = [Ran::default(), Ran::default()];
        for (place, calls) in calls.iter().enumerate() {
            add(&mut halves[place % 2], &sums(7, &[*calls]), 1);
        }
        let merged = Ran::merged(&halves);
        let [statement] = &merged.statements[..] else {
            panic!("{merged:?}")
        };
        assert_eq!(statement.per_request, quantities(&exact), "{calls:?}");
        assert_eq!(statement.calls, calls.iter().sum::<u64>());
    }
}

#[test]
fn what_is_repeated_is_counted_and_bounded() {
    let mut ran = Ran::default();
    for statement in 0..100 {
        let calls: Vec<u64> = (0..2_000).map(|call| 2 + call * call).collect();
        add(&mut ran, &sums(statement, &calls), 1);
    }
    let records = ran.statements.iter().map(|record| {
        assert!(record.repeats.requests.capacity() <= 2 * MAX_REPEATS);
        let told: u64 = record
            .repeats
            .requests
            .iter()
            .map(|(_, requests)| u64::from(*requests))
            .sum();
        assert_eq!(told, 2_000);
        size_of_val(&record.repeats.requests[..])
    });
    let least = records.sum::<usize>() + size_of_val(&ran.statements[..]);
    assert!((least..3 * least).contains(&ran.bytes()), "{}", ran.bytes());
}

#[test]
fn a_statement_that_rests_makes_room_for_one_that_runs() {
    let mut ran = Ran::default();
    let places = MAX_ROUTE_STATEMENTS as u64;
    for statement in 0..places {
        add(&mut ran, &sums(statement, &[1; 9]), statement);
    }
    let told = |ran: &Ran, statement| {
        let statements = Ran::merged([ran]).statements;
        statements.iter().any(|told| told.query == statement)
    };
    add(&mut ran, &sums(1_000, &[1]), places);
    assert!(!told(&ran, 1_000), "all others ran a moment ago");
    add(&mut ran, &sums(1_001, &[1]), IDLE_SECONDS);
    assert!(told(&ran, 1_001) && !told(&ran, 0), "the first has rested");
    assert!((1..places).all(|statement| told(&ran, statement)));
    let merged = Ran::merged([&ran]);
    assert_eq!(merged.calls, 9 * places + 2, "none is lost to the sums");
    let listed: u64 = merged.statements.iter().map(|told| told.calls).sum();
    assert_eq!(listed, 9 * (places - 1) + 1);
}
