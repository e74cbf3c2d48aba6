//! What the databases, the caches and the ledger have to say, as plain data for the rules.

use std::collections::HashSet;

use perfdeck_bridge::protocol::{DatabaseHealth, FindingId, Redacted};

use crate::sql::fault::Fault;

/// Facts beside the record.
#[derive(Debug, Default, Clone)]
pub(crate) struct Facts {
    /// What the databases say of indexes that don't exist.
    pub(crate) indexes: Vec<IndexFact>,
    /// What is wrong with the texts of statements, by what the databases say of their tables.
    pub(crate) texts: Vec<TextFact>,
    /// What the databases say of themselves.
    pub(crate) databases: Vec<DatabaseHealth>,
    /// What is called again and again without a cache.
    pub(crate) uncached: Vec<UncachedFact>,
    /// Findings whose remedy was applied and not taken back.
    pub(crate) applied: HashSet<FindingId>,
}

/// One statement with an index that doesn't exist.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct IndexFact {
    pub(crate) pool: String,
    pub(crate) query: u64,
    pub(crate) table: String,
    /// In order, with `DESC` where it matters.
    pub(crate) columns: Vec<String>,
    pub(crate) index_name: String,
    pub(crate) create: String,
    pub(crate) drop: String,
    pub(crate) table_rows: u64,
    pub(crate) plan_before: Vec<Redacted>,
    pub(crate) plan_after: Vec<Redacted>,
    /// Whether the database's own planner says so; else it is computed from statistics.
    pub(crate) planned: bool,
    /// The statement's expected time with the index over its time now.
    pub(crate) time_factor: f64,
}

/// One statement whose text is at fault.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TextFact {
    pub(crate) pool: String,
    pub(crate) query: u64,
    pub(crate) fault: Fault,
    /// The table that it is about, and its rows.
    pub(crate) table: String,
    pub(crate) table_rows: u64,
    /// What a call returned or wrote, on average over the last minute.
    pub(crate) rows_per_call: f64,
}

/// What would have come of a cache for calls that have none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UncachedFact {
    pub(crate) uncached: Uncached,
    /// The function's or the route's name.
    pub(crate) name: String,
    /// The calls that were looked at, the seconds in which they came, and what one took on average.
    pub(crate) calls: u64,
    pub(crate) seconds: u64,
    pub(crate) mean_seconds: f64,
    pub(crate) p95_seconds: f64,
    /// Whether what they returned was seen.
    pub(crate) compared: bool,
    /// Times to live, shortest first.
    pub(crate) tried: Vec<TriedFact>,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uncached {
    /// With the words of `#[cached]` that its key is made of.
    Function {
        key: &'static str,
    },
    Query {
        id: u64,
    },
    Route,
}

/// What a time to live would have brought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TriedFact {
    pub(crate) ttl_seconds: f64,
    /// Of all calls, those that would have been answered.
    pub(crate) hit_ratio: f64,
    pub(crate) error: f64,
    /// Of these, the ones that would have been answered wrongly.
    pub(crate) wrong_ratio: f64,
    /// What one of them would have saved, on average.
    pub(crate) saved_seconds: f64,
    /// The 95th percentile of all calls then.
    pub(crate) p95_seconds: f64,
}
