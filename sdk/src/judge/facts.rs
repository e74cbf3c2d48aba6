//! What the databases, the caches and the ledger have to say, as plain data for the rules.

use std::collections::HashSet;

use perfdeck_bridge::protocol::{FindingId, Redacted};

/// Facts beside the record.
#[derive(Debug, Default, Clone)]
pub(crate) struct Facts {
    /// What the databases say of indexes that don't exist.
    pub(crate) indexes: Vec<IndexFact>,
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
