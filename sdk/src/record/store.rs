//! The merged picture: everything that was drained, by key, with its history. Only the agent touches it.

use std::collections::HashMap;
use std::sync::Arc;

use perfdeck_bridge::histogram::Histogram;
use perfdeck_bridge::protocol::{Quantities, Redacted};

use super::recorder::Recorder;
use super::table::{
    FunctionSums, Keyed, MAX_KEYS, OTHER, OTHER_ID, PoolSums, QuerySums, RequestSums, Statement,
    StatementSums, Tables, find_or_add,
};
use super::timeline::{MINUTE, Timeline};
use crate::sql;

/// Keys whose coarser history is kept.
const PROMOTED: usize = 40;
/// Seconds between two looks at which keys those are.
const PROMOTE_EVERY: u64 = 60;
/// Seconds of a generation of what is told for the last half to whole minute.
const GENERATION: u64 = 30;

/// Everything that was recorded.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) requests: HashMap<Arc<str>, RequestRecord>,
    pub(crate) queries: HashMap<u64, QueryRecord>,
    pub(crate) functions: HashMap<Arc<str>, FunctionRecord>,
    pub(crate) pools: Vec<PoolRecord>,
    pub(crate) all_requests: Timeline<RequestWindow>,
    pub(crate) all_queries: Timeline<QueryWindow>,
    pub(crate) totals: Totals,
    tick: Tick,
    generation: u64,
}

/// Sums since the start.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Totals {
    pub(crate) started: u64,
    pub(crate) ended: u64,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) cancelled: u64,
    pub(crate) calls: u64,
    pub(crate) unattributed: u64,
    pub(crate) slow_only: u64,
    pub(crate) overflowed: u64,
}

/// One route.
#[derive(Debug)]
pub(crate) struct RequestRecord {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) cancelled: u64,
    pub(crate) timeline: Timeline<RequestWindow>,
    pub(crate) body: Recent<Histogram>,
    pub(crate) per_request: Recent<Histogram>,
    statements: Recent<Vec<StatementSums>>,
    all_statements: Vec<StatementSums>,
    tick: (Histogram, RequestWindow),
}

/// One statement, by fingerprint.
#[derive(Debug)]
pub(crate) struct QueryRecord {
    pub(crate) text: Redacted,
    /// As it was last executed; it stays in the process. `None` where it was too long to keep whole.
    pub(crate) sample: Option<Arc<str>>,
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) rows: u64,
    pub(crate) unattributed: u64,
    pub(crate) pool: Option<u16>,
    pub(crate) timeline: Timeline<QueryWindow>,
    tick: (Histogram, QueryWindow),
}

/// One monitored function.
#[derive(Debug)]
pub(crate) struct FunctionRecord {
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) timeline: Timeline<QueryWindow>,
    tick: (Histogram, QueryWindow),
}

/// One pool.
#[derive(Debug)]
pub(crate) struct PoolRecord {
    pub(crate) acquires: u64,
    pub(crate) timeouts: u64,
    pub(crate) timeline: Timeline<QueryWindow>,
    tick: (Histogram, QueryWindow),
}

/// What one route ran of one statement in the last minute.
#[derive(Debug, Clone)]
pub(crate) struct RouteStatement {
    pub(crate) query: u64,
    pub(crate) calls: u64,
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) per_request: Quantities,
}

macro_rules! window {
    ($(#[$doc:meta])* $name:ident { $($field:ident),* }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
        pub(crate) struct $name { $(pub(crate) $field: u64),* }

        impl std::ops::Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self { $($field: self.$field + other.$field),* }
            }
        }

        impl std::ops::Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self { $($field: self.$field.saturating_sub(other.$field)),* }
            }
        }
    };
}

window!(
    /// Sums of requests over a window.
    RequestWindow { requests, errors, cancelled, queries, query_nanos, pool_wait_nanos }
);
window!(
    /// Sums of calls over a window.
    QueryWindow { calls, errors, rows }
);

/// What was seen in this generation and the one before: the last half to whole minute.
#[derive(Debug, Default)]
pub(crate) struct Recent<T> {
    pub(crate) now: T,
    pub(crate) before: T,
}

#[derive(Debug, Default)]
struct Tick {
    requests: (Histogram, RequestWindow),
    queries: (Histogram, QueryWindow),
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            requests: HashMap::new(),
            queries: HashMap::new(),
            functions: HashMap::new(),
            pools: Vec::new(),
            all_requests: Timeline::new(),
            all_queries: Timeline::new(),
            totals: Totals::default(),
            tick: Tick::default(),
            generation: 0,
        }
    }

    /// Takes in what the shards hold and closes `second`.
    pub(crate) fn drain(&mut self, recorder: &Recorder, second: u64) {
        if second / GENERATION != self.generation {
            self.generation = second / GENERATION;
            self.next_generation();
        }
        recorder.drain(|tables| self.take(tables));
        self.close(second);
        if second.is_multiple_of(PROMOTE_EVERY) {
            self.promote();
        }
    }

    /// What a route ran in the last minute, most time first.
    pub(crate) fn recent_statements(&self, record: &RequestRecord) -> Vec<RouteStatement> {
        by_statement(
            record
                .statements
                .before
                .iter()
                .chain(&record.statements.now),
        )
    }

    /// What a route has run since the start, most time first.
    pub(crate) fn all_statements(&self, record: &RequestRecord) -> Vec<RouteStatement> {
        by_statement(record.all_statements.iter())
    }

    /// What the store holds, in bytes, as near as it is worth counting.
    pub(crate) fn bytes(&self) -> usize {
        let requests = self.requests.values().map(|record| {
            size_of::<RequestRecord>() + record.timeline.bytes() + record.tick.0.bytes()
        });
        let queries = self.queries.values().map(|record| {
            let texts =
                record.text.as_str().len() + record.sample.as_ref().map_or(0, |text| text.len());
            size_of::<QueryRecord>() + texts + record.timeline.bytes() + record.tick.0.bytes()
        });
        requests.chain(queries).sum::<usize>()
            + self.all_requests.bytes()
            + self.all_queries.bytes()
    }

    fn take(&mut self, tables: &mut Tables) {
        self.totals.slow_only += std::mem::take(&mut tables.slow_only);
        let Tables {
            requests,
            queries,
            functions,
            pools,
            ..
        } = tables;
        // Statements first, so that a route's are known by their fingerprint.
        self.totals.overflowed += self.take_queries(queries);
        self.totals.overflowed += requests.drain(|_, key, sums| self.take_request(key, sums));
        self.totals.overflowed += functions.drain(|_, key, sums| self.take_function(key, sums));
        for (number, sums) in pools
            .iter_mut()
            .enumerate()
            .filter(|(_, sums)| sums.acquires > 0)
        {
            self.take_pool(number, sums);
            *sums = PoolSums::default();
        }
    }

    fn take_queries(&mut self, queries: &mut Keyed<Statement, QuerySums>) -> u64 {
        queries.drain(|id, statement, sums| {
            let window = QueryWindow {
                calls: sums.calls,
                errors: sums.errors,
                rows: sums.rows,
            };
            self.totals.calls += sums.calls;
            self.totals.unattributed += sums.unattributed;
            self.tick.queries.0.merge(&sums.times);
            self.tick.queries.1 = self.tick.queries.1 + window;
            let record = self.query_record(id, statement);
            record.calls += sums.calls;
            record.errors += sums.errors;
            record.rows += sums.rows;
            record.unattributed += sums.unattributed;
            record.pool = sums.pool.checked_sub(1).or(record.pool);
            record.tick.0.merge(&sums.times);
            record.tick.1 = record.tick.1 + window;
        })
    }

    /// Finds a statement's record, or that of `<other>` where there is no room for another.
    fn query_record(&mut self, id: u64, statement: Option<&Statement>) -> &mut QueryRecord {
        let full = self.queries.len() >= MAX_KEYS && !self.queries.contains_key(&id);
        let statement = statement.filter(|_| !full);
        let id = if statement.is_some() { id } else { OTHER_ID };
        self.queries.entry(id).or_insert_with(|| QueryRecord {
            text: statement.map_or_else(|| sql::redacted::own(OTHER), |known| known.text.clone()),
            sample: statement.and_then(|known| known.sample.clone()),
            calls: 0,
            errors: 0,
            rows: 0,
            unattributed: 0,
            pool: None,
            timeline: Timeline::new(),
            tick: Default::default(),
        })
    }

    fn take_request(&mut self, key: Option<&Arc<str>>, sums: &mut RequestSums) {
        let window = RequestWindow {
            requests: sums.requests,
            errors: sums.errors,
            cancelled: sums.cancelled,
            queries: sums.queries,
            query_nanos: sums.query_nanos,
            pool_wait_nanos: sums.pool_wait_nanos,
        };
        self.totals.started += sums.started;
        self.totals.ended += sums.ended;
        self.totals.requests += sums.requests;
        self.totals.errors += sums.errors;
        self.totals.cancelled += sums.cancelled;
        self.tick.requests.0.merge(&sums.head);
        self.tick.requests.1 = self.tick.requests.1 + window;
        let record = bounded(&mut self.requests, key, RequestRecord::new);
        record.requests += sums.requests;
        record.errors += sums.errors;
        record.cancelled += sums.cancelled;
        record.body.now.merge(&sums.body);
        record.per_request.now.merge(&sums.per_request);
        record.tick.0.merge(&sums.head);
        record.tick.1 = record.tick.1 + window;
        for used in &sums.statements {
            for list in [&mut record.statements.now, &mut record.all_statements] {
                if let Some(sums) = find_or_add(list, used.statement) {
                    sums.merge(used);
                }
            }
        }
    }

    fn take_function(&mut self, key: Option<&Arc<str>>, sums: &FunctionSums) {
        let record = bounded(&mut self.functions, key, || FunctionRecord {
            calls: 0,
            errors: 0,
            timeline: Timeline::new(),
            tick: Default::default(),
        });
        record.calls += sums.calls;
        record.errors += sums.errors;
        record.tick.0.merge(&sums.times);
        record.tick.1 = record.tick.1
            + QueryWindow {
                calls: sums.calls,
                errors: sums.errors,
                rows: 0,
            };
    }

    fn take_pool(&mut self, number: usize, sums: &PoolSums) {
        if self.pools.len() <= number {
            self.pools.resize_with(number + 1, || PoolRecord {
                acquires: 0,
                timeouts: 0,
                timeline: Timeline::new(),
                tick: Default::default(),
            });
        }
        let record = &mut self.pools[number];
        record.acquires += sums.acquires;
        record.timeouts += sums.timeouts;
        record.tick.0.merge(&sums.waits);
        record.tick.1 = record.tick.1
            + QueryWindow {
                calls: sums.acquires,
                errors: sums.timeouts,
                rows: 0,
            };
    }

    fn close(&mut self, second: u64) {
        close(&mut self.all_requests, &mut self.tick.requests, second);
        close(&mut self.all_queries, &mut self.tick.queries, second);
        for record in self.requests.values_mut() {
            close(&mut record.timeline, &mut record.tick, second);
        }
        for record in self.queries.values_mut() {
            close(&mut record.timeline, &mut record.tick, second);
        }
        for record in self.functions.values_mut() {
            close(&mut record.timeline, &mut record.tick, second);
        }
        for record in &mut self.pools {
            close(&mut record.timeline, &mut record.tick, second);
        }
    }

    fn next_generation(&mut self) {
        for record in self.requests.values_mut() {
            record.body.turn();
            record.per_request.turn();
            record.statements.turn();
        }
    }

    fn promote(&mut self) {
        let mut traffic: Vec<u64> = self
            .requests
            .values()
            .map(|record| record.timeline.minute().1.requests)
            .collect();
        traffic.extend(
            self.queries
                .values()
                .map(|record| record.timeline.minute().1.calls),
        );
        traffic.sort_unstable_by(|a, b| b.cmp(a));
        let least = traffic.get(PROMOTED - 1).copied().unwrap_or(0);
        let mut room = PROMOTED;
        let mut busy = |calls: u64| {
            let promoted = calls > 0 && calls >= least && room > 0;
            room -= usize::from(promoted);
            promoted
        };
        for record in self.requests.values_mut() {
            let promoted = busy(record.timeline.minute().1.requests);
            record.timeline.promote(promoted);
        }
        for record in self.queries.values_mut() {
            let promoted = busy(record.timeline.minute().1.calls);
            record.timeline.promote(promoted);
        }
    }
}

impl RequestRecord {
    fn new() -> Self {
        Self {
            requests: 0,
            errors: 0,
            cancelled: 0,
            timeline: Timeline::new(),
            body: Recent::default(),
            per_request: Recent::default(),
            statements: Recent::default(),
            all_statements: Vec::new(),
            tick: Default::default(),
        }
    }
}

impl StatementSums {
    /// The distribution of calls over the requests that ran it.
    fn per_request(&self) -> Quantities {
        let mut counts = self.repeats.as_deref().cloned().unwrap_or_default();
        counts.record_many(1, self.requests.saturating_sub(counts.count()));
        quantities(&counts)
    }
}

impl Recent<Histogram> {
    pub(crate) fn merged(&self) -> Histogram {
        let mut merged = self.before.clone();
        merged.merge(&self.now);
        merged
    }
}

impl<T: Default> Recent<T> {
    fn turn(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }
}

/// Adds up what halves, threads and seconds know of a route's statements, the longest first.
fn by_statement<'a>(statements: impl Iterator<Item = &'a StatementSums>) -> Vec<RouteStatement> {
    let mut merged: HashMap<u64, StatementSums> = HashMap::new();
    for sums in statements {
        merged.entry(sums.statement).or_default().merge(sums);
    }
    let mut statements: Vec<_> = merged
        .into_iter()
        .map(|(query, sums)| RouteStatement {
            query,
            calls: sums.calls,
            requests: sums.requests,
            seconds: sums.nanos as f64 / 1e9,
            per_request: sums.per_request(),
        })
        .collect();
    statements.sort_by(|a, b| {
        b.seconds
            .total_cmp(&a.seconds)
            .then_with(|| a.query.cmp(&b.query))
    });
    statements
}

/// The quantiles of counts that were recorded as if they were nanoseconds.
pub(crate) fn quantities(counts: &Histogram) -> Quantities {
    let told = |q: f64| (counts.quantile(q) * 1e9).round();
    Quantities {
        p50: told(0.5),
        p95: told(0.95),
        max: (counts.max_seconds() * 1e9).round(),
    }
}

/// The rate over the last minute, or over the time since the start if that is shorter.
pub(crate) fn per_second(count: u64, uptime_seconds: u64) -> f64 {
    count as f64 / uptime_seconds.clamp(1, MINUTE) as f64
}

fn bounded<'a, T>(
    records: &'a mut HashMap<Arc<str>, T>,
    key: Option<&Arc<str>>,
    new: impl FnOnce() -> T,
) -> &'a mut T {
    let full = records.len() >= MAX_KEYS;
    let key = key.filter(|key| !full || records.contains_key(*key));
    let key = key.map_or_else(|| OTHER.into(), Arc::clone);
    records.entry(key).or_insert_with(new)
}

fn close<S>(timeline: &mut Timeline<S>, tick: &mut (Histogram, S), second: u64)
where
    S: Copy + Default + PartialEq + std::ops::Add<Output = S> + std::ops::Sub<Output = S>,
{
    if !tick.0.is_empty() || tick.1 != S::default() {
        timeline.push(second, &tick.0, tick.1);
        tick.0.clear();
        tick.1 = S::default();
    }
    timeline.age(second);
}
