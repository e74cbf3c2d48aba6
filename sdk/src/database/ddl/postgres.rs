//! Making and dropping an index of PostgreSQL while the table is in use.
//!
//! The build is concurrent, one at a time, gives up when a lock is not free in time, and leaves nothing invalid behind.

use std::pin::pin;
use std::time::Duration;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{PgPool, Row as _};

use super::{IndexPlan, Preflight};
use crate::database::OWN_NAME;
use crate::database::error::Error;
use crate::database::identifier::{is_own_index, quote_qualified};
use crate::database::postgres::{close, command, connect};

/// How long a lock may keep the build waiting.
const LOCK: &str = "SET lock_timeout = '2s'";
/// How long the build may take.
const BUILD: &str = "SET statement_timeout = '30min'";
/// Cleaning up waits longer: it blocks nobody, and what it removes costs every write.
const CLEAN_LOCK: &str = "SET lock_timeout = '5min'";
const LOOK: Duration = Duration::from_millis(500);
/// Servers from this number on don't run an index's functions with the rights of who builds it (CVE-2022-1552).
const SAFE_FOR_SUPERUSER: i32 = 140_003;

pub(super) async fn preflight(pool: &PgPool, index: &IndexPlan) -> Result<Preflight, Error> {
    let mut connection = connect(pool).await?;
    let looked = look(&mut connection, index).await;
    close(connection).await;
    looked
}

async fn look(connection: &mut PgConnection, index: &IndexPlan) -> Result<Preflight, Error> {
    let operation = || format!("make the index {}", index.name);
    let failed = |error: sqlx::Error| Error::failed(operation(), &error);
    let on = quote_qualified(index.schema.as_deref(), &index.table)?;
    let found = sqlx::query(
        "SELECT c.oid::int8, pg_table_size(c.oid), pg_has_role(c.relowner, 'USAGE'), \
         (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), \
         current_setting('server_version_num')::int4, pg_is_in_recovery(), current_user::text, \
         current_setting('server_version') \
         FROM pg_class c WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'm')",
    );
    let found = found
        .bind(on)
        .persistent(false)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    let Some(row) = found else {
        return Err(Error::refused(operation(), "the table is not there"));
    };
    let facts = Facts::read(&row).map_err(failed)?;
    facts.check(&operation())?;
    let (exists, state) = present(connection, facts.oid, index)
        .await
        .map_err(failed)?;
    let mut notes = vec![format!(
        "The table has {} MB; the role {} makes the index on server {}.",
        facts.bytes / 1_000_000,
        facts.role,
        facts.version
    )];
    let oldest = sqlx::query_scalar::<_, Option<f64>>(
        "SELECT max(extract(epoch FROM now() - xact_start))::float8 FROM pg_stat_activity \
         WHERE pid <> pg_backend_pid() AND backend_xmin IS NOT NULL AND datname = current_database()",
    );
    let oldest = oldest
        .persistent(false)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if let Some(seconds) = oldest.filter(|seconds| *seconds >= 2.0) {
        notes.push(format!(
            "A transaction has been open for {seconds:.0} s: the build waits for it and gives up after 2 s."
        ));
    }
    let state = format!("{}\0{}\0{}\0{state}", index.create, facts.oid, facts.role);
    Ok(Preflight {
        notes,
        exists,
        state_hash: crate::sql::stable_hash(state.as_bytes()),
    })
}

#[derive(Debug)]
struct Facts {
    oid: i64,
    bytes: i64,
    owner: bool,
    superuser: bool,
    version_number: i32,
    replica: bool,
    role: String,
    version: String,
}

impl Facts {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            oid: row.try_get(0)?,
            bytes: row.try_get(1)?,
            owner: row.try_get(2)?,
            superuser: row.try_get(3)?,
            version_number: row.try_get(4)?,
            replica: row.try_get(5)?,
            role: row.try_get(6)?,
            version: row.try_get(7)?,
        })
    }

    fn check(&self, operation: &str) -> Result<(), Error> {
        if self.replica {
            return Err(Error::refused(operation, "the server is a replica"));
        }
        if !self.owner {
            return Err(Error::refused(
                operation,
                format!("the role {} does not own the table", self.role),
            ));
        }
        if self.superuser && self.version_number < SAFE_FOR_SUPERUSER {
            let why = "the role is a superuser, and this server would run an index's functions with its rights";
            return Err(Error::refused(operation, why));
        }
        Ok(())
    }
}

/// Looks for an index of the same name or beginning, and words the table's indexes.
async fn present(
    connection: &mut PgConnection,
    table: i64,
    index: &IndexPlan,
) -> Result<(bool, String), sqlx::Error> {
    let listed = sqlx::query(
        "SELECT i.relname::text, pg_get_indexdef(x.indexrelid), x.indisvalid, \
         m.amname = 'btree' AND x.indpred IS NULL AND x.indisvalid, \
         (SELECT array_agg(coalesce(a.attname::text, '') || CASE WHEN x.indoption[k.n - 1] & 1 = 1 THEN ' d' ELSE '' END \
          ORDER BY k.n) FROM unnest(x.indkey::int2[]) WITH ORDINALITY k(attnum, n) \
          LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum WHERE k.n <= x.indnkeyatts) \
         FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am m ON m.oid = i.relam \
         WHERE x.indrelid = $1::oid OR (i.relname = $2 AND i.relnamespace = \
         (SELECT relnamespace FROM pg_class WHERE oid = $1::oid)) ORDER BY i.relname",
    );
    let listed = listed.bind(table).bind(&index.name).persistent(false);
    let wanted: Vec<String> = index
        .columns
        .iter()
        .map(|column| {
            format!(
                "{}{}",
                column.name,
                if column.descending { " d" } else { "" }
            )
        })
        .collect();
    let (mut exists, mut state) = (false, String::new());
    for row in listed.fetch_all(&mut *connection).await? {
        let (name, definition): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let columns: Option<Vec<String>> = row.try_get(4)?;
        let serves = index.shape.is_plain()
            && row.try_get::<bool, _>(3)?
            && columns.is_some_and(|columns| columns.starts_with(&wanted));
        exists |= name == index.name || serves;
        state = format!("{state}\0{definition}\0{}", row.try_get::<bool, _>(2)?);
    }
    Ok((exists, state))
}

pub(super) async fn create(
    pool: &PgPool,
    index: &IndexPlan,
    progress: impl Fn(String) + Send,
) -> Result<(), Error> {
    let mut connection = connect(pool).await?;
    let created = create_on(&mut connection, pool, index, &progress).await;
    // The advisory lock goes with the connection.
    close(connection).await;
    created
}

async fn create_on(
    connection: &mut PgConnection,
    pool: &PgPool,
    index: &IndexPlan,
    progress: &(impl Fn(String) + Send),
) -> Result<(), Error> {
    let operation = format!("create the index {}", index.name);
    let failed = |error: sqlx::Error| Error::failed(&operation, &error);
    if look(connection, index).await?.exists {
        return Err(Error::refused(
            &operation,
            "an index of that name or with those columns is there already",
        ));
    }
    alone(connection, &operation).await?;
    // Another perfdeck may have built it while the lock was its own.
    if look(connection, index).await?.exists {
        return Err(Error::refused(&operation, "somebody has just made it"));
    }
    for sql in [LOCK, BUILD] {
        command(connection, sql.into()).await.map_err(failed)?;
    }
    reach(connection, index).await.map_err(failed)?;
    progress("building".into());
    let built = watched(connection, pool, index, progress).await;
    let valid = validity(connection, index).await.map_err(failed)?;
    match (built, valid) {
        (Ok(()), Some(true)) => {
            let name = quote_qualified(index.schema.as_deref(), &index.name)?;
            let comment =
                format!("COMMENT ON INDEX {name} IS '{OWN_NAME}: made on advice, safe to drop'");
            command(connection, comment).await.map_err(failed)?;
            progress("built".into());
            Ok(())
        }
        // Somebody else's of the same name, or one whose end was not heard: neither is ours to drop.
        (Err(error), Some(true)) => Err(failed(error)),
        (Err(error), Some(false)) if is_duplicate(&error) => Err(failed(error)),
        (built, Some(false)) => {
            progress("removing what the failed build left".into());
            command(connection, CLEAN_LOCK.into())
                .await
                .map_err(failed)?;
            command(connection, index.drop.clone())
                .await
                .map_err(|error| {
                    Error::failed(
                        format!("drop the invalid index {} of a failed build", index.name),
                        &error,
                    )
                })?;
            Err(built.err().map_or_else(
                || Error::refused(&operation, "the server marked it invalid"),
                &failed,
            ))
        }
        (Err(error), None) => Err(failed(error)),
        (Ok(()), None) => Err(Error::refused(
            &operation,
            "it is not there after the build",
        )),
    }
}

/// Whether an index of that name was there before.
fn is_duplicate(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| code == "42P07")
}

/// One build of perfdeck's at a time in a database.
async fn alone(connection: &mut PgConnection, operation: &str) -> Result<(), Error> {
    let key = crate::sql::stable_hash(OWN_NAME.as_bytes()) as i64;
    let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(key)
        .persistent(false);
    let locked: bool = lock
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| Error::failed(operation, &error))?;
    if locked {
        Ok(())
    } else {
        Err(Error::refused(
            operation,
            "perfdeck is building another index",
        ))
    }
}

/// Takes the locks that the build will want, and lets them go: if somebody holds the table for long, nothing has begun.
///
/// The stronger lock is what writers of the table stand in the way of, as they do in the build's waits; it is asked for
/// without waiting, so nobody queues behind it.
async fn reach(connection: &mut PgConnection, index: &IndexPlan) -> Result<(), sqlx::Error> {
    let on = quote_qualified(index.schema.as_deref(), &index.table)
        .map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
    command(connection, "BEGIN".into()).await?;
    let locked = command(
        connection,
        format!("LOCK TABLE {on} IN SHARE UPDATE EXCLUSIVE MODE"),
    )
    .await;
    command(connection, "ROLLBACK".into()).await?;
    locked?;
    let now = sqlx::query_scalar("SELECT extract(epoch FROM clock_timestamp())::float8");
    let started: f64 = now.persistent(false).fetch_one(&mut *connection).await?;
    for attempt in 0.. {
        // Writers come and go; one that stays over all attempts would hold up the build.
        let held = sqlx::query_scalar(
            "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
             WHERE l.relation = to_regclass($1) AND l.granted AND l.pid <> pg_backend_pid() \
             AND l.mode IN ('RowExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock') \
             AND a.xact_start < to_timestamp($2)",
        );
        let held: i64 = held
            .bind(&on)
            .bind(started)
            .persistent(false)
            .fetch_one(&mut *connection)
            .await?;
        if held == 0 || attempt == 4 {
            if held > 0 {
                // Let the server say it: the lock is not free, and this asks without waiting.
                command(connection, "BEGIN".into()).await?;
                let locked =
                    command(connection, format!("LOCK TABLE {on} IN SHARE MODE NOWAIT")).await;
                command(connection, "ROLLBACK".into()).await?;
                locked?;
            }
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Runs the build, and asks on a second connection how far it is.
async fn watched(
    connection: &mut PgConnection,
    pool: &PgPool,
    index: &IndexPlan,
    progress: &(impl Fn(String) + Send),
) -> Result<(), sqlx::Error> {
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .persistent(false)
        .fetch_one(&mut *connection)
        .await?;
    let mut second = None;
    let mut build = pin!(command(connection, index.create.clone()));
    loop {
        if let Ok(built) = tokio::time::timeout(LOOK, &mut build).await {
            if let Some(second) = second {
                close(second).await;
            }
            return built;
        }
        if second.is_none() {
            second = connect(pool).await.ok();
        }
        let Some(watcher) = &mut second else { continue };
        if let Ok(Ok(Some(told))) = tokio::time::timeout(LOOK, phase(watcher, pid)).await {
            progress(told);
        }
    }
}

async fn phase(watcher: &mut PgConnection, pid: i32) -> Result<Option<String>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT phase, CASE WHEN tuples_total > 0 THEN tuples_done * 100 / tuples_total \
         WHEN blocks_total > 0 THEN blocks_done * 100 / blocks_total END \
         FROM pg_stat_progress_create_index WHERE pid = $1",
    );
    let Some(row) = row
        .bind(pid)
        .persistent(false)
        .fetch_optional(watcher)
        .await?
    else {
        return Ok(None);
    };
    let phase: String = row.try_get(0)?;
    let percent: Option<i64> = row.try_get(1)?;
    Ok(Some(percent.map_or_else(
        || phase.clone(),
        |percent| format!("{phase}, {percent} %"),
    )))
}

/// Returns whether the index is valid; `None` if it is not there.
async fn validity(
    connection: &mut PgConnection,
    index: &IndexPlan,
) -> Result<Option<bool>, sqlx::Error> {
    let name = quote_qualified(index.schema.as_deref(), &index.name)
        .map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
    let valid = sqlx::query_scalar(
        "SELECT indisvalid AND indisready FROM pg_index WHERE indexrelid = to_regclass($1)",
    );
    valid
        .bind(name)
        .persistent(false)
        .fetch_optional(connection)
        .await
}

pub(super) async fn drop(pool: &PgPool, index: &IndexPlan) -> Result<(), Error> {
    let mut connection = connect(pool).await?;
    let dropped = drop_on(&mut connection, index).await;
    close(connection).await;
    dropped
}

async fn drop_on(connection: &mut PgConnection, index: &IndexPlan) -> Result<(), Error> {
    let operation = format!("drop the index {}", index.name);
    let failed = |error: sqlx::Error| Error::failed(&operation, &error);
    let name = quote_qualified(index.schema.as_deref(), &index.name)?;
    let comment = sqlx::query_scalar::<_, Option<String>>(
        "SELECT obj_description(indexrelid, 'pg_class') FROM pg_index WHERE indexrelid = to_regclass($1)",
    );
    let comment = comment
        .bind(name)
        .persistent(false)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    match comment {
        None => return Err(Error::refused(operation, "it is not there")),
        Some(comment) => {
            let ours = comment.is_some_and(|comment| comment.starts_with(OWN_NAME));
            if !ours || !is_own_index(&index.name) {
                return Err(Error::refused(
                    operation,
                    "it does not carry perfdeck's comment",
                ));
            }
        }
    }
    // Once begun the index is marked invalid, so waiting is better than giving up halfway; it blocks nobody.
    for sql in [CLEAN_LOCK, BUILD] {
        command(connection, sql.into()).await.map_err(failed)?;
    }
    command(connection, index.drop.clone())
        .await
        .map_err(failed)
}
