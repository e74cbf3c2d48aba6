use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Pool, Sqlite};

/// A database file of the service's own; removed with it.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
}

impl File {
    /// Removes the file and what SQLite keeps beside it.
    pub(super) fn remove(&self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            // What is gone already need not be removed.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.remove();
    }
}

pub(super) async fn open() -> anyhow::Result<(Pool<Sqlite>, File)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let name = format!("support-desk-{}-{now}.sqlite", std::process::id());
    let file = File {
        path: std::env::temp_dir().join(name),
    };
    let options = SqliteConnectOptions::new()
        .filename(&file.path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(5));
    let pool = SqlitePoolOptions::new()
        .max_connections(super::CONNECTIONS)
        .connect_with(options)
        .await?;
    Ok((pool, file))
}
