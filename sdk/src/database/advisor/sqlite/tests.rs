use std::time::Instant;

use crate::database::advisor::{Advice, Method, Subject, Usage, advise};
use crate::database::testing::File;

/// Two tables of 60,000 skewed rows, a small one, and one that is written all the time.
const SCRIPT: &str = "
    CREATE TABLE parcels (id INTEGER PRIMARY KEY, depot INTEGER NOT NULL, state TEXT NOT NULL,
        seen_at INTEGER NOT NULL, code TEXT NOT NULL, flag INTEGER NOT NULL, note TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
    INSERT INTO parcels SELECT i, (i * i * 7919 % 60000) * (i % 97) % 400,
        CASE i % 10 WHEN 0 THEN 'lost' WHEN 1 THEN 'held' ELSE 'sent' END,
        i * 3, 'c' || (i * 7919 % 60013), i % 2, hex(zeroblob(40)) FROM n;
    CREATE TABLE scans (id INTEGER PRIMARY KEY, parcel INTEGER NOT NULL, place TEXT NOT NULL);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
    INSERT INTO scans SELECT i, i * 7919 % 20000, 'p' || i % 50 FROM n;
    CREATE TABLE depots (id INTEGER PRIMARY KEY, name TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
    INSERT INTO depots SELECT i, 'd' || i FROM n;";

fn subject(query: u64, text: &str, calls_per_second: f64, rows_per_call: f64) -> Subject {
    Subject {
        query,
        text: text.into(),
        calls_per_second,
        mean_seconds: 0.02,
        rows_per_call,
        ..Subject::default()
    }
}

fn told(advice: &Advice) -> String {
    let mut told: Vec<String> = Vec::new();
    for proposal in &advice.proposals {
        let keys = proposal.index.shape.words().join(",").replace(" DESC", "-");
        let table = &proposal.index.table;
        let serves = proposal.serves.iter();
        told.extend(serves.map(|served| format!("{}:{table}({keys})", served.query)));
    }
    told.sort();
    told.join(" ")
}

async fn advice(extra: &str, subjects: &[Subject]) -> Advice {
    let file = File::with(&format!("{SCRIPT}{extra}")).await;
    advise(&file.handle(), subjects, &Usage::default())
        .await
        .unwrap()
}

#[track_caller]
fn check(extra: &str, subjects: &[Subject], expect: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let advice = runtime.block_on(advice(extra, subjects));
    assert_eq!(told(&advice), expect, "{advice:#?}");
    for proposal in &advice.proposals {
        assert_eq!(proposal.method, Method::Planned);
        assert!(
            (30_000.0..100_000.0).contains(&proposal.table_rows),
            "{}",
            proposal.table_rows
        );
        for served in &proposal.serves {
            assert!(served.factor <= 0.8 && served.factor > 0.0, "{proposal:#?}");
            assert!(
                served
                    .plan_after
                    .iter()
                    .any(|step| step.as_str().contains(&proposal.index.name))
            );
        }
    }
}

#[test]
fn a_list_by_two_columns_in_order_gets_an_index_over_all_three() {
    check(
        "",
        &[subject(
            1,
            "SELECT id, code FROM parcels WHERE depot = ? AND state = ? ORDER BY seen_at DESC LIMIT ?",
            10.0,
            20.0,
        )],
        "1:parcels(depot,state,seen_at-)",
    );
}

#[test]
fn a_look_up_by_key_gets_an_index() {
    check(
        "",
        &[subject(
            1,
            "SELECT * FROM parcels WHERE code = ?",
            10.0,
            1.0,
        )],
        "1:parcels(code)",
    );
    check(
        "",
        &[subject(
            1,
            "SELECT * FROM Parcels AS p WHERE \"p\".[CODE] = $1",
            10.0,
            1.0,
        )],
        "1:parcels(code)",
    );
    check(
        "",
        &[subject(
            1,
            "SELECT place FROM scans WHERE parcel IN (?, ?, ?)",
            10.0,
            9.0,
        )],
        "1:scans(parcel)",
    );
    check(
        "",
        &[subject(1, "DELETE FROM scans WHERE parcel = ?", 1.0, 3.0)],
        "1:scans(parcel)",
    );
}

#[test]
fn an_expression_and_a_part_of_the_rows_get_an_index() {
    check(
        "",
        &[subject(
            1,
            "SELECT * FROM parcels p WHERE upper(p.code) = ?",
            10.0,
            1.0,
        )],
        "1:parcels(upper(\"code\"))",
    );
    let rare = "UPDATE parcels SET state = 'gone' WHERE id % 500 = 0;";
    check(
        rare,
        &[subject(
            1,
            "SELECT id FROM parcels WHERE state = 'gone' ORDER BY seen_at LIMIT 5",
            10.0,
            5.0,
        )],
        "1:parcels(seen_at WHERE \"state\" = 'gone')",
    );
}

#[test]
fn a_choice_of_two_gets_an_index_for_each() {
    check(
        "",
        &[subject(
            1,
            "SELECT * FROM parcels WHERE code = ? OR depot = ?",
            10.0,
            10.0,
        )],
        "1:parcels(code) 1:parcels(depot)",
    );
}

#[test]
fn a_joined_table_gets_an_index_on_what_it_is_joined_by() {
    check(
        "",
        &[subject(
            1,
            "SELECT p.code, s.place FROM parcels p JOIN scans s ON s.parcel = p.id WHERE p.id = ?",
            10.0,
            3.0,
        )],
        "1:scans(parcel)",
    );
}

#[test]
fn statements_of_one_table_share_an_index() {
    check(
        "",
        &[
            subject(
                1,
                "SELECT id FROM parcels WHERE depot = ? AND state = ? ORDER BY seen_at DESC LIMIT 20",
                10.0,
                20.0,
            ),
            subject(2, "SELECT count(*) FROM parcels WHERE depot = ?", 5.0, 1.0),
        ],
        "1:parcels(depot,state,seen_at-) 2:parcels(depot,state,seen_at-)",
    );
}

#[test]
fn restraint_where_nothing_is_to_be_gained() {
    // Small; filters nothing; the row number; a function; a choice; a pattern; all of the table.
    for text in [
        "SELECT * FROM depots WHERE name = ?",
        "SELECT count(*) FROM parcels WHERE flag = ?",
        "SELECT * FROM parcels WHERE flag = ? LIMIT 10",
        "SELECT * FROM parcels WHERE id = ?",
        "SELECT * FROM parcels WHERE code LIKE ?",
        "SELECT sum(depot) FROM parcels",
        "SELECT * FROM parcels ORDER BY id LIMIT 5",
        "INSERT INTO parcels (depot, state, seen_at, code, flag) VALUES (?, ?, ?, ?, ?)",
        "SELECT * FROM nowhere WHERE a = ?",
        "SELECT * FROM sqlite_schema WHERE name = ?",
    ] {
        check("", &[subject(1, text, 10.0, 10.0)], "");
    }
}

#[test]
fn restraint_where_an_index_is_there() {
    let text = "SELECT * FROM parcels WHERE code = ?";
    check(
        "CREATE INDEX own ON parcels (code)",
        &[subject(1, text, 10.0, 1.0)],
        "",
    );
    check(
        "CREATE INDEX own ON parcels (code, depot)",
        &[subject(1, text, 10.0, 1.0)],
        "",
    );
    check(
        "CREATE UNIQUE INDEX own ON parcels (code DESC)",
        &[subject(1, text, 10.0, 1.0)],
        "",
    );
    // One that is partial serves only some.
    check(
        "CREATE INDEX own ON parcels (code) WHERE flag = 1",
        &[subject(1, text, 10.0, 1.0)],
        "1:parcels(code)",
    );
}

#[test]
fn restraint_where_writes_would_pay_for_it() {
    let read = |calls| subject(1, "SELECT * FROM scans WHERE parcel = ?", calls, 3.0);
    let write = subject(
        2,
        "INSERT INTO scans (parcel, place) VALUES (?, ?)",
        500.0,
        1.0,
    );
    check("", &[read(0.02), write.clone()], "");
    check("", &[read(50.0), write], "1:scans(parcel)");
    check(
        "",
        &[subject(
            1,
            "SELECT * FROM scans WHERE parcel = ?",
            0.001,
            3.0,
        )],
        "",
    );
}

#[test]
fn a_quick_statement_is_left_alone() {
    let quick = Subject {
        mean_seconds: 0.00005,
        ..subject(1, "SELECT * FROM parcels WHERE code = ?", 100.0, 1.0)
    };
    check("", &[quick], "");
}

#[test]
fn nothing_is_written_and_the_pool_is_left_alone() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let file = File::with(SCRIPT).await;
        // With all of the pool in use the advice still comes.
        let (_one, _two) = (
            file.pool.acquire().await.unwrap(),
            file.pool.acquire().await.unwrap(),
        );
        let started = Instant::now();
        let advice = advise(
            &file.handle(),
            &[subject(
                1,
                "SELECT * FROM parcels WHERE code = ?",
                10.0,
                1.0,
            )],
            &Usage::default(),
        )
        .await;
        assert_eq!(told(&advice.unwrap()), "1:parcels(code)");
        assert!(started.elapsed().as_secs() < 5);
        drop(_one);
        let made: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'perfdeck%' OR name LIKE '%stat1'",
        )
        .fetch_one(&file.pool)
        .await
        .unwrap();
        assert_eq!(made, 0);
    });
}
