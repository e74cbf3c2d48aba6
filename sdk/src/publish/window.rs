//! The last minute, for the rules.

use std::sync::Arc;

use super::MAX_ROWS;
use crate::agent::Agent;
use crate::judge::window::{Cache, Pool, Query, Route, Statement, WatchedRoute, Window};
use crate::record::store::per_second;

/// Takes the last minute from the record.
pub(crate) fn window(agent: &Agent) -> Window {
    let uptime = agent.second.max(1);
    let (times, sums) = agent.store.all_requests.minute();
    let pools = agent.pools.all();
    let pools = pools.iter().enumerate().map(|(number, pool)| {
        let record = agent.store.pools.get(number);
        let (_, in_use, max) = pool.occupancy().unwrap_or_default();
        let timeouts = record.map_or(0, |record| record.timeline.minute().1.errors);
        Pool {
            name: pool.name.clone(),
            in_use,
            max,
            timeouts,
        }
    });
    Window {
        uptime_seconds: uptime,
        requests: sums.requests,
        errors: sums.errors,
        requests_per_second: per_second(sums.requests, uptime),
        p95_seconds: times.quantile(0.95),
        wait_seconds: times.sum_seconds(),
        query_seconds: agent.store.all_queries.minute().0.sum_seconds(),
        routes: routes(agent),
        watched: watched(agent),
        queries: queries(agent, uptime),
        pools: pools.collect(),
        caches: caches(agent),
        cpu_ratio: agent.host.cpu_ratio,
        memory_ratio: agent.host.memory_ratio,
    }
}

#[cfg(not(feature = "cache"))]
const fn caches(_: &Agent) -> Vec<Cache> {
    Vec::new()
}

#[cfg(feature = "cache")]
fn caches(agent: &Agent) -> Vec<Cache> {
    use crate::cache::Unit;

    let cache = |row: &crate::cache::Row| {
        // Of those that there is no place for nothing is kept, and no policy would change that.
        let is_one = *row.name != *crate::cache::OTHER;
        let history = agent.cache_history.get(&row.name).filter(|_| is_one)?;
        let (hits, misses, _) = history.minute();
        let ages = &history.aged.ages;
        Some(Cache {
            namespace: row.name.to_string(),
            hits,
            misses,
            load_seconds: history.loads.mean_seconds(),
            entries: row.entries,
            bytes: row.bytes,
            capacity: row.policy.capacity,
            in_bytes: row.policy.unit == Unit::Bytes,
            eviction: row.policy.eviction.name().to_owned(),
            ttl_seconds: row.policy.ttl.map(|ttl| ttl.as_secs_f64()),
            stale_seconds: row.policy.stale.as_secs_f64(),
            evictions_per_second: history.per_second(60, |event| event.evictions),
            invalidations_per_second: history.per_second(600, |event| event.invalidations),
            joined_per_second: history.per_second(60, |event| event.joined),
            age_p50_seconds: (!ages.is_empty()).then(|| ages.quantile(0.5)),
            hottest: history.aged.hottest(),
            forecast: agent.forecast(row),
        })
    };
    agent.cache_rows.iter().filter_map(cache).collect()
}

fn routes(agent: &Agent) -> Vec<Route> {
    let mut records: Vec<_> = agent
        .store
        .requests
        .iter()
        .filter(|(_, record)| record.timeline.minute().1.requests > 0)
        .collect();
    records.sort_by(|(_, a), (_, b)| {
        let wait =
            |record: &crate::record::store::RequestRecord| record.timeline.minute().0.sum_seconds();
        wait(b).total_cmp(&wait(a))
    });
    records.truncate(MAX_ROWS);
    let route = |(name, record): (&Arc<str>, &crate::record::store::RequestRecord)| {
        let (times, sums) = record.timeline.minute();
        let recent = agent.store.recent_statements(record);
        // The statements' window is half to one minute long, so shares are of what it covers.
        let query_share = share_of_queries(times.sum_seconds(), sums.query_nanos);
        let seconds = recent.seconds;
        let statements = recent.statements.into_iter().map(|used| Statement {
            query: used.query,
            requests: used.requests,
            time_share: if seconds > 0.0 {
                query_share * used.seconds / seconds
            } else {
                0.0
            },
            per_request: used.per_request,
            calls: used.calls,
            manner: used.manner,
        });
        Route {
            name: Arc::clone(name),
            p95_seconds: times.quantile(0.95),
            wait_seconds: times.sum_seconds(),
            pool_wait_seconds: sums.pool_wait_nanos as f64 / 1e9,
            statements: statements.collect(),
        }
    };
    records.into_iter().map(route).collect()
}

/// The routes that have a limit of their own.
fn watched(agent: &Agent) -> Vec<WatchedRoute> {
    let routes = agent.thresholds.watched_routes().into_iter();
    let watched = routes.filter_map(|route| {
        let (name, record) = agent.store.requests.get_key_value(route)?;
        let (times, sums) = record.timeline.minute();
        Some(WatchedRoute {
            name: Arc::clone(name),
            requests: sums.requests,
            errors: sums.errors,
            p95_seconds: times.quantile(0.95),
        })
    });
    watched.collect()
}

/// The share of a route's time that its statements took; statements side by side can't take more than all of it.
pub(super) fn share_of_queries(wait_seconds: f64, query_nanos: u64) -> f64 {
    if wait_seconds > 0.0 {
        (query_nanos as f64 / 1e9 / wait_seconds).min(1.0)
    } else {
        0.0
    }
}

fn queries(agent: &Agent, uptime: u64) -> Vec<Query> {
    let mut queries: Vec<_> = agent
        .store
        .queries
        .iter()
        .filter_map(|(id, record)| {
            let (times, sums) = record.timeline.minute();
            (!times.is_empty()).then(|| {
                let query = Query {
                    id: *id,
                    text: record.text.clone(),
                    calls: record.calls,
                    calls_per_second: per_second(sums.calls, uptime),
                    mean_seconds: times.mean_seconds(),
                    p95_seconds: times.quantile(0.95),
                };
                (times.sum_seconds(), query)
            })
        })
        .collect();
    queries.sort_by(|a, b| b.0.total_cmp(&a.0));
    queries.truncate(MAX_ROWS);
    queries.into_iter().map(|(_, query)| query).collect()
}
