//! Pools, commands to Redis and the service's own numbers.

mod redis;

use std::cmp::Reverse;
use std::sync::Arc;

use perfdeck_bridge::protocol::{Host, MetricRow, PoolRow};

use crate::agent::Agent;
use crate::agent::metric::Metric;
use crate::observe::custom::Kind;

/// Numbers that carry their last minute.
const WITH_TREND: usize = 40;

pub(super) fn host(agent: &Agent) -> Host {
    let (metrics, more_metrics) = metrics(agent);
    let (redis, more_redis) = redis::rows(agent);
    Host {
        pools: pools(agent),
        metrics,
        more_metrics,
        redis,
        more_redis,
    }
}

/// The named pools, and what goes through others.
pub(super) fn pools(agent: &Agent) -> Vec<PoolRow> {
    let pools = agent
        .pools
        .all()
        .into_iter()
        .enumerate()
        .filter_map(|(number, pool)| {
            let record = agent.store.pools.get(number);
            // The place of the unknown shows only once it is used.
            if number == 0 && record.is_none_or(|record| record.acquires == 0) {
                return None;
            }
            let (open, in_use, max) = pool.occupancy().unwrap_or_default();
            let waits = record.map(|record| record.timeline.minute().0);
            Some(PoolRow {
                name: pool.name,
                database: pool.database.into(),
                open,
                in_use,
                max,
                acquires: record.map_or(0, |record| record.acquires),
                timeouts: record.map_or(0, |record| record.timeouts),
                wait_p95_seconds: waits
                    .filter(|waits| !waits.is_empty())
                    .map(|waits| waits.quantile(0.95)),
            })
        });
    pools.collect()
}

/// The numbers that change most, by name, and how many more there are.
fn metrics(agent: &Agent) -> (Vec<MetricRow>, u64) {
    let mut all: Vec<_> = agent.metrics.iter().collect();
    let more = all.len().saturating_sub(super::MAX_ROWS);
    all.sort_by_cached_key(|(kind, name, metric)| {
        (Reverse(metric.busy()), Arc::clone(name), *kind)
    });
    all.truncate(super::MAX_ROWS);
    let rows = all.into_iter().enumerate();
    let mut rows: Vec<_> = rows
        .map(|(place, (kind, name, metric))| MetricRow {
            recent: if place < WITH_TREND {
                metric.recent()
            } else {
                Vec::new()
            },
            ..row(agent, kind, name, metric)
        })
        .collect();
    rows.sort_by(|a, b| (&a.name, &a.kind).cmp(&(&b.name, &b.kind)));
    (rows, more as u64)
}

fn row(agent: &Agent, kind: Kind, name: &str, metric: &Metric) -> MetricRow {
    let about = agent.eyes.custom.about(kind, name);
    let row = MetricRow {
        name: name.to_owned(),
        value: metric.total,
        per_second: Some(metric.per_second()),
        unit: about.unit,
        description: about.description,
        ..MetricRow::default()
    };
    match kind {
        Kind::Counter => MetricRow {
            kind: "counter".into(),
            ..row
        },
        Kind::Gauge => MetricRow {
            kind: "gauge".into(),
            per_second: None,
            ..row
        },
        Kind::Histogram => {
            let minute = metric.minute();
            MetricRow {
                kind: "histogram".into(),
                value: minute.mean().unwrap_or(0.0),
                count: Some(metric.count),
                p50: minute.quantile(0.5),
                p95: minute.quantile(0.95),
                max: (!minute.is_empty()).then_some(minute.max),
                ..row
            }
        }
    }
}
