//! Statements whose text is at fault, and the ones beside them that only look so.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use perfdeck::Deck;

use crate::desk;

/// How long it may take until all is told: a first round of questions, and a second for what came late.
const PATIENCE: Duration = Duration::from_secs(90);

/// Tells this file's desks from another's.
enum Texts {}

/// What is wrong on each database, ...
const BOTH: [&str; 4] = [
    "SELECT id FROM letters WHERE code LIKE '%7777%'",
    "SELECT id FROM letters ORDER BY id LIMIT 20 OFFSET 39000",
    "SELECT id FROM letters WHERE sender > 5",
    "SELECT * FROM letters WHERE id < 2000 LIMIT 500",
];
/// ... and what is not: a small table, a list, a look-up, an aggregate.
const RIGHT: [&str; 4] = [
    "SELECT id FROM flags WHERE code LIKE '%7%'",
    "SELECT id FROM letters WHERE id = 5 OR id = 6",
    "SELECT * FROM letters WHERE id = 7",
    "SELECT count(*) FROM letters",
];

/// Runs the statements until these kinds are told of texts, and no other.
async fn check(
    deck: &Deck,
    run: impl AsyncFn(&'static str),
    own: &[&'static str],
    expect: &[&str],
) {
    let expect: BTreeSet<String> = expect.iter().map(|kind| (*kind).to_owned()).collect();
    let end = Instant::now() + PATIENCE;
    loop {
        for sql in BOTH.iter().chain(&RIGHT).chain(own) {
            run(sql).await;
        }
        let found = deck.recommendations().await;
        let texts = found
            .iter()
            .filter(|found| found.kind.starts_with("statement_"));
        let kinds: BTreeSet<String> = texts.clone().map(|found| found.kind.clone()).collect();
        assert!(kinds.is_subset(&expect), "{found:#?}");
        if kinds == expect {
            assert_eq!(texts.count(), expect.len(), "{found:#?}");
            let all = format!("{found:?}");
            assert!(!all.contains("7777"), "a literal is told: {all}");
            return;
        }
        assert!(Instant::now() < end, "{kinds:?} of {expect:?}: {found:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn texts_at_fault_are_findings_on_postgres() {
    let desk = desk::postgres::<Texts>(
        "texts",
        "CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL);
         INSERT INTO people SELECT i, 'p' || i FROM generate_series(1, 20000) i;
         CREATE TABLE letters (id int PRIMARY KEY, sender int NOT NULL, sent_at timestamptz NOT NULL,
             code text NOT NULL, body text NOT NULL);
         INSERT INTO letters SELECT i, 1 + i * 7919 % 20000, now() - i * interval '10 min', 'c' || i,
             repeat('x', 1200) FROM generate_series(1::bigint, 40000) i;
         CREATE TABLE flags (id int PRIMARY KEY, code text NOT NULL);
         INSERT INTO flags SELECT i, 'f' || i FROM generate_series(1, 400) i;
         ANALYZE",
    )
    .await;
    let run = async |sql: &'static str| {
        let rows = sqlx::query(sql).fetch_all(&desk.pool).await;
        rows.unwrap();
    };
    check(
        &desk.deck,
        run,
        &[
            "SELECT id FROM letters WHERE sent_at::date = '1999-01-01'",
            "SELECT count(*) FROM letters WHERE sender NOT IN \
             (SELECT id FROM people, generate_series(1, 4) n WHERE name <> 'p9')",
            "SELECT id FROM letters WHERE code ~ '77777$'",
        ],
        &[
            "statement_all_columns",
            "statement_expression",
            "statement_full_scan",
            "statement_leading_wildcard",
            "statement_not_in",
            "statement_offset",
            "statement_unbounded",
        ],
    )
    .await;
}

#[tokio::test]
async fn texts_at_fault_are_findings_on_sqlite() {
    let desk = desk::sqlite::<Texts>(
        "CREATE TABLE letters (id INTEGER PRIMARY KEY, sender INTEGER NOT NULL, code TEXT NOT NULL,
             body TEXT NOT NULL);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
         INSERT INTO letters SELECT i, 1 + i * 7919 % 20000, 'c' || i, hex(zeroblob(600)) FROM n;
         CREATE TABLE flags (id INTEGER PRIMARY KEY, code TEXT NOT NULL);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
         INSERT INTO flags SELECT i, 'f' || i FROM n;",
    )
    .await;
    let run = async |sql: &'static str| {
        let rows = sqlx::query(sql).fetch_all(&desk.pool).await;
        rows.unwrap();
    };
    check(
        &desk.deck,
        run,
        &["SELECT id FROM letters WHERE hex(code) = '7777'"],
        &[
            "statement_full_scan",
            "statement_leading_wildcard",
            "statement_offset",
            "statement_unbounded",
        ],
    )
    .await;
}
