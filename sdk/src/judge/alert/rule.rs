//! The rules that every deck begins with.

use std::time::Duration;

use perfdeck_bridge::protocol::{Alert, AlertState, Severity, Timestamp};

use crate::judge::window::Window;

/// Requests a minute below which a share or a percentile says nothing.
const ENOUGH_REQUESTS: u64 = 20;
/// Look-ups a minute below which a hit rate says nothing.
const ENOUGH_LOOKUPS: u64 = 100;

/// One rule.
pub(super) struct Rule {
    pub(super) name: &'static str,
    what: &'static str,
    severity: Severity,
    /// The values to look at, by subject; none where too little was seen to tell.
    pub(super) series: fn(&Window) -> Vec<(String, f64)>,
    side: Side,
    limit: f64,
    /// Where it must be back at for the alert to be over.
    back: f64,
    /// How long it must hold.
    pub(super) hold: Duration,
    unit: &'static str,
}

#[derive(Clone, Copy)]
enum Side {
    Over,
    Under,
}

pub(super) const RULES: [Rule; 7] = [
    Rule {
        name: "cpu_percent",
        what: "processor use",
        severity: Severity::Warning,
        series: |window| whole(window.cpu_ratio.map(|ratio| ratio * 100.0)),
        side: Side::Over,
        limit: 80.0,
        back: 75.0,
        hold: Duration::from_secs(60),
        unit: "percent",
    },
    Rule {
        name: "memory_percent",
        what: "memory use",
        severity: Severity::Critical,
        series: |window| whole(window.memory_ratio.map(|ratio| ratio * 100.0)),
        side: Side::Over,
        limit: 85.0,
        back: 80.0,
        hold: Duration::from_secs(60),
        unit: "percent",
    },
    Rule {
        name: "response_time_p95",
        what: "response time (p95)",
        severity: Severity::Critical,
        series: |window| whole(enough(window).then_some(window.p95_seconds)),
        side: Side::Over,
        limit: 2.0,
        back: 1.8,
        hold: Duration::from_secs(30),
        unit: "seconds",
    },
    Rule {
        name: "error_rate",
        what: "failed requests",
        severity: Severity::Critical,
        series: |window| whole(enough(window).then(|| window.error_ratio() * 100.0)),
        side: Side::Over,
        limit: 5.0,
        back: 4.0,
        hold: Duration::from_secs(30),
        unit: "percent",
    },
    Rule {
        name: "pool_in_use",
        what: "connections in use",
        severity: Severity::Warning,
        series: |window| {
            let used = |pool: &super::super::window::Pool| {
                (
                    pool.name.clone(),
                    f64::from(pool.in_use) / f64::from(pool.max) * 100.0,
                )
            };
            window
                .pools
                .iter()
                .filter(|pool| pool.max > 0)
                .map(used)
                .collect()
        },
        side: Side::Over,
        limit: 80.0,
        back: 70.0,
        hold: Duration::from_secs(30),
        unit: "percent",
    },
    Rule {
        name: "cache_hit_rate",
        what: "cache hits",
        severity: Severity::Warning,
        series: |window| {
            let enough =
                |cache: &&super::super::window::Cache| cache.hits + cache.misses >= ENOUGH_LOOKUPS;
            let rate = |cache: &super::super::window::Cache| {
                let lookups = cache.hits + cache.misses;
                (
                    cache.namespace.clone(),
                    cache.hits as f64 / lookups as f64 * 100.0,
                )
            };
            window.caches.iter().filter(enough).map(rate).collect()
        },
        side: Side::Under,
        limit: 70.0,
        back: 75.0,
        hold: Duration::from_secs(60),
        unit: "percent",
    },
    Rule {
        name: "pool_timeouts",
        what: "waits for a connection that ran out of time in a minute",
        severity: Severity::Critical,
        series: |window| {
            window
                .pools
                .iter()
                .map(|pool| (pool.name.clone(), pool.timeouts as f64))
                .collect()
        },
        side: Side::Over,
        limit: 0.0,
        back: 0.0,
        hold: Duration::ZERO,
        unit: "count",
    },
];

impl Rule {
    pub(super) fn holds(&self, value: f64) -> bool {
        match self.side {
            Side::Over => value > self.limit,
            Side::Under => value < self.limit,
        }
    }

    /// Whether a value ends an alert: beyond the way back, so that one at the limit does not flap.
    pub(super) fn is_over(&self, value: f64) -> bool {
        match self.side {
            Side::Over => value <= self.back,
            Side::Under => value >= self.back,
        }
    }

    pub(super) fn alert(&self, subject: &str, value: f64, now: Timestamp) -> Alert {
        let id = if subject.is_empty() {
            format!("{}-{}", self.name, now.micros() / 1_000_000)
        } else {
            format!("{}-{subject}-{}", self.name, now.micros() / 1_000_000)
        };
        let state = if self.hold.is_zero() {
            AlertState::Firing
        } else {
            AlertState::Pending
        };
        Alert {
            id,
            rule: self.name.into(),
            subject: subject.into(),
            severity: self.severity,
            state,
            message: self.message(subject, value),
            value,
            threshold: self.limit,
            unit: self.unit.into(),
            since: now,
            resolved_at: None,
            recent: vec![value as f32],
        }
    }

    pub(super) fn message(&self, subject: &str, value: f64) -> String {
        let told = |value: f64| match self.unit {
            "percent" => format!("{value:.0} %"),
            "seconds" => format!("{value:.2} s"),
            _ => format!("{value:.0}"),
        };
        let side = match self.side {
            Side::Over => "over",
            Side::Under => "under",
        };
        let of = if subject.is_empty() {
            String::new()
        } else {
            format!(" of `{subject}`")
        };
        format!(
            "{}{of}: {}, {side} its limit of {}",
            self.what,
            told(value),
            told(self.limit)
        )
    }
}

fn whole(value: Option<f64>) -> Vec<(String, f64)> {
    value
        .map(|value| (String::new(), value))
        .into_iter()
        .collect()
}

const fn enough(window: &Window) -> bool {
    window.requests >= ENOUGH_REQUESTS
}
