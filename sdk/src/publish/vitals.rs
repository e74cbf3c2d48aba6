//! The overview's numbers: as they are now, and with their limits and last minutes.

use perfdeck_bridge::protocol::{Level, Vital, Vitals};
use perfdeck_bridge::series::Kind;

use crate::agent::Agent;
use crate::agent::history::Numbers;
use crate::judge::alert::Rule;
use crate::record::store::per_second;

/// A statement from which on it is slow.
const SLOW_SECONDS: f64 = 1.0;
/// Points that a sparkline has.
const POINTS: usize = 60;

/// The numbers of this second.
#[derive(Debug, Default)]
pub(crate) struct Now {
    pub(crate) requests_per_second: Option<f64>,
    pub(crate) request_p95_seconds: Option<f64>,
    pub(crate) error_ratio: Option<f64>,
    pub(crate) in_flight: Option<f64>,
    pub(crate) queries_per_second: Option<f64>,
    pub(crate) query_p95_seconds: Option<f64>,
    pub(crate) queries_per_request: Option<f64>,
    pub(crate) slow_queries_per_minute: Option<f64>,
    pub(crate) pool_in_use: Option<f64>,
    pub(crate) pool_size: Option<f64>,
    pub(crate) pool_wait_p95_seconds: Option<f64>,
    pub(crate) cache_hit_ratio: Option<f64>,
    pub(crate) saved_seconds_per_second: Option<f64>,
    pub(crate) cpu_ratio: Option<f64>,
    pub(crate) rss_bytes: Option<f64>,
}

impl Now {
    pub(crate) fn of(agent: &Agent) -> Self {
        let store = &agent.store;
        let (requests, request_sums) = store.all_requests.minute();
        let (queries, query_sums) = store.all_queries.minute();
        let seen = |count: u64, value: f64| (count > 0).then_some(value);
        let slow: u64 = queries
            .buckets()
            .filter(|(low, _, _)| *low as f64 / 1e9 >= SLOW_SECONDS)
            .map(|(_, _, count)| count)
            .sum();
        let pools = agent.pools.all();
        let occupied = pools.iter().filter_map(crate::pools::Named::occupancy);
        let (in_use, size) = occupied.fold((0, 0), |(used, size), (_, now, max)| {
            (used + now, size + max)
        });
        let mut waits = perfdeck_bridge::histogram::Histogram::new();
        for pool in &store.pools {
            waits.merge(pool.timeline.minute().0);
        }
        let caches = agent.cache_history.values().map(|history| {
            let (hits, misses, saved) = history.minute();
            (hits, misses, saved / history.seconds().max(1) as f64)
        });
        let (hits, misses, saved) = caches.fold((0, 0, 0.0), |sum, one| {
            (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2)
        });
        Self {
            requests_per_second: Some(per_second(request_sums.requests, agent.second)),
            request_p95_seconds: seen(requests.count(), requests.quantile(0.95)),
            error_ratio: seen(
                request_sums.requests,
                request_sums.errors as f64 / request_sums.requests.max(1) as f64,
            ),
            in_flight: Some(store.totals.started.saturating_sub(store.totals.ended) as f64),
            queries_per_second: Some(per_second(query_sums.calls, agent.second)),
            query_p95_seconds: seen(queries.count(), queries.quantile(0.95)),
            queries_per_request: seen(
                request_sums.requests,
                request_sums.queries as f64 / request_sums.requests.max(1) as f64,
            ),
            slow_queries_per_minute: seen(queries.count(), slow as f64),
            pool_in_use: (size > 0).then_some(f64::from(in_use)),
            pool_size: (size > 0).then_some(f64::from(size)),
            pool_wait_p95_seconds: seen(waits.count(), waits.quantile(0.95)),
            cache_hit_ratio: seen(hits + misses, hits as f64 / (hits + misses).max(1) as f64),
            saved_seconds_per_second: seen(hits + misses, saved),
            cpu_ratio: agent.host.cpu_ratio,
            rss_bytes: agent.host.rss_bytes.map(|bytes| bytes as f64),
        }
    }

    /// The numbers that have a history, by name.
    pub(crate) const fn told(&self) -> [(&'static str, Kind, Option<f64>); 14] {
        [
            ("requests_per_second", Kind::Level, self.requests_per_second),
            (
                "request_p95_seconds",
                Kind::Latency,
                self.request_p95_seconds,
            ),
            ("error_ratio", Kind::Level, self.error_ratio),
            ("in_flight", Kind::Count, self.in_flight),
            ("queries_per_second", Kind::Level, self.queries_per_second),
            ("query_p95_seconds", Kind::Latency, self.query_p95_seconds),
            ("queries_per_request", Kind::Level, self.queries_per_request),
            (
                "slow_queries_per_minute",
                Kind::Count,
                self.slow_queries_per_minute,
            ),
            ("pool_in_use", Kind::Count, self.pool_in_use),
            (
                "pool_wait_p95_seconds",
                Kind::Latency,
                self.pool_wait_p95_seconds,
            ),
            ("cache_hit_ratio", Kind::Level, self.cache_hit_ratio),
            (
                "saved_seconds_per_second",
                Kind::Level,
                self.saved_seconds_per_second,
            ),
            ("cpu_ratio", Kind::Level, self.cpu_ratio),
            ("rss_bytes", Kind::Level, self.rss_bytes),
        ]
    }
}

pub(super) fn vitals(agent: &Agent) -> Vitals {
    let now = Now::of(agent);
    let told = now.told();
    let vital = |name: &str, level| vital(&agent.numbers, &told, name, level);
    let limit = |rule| agent.thresholds.limit(rule);
    let percent = |rule| limit(rule) / 100.0;
    let pool = match (now.pool_in_use, now.pool_size) {
        (Some(used), Some(size)) => over(Some(used / size), 0.75, percent(Rule::PoolInUse)),
        _ => Level::Good,
    };
    let request_p95 = over(now.request_p95_seconds, 0.5, limit(Rule::ResponseTimeP95));
    let errors = over(now.error_ratio, 0.4, percent(Rule::ErrorRate));
    let query_p95 = over(now.query_p95_seconds, 0.5, SLOW_SECONDS);
    let hits = under(now.cache_hit_ratio, percent(Rule::CacheHitRate));
    let cpu = over(now.cpu_ratio, 0.85, percent(Rule::CpuPercent));
    let memory = over(agent.host.memory_ratio, 0.8, percent(Rule::MemoryPercent));
    let good = Level::Good;
    Vitals {
        requests_per_second: vital("requests_per_second", good),
        request_p95_seconds: vital("request_p95_seconds", request_p95),
        error_ratio: vital("error_ratio", errors),
        in_flight: vital("in_flight", good),
        queries_per_second: vital("queries_per_second", good),
        query_p95_seconds: vital("query_p95_seconds", query_p95),
        queries_per_request: vital("queries_per_request", good),
        slow_queries_per_minute: vital("slow_queries_per_minute", good),
        pool_in_use: vital("pool_in_use", pool),
        pool_size: Vital {
            now: now.pool_size,
            ..Vital::default()
        },
        pool_wait_p95_seconds: vital("pool_wait_p95_seconds", good),
        cache_hit_ratio: vital("cache_hit_ratio", hits),
        saved_seconds_per_second: vital("saved_seconds_per_second", good),
        cpu_ratio: vital("cpu_ratio", cpu),
        rss_bytes: vital("rss_bytes", memory),
    }
}

fn vital(numbers: &Numbers, told: &[(&str, Kind, Option<f64>)], name: &str, level: Level) -> Vital {
    let told = told.iter().find(|(told, ..)| *told == name);
    Vital {
        now: told.and_then(|(.., value)| *value),
        level,
        recent: numbers.recent(name, POINTS),
    }
}

/// The level of a value beside its limit, and the part of the limit that is near it.
fn over(value: Option<f64>, near: f64, limit: f64) -> Level {
    match value {
        Some(value) if value > limit => Level::Over,
        Some(value) if value > near * limit => Level::Near,
        _ => Level::Good,
    }
}

/// The level of a share that should be above its limit, and is near it within a third of what is left to all.
fn under(share: Option<f64>, limit: f64) -> Level {
    match share {
        Some(share) if share < limit => Level::Over,
        Some(share) if share < limit + (1.0 - limit) / 3.0 => Level::Near,
        _ => Level::Good,
    }
}
