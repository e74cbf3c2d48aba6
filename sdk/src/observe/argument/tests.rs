use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;

use super::*;

fn arguments(value: i64) -> Arguments {
    let mut arguments = PgArguments::default();
    arguments.add(value).unwrap();
    Arguments::Postgres(arguments)
}

#[test]
fn a_few_calls_of_a_statement_are_kept_and_forgotten_after_ten_minutes() {
    let samples = Samples::default();
    for call in 0..1_000 {
        samples.offer(1, call / 10, || Some((arguments(4_711), 100)));
    }
    assert_eq!(samples.of(1).len(), CALLS);
    assert_eq!(samples.bytes(), CALLS * (100 + BESIDE));
    samples.turn_on();
    samples.age(99 + SECONDS);
    assert_eq!((samples.of(1).len(), samples.bytes()), (0, 0));
    assert!(!format!("{samples:?}").contains("4711"));
}

#[test]
fn all_calls_have_about_the_same_chance() {
    let samples = Samples::default();
    let mut taken = Vec::new();
    for call in 0..10_000_u64 {
        samples.offer(1, 0, || {
            taken.push(call);
            Some((arguments(0), 1))
        });
    }
    let late = taken.iter().filter(|call| **call > 1_000).count();
    assert!((5..60).contains(&late), "{late} of {}", taken.len());
}

#[test]
fn neither_statements_nor_bytes_are_without_bound() {
    let samples = Samples::default();
    for statement in 0..5_000 {
        samples.offer(statement, 0, || Some((arguments(1), LARGEST)));
    }
    assert!(samples.bytes() <= MAX_BYTES);
    assert!(samples.statements.lock().unwrap().len() <= MAX_STATEMENTS);
    samples.close();
    assert_eq!(samples.bytes(), 0);
}
