//! The numbers of the overview and of each cache, second by second.

use std::collections::VecDeque;
#[cfg(feature = "cache")]
use std::sync::Arc;

use perfdeck_bridge::histogram::Histogram;

use super::Agent;
use crate::record::series::Series;
use crate::record::timeline::MINUTE;

/// The overview's series.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    pub(crate) requests_per_second: Series,
    pub(crate) request_p95_seconds: Series,
    pub(crate) error_ratio: Series,
    pub(crate) in_flight: Series,
    pub(crate) queries_per_second: Series,
    pub(crate) query_p95_seconds: Series,
    pub(crate) queries_per_request: Series,
    pub(crate) slow_queries_per_minute: Series,
    pub(crate) pool_in_use: Series,
    pub(crate) pool_wait_p95_seconds: Series,
    pub(crate) cache_hit_ratio: Series,
    pub(crate) saved_seconds_per_second: Series,
    pub(crate) cpu_ratio: Series,
    pub(crate) rss_bytes: Series,
}

impl Vitals {
    pub(crate) fn bytes(&self) -> usize {
        [
            &self.requests_per_second,
            &self.request_p95_seconds,
            &self.error_ratio,
            &self.in_flight,
            &self.queries_per_second,
            &self.query_p95_seconds,
            &self.queries_per_request,
            &self.slow_queries_per_minute,
            &self.pool_in_use,
            &self.pool_wait_p95_seconds,
            &self.cache_hit_ratio,
            &self.saved_seconds_per_second,
            &self.cpu_ratio,
            &self.rss_bytes,
        ]
        .into_iter()
        .map(Series::bytes)
        .sum()
    }
}

/// One cache namespace's last minute.
#[derive(Debug, Default)]
pub(crate) struct CacheHistory {
    /// Hits and misses since the start.
    last: (u64, u64),
    seconds: VecDeque<(u64, u64, f64)>,
    /// Each load since the start.
    pub(crate) loads: Histogram,
    pub(crate) hit_ratio: Series,
}

impl CacheHistory {
    /// Takes this second's sums since the start.
    pub(crate) fn push(&mut self, hits: u64, misses: u64) {
        let (hits_before, misses_before) = self.last;
        let (new_hits, new_misses) = (
            hits.saturating_sub(hits_before),
            misses.saturating_sub(misses_before),
        );
        self.last = (hits, misses);
        if self.seconds.len() as u64 == MINUTE {
            self.seconds.pop_front();
        }
        self.seconds.push_back((
            new_hits,
            new_misses,
            new_hits as f64 * self.loads.mean_seconds(),
        ));
        let lookups = new_hits + new_misses;
        self.hit_ratio
            .push((lookups > 0).then(|| new_hits as f64 / lookups as f64));
    }

    /// Hits, misses and seconds saved of the last minute.
    pub(crate) fn minute(&self) -> (u64, u64, f64) {
        self.seconds.iter().fold((0, 0, 0.0), |sum, second| {
            (sum.0 + second.0, sum.1 + second.1, sum.2 + second.2)
        })
    }

    pub(crate) fn seconds(&self) -> u64 {
        self.seconds.len() as u64
    }
}

impl Agent {
    pub(super) fn push_vitals(&mut self) {
        let now = crate::publish::vitals::Now::of(self);
        let vitals = &mut self.vitals;
        vitals.requests_per_second.push(now.requests_per_second);
        vitals.request_p95_seconds.push(now.request_p95_seconds);
        vitals.error_ratio.push(now.error_ratio);
        vitals.in_flight.push(now.in_flight);
        vitals.queries_per_second.push(now.queries_per_second);
        vitals.query_p95_seconds.push(now.query_p95_seconds);
        vitals.queries_per_request.push(now.queries_per_request);
        vitals
            .slow_queries_per_minute
            .push(now.slow_queries_per_minute);
        vitals.pool_in_use.push(now.pool_in_use);
        vitals.pool_wait_p95_seconds.push(now.pool_wait_p95_seconds);
        vitals.cache_hit_ratio.push(now.cache_hit_ratio);
        vitals
            .saved_seconds_per_second
            .push(now.saved_seconds_per_second);
        vitals.cpu_ratio.push(now.cpu_ratio);
        vitals.rss_bytes.push(now.rss_bytes);
    }

    #[cfg(feature = "cache")]
    pub(super) fn observe_caches(&mut self) {
        self.read_caches();
        for row in &self.cache_rows {
            let history = self.cache_history.entry(Arc::clone(&row.name)).or_default();
            history.push(row.hits, row.misses);
        }
    }

    /// Reads the caches as they are now.
    #[cfg(feature = "cache")]
    pub(super) fn read_caches(&mut self) {
        self.cache_rows = self.caches.rows();
        for row in &self.cache_rows {
            let history = self.cache_history.entry(Arc::clone(&row.name)).or_default();
            history.loads.merge(&row.load_times);
        }
    }
}
