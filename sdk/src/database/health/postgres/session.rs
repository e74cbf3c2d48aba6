//! Who is connected, in what transaction, and who waits for whom.

use perfdeck_bridge::protocol::{BlockedRow, DatabaseHealth, QueryId, SessionRow, Timestamp};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::super::{MAX_SESSIONS, cut};
use super::{connections, more, qualified};
use crate::database::OWN_NAME;
use crate::sql::redacted;

/// The first server that says since when somebody waits for a lock.
const SAYS_SINCE_WHEN: i32 = 140_000;
/// What stands in the place of a statement that our role may not see.
const HIDDEN: &str = "<insufficient privilege>";

pub(super) async fn read(
    connection: &mut PgConnection,
    health: &mut DatabaseHealth,
    version: i32,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    // To whom another role's sessions are hidden, their kind is, too.
    let row = sqlx::query(
        "SELECT count(*), count(*) FILTER (WHERE state = 'active'), \
         count(*) FILTER (WHERE state LIKE 'idle in transaction%'), \
         count(*) FILTER (WHERE wait_event_type = 'Lock'), current_setting('max_connections')::int8 \
         FROM pg_stat_activity WHERE datname = current_database() \
         AND coalesce(backend_type, 'client backend') = 'client backend' AND pid <> pg_backend_pid()",
    );
    let row = row.persistent(false).fetch_one(&mut *connection).await?;
    let connected = connections(&row)?;
    let sql = format!(
        "SELECT {}, count(*) OVER () FROM pg_stat_activity a \
         WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() \
         AND application_name <> '{OWN_NAME}' AND (clock_timestamp() - xact_start > '5 seconds' \
          OR state LIKE 'idle in transaction%' AND clock_timestamp() - state_change > '1 second') \
         ORDER BY xact_start LIMIT {MAX_SESSIONS}",
        columns("a"),
    );
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    let rows = query.fetch_all(&mut *connection).await?;
    health.more_sessions = more(&rows, SESSION)?;
    health.sessions = rows
        .iter()
        .map(|row| session(row, 0))
        .collect::<Result<_, _>>()?;
    let before = std::mem::take(&mut health.blocked);
    health.more_blocked = 0;
    // Who blocks whom costs the server's lock manager a moment for each who waits, so nobody asks while nobody does.
    if connected.waiting > 0 {
        blocked(connection, health, version).await?;
        if version < SAYS_SINCE_WHEN {
            let passed = health
                .active_at
                .map_or(0.0, |then| now.since(then).as_secs_f64());
            seen_since(&mut health.blocked, &before, passed);
        }
    }
    health.connections = Some(connected);
    Ok(())
}

/// Columns of a session, as many as [`SESSION`].
fn columns(of: &str) -> String {
    format!(
        "{of}.pid, coalesce({of}.application_name, ''), coalesce({of}.state, ''), \
         coalesce(extract(epoch FROM clock_timestamp() - {of}.state_change)::float8, 0), \
         coalesce(extract(epoch FROM clock_timestamp() - {of}.xact_start)::float8, 0), {of}.query"
    )
}

const SESSION: usize = 6;

fn session(row: &PgRow, first: usize) -> Result<SessionRow, sqlx::Error> {
    let pid: Option<i32> = row.try_get(first)?;
    let text: Option<&str> = row.try_get(first + 5)?;
    let shape = text
        .filter(|text| !text.is_empty() && *text != HIDDEN)
        .map(redacted::statement);
    let (id, statement) = shape.unzip();
    Ok(SessionRow {
        pid: pid.unwrap_or_default(),
        application: cut(row.try_get(first + 1)?),
        state: cut(row.try_get(first + 2)?),
        state_seconds: row.try_get(first + 3)?,
        transaction_seconds: row.try_get(first + 4)?,
        statement: statement.map(|text| redacted::cut(&text, MAX_STATEMENT)),
        query: id.map(|id| QueryId(format!("{id:016x}"))),
        route: None,
    })
}

/// The most bytes of a session's statement that are told.
const MAX_STATEMENT: usize = 400;

async fn blocked(
    connection: &mut PgConnection,
    health: &mut DatabaseHealth,
    version: i32,
) -> Result<(), sqlx::Error> {
    // For a moment after a wait began there is no time of it.
    let (start, waited) = if version >= SAYS_SINCE_WHEN {
        (
            ", waitstart",
            "coalesce(extract(epoch FROM clock_timestamp() - l.waitstart)::float8, 0)",
        )
    } else {
        ("", "0::float8")
    };
    let sql = format!(
        "SELECT {waiting}, {blocker}, \
         {waited} AS waited, coalesce(l.locktype, ''), \
         n.nspname::text, c.relname::text, count(*) OVER () \
         FROM (SELECT * FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' \
          AND application_name <> '{OWN_NAME}' ORDER BY query_start LIMIT {MAX_SESSIONS}) w \
         CROSS JOIN LATERAL (SELECT DISTINCT unnest(pg_blocking_pids(w.pid)) AS pid) k \
         LEFT JOIN pg_stat_activity b ON b.pid = k.pid \
         LEFT JOIN LATERAL (SELECT locktype, relation{start} FROM pg_locks WHERE pid = w.pid AND NOT granted LIMIT 1) l ON true \
         LEFT JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_namespace n ON n.oid = c.relnamespace \
         ORDER BY waited DESC LIMIT {MAX_SESSIONS}",
        waiting = columns("w"),
        // Who connected since the sessions were read is not among them; 0 is a prepared transaction.
        blocker = columns("b").replacen("b.pid", "k.pid", 1),
    );
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    let rows = query.fetch_all(&mut *connection).await?;
    health.more_blocked = more(&rows, 2 * SESSION + 4)?;
    health.blocked = rows
        .iter()
        .map(|row| {
            let schema: Option<&str> = row.try_get(2 * SESSION + 2)?;
            let relation: Option<&str> = row.try_get(2 * SESSION + 3)?;
            Ok(BlockedRow {
                waiting: session(row, 0)?,
                blocker: session(row, SESSION)?,
                wait_seconds: row.try_get(2 * SESSION)?,
                lock: cut(row.try_get(2 * SESSION + 1)?),
                relation: schema
                    .zip(relation)
                    .map(|(schema, name)| qualified(schema, name)),
            })
        })
        .collect::<Result<_, sqlx::Error>>()?;
    Ok(())
}

/// On servers that don't say it, the time since somebody was first seen to wait for the same session.
fn seen_since(blocked: &mut [BlockedRow], before: &[BlockedRow], passed: f64) {
    for row in blocked {
        let same = |known: &&BlockedRow| {
            (known.waiting.pid, known.blocker.pid) == (row.waiting.pid, row.blocker.pid)
                && known.relation == row.relation
        };
        let known = before.iter().find(same);
        row.wait_seconds = known.map_or(0.0, |known| known.wait_seconds + passed);
    }
}
