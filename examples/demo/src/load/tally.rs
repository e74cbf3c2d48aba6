use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use hdrhistogram::Histogram;
use serde::Serialize;

/// The load's own count, independent of anything that the service counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    routes: BTreeMap<String, Route>,
    turned_away: u64,
}

#[derive(Debug)]
struct Route {
    statuses: BTreeMap<u16, u64>,
    unanswered: u64,
    micros: Histogram<u64>,
}

impl Tally {
    /// Counts a request; `None` is one whose answer did not arrive whole.
    pub(super) fn count(
        &self,
        method: &Method,
        route: &str,
        status: Option<StatusCode>,
        took: Duration,
    ) {
        let mut counts = self.counts();
        let route = counts
            .routes
            .entry(format!("{method} {route}"))
            .or_default();
        match status {
            Some(status) => *route.statuses.entry(status.as_u16()).or_default() += 1,
            None => route.unanswered += 1,
        }
        route.micros.saturating_record(took.as_micros() as u64);
    }

    /// Counts a request that was not sent, since too many were under way.
    pub(super) fn turned_away(&self) {
        self.counts().turned_away += 1;
    }

    pub(super) fn summary(&self) -> Summary {
        let counts = self.counts();
        let routes: Vec<_> = counts.routes.iter().map(RouteSummary::new).collect();
        Summary {
            requests: routes.iter().map(|route| route.requests).sum(),
            turned_away: counts.turned_away,
            routes,
        }
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Route {
    fn default() -> Self {
        Self {
            statuses: BTreeMap::new(),
            unanswered: 0,
            // A minute, to three digits: bounds that the constructor accepts.
            micros: Histogram::new_with_max(60_000_000, 3)
                .unwrap_or_else(|_| unreachable!("the bounds are constant and valid")),
        }
    }
}

/// What was sent and what came back.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Summary {
    /// Requests sent.
    requests: u64,
    /// Requests that were not sent, since too many were under way.
    turned_away: u64,
    /// The same by route.
    routes: Vec<RouteSummary>,
}

#[derive(Debug, Clone, Serialize)]
struct RouteSummary {
    route: String,
    requests: u64,
    statuses: BTreeMap<u16, u64>,
    unanswered: u64,
    p50_seconds: f64,
    p95_seconds: f64,
}

impl RouteSummary {
    fn new((name, route): (&String, &Route)) -> Self {
        let seconds = |quantile| route.micros.value_at_quantile(quantile) as f64 / 1e6;
        Self {
            route: name.clone(),
            requests: route.statuses.values().sum::<u64>() + route.unanswered,
            statuses: route.statuses.clone(),
            unanswered: route.unanswered,
            p50_seconds: seconds(0.5),
            p95_seconds: seconds(0.95),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} requests sent, {} turned away",
            self.requests, self.turned_away
        )?;
        for route in &self.routes {
            write!(
                f,
                "{:>7}  p50 {:>6.1} ms  p95 {:>6.1} ms  {} ",
                route.requests,
                route.p50_seconds * 1e3,
                route.p95_seconds * 1e3,
                route.route
            )?;
            for (status, count) in &route.statuses {
                write!(f, " {status}: {count}")?;
            }
            if route.unanswered > 0 {
                write!(f, " unanswered: {}", route.unanswered)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
