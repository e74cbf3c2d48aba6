use super::*;

fn tables(names: &str) -> Vec<Box<str>> {
    let mut tables: Vec<_> = names.split_whitespace().map(Box::from).collect();
    tables.sort();
    tables
}

fn reads_in(grammar: Grammar, sql: &str, expected: Result<&str, Unfit>) {
    let mut reads = relations(sql, grammar).reads;
    if let Ok(reads) = &mut reads {
        reads.sort();
    }
    assert_eq!(reads, expected.map(tables), "{sql}");
}

fn reads(sql: &str, expected: Result<&str, Unfit>) {
    reads_in(Grammar::Postgres, sql, expected);
    reads_in(Grammar::Sqlite, sql, expected);
}

fn changes_in(grammar: Grammar, sql: &str, expected: Option<&str>) {
    let changes = match relations(sql, grammar).changes {
        Changes::Tables(mut tables) => {
            tables.sort();
            Some(tables)
        }
        Changes::Anything => None,
    };
    assert_eq!(changes, expected.map(tables), "{sql}");
}

fn changes(sql: &str, expected: Option<&str>) {
    changes_in(Grammar::Postgres, sql, expected);
    changes_in(Grammar::Sqlite, sql, expected);
}

#[test]
fn every_table_that_a_query_reads_is_told() {
    reads("SELECT 1", Ok(""));
    reads("SELECT a FROM users", Ok("users"));
    reads("SELECT a FROM Public.Users u, docs AS d", Ok("users docs"));
    reads("SELECT a FROM \"Users\"", Ok("users"));
    reads(
        "SELECT a FROM x JOIN y ON x.i = y.i LEFT JOIN z USING (i) CROSS JOIN w",
        Ok("x y z w"),
    );
    reads("SELECT a FROM (x JOIN y ON x.i = y.i)", Ok("x y"));
    reads(
        "SELECT a FROM (SELECT b FROM inner_one) AS s",
        Ok("inner_one"),
    );
    reads(
        "SELECT (SELECT max(b) FROM y WHERE y.i = x.i) FROM x",
        Ok("x y"),
    );
    reads("SELECT a FROM x WHERE EXISTS (SELECT 1 FROM y)", Ok("x y"));
    reads(
        "SELECT a FROM x WHERE i IN (SELECT i FROM y) AND j NOT IN (SELECT j FROM z)",
        Ok("x y z"),
    );
    reads(
        "SELECT a FROM x WHERE i = (SELECT i FROM y) OR i > (SELECT i FROM z)",
        Ok("x y z"),
    );
    reads("SELECT coalesce((SELECT a FROM y), 1) FROM x", Ok("x y"));
    reads(
        "SELECT CASE WHEN (SELECT true FROM y) THEN (SELECT 1 FROM z) END FROM x",
        Ok("x y z"),
    );
    reads(
        "SELECT a FROM x GROUP BY a HAVING count(*) > (SELECT n FROM y)",
        Ok("x y"),
    );
    reads(
        "SELECT a FROM x ORDER BY (SELECT b FROM y) LIMIT (SELECT n FROM z)",
        Ok("x y z"),
    );
    reads(
        "SELECT a FROM x UNION ALL SELECT b FROM y EXCEPT SELECT c FROM z",
        Ok("x y z"),
    );
    reads(
        "SELECT a FROM x JOIN y ON x.i = (SELECT i FROM z)",
        Ok("x y z"),
    );
    reads(
        "SELECT sum(a) FILTER (WHERE i IN (SELECT i FROM y)) OVER (PARTITION BY b) FROM x",
        Ok("x y"),
    );
    reads(
        "WITH c AS (SELECT a FROM x), d AS (SELECT a FROM c) SELECT a FROM d JOIN y USING (a)",
        Ok("c d x y"),
    );
    reads(
        "WITH RECURSIVE r AS (SELECT i FROM x UNION ALL SELECT x.i FROM x JOIN r ON x.p = r.i) SELECT i FROM r",
        Ok("r x"),
    );
    reads("VALUES (1), (2)", Ok(""));
    reads_in(
        Grammar::Postgres,
        "SELECT a FROM x, LATERAL (SELECT b FROM y WHERE y.i = x.i) s",
        Ok("x y"),
    );
    reads_in(
        Grammar::Postgres,
        "SELECT ARRAY(SELECT a FROM y) FROM x",
        Ok("x y"),
    );
    reads_in(
        Grammar::Postgres,
        "SELECT a FROM x WHERE i = ANY(SELECT i FROM y)",
        Ok("x y"),
    );
    reads_in(
        Grammar::Postgres,
        "SELECT a FROM x WHERE (i, j) IN (SELECT i, j FROM y)",
        Ok("x y"),
    );
    reads_in(
        Grammar::Postgres,
        "SELECT i FROM generate_series(1, 3) AS i, x",
        Ok("generate_series x"),
    );
    reads_in(
        Grammar::Sqlite,
        "SELECT a FROM [Users] WHERE b = ?1",
        Ok("users"),
    );
    reads_in(
        Grammar::Sqlite,
        "SELECT a FROM `Users`, other.docs",
        Ok("users docs"),
    );
}

#[test]
fn names_are_compared_as_the_server_does() {
    let long = "a".repeat(70);
    reads(&format!("SELECT 1 FROM {long}"), Ok(&long[..63]));
    reads("SELECT 1 FROM \"ÄÖ\"", Ok("äö"));
}

#[test]
fn what_may_not_be_kept_is_told_and_why() {
    use Unfit::{Catalog, Locks, ManyTables, NoQuery, Unreadable, Volatile};
    for sql in [
        "SELECT random()",
        "SELECT a FROM x ORDER BY random()",
        "SELECT a FROM x WHERE b > CURRENT_TIMESTAMP",
        "SELECT a FROM x WHERE b > current_date",
        "SELECT my_function(a) FROM x",
        "SELECT a FROM x WHERE b > 'now'",
        "SELECT audit.lower(a) FROM x",
        "SELECT a FROM x WHERE i IN (SELECT i FROM y WHERE t < now())",
        "WITH c AS (SELECT random() AS r FROM x) SELECT r FROM c",
    ] {
        reads(sql, Err(Volatile));
    }
    for sql in [
        "SELECT now()",
        "SELECT nextval('s')",
        "SELECT gen_random_uuid()",
        "SELECT uuid_generate_v4()",
        "SELECT a FROM x WHERE b > now() - interval '1 day'",
        "SELECT a FROM x WHERE b > LOCALTIMESTAMP",
        "SELECT a FROM x WHERE owner = current_user",
        "SELECT a FROM x WHERE owner = user",
        "SELECT a FROM x WHERE tenant = current_setting('app.tenant')",
        "SELECT a FROM x WHERE b > 'yesterday'::timestamptz",
        "SELECT a FROM x WHERE b > DATE 'today'",
        "SELECT a FROM x TABLESAMPLE SYSTEM (10)",
        "SELECT age(b) FROM x",
        "SELECT a FROM my_function(1)",
        "SELECT pg_sleep(1)",
    ] {
        reads_in(Grammar::Postgres, sql, Err(Volatile));
    }
    for sql in [
        "SELECT date('now')",
        "SELECT datetime()",
        "SELECT strftime('%s')",
        "SELECT strftime('%s', 'now')",
        "SELECT date(?)",
        "SELECT unixepoch(coalesce(?1, a)) FROM x",
        "SELECT last_insert_rowid()",
        "SELECT hex(randomblob(16))",
    ] {
        reads_in(Grammar::Sqlite, sql, Err(Volatile));
    }
    reads_in(
        Grammar::Sqlite,
        "SELECT date(a), strftime('%Y', x.b) FROM x",
        Ok("x"),
    );
    reads_in(
        Grammar::Postgres,
        "SELECT date_trunc('day', b), age(b, c), pg_catalog.lower(a) FROM x",
        Ok("x"),
    );
    reads_in(Grammar::Postgres, "SELECT a FROM x FOR UPDATE", Err(Locks));
    reads_in(
        Grammar::Postgres,
        "SELECT a FROM x FOR SHARE SKIP LOCKED",
        Err(Locks),
    );
    reads_in(
        Grammar::Postgres,
        "SELECT a FROM (SELECT a FROM x FOR UPDATE) s",
        Err(Locks),
    );
    reads_in(Grammar::Postgres, "SELECT a FROM pg_class", Err(Catalog));
    reads_in(
        Grammar::Postgres,
        "SELECT a FROM information_schema.tables",
        Err(Catalog),
    );
    reads_in(
        Grammar::Sqlite,
        "SELECT name FROM sqlite_master",
        Err(Catalog),
    );
    reads_in(
        Grammar::Postgres,
        "WITH d AS (DELETE FROM x RETURNING a) SELECT a FROM d",
        Err(NoQuery),
    );
    reads_in(Grammar::Postgres, "SELECT a INTO y FROM x", Err(NoQuery));
    reads_in(Grammar::Postgres, "TABLE x", Err(Unreadable));
    reads("INSERT INTO x VALUES (1) RETURNING a", Err(NoQuery));
    reads("EXPLAIN SELECT a FROM x", Err(NoQuery));
    reads("SELECT a FROM x; SELECT b FROM y", Err(Unreadable));
    reads("SELECT a FRM x WHERE", Err(Unreadable));
    let many: Vec<_> = (0..16).map(|i| format!("t{i}")).collect();
    reads(
        &format!("SELECT 1 FROM {}", many.join(", ")),
        Err(ManyTables),
    );
    let long = vec!["1"; 3_000].join(", ");
    reads(
        &format!("SELECT a FROM x WHERE i IN ({long})"),
        Err(Unreadable),
    );
}

#[test]
fn every_table_that_a_statement_changes_is_told() {
    changes("SELECT a FROM x WHERE b = 'insert into y'", Some(""));
    changes("INSERT INTO Users (a) VALUES (1)", Some("users"));
    changes("INSERT INTO a.\"Users\" SELECT b FROM y", Some("users"));
    changes(
        "INSERT INTO x VALUES (1) ON CONFLICT (i) DO UPDATE SET a = 2",
        Some("x"),
    );
    changes(
        "INSERT INTO x VALUES (1) ON CONFLICT DO NOTHING RETURNING i",
        Some("x"),
    );
    changes(
        "UPDATE x SET a = (SELECT max(b) FROM y) WHERE i = 1",
        Some("x"),
    );
    changes("UPDATE x SET a = y.a FROM y WHERE y.i = x.i", Some("x"));
    changes("DELETE FROM x WHERE i IN (SELECT i FROM y)", Some("x"));
    changes(
        "WITH c AS (SELECT i FROM y) DELETE FROM x WHERE i IN (SELECT i FROM c)",
        Some("x"),
    );
    changes("INSERT INTO x VALUES (1); UPDATE y SET a = 1", Some("x y"));
    for sql in [
        "CREATE TABLE x (a INT)",
        "DROP TABLE x",
        "ALTER TABLE x ADD COLUMN b INT",
        "CREATE INDEX i ON x (a)",
        "CREATE VIEW v AS SELECT a FROM x",
        "no SQL at all",
        "SELECT place_order(1)",
    ] {
        changes(sql, None);
    }
    for sql in ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a"] {
        changes(sql, Some(""));
    }
    changes("SELECT unknown_function(a) FROM x", Some(""));
    changes_in(
        Grammar::Postgres,
        "WITH n AS (INSERT INTO x VALUES (1) RETURNING i) SELECT i FROM n",
        Some("x"),
    );
    changes_in(
        Grammar::Postgres,
        "WITH d AS (DELETE FROM x RETURNING a), u AS (UPDATE y SET a = 1) INSERT INTO z SELECT a FROM d",
        Some("x y z"),
    );
    changes_in(
        Grammar::Postgres,
        "DELETE FROM x USING y WHERE x.i = y.i",
        Some("x"),
    );
    changes_in(
        Grammar::Postgres,
        "MERGE INTO x USING y ON x.i = y.i WHEN MATCHED THEN UPDATE SET a = y.a WHEN NOT MATCHED THEN INSERT (i) VALUES (y.i)",
        Some("x"),
    );
    changes_in(Grammar::Postgres, "TRUNCATE x, y", Some("x y"));
    changes_in(Grammar::Postgres, "TRUNCATE TABLE x CASCADE", None);
    changes_in(Grammar::Postgres, "COPY x (a, b) FROM STDIN", Some("x"));
    changes_in(Grammar::Postgres, "COPY x TO STDOUT", Some(""));
    changes_in(
        Grammar::Postgres,
        "COPY (SELECT a FROM x) TO STDOUT",
        Some(""),
    );
    changes_in(Grammar::Postgres, "SELECT a INTO y FROM x", None);
    changes_in(
        Grammar::Postgres,
        "EXPLAIN ANALYZE DELETE FROM x",
        Some("x"),
    );
    changes_in(Grammar::Postgres, "CALL place_order(1)", None);
    changes_in(Grammar::Postgres, "DO $$ BEGIN DELETE FROM x; END $$", None);
    changes_in(Grammar::Postgres, "REFRESH MATERIALIZED VIEW v", None);
    changes_in(Grammar::Postgres, "EXECUTE plan(1)", None);
    changes_in(Grammar::Postgres, "SET LOCAL work_mem = '1MB'", Some(""));
    changes_in(Grammar::Sqlite, "REPLACE INTO x VALUES (1)", Some("x"));
    changes_in(
        Grammar::Sqlite,
        "INSERT OR REPLACE INTO x VALUES (1)",
        Some("x"),
    );
    changes_in(Grammar::Sqlite, "PRAGMA foreign_keys = ON", Some(""));
    changes_in(Grammar::Sqlite, "ATTACH DATABASE 'a' AS b", None);
}

#[test]
fn a_text_that_the_parser_does_not_take_is_told_by_its_words() {
    let rows = |n: usize| vec!["(1, 2)"; n].join(", ");
    changes(
        &format!("INSERT INTO x (a, b) VALUES {}", rows(1_000)),
        Some("x"),
    );
    changes(
        &format!(
            "INSERT INTO s.\"X\" VALUES {} ON CONFLICT DO UPDATE SET a = 1",
            rows(1_000)
        ),
        Some("x"),
    );
    changes(
        &format!("INSERT INTO x VALUES {}; DELETE FROM y", rows(1_000)),
        None,
    );
    changes(
        &format!(
            "WITH d AS (DELETE FROM y) INSERT INTO x VALUES {}",
            rows(1_000)
        ),
        None,
    );
    changes(
        &format!("SELECT a FROM x WHERE (i, j) IN ({})", rows(1_000)),
        Some(""),
    );
    changes(
        &format!(
            "SELECT a FROM x WHERE (i, j) IN ({}) FOR UPDATE",
            rows(1_000)
        ),
        None,
    );
    changes(
        &format!("UPDATE x SET a = 1 WHERE (i, j) IN ({})", rows(1_000)),
        None,
    );
    changes("SELECT 'open", None);
}

#[test]
fn a_long_chain_takes_no_more_stack_than_there_is() {
    let chain = vec!["a = 1"; 490].join(" OR ");
    reads(&format!("SELECT a FROM x WHERE {chain}"), Ok("x"));
    let deep = format!("{}1{}", "(".repeat(200), ")".repeat(200));
    let _ = relations(&format!("SELECT {deep}"), Grammar::Postgres);
}

#[test]
fn only_is_no_table() {
    reads_in(
        Grammar::Postgres,
        "SELECT a FROM ONLY users",
        Err(Unfit::Unreadable),
    );
    reads_in(Grammar::Postgres, "SELECT a FROM \"only\"", Ok("only"));
    reads_in(Grammar::Sqlite, "SELECT a FROM only", Ok("only"));
    changes_in(Grammar::Postgres, "UPDATE ONLY users SET a = 1", None);
    changes_in(Grammar::Postgres, "DELETE FROM ONLY users", None);
}

#[test]
fn a_lock_that_the_parser_does_not_know_changes_nothing() {
    changes_in(
        Grammar::Postgres,
        "SELECT a FROM users WHERE b = $1 FOR NO KEY UPDATE OF users",
        Some(""),
    );
    changes_in(
        Grammar::Postgres,
        "WITH x AS (UPDATE users SET a = 1 RETURNING a) SELECT a FROM x FOR NO KEY UPDATE",
        None,
    );
}
