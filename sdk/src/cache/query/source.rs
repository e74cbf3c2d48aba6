//! What the statements of a pool mean for the caches of its deck.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::Caches;
use super::super::key::{CacheKey as _, KeyWriter};
use super::super::pending::Pending;
use super::super::reach::What;
use super::super::space::Space;
use super::super::stamp;
use super::Queries;
use super::statement::Statement;
use crate::sql::relation::{Changes, Grammar};

/// Pools made so far: results of two of them never meet.
static SOURCES: AtomicU64 = AtomicU64::new(0);

/// What a pool's statements are to the caches of its deck; cheap to clone.
#[derive(Clone)]
pub struct Source(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) caches: Caches,
    pub(super) queries: Arc<Queries>,
    grammar: Grammar,
    /// What tells its tables from another database's: the database's name, which is the same for whoever uses it.
    database: Box<str>,
    pub(super) number: u64,
}

/// What a statement changes, as stripes of tables.
pub(crate) struct Effect {
    tables: Arc<Space>,
    stripes: Vec<What>,
}

impl Source {
    /// Makes a pool's; `None` for a database whose statements can't be read.
    pub(crate) fn new<DB: sqlx::Database>(caches: &Caches, pool: &sqlx::Pool<DB>) -> Option<Self> {
        let (grammar, database) = database(pool)?;
        let queries = Arc::clone(caches.shared.queries.as_ref()?);
        Some(Self(Arc::new(Inner {
            caches: caches.clone(),
            queries,
            grammar,
            database,
            number: SOURCES.fetch_add(1, Ordering::Relaxed),
        })))
    }

    pub(super) fn queries(&self) -> &Arc<Queries> {
        &self.0.queries
    }

    pub(super) fn statement(&self, sql: &str) -> Arc<Statement> {
        self.0.queries.statements.get(self.0.grammar, sql)
    }

    /// What a statement changes, if it does.
    pub(crate) fn effect(&self, sql: &str) -> Option<Effect> {
        let statement = self.statement(sql);
        let stripes = match &statement.relations.changes {
            Changes::Tables(tables) if tables.is_empty() => return None,
            Changes::Tables(tables) => tables
                .iter()
                .map(|table| self.hash(Some(table)))
                .map(What::Stripe)
                .collect(),
            Changes::Anything => vec![What::Stripe(self.hash(None))],
        };
        Some(Effect {
            tables: Arc::clone(&self.0.queries.tables),
            stripes,
        })
    }

    /// The stripes that a result hangs on that was read from these tables: one of each, and one of all.
    pub(super) fn stripes(&self, tables: &[Box<str>]) -> Vec<u16> {
        let tables = tables.iter().map(|table| Some(&**table));
        let all = std::iter::once(None).chain(tables);
        all.map(|table| stamp::stripe(self.hash(table))).collect()
    }

    /// The hash of a table, or of all of the database's.
    fn hash(&self, table: Option<&str>) -> u64 {
        let grammar = match self.0.grammar {
            Grammar::Postgres => "postgresql",
            Grammar::Sqlite => "sqlite",
        };
        let name = (grammar, &*self.0.database, table);
        let key = KeyWriter::written(|key| name.write(key));
        self.0.queries.tables.stripe(&key)
    }
}

impl Effect {
    /// Lets it wait, whether a transaction is open or not.
    pub(crate) fn owe(&self, pending: &Pending) {
        for what in &self.stripes {
            pending.owe(&self.tables, *what);
        }
    }
}

impl std::fmt::Debug for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Effect").field(&self.stripes).finish()
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("grammar", &self.0.grammar)
            .field("number", &self.0.number)
            .finish_non_exhaustive()
    }
}

/// The grammar of a pool's statements, and the name of its database.
fn database<DB: sqlx::Database>(pool: &sqlx::Pool<DB>) -> Option<(Grammar, Box<str>)> {
    let pool: &dyn std::any::Any = pool;
    #[cfg(feature = "sqlx-postgres")]
    if let Some(pool) = pool.downcast_ref::<sqlx::PgPool>() {
        let options = pool.connect_options();
        let name = options
            .get_database()
            .unwrap_or_else(|| options.get_username());
        return Some((Grammar::Postgres, name.into()));
    }
    #[cfg(feature = "sqlx-sqlite")]
    if let Some(pool) = pool.downcast_ref::<sqlx::SqlitePool>() {
        let options = pool.connect_options();
        let path = options.get_filename();
        // By whatever way it was reached.
        let name = path.file_name().unwrap_or(path.as_os_str());
        return Some((Grammar::Sqlite, name.to_string_lossy().into()));
    }
    let _ = pool;
    None
}
