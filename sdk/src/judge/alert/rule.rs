//! The rules that every deck watches.

use std::fmt;
use std::time::Duration;

use perfdeck_bridge::protocol::{Alert, AlertSide, AlertState, Severity, Timestamp};

use crate::judge::window::{Cache, Pool, WatchedRoute, Window};

/// Requests a minute below which a share or a percentile says nothing.
const ENOUGH_REQUESTS: u64 = 20;
/// Look-ups a minute below which a hit rate says nothing.
const ENOUGH_LOOKUPS: u64 = 100;

/// What a deck watches, and raises an alert on; [`Builder::threshold`](crate::Builder::threshold) sets its limit.
///
/// Each looks at the last minute. An alert is over once its value is some way back from the limit, so that one at the limit
/// does not flap; that way moves with the limit, in proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Processor use in percent of the cgroup's limit, or of the machine; over 80 for a minute.
    CpuPercent,
    /// Memory use in percent of the cgroup's limit, or of the machine; over 85 for a minute.
    MemoryPercent,
    /// The 95th percentile of the response time in seconds, of at least 20 requests; over 2 for half a minute.
    ///
    /// A route can have a limit of its own.
    ResponseTimeP95,
    /// Failed requests in percent of at least 20; over 5 for half a minute.
    ///
    /// A route can have a limit of its own.
    ErrorRate,
    /// A pool's connections in use, in percent of all it may open; over 80 for half a minute.
    PoolInUse,
    /// A cache's hits in percent of at least 100 look-ups; under 70 for a minute.
    CacheHitRate,
    /// How many waits for a connection of a pool ran out of time; over 0, at once.
    PoolTimeouts,
}

/// What a rule says, its limit apart.
pub(super) struct Terms {
    pub(super) name: &'static str,
    what: &'static str,
    severity: Severity,
    pub(super) side: AlertSide,
    /// The limit that nobody has set.
    pub(super) limit: f64,
    /// Where a value must be back at for an alert at that limit to be over.
    back: f64,
    /// How long it must hold.
    pub(super) hold: Duration,
    pub(super) unit: &'static str,
}

impl Rule {
    pub(super) const ALL: [Self; 7] = [
        Self::CpuPercent,
        Self::MemoryPercent,
        Self::ResponseTimeP95,
        Self::ErrorRate,
        Self::PoolInUse,
        Self::CacheHitRate,
        Self::PoolTimeouts,
    ];

    pub(super) const fn terms(self) -> Terms {
        let over = Terms {
            name: "",
            what: "",
            severity: Severity::Warning,
            side: AlertSide::Over,
            limit: 0.0,
            back: 0.0,
            hold: Duration::from_secs(60),
            unit: "percent",
        };
        match self {
            Self::CpuPercent => Terms {
                name: "cpu_percent",
                what: "processor use",
                limit: 80.0,
                back: 75.0,
                ..over
            },
            Self::MemoryPercent => Terms {
                name: "memory_percent",
                what: "memory use",
                severity: Severity::Critical,
                limit: 85.0,
                back: 80.0,
                ..over
            },
            Self::ResponseTimeP95 => Terms {
                name: "response_time_p95",
                what: "response time (p95)",
                severity: Severity::Critical,
                limit: 2.0,
                back: 1.8,
                hold: Duration::from_secs(30),
                unit: "seconds",
                ..over
            },
            Self::ErrorRate => Terms {
                name: "error_rate",
                what: "failed requests",
                severity: Severity::Critical,
                limit: 5.0,
                back: 4.0,
                hold: Duration::from_secs(30),
                ..over
            },
            Self::PoolInUse => Terms {
                name: "pool_in_use",
                what: "connections in use",
                limit: 80.0,
                back: 70.0,
                hold: Duration::from_secs(30),
                ..over
            },
            Self::CacheHitRate => Terms {
                name: "cache_hit_rate",
                what: "cache hits",
                side: AlertSide::Under,
                limit: 70.0,
                back: 75.0,
                ..over
            },
            Self::PoolTimeouts => Terms {
                name: "pool_timeouts",
                what: "waits for a connection that ran out of time in a minute",
                severity: Severity::Critical,
                hold: Duration::ZERO,
                unit: "count",
                ..over
            },
        }
    }

    /// Whether a route can have a limit of its own.
    pub(super) const fn is_of_routes(self) -> bool {
        matches!(self, Self::ResponseTimeP95 | Self::ErrorRate)
    }

    /// The service's values to look at, by subject; none where too little was seen to tell.
    pub(super) fn series(self, window: &Window) -> Vec<(String, f64)> {
        let percent = |ratio: Option<f64>| ratio.map(|ratio| ratio * 100.0);
        match self {
            Self::CpuPercent => whole(percent(window.cpu_ratio)),
            Self::MemoryPercent => whole(percent(window.memory_ratio)),
            Self::ResponseTimeP95 => whole(enough(window.requests).then_some(window.p95_seconds)),
            Self::ErrorRate => whole(enough(window.requests).then(|| window.error_ratio() * 100.0)),
            Self::PoolInUse => {
                let used = |pool: &Pool| f64::from(pool.in_use) / f64::from(pool.max) * 100.0;
                let pools = window.pools.iter().filter(|pool| pool.max > 0);
                pools.map(|pool| (pool.name.clone(), used(pool))).collect()
            }
            Self::CacheHitRate => {
                let lookups = |cache: &Cache| cache.hits + cache.misses;
                let rate = |cache: &Cache| cache.hits as f64 / lookups(cache) as f64 * 100.0;
                let caches = window.caches.iter();
                caches
                    .filter(|cache| lookups(cache) >= ENOUGH_LOOKUPS)
                    .map(|cache| (cache.namespace.clone(), rate(cache)))
                    .collect()
            }
            Self::PoolTimeouts => {
                let pools = window.pools.iter();
                pools
                    .map(|pool| (pool.name.clone(), pool.timeouts as f64))
                    .collect()
            }
        }
    }

    /// One route's value; none where too little was seen to tell, or where a route has none.
    pub(super) fn of_route(self, route: &WatchedRoute) -> Option<f64> {
        if !enough(route.requests) {
            return None;
        }
        match self {
            Self::ResponseTimeP95 => Some(route.p95_seconds),
            Self::ErrorRate => Some(route.errors as f64 / route.requests as f64 * 100.0),
            _ => None,
        }
    }

    pub(super) fn holds(self, value: f64, limit: f64) -> bool {
        match self.terms().side {
            AlertSide::Over => value > limit,
            AlertSide::Under => value < limit,
        }
    }

    /// Whether a value ends an alert: beyond the way back, so that one at the limit does not flap.
    pub(super) fn is_over(self, value: f64, limit: f64) -> bool {
        match self.terms().side {
            AlertSide::Over => value <= self.back(limit),
            AlertSide::Under => value >= self.back(limit),
        }
    }

    /// Where a value must be back at.
    pub(super) fn back(self, limit: f64) -> f64 {
        let terms = self.terms();
        if terms.limit == 0.0 {
            return limit;
        }
        let back = limit * (terms.back / terms.limit);
        match terms.side {
            AlertSide::Over => back,
            // There is nothing beyond all.
            AlertSide::Under => back.min(f64::midpoint(limit, 100.0)),
        }
    }

    pub(super) fn alert(self, subject: &str, value: f64, limit: f64, now: Timestamp) -> Alert {
        let terms = self.terms();
        let second = now.micros() / 1_000_000;
        let id = if subject.is_empty() {
            format!("{self}-{second}")
        } else {
            format!("{self}-{subject}-{second}")
        };
        let state = if terms.hold.is_zero() {
            AlertState::Firing
        } else {
            AlertState::Pending
        };
        Alert {
            id,
            rule: terms.name.into(),
            subject: subject.into(),
            severity: terms.severity,
            state,
            message: self.message(subject, value, limit),
            value,
            threshold: limit,
            unit: terms.unit.into(),
            since: now,
            resolved_at: None,
            recent: vec![value as f32],
        }
    }

    pub(super) fn message(self, subject: &str, value: f64, limit: f64) -> String {
        let terms = self.terms();
        let told = |value: f64| match terms.unit {
            "percent" => format!("{} %", short(value, 0)),
            "seconds" => format!("{} s", short(value, 2)),
            _ => short(value, 0),
        };
        let side = match terms.side {
            AlertSide::Over => "over",
            AlertSide::Under => "under",
        };
        let of = if subject.is_empty() {
            String::new()
        } else {
            format!(" of `{subject}`")
        };
        format!(
            "{}{of}: {}, {side} its limit of {}",
            terms.what,
            told(value),
            told(limit)
        )
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.terms().name)
    }
}

/// Writes a number with so many places, and one that is small with as many as tell it from none.
fn short(value: f64, places: usize) -> String {
    let least = 10_f64.powi(-(places as i32));
    if value > 0.0 && value < 10.0 * least && value.fract() != 0.0 {
        format!("{value:.*}", places + 2)
    } else {
        format!("{value:.places$}")
    }
}

fn whole(value: Option<f64>) -> Vec<(String, f64)> {
    value
        .map(|value| (String::new(), value))
        .into_iter()
        .collect()
}

const fn enough(requests: u64) -> bool {
    requests >= ENOUGH_REQUESTS
}
