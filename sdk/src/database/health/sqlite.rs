//! SQLite: one file, and what the library says of it.

use std::path::{Path, PathBuf};

use perfdeck_bridge::protocol::{DatabaseFile, DatabaseHealth, IndexRow, TableRow, Timestamp};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row as _, SqlitePool};

use super::{Look, MAX_INDEXES, MAX_TABLES, cut};
use crate::database::Error;
use crate::database::sqlite::{Access, Side, is_in_memory};

pub(super) async fn look(
    pool: &SqlitePool,
    look: Look,
    known: DatabaseHealth,
    now: Timestamp,
) -> Result<DatabaseHealth, Error> {
    // It has no sessions that could be asked for.
    if look == Look::Sessions {
        return Ok(known);
    }
    let path = pool.connect_options().get_filename().to_path_buf();
    if is_in_memory(&path) {
        return Err(Error::refused(
            "look at the database",
            "it is in memory, where no other connection can see it",
        ));
    }
    let mut side = Side::open(pool, Access::Read).await?;
    let looked = on(&mut side, &path, known, now).await;
    side.close().await;
    looked.map_err(|error| Error::failed("look at the database", &error))
}

async fn on(
    connection: &mut SqliteConnection,
    path: &Path,
    mut health: DatabaseHealth,
    now: Timestamp,
) -> Result<DatabaseHealth, sqlx::Error> {
    let row = sqlx::query(
        "SELECT sqlite_version(), \
         (SELECT page_count FROM pragma_page_count()), (SELECT page_size FROM pragma_page_size()), \
         (SELECT freelist_count FROM pragma_freelist_count()), \
         (SELECT journal_mode FROM pragma_journal_mode()), \
         EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1')",
    );
    let row = row.persistent(false).fetch_one(&mut *connection).await?;
    let number = |place: usize| {
        let value: i64 = row.try_get(place)?;
        Ok::<_, sqlx::Error>(u64::try_from(value).unwrap_or_default())
    };
    let journal_mode: String = row.try_get(4)?;
    let file = DatabaseFile {
        pages: number(1)?,
        page_bytes: number(2)?,
        free_pages: number(3)?,
        wal_bytes: (journal_mode == "wal").then(|| wal_bytes(path)),
        journal_mode,
        analyzed: row.try_get(5)?,
    };
    health.version = row.try_get(0)?;
    health.size_bytes = Some(file.pages * file.page_bytes);
    tables(connection, &mut health, file.analyzed).await?;
    indexes(connection, &mut health).await?;
    health.file = Some(file);
    health.failure = None;
    health.sized_at = Some(now);
    Ok(health)
}

fn wal_bytes(path: &Path) -> u64 {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    std::fs::metadata(PathBuf::from(name)).map_or(0, |wal| wal.len())
}

/// The tables with their rows as `ANALYZE` counted them: to count them anew would read them whole.
async fn tables(
    connection: &mut SqliteConnection,
    health: &mut DatabaseHealth,
    analyzed: bool,
) -> Result<(), sqlx::Error> {
    let rows = if analyzed {
        "(SELECT max(CAST(stat AS INTEGER)) FROM sqlite_stat1 WHERE tbl = m.name)"
    } else {
        "NULL"
    };
    let sql = format!(
        "SELECT m.name, {rows} AS rows, count(*) OVER () FROM sqlite_schema m WHERE m.type = 'table' \
         AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rows DESC, m.name LIMIT {MAX_TABLES}",
    );
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    let listed = query.fetch_all(connection).await?;
    health.more_tables = match listed.first() {
        Some(first) => unsigned(first.try_get(2)?).saturating_sub(listed.len() as u64),
        None => 0,
    };
    health.tables = listed
        .iter()
        .map(|row| {
            let counted: Option<i64> = row.try_get(1)?;
            Ok(TableRow {
                name: cut(row.try_get(0)?),
                live_rows: counted.map_or(0, unsigned),
                ..TableRow::default()
            })
        })
        .collect::<Result<_, sqlx::Error>>()?;
    Ok(())
}

async fn indexes(
    connection: &mut SqliteConnection,
    health: &mut DatabaseHealth,
) -> Result<(), sqlx::Error> {
    let sql = format!(
        "SELECT i.name, m.name, i.\"unique\", i.origin <> 'c', count(*) OVER () \
         FROM sqlite_schema m, pragma_index_list(m.name) i WHERE m.type = 'table' \
         ORDER BY m.name, i.name LIMIT {MAX_INDEXES}",
    );
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    let listed = query.fetch_all(connection).await?;
    health.more_indexes = match listed.first() {
        Some(first) => unsigned(first.try_get(4)?).saturating_sub(listed.len() as u64),
        None => 0,
    };
    health.indexes = listed
        .iter()
        .map(|row| {
            Ok(IndexRow {
                name: cut(row.try_get(0)?),
                table: cut(row.try_get(1)?),
                valid: true,
                unique: row.try_get(2)?,
                constraint: row.try_get(3)?,
                ..IndexRow::default()
            })
        })
        .collect::<Result<_, sqlx::Error>>()?;
    Ok(())
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}
