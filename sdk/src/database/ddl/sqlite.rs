//! Making and dropping an index of SQLite. The build holds the write lock from beginning to end, so it has a limit.

use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Executor as _, Row as _, SqlitePool};

use super::{IndexPlan, Preflight};
use crate::database::error::Error;
use crate::database::identifier::is_own_index;
use crate::database::sqlite::{Access, Side};

/// How long a build may hold the write lock: less than the 5 s that sqlx lets a writer wait, so the host's writes are late
/// and don't fail.
const BUILD: Duration = Duration::from_secs(4);
/// Instructions of SQLite's machine between two looks at the clock.
const STEPS: i32 = 20_000;

pub(super) async fn preflight(pool: &SqlitePool, index: &IndexPlan) -> Result<Preflight, Error> {
    let mut side = Side::open(pool, Access::Read).await?;
    let looked = look(&mut side, index).await;
    side.close().await;
    let looked = looked.map_err(|error| Error::failed("look at the table", &error))?;
    looked.ok_or_else(|| {
        Error::refused(
            format!("make the index {}", index.name),
            "the table is not there",
        )
    })
}

async fn look(
    connection: &mut SqliteConnection,
    index: &IndexPlan,
) -> Result<Option<Preflight>, sqlx::Error> {
    let objects = sqlx::query(
        "SELECT type, name, coalesce(sql, '') AS sql FROM sqlite_schema WHERE tbl_name = ? COLLATE NOCASE \
         OR name = ? COLLATE NOCASE ORDER BY name",
    );
    let objects = objects
        .bind(&index.table)
        .bind(&index.name)
        .fetch_all(&mut *connection)
        .await?;
    let mut state = index.create.clone();
    let (mut table, mut exists) = (false, false);
    for object in &objects {
        let (kind, name, sql): (String, String, String) = (
            object.try_get("type")?,
            object.try_get("name")?,
            object.try_get("sql")?,
        );
        table |= kind == "table";
        exists |= name.eq_ignore_ascii_case(&index.name);
        if kind == "index" && index.shape.is_plain() {
            exists |= same_columns(connection, &name, index).await?;
        }
        state = format!("{state}\0{kind}\0{name}\0{sql}");
    }
    if !table {
        return Ok(None);
    }
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut *connection)
        .await?;
    let mut notes = vec!["SQLite lets nobody else write while it builds an index.".to_owned()];
    if !journal.eq_ignore_ascii_case("wal") {
        notes.push(format!(
            "The journal mode is {journal}: readers may have to wait too."
        ));
    }
    Ok(Some(Preflight {
        notes,
        exists,
        state_hash: crate::sql::stable_hash(state.as_bytes()),
    }))
}

/// Returns whether a whole index has these columns first.
async fn same_columns(
    connection: &mut SqliteConnection,
    name: &str,
    index: &IndexPlan,
) -> Result<bool, sqlx::Error> {
    let listed = sqlx::query(
        "SELECT x.name, x.\"desc\" FROM pragma_index_xinfo(?1) x WHERE x.key = 1 AND NOT EXISTS \
         (SELECT 1 FROM pragma_index_list(?2) l WHERE l.name = ?1 AND l.partial = 1) ORDER BY x.seqno",
    );
    let listed = listed
        .bind(name)
        .bind(&index.table)
        .fetch_all(&mut *connection)
        .await?;
    if listed.len() < index.columns.len() {
        return Ok(false);
    }
    for (present, wanted) in listed.iter().zip(&index.columns) {
        let column: Option<String> = present.try_get(0)?;
        let same = column.as_deref() == Some(wanted.name.as_str());
        if !same || (present.try_get::<i64, _>(1)? != 0) != wanted.descending {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) async fn create(
    pool: &SqlitePool,
    index: &IndexPlan,
    progress: impl Fn(String) + Send,
) -> Result<(), Error> {
    let operation = format!("create the index {}", index.name);
    let mut side = Side::open(pool, Access::Write).await?;
    progress("building".into());
    let built = run(&mut side, &index.create)
        .await
        .map_err(|error| match error {
            // The code of an interrupted statement.
            sqlx::Error::Database(error) if error.code().as_deref() == Some("9") => {
                Error::timed_out(&operation)
            }
            error => Error::failed(&operation, &error),
        });
    let checked = match built {
        Ok(()) => text_of(&mut side, index)
            .await
            .map_err(|error| Error::failed(&operation, &error)),
        Err(error) => Err(error),
    };
    side.close().await;
    match checked? {
        Some(_) => {
            progress("built".into());
            Ok(())
        }
        None => Err(Error::refused(operation, "it is not there after the build")),
    }
}

pub(super) async fn drop(pool: &SqlitePool, index: &IndexPlan) -> Result<(), Error> {
    let operation = format!("drop the index {}", index.name);
    if !is_own_index(&index.name) {
        return Err(Error::refused(operation, "perfdeck did not make it"));
    }
    let mut side = Side::open(pool, Access::Write).await?;
    let present = text_of(&mut side, index).await;
    let dropped = match present {
        Ok(Some(text)) if text == index.create => run(&mut side, &index.drop)
            .await
            .map_err(|error| Error::failed(&operation, &error)),
        Ok(Some(_)) => Err(Error::refused(&operation, "it is not as perfdeck made it")),
        Ok(None) => Err(Error::refused(&operation, "it is not there")),
        Err(error) => Err(Error::failed(&operation, &error)),
    };
    side.close().await;
    dropped
}

/// Runs one statement, and interrupts it when it has held the lock for too long.
async fn run(connection: &mut SqliteConnection, sql: &str) -> Result<(), sqlx::Error> {
    let started = Instant::now();
    connection
        .lock_handle()
        .await?
        .set_progress_handler(STEPS, move || started.elapsed() < BUILD);
    let ran = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await;
    connection.lock_handle().await?.remove_progress_handler();
    ran.map(|_| ())
}

async fn text_of(
    connection: &mut SqliteConnection,
    index: &IndexPlan,
) -> Result<Option<String>, sqlx::Error> {
    let text =
        sqlx::query_scalar("SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?");
    text.bind(&index.name).fetch_optional(connection).await
}
