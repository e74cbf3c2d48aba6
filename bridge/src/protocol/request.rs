#[cfg(feature = "client")]
use serde::Deserialize;
use serde::Serialize;

use super::{ExemplarRow, FunctionRow, Quantities, QueryId, Redacted};

/// The busiest routes and functions.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Requests {
    /// The routes, by the time that users waited for them.
    pub routes: Vec<RequestRow>,
    /// Monitored functions, by the time spent in them.
    pub functions: Vec<FunctionRow>,
    /// Requests since the start, over all routes, also those not listed.
    pub requests: u64,
    /// Failed requests since the start.
    pub errors: u64,
    /// Requests that the client gave up, since the start.
    pub cancelled: u64,
    /// What ran for no request.
    #[cfg_attr(feature = "client", serde(default))]
    pub background: Background,
}

/// Statements that belong to no request, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Background {
    /// Statements since the start.
    pub queries: u64,
    /// Statements a second, over the last minute.
    pub queries_per_second: f64,
    /// Their share of the last minute's time in statements.
    pub query_share: f64,
}

/// One route. Percentiles and rates are of the last minute.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct RequestRow {
    /// Method and template: `GET /documents/{id}`.
    pub route: String,
    /// Requests since the start.
    pub requests: u64,
    /// Failed requests (5xx, or a failed body) since the start.
    pub errors: u64,
    /// Requests that the client gave up, since the start.
    pub cancelled: u64,
    /// Requests a second.
    pub requests_per_second: f64,
    /// The median to the response's head.
    pub p50_seconds: f64,
    /// The 95th percentile to the response's head.
    pub p95_seconds: f64,
    /// The 99th percentile to the response's head.
    pub p99_seconds: f64,
    /// The 95th percentile to the end of the body.
    pub body_p95_seconds: f64,
    /// Failed requests of the last minute's.
    pub error_ratio: f64,
    /// The share of all users' wait.
    pub wait_share: f64,
    /// Statements a request.
    pub queries_per_request: Quantities,
    /// The share of the route's time spent in the database.
    pub query_share: f64,
    /// The 95th percentile's last minutes, oldest first.
    pub recent: Vec<f32>,
    /// Requests under way.
    #[cfg_attr(feature = "client", serde(default))]
    pub in_flight: u64,
    /// How long the oldest of them has been; `None` where none is under way.
    #[cfg_attr(feature = "client", serde(default))]
    pub oldest_in_flight_seconds: Option<f64>,
}

/// One route and what its requests run.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct RouteDetail {
    /// The route's row.
    pub row: RequestRow,
    /// Its statements, by their time.
    pub statements: Vec<RouteStatement>,
    /// Real requests of it that were kept whole: the slowest, and the newest that failed.
    #[cfg_attr(feature = "client", serde(default))]
    pub exemplars: Vec<ExemplarRow>,
}

/// One statement of a route.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct RouteStatement {
    /// The statement.
    pub query: QueryId,
    /// Its fingerprint text.
    pub text: Redacted,
    /// Calls since the start.
    pub calls: u64,
    /// Calls in one request, over those that run it.
    pub per_request: Quantities,
    /// Its share of the route's time.
    pub time_share: f64,
}
