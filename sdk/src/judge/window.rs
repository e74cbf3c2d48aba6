//! The record of the last minute, as plain data for the rules.

use std::sync::Arc;

use perfdeck_bridge::protocol::{CacheForecast, Quantities, Redacted};

use crate::record::table::Manner;

/// The last minute.
#[derive(Debug, Default, Clone)]
pub(crate) struct Window {
    pub(crate) uptime_seconds: u64,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) requests_per_second: f64,
    pub(crate) p95_seconds: f64,
    /// What all users waited together.
    pub(crate) wait_seconds: f64,
    /// What all statements took together.
    pub(crate) query_seconds: f64,
    /// The busiest routes.
    pub(crate) routes: Vec<Route>,
    /// The routes that have a limit of their own and were asked for, in the order of their names.
    pub(crate) watched: Vec<WatchedRoute>,
    /// The statements that take the most time.
    pub(crate) queries: Vec<Query>,
    pub(crate) pools: Vec<Pool>,
    pub(crate) caches: Vec<Cache>,
    /// From 0 to 1, of the cgroup's limit or the machine.
    pub(crate) cpu_ratio: Option<f64>,
    /// From 0 to 1, of the cgroup's limit or the machine.
    pub(crate) memory_ratio: Option<f64>,
}

/// One route.
#[derive(Debug, Default, Clone)]
pub(crate) struct Route {
    pub(crate) name: Arc<str>,
    pub(crate) p95_seconds: f64,
    /// What its users waited together.
    pub(crate) wait_seconds: f64,
    /// The part of it that was spent waiting for a connection.
    pub(crate) pool_wait_seconds: f64,
    pub(crate) statements: Vec<Statement>,
}

/// What the rules look at of a route that has a limit of its own.
#[derive(Debug, Default, Clone)]
pub(crate) struct WatchedRoute {
    pub(crate) name: Arc<str>,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) p95_seconds: f64,
}

/// One statement of a route.
#[derive(Debug, Default, Clone)]
pub(crate) struct Statement {
    pub(crate) query: u64,
    /// Requests that ran it.
    pub(crate) requests: u64,
    /// Its share of the route's wait.
    pub(crate) time_share: f64,
    pub(crate) per_request: Quantities,
    pub(crate) calls: u64,
    pub(crate) manner: Manner,
}

/// One statement, over all routes and background work.
#[derive(Debug, Default, Clone)]
pub(crate) struct Query {
    pub(crate) id: u64,
    pub(crate) text: Redacted,
    /// Since the start.
    pub(crate) calls: u64,
    pub(crate) calls_per_second: f64,
    pub(crate) mean_seconds: f64,
    pub(crate) p95_seconds: f64,
}

/// One pool.
#[derive(Debug, Default, Clone)]
pub(crate) struct Pool {
    pub(crate) name: String,
    pub(crate) in_use: u32,
    pub(crate) max: u32,
    /// Waits that ran out of time in the last minute.
    pub(crate) timeouts: u64,
}

/// One cache namespace.
#[derive(Debug, Default, Clone)]
pub(crate) struct Cache {
    pub(crate) namespace: String,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    /// What a load takes on average, since the start.
    pub(crate) load_seconds: f64,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    /// In entries, or in bytes.
    pub(crate) capacity: u64,
    pub(crate) in_bytes: bool,
    pub(crate) eviction: String,
    pub(crate) ttl_seconds: Option<f64>,
    /// For how long an entry is served beyond that.
    pub(crate) stale_seconds: f64,
    /// Over the last minute.
    pub(crate) evictions_per_second: f64,
    /// Over the last ten minutes.
    pub(crate) invalidations_per_second: f64,
    /// Callers that waited for others' loads, over the last minute.
    pub(crate) joined_per_second: f64,
    /// How old an entry is when it is hit, at the median.
    pub(crate) age_p50_seconds: Option<f64>,
    /// The share of the hits that one key has at least, and of how many hits that is known.
    pub(crate) hottest: (f64, u32),
    pub(crate) forecast: Option<CacheForecast>,
}

impl Window {
    pub(crate) fn query(&self, id: u64) -> Option<&Query> {
        self.queries.iter().find(|query| query.id == id)
    }

    pub(crate) fn error_ratio(&self) -> f64 {
        if self.requests == 0 {
            0.0
        } else {
            self.errors as f64 / self.requests as f64
        }
    }

    /// How long the window is: a minute, or less where the service has not run for one.
    pub(crate) fn seconds(&self) -> f64 {
        if self.uptime_seconds == 0 {
            60.0
        } else {
            self.uptime_seconds.min(60) as f64
        }
    }

    /// A part of all users' wait.
    pub(crate) fn share(&self, seconds: f64) -> f64 {
        if self.wait_seconds > 0.0 {
            (seconds / self.wait_seconds).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}
