//! The database, whichever it is.
//!
//! Every statement is written once and runs on both engines; [`on!`] picks the pool.

mod postgres;
mod sqlite;

use std::borrow::Cow;

use perfdeck::{Deck, Pool};
use sqlx::{Postgres, SqlStr, Sqlite};

use crate::name::Names;
use crate::option::Options;

/// Evaluates an expression with the pool of the database in use.
macro_rules! on {
    ($store:expr, $pool:ident => $body:expr) => {
        match $store.pools() {
            $crate::store::Pools::Sqlite($pool) => $body,
            $crate::store::Pools::Postgres($pool) => $body,
        }
    };
}
pub(crate) use on;

/// How many requests can be in the database at once.
const CONNECTIONS: u32 = 8;

/// The service's database.
#[derive(Debug)]
pub(crate) struct Store {
    pools: Pools,
    names: Names,
    home: Home,
}

/// The pool of the database in use.
#[derive(Debug)]
pub(crate) enum Pools {
    /// Embedded.
    Sqlite(Pool<Sqlite>),
    /// A server.
    Postgres(Pool<Postgres>),
}

/// What is ours, and goes when the service ends.
#[derive(Debug)]
enum Home {
    /// The file of an embedded database.
    File(sqlite::File),
    /// A schema on a server.
    Schema(Box<postgres::Schema>),
}

impl Store {
    /// Opens a database that is empty and the service's own.
    pub(crate) async fn open(options: &Options, deck: &Deck) -> anyhow::Result<Self> {
        let (pools, home) = if let Some(url) = &options.postgres {
            let (pool, schema) = postgres::open(url).await?;
            (
                Pools::Postgres(deck.pool("primary", pool)),
                Home::Schema(Box::new(schema)),
            )
        } else {
            let (pool, file) = sqlite::open().await?;
            (Pools::Sqlite(deck.pool("primary", pool)), Home::File(file))
        };
        let names = options.rename.map(Names::renamed).unwrap_or_default();
        Ok(Self { pools, names, home })
    }

    /// Returns the pool; [`on!`] is the way to use it.
    pub(crate) const fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Returns what the tables and columns are called.
    pub(crate) const fn names(&self) -> &Names {
        &self.names
    }

    /// Returns the statement to run for one that is written in the code.
    pub(crate) fn sql(&self, text: &'static str) -> SqlStr {
        self.names.sql(text)
    }

    /// Returns the same as text, for a statement that is put together.
    pub(crate) fn text(&self, text: &'static str) -> Cow<'static, str> {
        self.names.text(text)
    }

    /// Removes the database.
    pub(crate) async fn remove(&self) -> anyhow::Result<()> {
        on!(self, pool => pool.close().await);
        match &self.home {
            Home::File(file) => file.remove(),
            Home::Schema(schema) => schema.remove().await?,
        }
        Ok(())
    }
}
