use serde::{Deserialize, Serialize};

use super::Redacted;

/// The statements that take the most time.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Queries {
    /// The statements, by total time of the last minute.
    pub queries: Vec<QueryRow>,
    /// Statements run since the start, also those not listed.
    pub calls: u64,
    /// Of those, how many belong to no request.
    pub unattributed: u64,
    /// Only slow statements are visible, so counts and rates would be wrong; the reason is among the blind spots.
    pub slow_only: bool,
}

/// Names a statement by its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QueryId(pub String);

/// One statement. Percentiles and rates are of the last minute.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct QueryRow {
    /// The statement.
    pub id: QueryId,
    /// The text without literals; a bare hash where it could not be parsed.
    pub text: Redacted,
    /// `postgresql`, `sqlite`, or empty where the tier can't tell.
    pub database: String,
    /// The pool, where known.
    pub pool: Option<String>,
    /// Calls since the start.
    pub calls: u64,
    /// Failed calls since the start; `None` where the tier can't tell.
    pub errors: Option<u64>,
    /// Calls a second.
    pub calls_per_second: f64,
    /// The median.
    pub p50_seconds: f64,
    /// The 95th percentile.
    pub p95_seconds: f64,
    /// The 99th percentile.
    pub p99_seconds: f64,
    /// Rows returned a call.
    pub rows_per_call: f64,
    /// The share of all time spent in statements.
    pub time_share: f64,
    /// The route that runs it most; `None` for background work.
    pub route: Option<String>,
    /// The 95th percentile's last minutes, oldest first.
    pub recent: Vec<f32>,
}

/// One statement, opened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct QueryDetail {
    /// Its row.
    pub row: QueryRow,
    /// Who runs it, by calls.
    pub routes: Vec<QueryRoute>,
    /// The distribution over the last minute: upper bound in seconds and count.
    pub distribution: Vec<(f64, u64)>,
    /// Where the busiest of those call it, as far as that is known; in the order of `routes`.
    #[cfg_attr(feature = "client", serde(default))]
    pub call_sites: Vec<CallSite>,
}

/// Where a route calls a statement. One that it calls at several places has the first that was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct CallSite {
    /// The route, or `background`.
    pub route: String,
    /// The service's own functions, the one that called first, then its callers; at least one, and at most three.
    pub frames: Vec<CallFrame>,
}

/// A function of the service's, on the way to a statement.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct CallFrame {
    /// Its path, and for an asynchronous body the function's; a long one is cut. Where debug information has only lines it
    /// is without its modules, or `None`.
    pub function: Option<String>,
    /// The file as the compiler was given it; `None` without debug information.
    pub file: Option<String>,
    /// The line of the call there.
    pub line: Option<u32>,
}

/// A route that runs a statement.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct QueryRoute {
    /// The route, or `background`.
    pub route: String,
    /// Calls since the start.
    pub calls: u64,
}
