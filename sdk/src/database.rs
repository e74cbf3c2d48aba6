//! Floor 2: the databases behind the pools, beside the host's own use of them.
//!
//! Everything here runs on connections of its own, opened from the pool's options under the name `perfdeck`, with
//! time-outs and without statement logging, and closes them when the work is done. The host's pool is left alone but for
//! one case: a SQLite database in memory, which no other connection can see.

use std::any::Any;
use std::fmt;

#[cfg(feature = "advisor")]
pub(crate) mod advisor;
#[cfg(feature = "advisor")]
pub(crate) mod argument;
pub(crate) mod ddl;
mod error;
pub(crate) mod health;
mod identifier;
mod plan;
#[cfg(feature = "sqlx-postgres")]
mod postgres;
#[cfg(feature = "sqlx-sqlite")]
mod sqlite;
#[cfg(test)]
mod testing;

#[cfg(feature = "advisor")]
pub(crate) use ddl::IndexPlan;
pub(crate) use error::Error;
#[cfg(feature = "advisor")]
pub(crate) use plan::plan_uses;

/// The name under which perfdeck's own connections, locks and comments are known.
const OWN_NAME: &str = "perfdeck";

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Engine {
    Postgres,
    Sqlite,
}

/// A pool of the host, of an engine that perfdeck knows.
#[derive(Clone)]
pub(crate) enum Handle {
    #[cfg(feature = "sqlx-postgres")]
    Postgres(sqlx::PgPool),
    #[cfg(feature = "sqlx-sqlite")]
    Sqlite(sqlx::SqlitePool),
}

/// How full a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Occupancy {
    /// Connections that are open.
    pub(crate) size: u32,
    /// Those of them that wait for work.
    pub(crate) idle: u32,
    /// Connections that may be open.
    pub(crate) max: u32,
}

impl Handle {
    /// Whether a connection beside the pool's sees the same database; not one that is in memory.
    pub(crate) fn has_others(&self) -> bool {
        match self {
            #[cfg(feature = "sqlx-postgres")]
            Self::Postgres(_) => true,
            #[cfg(feature = "sqlx-sqlite")]
            Self::Sqlite(pool) => !sqlite::is_in_memory(pool.connect_options().get_filename()),
        }
    }

    /// Knows the pool again by its type; `None` for an engine without support or whose feature is off.
    pub(crate) fn of<DB: sqlx::Database>(pool: &sqlx::Pool<DB>) -> Option<Self> {
        let pool: &dyn Any = pool;
        #[cfg(feature = "sqlx-postgres")]
        if let Some(pool) = pool.downcast_ref::<sqlx::PgPool>() {
            return Some(Self::Postgres(pool.clone()));
        }
        #[cfg(feature = "sqlx-sqlite")]
        if let Some(pool) = pool.downcast_ref::<sqlx::SqlitePool>() {
            return Some(Self::Sqlite(pool.clone()));
        }
        None
    }

    pub(crate) const fn engine(&self) -> Engine {
        match self {
            #[cfg(feature = "sqlx-postgres")]
            Self::Postgres(_) => Engine::Postgres,
            #[cfg(feature = "sqlx-sqlite")]
            Self::Sqlite(_) => Engine::Sqlite,
        }
    }

    /// Returns what two pools that lead to the same database have in common; it stays in the process.
    pub(crate) fn address(&self) -> String {
        match self {
            #[cfg(feature = "sqlx-postgres")]
            Self::Postgres(pool) => {
                let options = pool.connect_options();
                let (host, port) = (options.get_host(), options.get_port());
                let (socket, name) = (options.get_socket(), options.get_database());
                let user = options.get_username();
                format!("{host}\0{port}\0{socket:?}\0{name:?}\0{user}")
            }
            #[cfg(feature = "sqlx-sqlite")]
            Self::Sqlite(pool) => pool
                .connect_options()
                .get_filename()
                .to_string_lossy()
                .into_owned(),
        }
    }

    pub(crate) fn occupancy(&self) -> Occupancy {
        match self {
            #[cfg(feature = "sqlx-postgres")]
            Self::Postgres(pool) => occupancy(pool),
            #[cfg(feature = "sqlx-sqlite")]
            Self::Sqlite(pool) => occupancy(pool),
        }
    }
}

fn occupancy<DB: sqlx::Database>(pool: &sqlx::Pool<DB>) -> Occupancy {
    Occupancy {
        size: pool.size(),
        idle: u32::try_from(pool.num_idle()).unwrap_or(u32::MAX),
        max: pool.options().get_max_connections(),
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A pool's own form shows its options, and with them the address.
        write!(f, "Handle({:?}, {:?})", self.engine(), self.occupancy())
    }
}
