//! Pools and the service's own numbers.

use perfdeck_bridge::protocol::{Host, MetricRow, PoolRow};

use crate::agent::Agent;
use crate::observe::custom::Kind;

pub(super) fn host(agent: &Agent) -> Host {
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
    let metrics = agent
        .eyes
        .custom
        .values()
        .into_iter()
        .map(|(name, kind, value)| MetricRow {
            kind: match kind {
                Kind::Counter => "counter".into(),
                Kind::Gauge => "gauge".into(),
            },
            per_second: (kind == Kind::Counter)
                .then(|| agent.counter_rates.get(&name).copied().unwrap_or(0.0)),
            name,
            value,
        });
    Host {
        pools: pools.collect(),
        metrics: metrics.take(super::MAX_ROWS).collect(),
    }
}
