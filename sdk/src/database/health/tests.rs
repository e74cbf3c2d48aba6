//! Looks at real databases.

use std::time::Duration;

use perfdeck_bridge::protocol::{DatabaseHealth, IndexRow, TableRow, Timestamp};
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{Look, look};
use crate::database::testing::{File, Postgres};

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn table<'h>(health: &'h DatabaseHealth, name: &str) -> &'h TableRow {
    health
        .tables
        .iter()
        .find(|table| table.name == name)
        .unwrap()
}

fn index<'h>(health: &'h DatabaseHealth, name: &str) -> &'h IndexRow {
    health
        .indexes
        .iter()
        .find(|index| index.name == name)
        .unwrap()
}

/// Runs a statement on a connection of its own: a server's process tells what it counted at its end at the latest.
async fn apart(postgres: &Postgres, sql: &'static str) {
    let options = postgres.pool.connect_options();
    let mut own = PgConnection::connect_with(&options).await.unwrap();
    own.execute(sql).await.unwrap();
    own.close().await.unwrap();
}

/// Waits until the server's counters have what was just done.
async fn looked(postgres: &Postgres, enough: impl Fn(&DatabaseHealth) -> bool) -> DatabaseHealth {
    for _ in 0..100 {
        let health = look(
            &postgres.handle(),
            Look::All,
            DatabaseHealth::default(),
            NOW,
        )
        .await;
        assert_eq!(health.failure, None);
        if enough(&health) {
            return health;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the counters don't come");
}

#[tokio::test]
async fn tables_tell_their_sizes_and_what_upkeep_they_need() {
    let postgres = Postgres::with(
        "CREATE TABLE big (id int PRIMARY KEY, text text); \
         CREATE SCHEMA other; CREATE TABLE other.small (id int) \
         WITH (autovacuum_enabled = off, autovacuum_vacuum_threshold = 7, autovacuum_vacuum_scale_factor = 0.5)",
    )
    .await;
    let rows = "INSERT INTO big SELECT n, repeat('x', 100) FROM generate_series(1, 20000) n";
    apart(&postgres, rows).await;
    apart(&postgres, "ANALYZE big").await;
    apart(&postgres, "UPDATE big SET text = 'y' WHERE id <= 9000").await;
    let health = looked(&postgres, |health| table(health, "big").dead_rows == 9_000).await;
    assert!(health.version.starts_with(|c: char| c.is_ascii_digit()));
    assert!(health.size_bytes.unwrap() > 3_000_000);
    let big = table(&health, "big");
    assert_eq!((big.live_rows, big.modified_rows), (20_000, 9_000));
    assert!(big.heap_bytes.unwrap() > 2_500_000 && big.index_bytes.unwrap() > 300_000);
    assert_eq!(
        big.vacuum_due_rows,
        Some(4_050.0),
        "50 and a fifth of the rows"
    );
    assert_eq!(
        big.analyze_due_rows,
        Some(2_050.0),
        "50 and a tenth of the rows"
    );
    assert!(big.analyzed_at.is_some() && big.vacuumed_at.is_none());
    assert_eq!(big.vacuum_overdue_seconds, Some(0.0));
    let small = table(&health, "other.small");
    assert_eq!(
        small.vacuum_due_rows,
        Some(7.0),
        "what the table itself says"
    );
    assert_eq!(small.autovacuum, Some(false));
    assert_eq!(small.vacuum_overdue_seconds, None);

    // A minute later it is overdue since a minute.
    let later = NOW.after(Duration::from_secs(60));
    let health = look(&postgres.handle(), Look::All, health, later).await;
    assert_eq!(table(&health, "big").vacuum_overdue_seconds, Some(60.0));
    assert_eq!(table(&health, "big").analyze_overdue_seconds, Some(60.0));
    apart(&postgres, "VACUUM ANALYZE big").await;
    let health = looked(&postgres, |health| table(health, "big").dead_rows == 0).await;
    assert_eq!(table(&health, "big").vacuum_overdue_seconds, None);
    assert_eq!(table(&health, "big").analyze_overdue_seconds, None);
}

#[tokio::test]
async fn indexes_and_sequences_tell_what_is_left_of_them() {
    let postgres = Postgres::with(
        "CREATE TABLE t (id serial PRIMARY KEY, a int, old int); CREATE INDEX t_a ON t (a); \
         INSERT INTO t (a) SELECT 1 FROM generate_series(1, 10); \
         CREATE SEQUENCE wide AS bigint OWNED BY t.old; SELECT setval('wide', 2000000000); \
         CREATE SEQUENCE turning MAXVALUE 10 CYCLE; SELECT setval('turning', 9); \
         SELECT setval('t_id_seq', 1073741824)",
    )
    .await;
    let failed = postgres
        .pool
        .execute("CREATE UNIQUE INDEX CONCURRENTLY t_unique ON t (a)")
        .await;
    assert!(failed.is_err(), "all rows are the same");
    let health = looked(&postgres, |health| health.indexes.len() == 3).await;
    assert!(!index(&health, "t_unique").valid && !index(&health, "t_unique").building);
    let key = index(&health, "t_pkey");
    assert!(key.valid && key.unique && key.constraint);
    let plain = index(&health, "t_a");
    assert!(plain.valid && !plain.unique && !plain.constraint);
    assert_eq!((plain.table.as_str(), plain.scans), ("t", Some(0)));
    assert_eq!(
        health.indexes[0].name, "t_unique",
        "what is wrong comes first"
    );

    let told: Vec<_> = health
        .sequences
        .iter()
        .map(|row| (row.name.as_str(), row.column.as_deref(), row.limit))
        .collect();
    let int = i64::from(i32::MAX);
    let expected = [
        ("wide", Some("t.old"), int),
        ("t_id_seq", Some("t.id"), int),
    ];
    assert_eq!(told, expected, "the column is narrower, and one turns");
    assert!((health.sequences[0].used_ratio - 0.931).abs() < 0.001);
    assert!((health.sequences[1].used_ratio - 0.5).abs() < 0.001);
}

#[tokio::test]
async fn who_waits_for_whom_is_told_without_literals() {
    let postgres = Postgres::with("CREATE TABLE t (id int); INSERT INTO t VALUES (4711)").await;
    let options = postgres.pool.connect_options();
    let mut holder =
        PgConnection::connect_with(&options.as_ref().clone().application_name("holder"))
            .await
            .unwrap();
    let mut waiter =
        PgConnection::connect_with(&options.as_ref().clone().application_name("waiter"))
            .await
            .unwrap();
    holder.execute("BEGIN").await.unwrap();
    holder
        .execute("UPDATE t SET id = 4712 WHERE id = 4711 OR 'geheim' = 'x'")
        .await
        .unwrap();
    let holding: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut holder)
        .await
        .unwrap();
    // A long text is cut by the server, here in the middle of a literal.
    let long = format!(
        "DELETE FROM t WHERE id = 4711 AND id::text <> 'geheim{}'",
        "x".repeat(2_000)
    );
    let waiting = tokio::spawn(async move {
        waiter.execute(sqlx::AssertSqlSafe(long)).await.unwrap();
    });
    let health = looked(&postgres, |health| {
        health.sessions.iter().any(|session| session.pid == holding) && !health.blocked.is_empty()
    })
    .await;
    let connections = health.connections.as_ref().unwrap();
    assert_eq!(
        (connections.idle_in_transaction, connections.waiting),
        (1, 1)
    );
    assert_eq!(connections.max, 60);
    let [blocked] = &health.blocked[..] else {
        panic!("{:?}", health.blocked)
    };
    assert_eq!(blocked.waiting.application, "waiter");
    assert_eq!(blocked.blocker.application, "holder");
    assert_eq!(blocked.blocker.pid, holding);
    assert_eq!(blocked.blocker.state, "idle in transaction");
    assert!(blocked.wait_seconds < 10.0 && blocked.waiting.transaction_seconds > 0.0);
    let told = format!("{health:?}");
    assert!(!told.contains("4711") && !told.contains("geheim"), "{told}");
    // Who takes part in nothing else is looked at without the tables.
    holder.execute("ROLLBACK").await.unwrap();
    waiting.await.unwrap();
    let after = look(&postgres.handle(), Look::Sessions, health, NOW).await;
    assert_eq!(after.blocked, []);
    assert!(!after.tables.is_empty(), "they are as they were");
}

#[tokio::test]
async fn a_table_that_somebody_has_locked_stops_no_look() {
    let postgres = Postgres::with(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TABLE free (id int)",
    )
    .await;
    let mut locked = postgres.pool.begin().await.unwrap();
    locked
        .execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let health = looked(&postgres, |_| true).await;
    assert_eq!(table(&health, "t").heap_bytes, None);
    assert!(table(&health, "free").heap_bytes.is_some());
    locked.rollback().await.unwrap();
}

#[tokio::test]
async fn nor_does_one_that_somebody_waits_to_lock() {
    let postgres =
        Postgres::with("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await;
    let mut reader = postgres.pool.begin().await.unwrap();
    reader.execute("SELECT * FROM t").await.unwrap();
    let mut own = PgConnection::connect_with(&postgres.pool.connect_options())
        .await
        .unwrap();
    let queued = tokio::spawn(async move { own.execute("ALTER TABLE t ADD COLUMN a int").await });
    let health = looked(&postgres, |health| !health.blocked.is_empty()).await;
    assert_eq!(table(&health, "t").heap_bytes, None);
    reader.rollback().await.unwrap();
    queued.await.unwrap().unwrap();
}

#[tokio::test]
async fn how_long_somebody_waits_is_not_how_long_its_statement_runs() {
    let postgres =
        Postgres::with("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await;
    let mut holder = postgres.pool.begin().await.unwrap();
    holder.execute("UPDATE t SET id = 2").await.unwrap();
    let mut own = PgConnection::connect_with(&postgres.pool.connect_options())
        .await
        .unwrap();
    let script = "SELECT pg_sleep(3); UPDATE t SET id = 3";
    let waits = tokio::spawn(async move { own.execute(script).await });
    let health = looked(&postgres, |health| !health.blocked.is_empty()).await;
    let [blocked] = &health.blocked[..] else {
        panic!("{:?}", health.blocked)
    };
    assert!(blocked.waiting.state_seconds > 3.0, "{blocked:?}");
    assert!(
        blocked.wait_seconds < blocked.waiting.state_seconds - 2.5,
        "{blocked:?}"
    );
    holder.rollback().await.unwrap();
    waits.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_can_t_be_asked_keeps_its_state_and_says_why() {
    let postgres = Postgres::with("CREATE TABLE t (id int)").await;
    let health = looked(&postgres, |_| true).await;
    let gone = sqlx::PgPool::connect_lazy_with(
        postgres
            .pool
            .connect_options()
            .as_ref()
            .clone()
            .database("nowhere"),
    );
    let handle = crate::database::Handle::of(&gone).unwrap();
    let after = look(&handle, Look::All, health.clone(), NOW).await;
    let why = after.failure.clone().unwrap();
    assert!(why.contains("the database does not exist"), "{why}");
    let again = DatabaseHealth {
        failure: None,
        ..after
    };
    assert_eq!(again, health);
}

#[tokio::test]
async fn a_file_tells_its_pages() {
    let file = File::with(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b INT); CREATE INDEX t_b ON t (b); \
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000) \
         INSERT INTO t (a, b) SELECT n, n FROM n; ANALYZE; \
         CREATE TABLE gone (a); INSERT INTO gone SELECT randomblob(900) FROM t LIMIT 100; DROP TABLE gone",
    )
    .await;
    let health = look(&file.handle(), Look::All, DatabaseHealth::default(), NOW).await;
    assert_eq!(health.failure, None);
    let told = health.file.as_ref().unwrap();
    assert_eq!(told.journal_mode, "wal");
    assert!(told.analyzed && told.free_pages > 20 && told.wal_bytes.unwrap() > 0);
    assert_eq!(health.size_bytes, Some(told.pages * told.page_bytes));
    assert_eq!(table(&health, "t").live_rows, 3_000);
    let names: Vec<_> = health.indexes.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["sqlite_autoindex_t_1", "t_b"]);
    assert!(health.indexes[0].constraint && !health.indexes[1].constraint);
}
