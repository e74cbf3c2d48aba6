//! PostgreSQL, from 12 on.

use perfdeck_bridge::protocol::{
    Connections, DatabaseHealth, IndexRow, SequenceRow, TableRow, Timestamp,
};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, PgPool, Row as _};

use super::{Look, MAX_INDEXES, MAX_SEQUENCES, MAX_TABLES, cut, overdue, qualified};
use crate::database::Error;
use crate::database::postgres::{close, command, connect};

mod session;

pub(super) async fn look(
    pool: &PgPool,
    look: Look,
    known: DatabaseHealth,
    now: Timestamp,
) -> Result<DatabaseHealth, Error> {
    let mut connection = connect(pool).await?;
    let looked = on(&mut connection, look, known, now).await;
    close(connection).await;
    looked.map_err(|error| Error::failed("look at the database", &error))
}

async fn on(
    connection: &mut PgConnection,
    look: Look,
    mut health: DatabaseHealth,
    now: Timestamp,
) -> Result<DatabaseHealth, sqlx::Error> {
    begin(connection).await?;
    let version = server(connection, &mut health).await?;
    session::read(connection, &mut health, version, now).await?;
    health.active_at = Some(now);
    health.failure = None;
    command(connection, "COMMIT".into()).await?;
    if look == Look::Sessions {
        return Ok(health);
    }
    let before = health.clone();
    begin(connection).await?;
    let sized = sizes(connection, &mut health, now).await;
    command(connection, "ROLLBACK".into()).await?;
    if let Err(error) = sized {
        // Who waits for whom is known all the same, and all the more wanted.
        let failed = Error::failed("look at the tables", &error).to_string();
        only_servers(error)?;
        return Ok(DatabaseHealth {
            failure: Some(failed),
            ..before
        });
    }
    if !health.replica {
        // A sequence that somebody alters is locked, and so are all at once: they stay as they were.
        begin(connection).await?;
        let sequences = sequences(connection, &mut health).await;
        command(connection, "ROLLBACK".into()).await?;
        sequences.or_else(only_servers)?;
    }
    // Every file of the database is asked for its size: of very many that takes longer than it may.
    begin(connection).await?;
    let size = sqlx::query_scalar::<_, i64>("SELECT pg_database_size(current_database())")
        .persistent(false)
        .fetch_one(&mut *connection)
        .await;
    command(connection, "ROLLBACK".into()).await?;
    match size {
        Ok(bytes) => health.size_bytes = u64::try_from(bytes).ok(),
        Err(error) => only_servers(error)?,
    }
    Ok(health)
}

/// Looks at the tables and their indexes.
async fn sizes(
    connection: &mut PgConnection,
    health: &mut DatabaseHealth,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let before = health.clone();
    let tended = tables(connection, health).await?;
    overdue(&mut health.tables, &before, now, &tended);
    indexes(connection, health).await?;
    health.sized_at = Some(now);
    Ok(())
}

/// Passes over what the server would not do, and not over a connection that is lost.
fn only_servers(error: sqlx::Error) -> Result<(), sqlx::Error> {
    match error {
        sqlx::Error::Database(_) => Ok(()),
        other => Err(other),
    }
}

/// Begins to look: without writing, and without waiting for anybody.
async fn begin(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for sql in [
        "BEGIN READ ONLY",
        "SET LOCAL statement_timeout = '3s'",
        "SET LOCAL lock_timeout = '200ms'",
    ] {
        command(connection, sql.into()).await?;
    }
    Ok(())
}

/// Reads what server it is; returns its version as a number.
async fn server(
    connection: &mut PgConnection,
    health: &mut DatabaseHealth,
) -> Result<i32, sqlx::Error> {
    let row = sqlx::query(
        "SELECT current_setting('server_version'), current_setting('server_version_num')::int4, \
         pg_is_in_recovery()",
    );
    let row = row.persistent(false).fetch_one(connection).await?;
    let version: String = row.try_get(0)?;
    health.version = cut(version.split_whitespace().next().unwrap_or_default());
    health.replica = row.try_get(2)?;
    row.try_get(1)
}

/// Who has which relation of this database, and the relations that nobody else may even look at now, or that somebody waits
/// to have for himself: to ask one for its size would wait, too.
const LOCKED: &str = "locks AS MATERIALIZED (SELECT relation, mode, granted FROM pg_locks WHERE locktype = 'relation' \
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())), \
     held AS (SELECT relation, mode FROM locks WHERE granted), \
     locked AS (SELECT relation FROM locks WHERE mode = 'AccessExclusiveLock')";

/// Reads the tables, and returns the names of those that somebody is cleaning up or gathers statistics of just now.
async fn tables(
    connection: &mut PgConnection,
    health: &mut DatabaseHealth,
) -> Result<Vec<String>, sqlx::Error> {
    // When autovacuum is due is its own formula, with what is set for the table alone before what is set for all.
    let option = |name: &str| {
        format!(
            "coalesce((SELECT option_value FROM pg_options_to_table(t.reloptions) \
             WHERE option_name = '{name}'), current_setting('{name}', true))"
        )
    };
    let due = |what: &str| {
        format!(
            "{}::float8 + {}::float8 * greatest(t.reltuples, 0)",
            option(&format!("autovacuum_{what}_threshold")),
            option(&format!("autovacuum_{what}_scale_factor")),
        )
    };
    let sql = format!(
        "WITH {LOCKED}, t AS (SELECT c.oid, c.reloptions, c.reltuples, c.reltoastrelid, s.*, count(*) OVER () AS count \
          FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid \
          WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' \
          ORDER BY greatest(c.relpages, (s.n_live_tup + s.n_dead_tup) / 100) DESC, c.oid LIMIT {MAX_TABLES}), \
         free AS (SELECT t.oid FROM t WHERE NOT EXISTS (SELECT 1 FROM locked l WHERE l.relation = t.oid \
          OR l.relation IN (SELECT x.indexrelid FROM pg_index x WHERE x.indrelid = t.oid))) \
         SELECT t.schemaname::text, t.relname::text, \
         CASE WHEN free.oid IS NOT NULL THEN pg_relation_size(t.oid) END, \
         CASE WHEN free.oid IS NOT NULL THEN pg_indexes_size(t.oid) END, \
         CASE WHEN free.oid IS NOT NULL AND t.reltoastrelid <> 0 THEN pg_total_relation_size(t.reltoastrelid) END, \
         t.n_live_tup, t.n_dead_tup, t.n_mod_since_analyze, \
         least({vacuum}, nullif({most}::float8, -1)), {analyze}, \
         ({autovacuum})::bool AND current_setting('autovacuum')::bool, \
         (extract(epoch FROM greatest(t.last_vacuum, t.last_autovacuum)) * 1e6)::int8, \
         (extract(epoch FROM greatest(t.last_analyze, t.last_autoanalyze)) * 1e6)::int8, \
         t.seq_scan, t.idx_scan, t.count, \
         EXISTS (SELECT 1 FROM held h WHERE h.relation = t.oid AND h.mode = 'ShareUpdateExclusiveLock') \
         FROM t LEFT JOIN free ON free.oid = t.oid",
        vacuum = due("vacuum"),
        most = option("autovacuum_vacuum_max_threshold"),
        analyze = due("analyze"),
        autovacuum = "coalesce((SELECT option_value FROM pg_options_to_table(t.reloptions) \
             WHERE option_name = 'autovacuum_enabled'), 'on')",
    );
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    let rows = query.fetch_all(connection).await?;
    health.more_tables = more(&rows, 15)?;
    health.tables = rows.iter().map(table).collect::<Result<_, _>>()?;
    let tended = rows.iter().zip(&health.tables);
    let tended = tended.filter(|(row, _)| row.try_get(16).unwrap_or(false));
    let tended = tended.map(|(_, table)| table.name.clone()).collect();
    let bytes = |table: &TableRow| {
        [table.heap_bytes, table.index_bytes, table.toast_bytes]
            .into_iter()
            .flatten()
            .sum::<u64>()
    };
    health
        .tables
        .sort_by_key(|table| std::cmp::Reverse(bytes(table)));
    Ok(tended)
}

fn table(row: &PgRow) -> Result<TableRow, sqlx::Error> {
    let replied = |place: usize| count(row, place).map(Option::unwrap_or_default);
    let at = |place: usize| Ok::<_, sqlx::Error>(count(row, place)?.map(Timestamp::from_micros));
    Ok(TableRow {
        name: qualified(row.try_get(0)?, row.try_get(1)?),
        heap_bytes: count(row, 2)?,
        index_bytes: count(row, 3)?,
        toast_bytes: count(row, 4)?,
        live_rows: replied(5)?,
        dead_rows: replied(6)?,
        modified_rows: replied(7)?,
        vacuum_due_rows: row.try_get(8)?,
        analyze_due_rows: row.try_get(9)?,
        autovacuum: row.try_get(10)?,
        vacuumed_at: at(11)?,
        analyzed_at: at(12)?,
        seq_scans: count(row, 13)?,
        index_scans: count(row, 14)?,
        vacuum_overdue_seconds: None,
        analyze_overdue_seconds: None,
    })
}

async fn indexes(
    connection: &mut PgConnection,
    health: &mut DatabaseHealth,
) -> Result<(), sqlx::Error> {
    // Who builds an index without blocking writers holds a lock on its table that nothing but upkeep takes.
    let sql = format!(
        "WITH {LOCKED} \
         SELECT s.schemaname::text, s.indexrelname::text, s.relname::text, \
         CASE WHEN NOT EXISTS (SELECT 1 FROM locked l WHERE l.relation = s.indexrelid) \
          THEN pg_relation_size(s.indexrelid) END, \
         s.idx_scan, x.indisvalid AND x.indisready, \
         EXISTS (SELECT 1 FROM held h WHERE h.relation = s.relid \
          AND h.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'AccessExclusiveLock')), \
         x.indisunique, x.indisprimary OR x.indisexclusion \
          OR EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = s.indexrelid), s.count \
         FROM (SELECT s.*, count(*) OVER () AS count FROM pg_stat_user_indexes s \
          JOIN pg_index x ON x.indexrelid = s.indexrelid JOIN pg_class i ON i.oid = s.indexrelid \
          WHERE i.relpersistence <> 't' \
          ORDER BY x.indisvalid AND x.indisready, i.relpages DESC, i.oid LIMIT {MAX_INDEXES}) s \
         JOIN pg_index x ON x.indexrelid = s.indexrelid",
    );
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    let rows = query.fetch_all(connection).await?;
    health.more_indexes = more(&rows, 9)?;
    health.indexes = rows.iter().map(index).collect::<Result<_, _>>()?;
    health
        .indexes
        .sort_by_key(|index| (index.valid, std::cmp::Reverse(index.size_bytes)));
    Ok(())
}

fn index(row: &PgRow) -> Result<IndexRow, sqlx::Error> {
    let schema: &str = row.try_get(0)?;
    Ok(IndexRow {
        name: qualified(schema, row.try_get(1)?),
        table: qualified(schema, row.try_get(2)?),
        size_bytes: count(row, 3)?,
        scans: count(row, 4)?,
        valid: row.try_get(5)?,
        building: row.try_get(6)?,
        unique: row.try_get(7)?,
        constraint: row.try_get(8)?,
    })
}

/// Sequences that are asked for their last value, those with the least room first: each is locked for a moment, and the
/// server has a place for some thousands of locks, all sessions' together.
const MOST_ASKED: u32 = 1_000;

async fn sequences(
    connection: &mut PgConnection,
    health: &mut DatabaseHealth,
) -> Result<(), sqlx::Error> {
    // A sequence may give numbers that its column can't hold. One that begins anew at its end has none.
    let sql = format!(
        "SELECT s.schema, s.name, s.owner, s.last, s.most, \
         (s.last::float8 - s.least) / nullif(s.most::float8 - s.least, 0) AS used, \
         count(*) OVER () + greatest((SELECT count(*) FROM pg_sequence) - {MOST_ASKED}, 0) AS count \
         FROM (SELECT n.nspname::text AS schema, c.relname::text AS name, \
          CASE WHEN a.attname IS NOT NULL THEN CASE WHEN p.nspname <> 'public' THEN p.nspname || '.' ELSE '' END \
           || o.relname || '.' || a.attname END AS owner, \
          q.seqmin::float8 AS least, \
          least(q.seqmax, CASE a.atttypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647 END) AS most, \
          CASE WHEN has_sequence_privilege(c.oid, 'SELECT,USAGE') THEN pg_sequence_last_value(c.oid) END AS last \
          FROM (SELECT * FROM pg_sequence WHERE NOT seqcycle AND seqincrement > 0 \
           ORDER BY seqmax, seqrelid LIMIT {MOST_ASKED}) q JOIN pg_class c ON c.oid = q.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
          LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 \
           AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') \
          LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
          LEFT JOIN pg_class o ON o.oid = d.refobjid LEFT JOIN pg_namespace p ON p.oid = o.relnamespace \
          WHERE c.relpersistence = 'p') s \
         WHERE s.last IS NOT NULL ORDER BY used DESC NULLS LAST LIMIT {MAX_SEQUENCES}",
    );
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    let rows = query.fetch_all(connection).await?;
    health.more_sequences = more(&rows, 6)?;
    health.sequences = rows
        .iter()
        .map(|row| {
            let column: Option<&str> = row.try_get(2)?;
            Ok(SequenceRow {
                name: qualified(row.try_get(0)?, row.try_get(1)?),
                column: column.map(cut),
                last_value: row.try_get(3)?,
                limit: row.try_get(4)?,
                used_ratio: row.try_get::<Option<f64>, _>(5)?.unwrap_or(0.0),
            })
        })
        .collect::<Result<_, sqlx::Error>>()?;
    Ok(())
}

/// Reads a number that may be absent; the server's are signed.
fn count(row: &PgRow, place: usize) -> Result<Option<u64>, sqlx::Error> {
    let value: Option<i64> = row.try_get(place)?;
    Ok(value.and_then(|value| u64::try_from(value).ok()))
}

/// How many rows there are beyond these, by a column that says how many there are.
fn more(rows: &[PgRow], place: usize) -> Result<u64, sqlx::Error> {
    let all = rows.first().map(|row| count(row, place)).transpose()?;
    let all = all.flatten().unwrap_or_default();
    Ok(all.saturating_sub(rows.len() as u64))
}

/// The connections of a server, as two of its statements tell them.
fn connections(row: &PgRow) -> Result<Connections, sqlx::Error> {
    let number = |place| count(row, place).map(Option::unwrap_or_default);
    Ok(Connections {
        total: number(0)?,
        active: number(1)?,
        idle_in_transaction: number(2)?,
        waiting: number(3)?,
        max: number(4)?,
    })
}
