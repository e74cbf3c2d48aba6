//! Connections to SQLite beside the pool.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _, Sqlite,
    SqlitePool,
};

use super::error::Error;

/// How long perfdeck waits for a database that the host is writing to.
const BUSY: Duration = Duration::from_secs(2);

/// A connection for perfdeck's own work.
#[derive(Debug)]
pub(super) enum Side {
    Own(SqliteConnection),
    /// A database in memory belongs to its connections, so this is one of the host's, for a moment.
    Borrowed(PoolConnection<Sqlite>),
}

/// What a side connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl Side {
    /// Opens the pool's database.
    pub(super) async fn open(pool: &SqlitePool, access: Access) -> Result<Self, Error> {
        const OPERATION: &str = "open the database";
        let options = pool.connect_options();
        if is_in_memory(options.get_filename()) {
            let borrowed = tokio::time::timeout(BUSY, pool.acquire()).await;
            let borrowed = borrowed.map_err(|_| Error::timed_out(OPERATION))?;
            return borrowed
                .map(Self::Borrowed)
                .map_err(|error| Error::failed(OPERATION, &error));
        }
        let mut options = SqliteConnectOptions::clone(&options)
            .create_if_missing(false)
            .busy_timeout(BUSY)
            .disable_statement_logging();
        if access == Access::Read {
            // Not opened read-only: a database in WAL mode would then need its side files to be there.
            options = options.pragma("query_only", "ON");
        }
        let own = tokio::time::timeout(BUSY * 2, options.connect()).await;
        let own = own.map_err(|_| Error::timed_out(OPERATION))?;
        own.map(Self::Own)
            .map_err(|error| Error::failed(OPERATION, &error))
    }

    /// Opens an empty database in memory that knows the host's collations.
    #[cfg(feature = "advisor")]
    pub(super) async fn shadow(pool: &SqlitePool) -> Result<SqliteConnection, Error> {
        let options = SqliteConnectOptions::clone(&pool.connect_options())
            .filename(":memory:")
            .shared_cache(false)
            .foreign_keys(false)
            .disable_statement_logging();
        options
            .connect()
            .await
            .map_err(|error| Error::failed("open a shadow database", &error))
    }

    pub(super) async fn close(self) {
        if let Self::Own(connection) = self {
            // Nothing is left to lose, whatever the answer.
            let _ = connection.close().await;
        }
    }
}

impl Deref for Side {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        match self {
            Self::Own(connection) => connection,
            Self::Borrowed(connection) => connection,
        }
    }
}

impl DerefMut for Side {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Own(connection) => connection,
            Self::Borrowed(connection) => connection,
        }
    }
}

/// Returns the planner's steps for one statement, in its own words, which have no literals.
pub(super) async fn explain(
    connection: &mut SqliteConnection,
    text: &str,
) -> Result<Vec<String>, sqlx::Error> {
    // Sent as it is: a prepared call would insist on arguments, and for a plan there is no need of any.
    let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
    let rows = connection.fetch_all(sqlx::raw_sql(sql)).await?;
    rows.iter()
        .map(|row| row.try_get::<String, _>("detail"))
        .collect()
}

pub(super) fn is_in_memory(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.is_empty()
        || name == ":memory:"
        || name.starts_with("file:sqlx-in-memory-")
        || name.starts_with("file::memory:")
        || (name.starts_with("file:") && name.contains("mode=memory"))
}
