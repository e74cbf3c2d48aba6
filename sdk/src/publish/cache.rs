//! Cache namespaces.

use perfdeck_bridge::protocol::Caches;

use crate::agent::Agent;

#[cfg(not(feature = "cache"))]
pub(super) fn caches(_: &Agent) -> Caches {
    Caches::default()
}

#[cfg(feature = "cache")]
pub(super) fn caches(agent: &Agent) -> Caches {
    use perfdeck_bridge::protocol::{CacheRow, Evicted};

    use crate::agent::history::cache_hit_ratio;
    use crate::cache::Unit;

    let mut namespaces: Vec<_> = agent
        .cache_rows
        .iter()
        .map(|row| {
            let history = agent.cache_history.get(&row.name);
            let (hits, misses, saved) = history.map_or((0, 0, 0.0), |history| history.minute());
            let seconds = history.map_or(1, |history| history.seconds().max(1)) as f64;
            let lookups = hits + misses;
            CacheRow {
                namespace: row.name.to_string(),
                entries: row.entries,
                capacity: row.policy.capacity,
                capacity_in_bytes: row.policy.unit == Unit::Bytes,
                bytes: row.bytes,
                ttl_seconds: row.policy.ttl.map(|ttl| ttl.as_secs_f64()),
                hits: row.hits,
                stale_hits: row.stale_hits,
                negative_hits: row.negative_hits,
                fail_safe: row.fail_safe,
                misses: row.misses,
                loads: row.loads,
                refreshes: row.refreshes,
                load_errors: row.load_errors,
                joined: row.joined,
                shared_hits: row.shared_hits,
                shared_misses: row.shared_misses,
                evictions: row.evictions,
                evicted: Evicted {
                    capacity: row.evictions,
                    expired: row.left_expired,
                    invalidated: row.left_invalidated,
                    replaced: row.left_replaced,
                },
                in_redis: row.in_redis,
                asked_ttl_seconds: row
                    .asked_ttl
                    .map(|ends| ends.map(|end| end.map(|end| end.as_secs_f64()))),
                invalidations: row.invalidations,
                hit_ratio: (lookups > 0).then(|| hits as f64 / lookups as f64),
                lookups_per_second: lookups as f64 / seconds,
                load_p95_seconds: history
                    .filter(|history| !history.loads.is_empty())
                    .map(|history| history.loads.quantile(0.95)),
                age_at_hit_p50_seconds: history
                    .filter(|history| !history.aged.ages.is_empty())
                    .map(|history| history.aged.ages.quantile(0.5)),
                saved_seconds_per_second: saved / seconds,
                saved_seconds_per_second_and_mib: (row.bytes > 0)
                    .then(|| saved / seconds / (row.bytes as f64 / f64::from(1 << 20))),
                eviction: row.policy.eviction.name().to_owned(),
                forecast: agent.forecast(row),
                recent: agent.numbers.recent(&cache_hit_ratio(&row.name), 60),
                undo: agent.undo_of_clear(&row.name),
            }
        })
        .collect();
    namespaces.sort_by(|a, b| {
        b.saved_seconds_per_second
            .total_cmp(&a.saved_seconds_per_second)
            .then_with(|| a.namespace.cmp(&b.namespace))
    });
    namespaces.truncate(super::MAX_ROWS);
    Caches {
        namespaces,
        shared: shared(agent),
        bypassed_queries: bypassed(agent),
    }
}

#[cfg(all(feature = "cache", not(feature = "query-cache")))]
const fn bypassed(_: &Agent) -> Vec<perfdeck_bridge::protocol::BypassedQueries> {
    Vec::new()
}

/// The queries that were to be cached and were not, by why.
#[cfg(feature = "query-cache")]
fn bypassed(agent: &Agent) -> Vec<perfdeck_bridge::protocol::BypassedQueries> {
    use crate::cache::query::Bypass;

    let all = Bypass::ALL.into_iter();
    let told = all.map(|why| perfdeck_bridge::protocol::BypassedQueries {
        why: why.name().to_owned(),
        queries: agent.caches.bypassed(why),
    });
    told.filter(|told| told.queries > 0).collect()
}

#[cfg(all(feature = "cache", not(feature = "redis")))]
const fn shared(_: &Agent) -> Option<perfdeck_bridge::protocol::SharedCaches> {
    None
}

#[cfg(feature = "redis")]
fn shared(agent: &Agent) -> Option<perfdeck_bridge::protocol::SharedCaches> {
    let standing = agent.caches.standing()?;
    Some(perfdeck_bridge::protocol::SharedCaches {
        attached: standing.attached,
        staleness_bound_seconds: standing.bound.as_secs_f64(),
        deferred: standing.deferred,
        received: standing.received,
        gaps: standing.gaps,
        rollbacks: standing.rollbacks,
        errors: standing.errors,
        waited: standing.waited,
        unleased: standing.unleased,
        undecodable: standing.undecodable,
        not_stored: standing.not_stored,
    })
}
