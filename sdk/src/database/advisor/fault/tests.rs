//! What is told of statements on both databases, and of the ones beside them that only look so.
#![cfg(all(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]

use crate::database::Handle;
use crate::database::advisor::{Subject, Usage, advise};
use crate::database::testing::{File, Postgres};

const POSTGRES: &str = "
    CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL);
    INSERT INTO people SELECT i, 'p' || i FROM generate_series(1, 20000) i;
    CREATE TABLE letters (id int PRIMARY KEY, sender int NOT NULL, receiver int NOT NULL,
        sent_at timestamptz NOT NULL, code text NOT NULL, body text NOT NULL);
    INSERT INTO letters SELECT i, 1 + i * 7919 % 20000, 1 + i * 31 % 20000, now() - i * interval '10 min',
        'c' || i, repeat('x', 1200) FROM generate_series(1::bigint, 40000) i;
    CREATE TABLE flags (id int PRIMARY KEY, code text NOT NULL);
    INSERT INTO flags SELECT i, 'f' || i FROM generate_series(1, 400) i;
    ANALYZE;";
const SQLITE: &str = "
    CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE letters (id INTEGER PRIMARY KEY, sender INTEGER NOT NULL, receiver INTEGER NOT NULL,
        sent_at INTEGER NOT NULL, code TEXT NOT NULL, body TEXT NOT NULL);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO letters SELECT i, 1 + i * 7919 % 20000, 1 + i * 31 % 20000, i * 600, 'c' || i,
        hex(zeroblob(600)) FROM n;
    CREATE TABLE flags (id INTEGER PRIMARY KEY, code TEXT NOT NULL);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
    INSERT INTO flags SELECT i, 'f' || i FROM n;";

/// The faults of a statement that returns five rows, by their names; that nothing bounds it is looked at elsewhere.
async fn faults(handle: &Handle, text: &str) -> Vec<String> {
    let subject = Subject {
        query: 7,
        text: text.into(),
        calls_per_second: 10.0,
        mean_seconds: 0.02,
        rows_per_call: 5.0,
        ..Subject::default()
    };
    let advice = advise(handle, &[subject], &Usage::default()).await.unwrap();
    let told = advice.suspects.iter().map(|suspect| {
        assert_eq!(suspect.query, 7);
        let fault = format!("{:?}", suspect.fault);
        let name = fault.split([' ', '{']).next().unwrap_or_default();
        format!("{name} {}", suspect.table)
    });
    let mut told: Vec<String> = told
        .filter(|told| !told.starts_with("Unbounded") && !told.starts_with("AllColumns"))
        .collect();
    told.sort();
    told
}

async fn check(handle: &Handle, cases: &[(&str, &[&str])]) {
    for (text, expect) in cases {
        assert_eq!(faults(handle, text).await, *expect, "of {text:?}");
    }
}

#[tokio::test]
async fn postgres_is_told_of_texts_that_no_index_of_its_serves() {
    let database = Postgres::with(POSTGRES).await;
    check(
        &database.handle(),
        &[
            (
                "SELECT id FROM letters WHERE sent_at::date = $1",
                &["Expression letters"],
            ),
            (
                "SELECT id FROM letters WHERE code LIKE '%777%'",
                &["LeadingWildcard letters"],
            ),
            (
                "SELECT id FROM letters WHERE code LIKE '%' || $1",
                &["LeadingWildcard letters"],
            ),
            (
                "SELECT id FROM letters WHERE sender NOT IN (SELECT id FROM people WHERE name = $1) AND id = $2",
                &["NotIn letters"],
            ),
            (
                "SELECT id FROM letters ORDER BY id LIMIT 20 OFFSET 5000",
                &["Offset letters"],
            ),
            (
                "SELECT id FROM letters ORDER BY id LIMIT $1 OFFSET $2",
                &["Offset letters"],
            ),
            (
                "SELECT id FROM letters WHERE code ~ '77$'",
                &["FullScan letters"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn postgres_is_told_nothing_of_what_an_index_serves_or_would() {
    let database = Postgres::with(POSTGRES).await;
    check(
        &database.handle(),
        &[
            // An index is the remedy, and advised.
            ("SELECT id FROM letters WHERE lower(code) = $1", &[]),
            (
                "SELECT id FROM letters WHERE sender = $1 OR sender = $2",
                &[],
            ),
            ("SELECT id FROM letters WHERE id = $1", &[]),
            ("SELECT count(*) FROM letters WHERE body <> $1", &[]),
            // Too small a table.
            ("SELECT id FROM flags WHERE code LIKE '%7%'", &[]),
            ("SELECT id FROM flags WHERE code || 'x' = $1", &[]),
            // Not in an index's order, or narrowed: the time may go elsewhere.
            (
                "SELECT id FROM letters WHERE sender = $3 ORDER BY id LIMIT $1 OFFSET $2",
                &[],
            ),
        ],
    )
    .await;
    sqlx::raw_sql(
        "CREATE EXTENSION pg_trgm; CREATE INDEX ON letters (sender); CREATE INDEX ON letters (receiver); \
         CREATE INDEX ON letters USING gin (code gin_trgm_ops); \
         CREATE INDEX ON letters (((sent_at AT TIME ZONE 'UTC')::date)); ANALYZE letters",
    )
    .execute(&database.pool)
    .await
    .unwrap();
    check(
        &database.handle(),
        &[
            ("SELECT id FROM letters WHERE code LIKE '%777%'", &[]),
            (
                "SELECT body FROM letters WHERE sender = $1 OR receiver = $2",
                &[],
            ),
            (
                "SELECT id FROM letters WHERE (sent_at AT TIME ZONE 'UTC')::date = $1",
                &[],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn sqlite_is_told_of_texts_that_no_index_of_its_serves() {
    let file = File::with(SQLITE).await;
    check(
        &file.handle(),
        &[
            (
                "SELECT id FROM letters WHERE code LIKE '%777%'",
                &["LeadingWildcard letters"],
            ),
            (
                "SELECT id FROM letters ORDER BY id LIMIT 20 OFFSET 5000",
                &["Offset letters"],
            ),
            (
                "SELECT id FROM letters WHERE hex(code) = ?",
                &["FullScan letters"],
            ),
            ("SELECT id FROM letters WHERE lower(code) = ?", &[]),
            (
                "SELECT id FROM letters WHERE sender = ? OR receiver = ?",
                &[],
            ),
            ("SELECT id FROM letters WHERE id = ?", &[]),
            ("SELECT count(*) FROM letters WHERE hex(code) = ?", &[]),
            ("SELECT id FROM flags WHERE code LIKE '%7%'", &[]),
            // SQLite looks each row up in what it made of the subquery.
            (
                "SELECT id FROM letters WHERE id = ? AND sender NOT IN (SELECT id FROM people)",
                &[],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn results_without_a_bound_and_wide_rows_are_measured_on_both() {
    let (database, file) = (Postgres::with(POSTGRES).await, File::with(SQLITE).await);
    for (handle, measured) in [(database.handle(), true), (file.handle(), false)] {
        for (text, unbounded, wide) in [
            ("SELECT * FROM letters", true, true),
            ("SELECT id, code FROM letters", true, false),
            ("SELECT * FROM letters LIMIT 10", false, true),
            ("SELECT * FROM (SELECT id FROM letters) l", true, false),
            (
                "SELECT sender, count(*) FROM letters GROUP BY sender",
                false,
                false,
            ),
            ("SELECT DISTINCT sender FROM letters", false, false),
            ("SELECT id FROM letters WHERE id IN (1, 2, 3)", false, false),
            ("SELECT id FROM letters WHERE sender = $1", false, false),
            ("SELECT id FROM letters WHERE code = 'c9'", true, false),
            ("SELECT * FROM flags", false, false),
        ] {
            let subject = Subject {
                query: 7,
                text: text.into(),
                calls_per_second: 10.0,
                mean_seconds: 0.02,
                rows_per_call: 5.0,
                ..Subject::default()
            };
            let advice = advise(&handle, &[subject], &Usage::default())
                .await
                .unwrap();
            let told = |name: &str| {
                let faults = advice.suspects.iter();
                let mut faults = faults.map(|suspect| format!("{:?}", suspect.fault));
                faults.find(|fault| fault.starts_with(name))
            };
            assert_eq!(told("Unbounded").is_some(), unbounded, "of {text:?}");
            let bytes = told("AllColumns").and_then(|fault| {
                let digits = fault.split("bytes: ").nth(1)?.trim_end_matches(" }");
                digits.parse::<f64>().ok()
            });
            assert_eq!(bytes.is_some(), wide && measured, "of {text:?}");
            let is_right = |bytes: f64| (1_200.0..1_400.0).contains(&bytes);
            assert!(bytes.is_none_or(is_right), "of {text:?}: {bytes:?}");
        }
    }
}
