//! Connections to PostgreSQL beside the pool, and generic plans through them.

use std::time::Duration;

use perfdeck_bridge::protocol::Redacted;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgPool, Row as _};

use super::OWN_NAME;
use super::error::Error;

/// How long the server may take to answer a new connection.
const CONNECT: Duration = Duration::from_secs(3);
/// The name under which a statement is prepared, and deallocated: no other's is ever touched.
const PREPARED: &str = "perfdeck_statement";

/// Opens a connection of perfdeck's own to the pool's database.
pub(super) async fn connect(pool: &PgPool) -> Result<PgConnection, Error> {
    connect_keeping(pool, 0).await
}

/// The same for many statements, of which it keeps so many prepared.
pub(super) async fn connect_keeping(
    pool: &PgPool,
    statements: usize,
) -> Result<PgConnection, Error> {
    const OPERATION: &str = "connect to the database";
    // Even asking for a table's size waits for whoever has locked it. The limits go with the connection's start: a pooler in
    // front of the server would let a SET of ours outlive it, in a session of the host's.
    let options = PgConnectOptions::clone(&pool.connect_options())
        .application_name(OWN_NAME)
        .options([("lock_timeout", "2s"), ("statement_timeout", "10s")])
        .statement_cache_capacity(statements)
        .disable_statement_logging();
    let connection = tokio::time::timeout(CONNECT, options.connect()).await;
    let connection = connection.map_err(|_| Error::timed_out(OPERATION))?;
    connection.map_err(|error| Error::failed(OPERATION, &error))
}

/// Closes the connection; nothing is left to lose, whatever the answer.
pub(super) async fn close(connection: PgConnection) {
    let _ = tokio::time::timeout(CONNECT, connection.close()).await;
}

/// Runs one command through the extended protocol, which takes no second one behind it.
pub(super) async fn command(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    connection
        .execute(sqlx::query(AssertSqlSafe(sql)).persistent(false))
        .await?;
    Ok(())
}

/// The planner's answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// A line a step; only costs are left of its numbers and nothing of its literals.
    pub(super) lines: Vec<Redacted>,
    pub(super) cost: f64,
}

/// Plans a statement for arguments that are not known, without running it.
///
/// In a transaction that can't write and with time-outs of its own, so it neither waits for a lock nor is waited for.
pub(super) async fn explain(
    connection: &mut PgConnection,
    text: &str,
) -> Result<Plan, sqlx::Error> {
    let plan = explain_prepared(connection, text).await;
    // The transaction may have failed, and a prepared statement outlives it.
    command(connection, "ROLLBACK".into()).await?;
    let _ = command(connection, format!("DEALLOCATE {PREPARED}")).await;
    plan
}

async fn explain_prepared(connection: &mut PgConnection, text: &str) -> Result<Plan, sqlx::Error> {
    for sql in [
        "BEGIN READ ONLY",
        "SET LOCAL statement_timeout = '3s'",
        "SET LOCAL lock_timeout = '200ms'",
        "SET LOCAL plan_cache_mode = force_generic_plan",
    ] {
        command(connection, sql.into()).await?;
    }
    command(connection, format!("PREPARE {PREPARED} AS {text}")).await?;
    let count = sqlx::query_scalar(
        "SELECT coalesce(cardinality(parameter_types), 0) FROM pg_prepared_statements WHERE name = $1",
    );
    let count: i32 = count
        .bind(PREPARED)
        .persistent(false)
        .fetch_one(&mut *connection)
        .await?;
    let nulls = vec!["NULL"; usize::try_from(count).unwrap_or(0)].join(", ");
    let arguments = if nulls.is_empty() {
        nulls
    } else {
        format!("({nulls})")
    };
    let sql = AssertSqlSafe(format!("EXPLAIN EXECUTE {PREPARED}{arguments}"));
    let rows = sqlx::query(sql)
        .persistent(false)
        .fetch_all(&mut *connection)
        .await?;
    let lines = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<Vec<String>, _>>()?;
    let cost = lines
        .first()
        .and_then(|line| total_cost(line))
        .unwrap_or(0.0);
    Ok(Plan {
        lines: crate::sql::redacted::plan(&lines),
        cost,
    })
}

/// Reads the second number of `cost=0.00..35.50`.
pub(super) fn total_cost(line: &str) -> Option<f64> {
    let (_, costs) = line.split_once("(cost=")?;
    let (_, total) = costs.split_once("..")?;
    total.split(' ').next()?.parse().ok()
}
