//! Cached results of sqlx's queries, which go when a statement changes a table that they were read from.
//!
//! A statement is read once, by its text: which tables it reads and changes (`sql::relation`). A result is an entry that
//! hangs on the stripes of its tables, and a statement that a wrapped pool has run changes the stamps of those that it
//! changed, when it is sure to be committed. These stamps are one namespace for all, and reach other instances as every
//! invalidation does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Hashing;
use super::space::Space;
use crate::sql::relation::Unfit;

#[cfg_attr(
    not(any(feature = "sqlx-postgres", feature = "sqlx-sqlite")),
    expect(unused, reason = "there is no database")
)]
mod bound;
#[cfg_attr(
    not(any(feature = "sqlx-postgres", feature = "sqlx-sqlite")),
    expect(unused, reason = "there is no database")
)]
mod cached;
#[cfg_attr(
    not(any(feature = "sqlx-postgres", feature = "sqlx-sqlite")),
    expect(unused, reason = "there is no database")
)]
mod repeat;
pub(super) mod seen;
mod source;
mod statement;
#[cfg(test)]
mod tests;

pub use bound::Bindable;
pub use cached::{CacheQuery, CachedQuery, Fetch};
pub(crate) use seen::note;
pub(crate) use source::{Effect, Source};
use statement::Statements;

/// The namespace of results whose caller names none.
const NAMESPACE: &str = "queries";

/// What all pools of a registry have in common.
pub(super) struct Queries {
    tables: Arc<Space>,
    statements: Statements,
    /// By the order of [`Bypass`].
    bypassed: [AtomicU64; Bypass::ALL.len()],
    hasher: Hashing,
}

/// Why a query whose result was to be cached went to the database instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bypass {
    /// It ran in a transaction, on a single connection, or on a pool that the deck doesn't wrap.
    Executor,
    /// It can't be read, or is several statements.
    Unreadable,
    /// It is no query, or one that changes something.
    NoQuery,
    /// It locks what it reads.
    Locks,
    /// It has a function whose value changes by itself, or isn't known not to.
    Volatile,
    /// It reads what the server keeps for itself.
    Catalog,
    /// It reads more tables than an entry can hang on.
    ManyTables,
    /// Its bound values are too long for a key, or could not be encoded.
    Values,
}

impl Bypass {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Executor,
        Self::Unreadable,
        Self::NoQuery,
        Self::Locks,
        Self::Volatile,
        Self::Catalog,
        Self::ManyTables,
        Self::Values,
    ];

    /// As viewers are told.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Executor => "executor",
            Self::Unreadable => "unreadable",
            Self::NoQuery => "no_query",
            Self::Locks => "locks",
            Self::Volatile => "volatile",
            Self::Catalog => "catalog",
            Self::ManyTables => "many_tables",
            Self::Values => "values",
        }
    }
}

impl From<Unfit> for Bypass {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Unreadable => Self::Unreadable,
            Unfit::NoQuery => Self::NoQuery,
            Unfit::Locks => Self::Locks,
            Unfit::Volatile => Self::Volatile,
            Unfit::Catalog => Self::Catalog,
            Unfit::ManyTables => Self::ManyTables,
        }
    }
}

impl Queries {
    pub(super) fn new(tables: Arc<Space>) -> Self {
        Self {
            tables,
            statements: Statements::new(),
            bypassed: [const { AtomicU64::new(0) }; Bypass::ALL.len()],
            hasher: Hashing::default(),
        }
    }

    /// Tells types apart, but for rare pairs, which then take each other's place: an entry knows its type by itself.
    fn type_hash(&self, id: std::any::TypeId) -> u64 {
        std::hash::BuildHasher::hash_one(&self.hasher, id)
    }

    fn bypass(&self, why: Bypass) {
        if let Some(count) = self.bypassed.get(why as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many queries went to the database although they were to be cached.
    pub(super) fn bypassed(&self, why: Bypass) -> u64 {
        let count = self.bypassed.get(why as usize);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }
}
