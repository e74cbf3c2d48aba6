//! Databases of a test's own, with rows in them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use perfdeck_tests::postgres::Server;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Executor as _, PgPool, SqlitePool};

use super::Handle;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A SQLite file that goes with the value.
#[derive(Debug)]
pub(super) struct File {
    pub(super) pool: SqlitePool,
    folder: PathBuf,
}

impl File {
    pub(super) async fn with(script: &str) -> Self {
        let name = format!(
            "perfdeck-sqlite-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        let options = SqliteConnectOptions::new()
            .filename(folder.join("db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        let pool = SqlitePoolOptions::new()
            .max_connections(2)
            .connect_with(options)
            .await
            .unwrap();
        pool.execute(sqlx::raw_sql(AssertSqlSafe(script.to_owned())))
            .await
            .unwrap();
        Self { pool, folder }
    }

    pub(super) fn handle(&self) -> Handle {
        Handle::of(&self.pool).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A database on a server that tests share.
#[derive(Debug)]
pub(super) struct Postgres {
    pub(super) pool: PgPool,
    pub(super) server: Arc<Server>,
}

impl Postgres {
    pub(super) async fn with(script: &str) -> Self {
        let server = Server::shared().unwrap();
        let name = format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let url = server.database(&name).unwrap();
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect(&url)
            .await
            .unwrap();
        pool.execute(sqlx::raw_sql(AssertSqlSafe(script.to_owned())))
            .await
            .unwrap();
        Self { pool, server }
    }

    pub(super) fn handle(&self) -> Handle {
        Handle::of(&self.pool).unwrap()
    }
}
