//! The service's database: a file, and some notes in it.

use std::path::Path;

use anyhow::Result;
use sqlx::ConnectOptions as _;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};

/// The notes' ids go from 1 to this.
pub(crate) const NOTES: u64 = 1_000;

/// Each has a thread of its own.
const CONNECTIONS: u32 = 4;

/// What sqlx tells `tracing` of each statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatementLog {
    /// An event at DEBUG, as sqlx has it from the start.
    On,
    Off,
}

/// Makes the database, with all its connections open.
pub(crate) async fn open(folder: &Path, log: StatementLog) -> Result<SqlitePool> {
    let mut options = SqliteConnectOptions::new()
        .filename(folder.join("notes.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    if log == StatementLog::Off {
        options = options.disable_statement_logging();
    }
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .min_connections(CONNECTIONS)
        .connect_with(options)
        .await?;
    sqlx::query(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL, body TEXT NOT NULL)",
    )
    .execute(&pool)
    .await?;
    sqlx::query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
         INSERT INTO notes (title, body) SELECT 'title ' || i, 'body of note ' || i FROM n",
    )
    .bind(NOTES as i64)
    .execute(&pool)
    .await?;
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        open.push(pool.acquire().await?);
    }
    Ok(pool)
}
