//! The merged picture: everything that was drained, by key, with its history. Only the agent touches it.

pub(super) mod bytes;
mod record;
mod statement;
mod take;

use std::collections::HashMap;
use std::sync::Arc;

use perfdeck_bridge::histogram::Histogram;
use perfdeck_bridge::protocol::Quantities;

pub(crate) use self::record::{
    CommandRecord, CommandWindow, FunctionRecord, PoolRecord, QueryRecord, QueryWindow,
    RequestRecord, RequestWindow,
};
use self::statement::{Merged, Ran};
use super::background::Background;
use super::command::Command;
use super::exemplar::{Exemplars, Slowest};
use super::kept::Kept;
use super::rank::{self, Rank};
use super::recorder::Recorder;
use super::running;
use super::site::book::Book;
use super::site::{BACKGROUND, Pair};
use super::statements::Statements;
use super::table::{MAX_KEYS, OTHER, OTHER_ID, RequestSums, Tables};
use super::timeline::{MINUTE, Retention, Tally, Timeline};
use crate::clock::{Clock, Start};

/// Keys with the long history, all requests and all statements included.
const BUSY: usize = 40;
/// Keys of each kind that are told apart however little memory there is.
const LEAST_KEYS: usize = 100;
/// Names of routes that are taken in before only those of busy ones are.
const NAMES: usize = 4 * MAX_KEYS;
/// What the texts of all statements may take; of one that finds no room only the beginning is kept.
const TEXTS: usize = 4 * 1024 * 1024;
/// Seconds between two looks at which keys those are.
const ELECT_EVERY: u64 = 60;
/// Seconds of a generation of what is told for the last half to whole minute.
const GENERATION: u64 = 30;

/// Everything that was recorded.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) requests: Kept<Arc<str>, RequestRecord>,
    pub(crate) queries: Kept<u64, QueryRecord>,
    pub(crate) functions: Kept<Arc<str>, FunctionRecord>,
    pub(crate) pools: Vec<PoolRecord>,
    pub(crate) commands: Kept<Command, CommandRecord>,
    pub(crate) all_requests: Timeline<RequestWindow>,
    pub(crate) all_queries: Timeline<QueryWindow>,
    pub(crate) totals: Totals,
    /// What ran for no request.
    pub(crate) background: Background,
    /// Requests that are kept whole.
    pub(crate) exemplars: Exemplars,
    /// How many requests of a route are under way, and the beginning of the oldest; as of the last drain.
    pub(crate) running: HashMap<Arc<str>, (u64, Start)>,
    pub(crate) retention: Retention,
    /// Where routes call statements.
    pub(crate) sites: Book,
    /// Whether requests are kept whole.
    keeps_requests: bool,
    /// Keys of each kind that are told apart.
    most_keys: usize,
    second: u64,
    /// The names of routes by their hash.
    names: HashMap<u64, Arc<str>>,
    /// What the texts of statements take, at most: of those that left in this second as well.
    texts: usize,
    /// What was counted of a route before the thread that knows its name was drained.
    nameless: Vec<(u64, RequestSums)>,
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
    /// Of these, the ones that were told on a thread of their driver's own.
    pub(crate) elsewhere: u64,
    pub(crate) slow_only: u64,
    /// Recordings whose key had no room.
    pub(crate) overflowed: u64,
    /// Durations and calls that a shard had no memory for.
    pub(crate) refused: u64,
    /// Requests that were worth keeping whole and found no place in their shard.
    pub(crate) missed: u64,
}

#[derive(Debug, Default)]
struct Tick {
    requests: (Histogram, RequestWindow),
    queries: (Histogram, QueryWindow),
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            requests: Kept::default(),
            queries: Kept::default(),
            functions: Kept::default(),
            pools: Vec::new(),
            commands: Kept::default(),
            all_requests: Timeline::always_busy(),
            all_queries: Timeline::always_busy(),
            totals: Totals::default(),
            background: Background::default(),
            exemplars: Exemplars::default(),
            running: HashMap::new(),
            retention: Retention::FULL,
            sites: Book::new(false),
            keeps_requests: true,
            most_keys: MAX_KEYS,
            second: 0,
            names: HashMap::new(),
            texts: 0,
            nameless: Vec::new(),
            tick: Tick::default(),
            generation: 0,
        }
    }

    /// Says whether it is looked for where routes call statements.
    pub(crate) fn with_sites(mut self, wanted: bool) -> Self {
        self.sites = Book::new(wanted);
        self
    }

    /// Begins anew where an agent died: with what routes are called, which no thread tells twice, and with how many
    /// requests have ended, without which all of them would seem to be under way.
    pub(crate) fn after(dead: Self) -> Self {
        let mut store = Self::new().with_sites(dead.sites.is_wanted());
        store.names = dead.names;
        store.totals.ended = dead.totals.ended;
        store
    }

    /// Takes in what the shards hold and closes `second`.
    pub(crate) fn drain(&mut self, recorder: &Recorder, second: u64) {
        self.second = second;
        if second / GENERATION != self.generation {
            self.generation = second / GENERATION;
            self.next_generation();
        }
        self.texts = self.queries.values().map(QueryRecord::texts).sum();
        // What has ended must have started: so it is asked afterwards.
        recorder.drain(|tables| self.take(recorder, tables));
        self.totals.started = recorder.started();
        self.name_the_nameless(recorder);
        let requests = &self.requests;
        self.exemplars.age(second, |route| requests.has(route));
        self.look_at_running();
        self.background.close(second);
        self.requests.next_second();
        self.queries.next_second();
        self.functions.next_second();
        self.commands.next_second();
        self.close(second);
        if second.is_multiple_of(ELECT_EVERY) {
            self.elect();
        }
    }

    /// Asks for the call sites of what ran in this second, where there is time for it, and takes in what was told.
    pub(crate) fn seek_sites(&mut self, recorder: &Recorder, clock: &Clock) {
        let name = |route| self.names.get(&route).cloned();
        let (second, goes_on) = (self.second, self.keeps_requests);
        self.sites
            .seek(recorder.sites(), clock, second, goes_on, name);
    }

    /// Keeps so much history from now on, and requests whole or not; as many keys as ever.
    pub(crate) fn keep(&mut self, retention: Retention, requests: bool) {
        self.retention = retention;
        self.keeps_requests = requests;
        if !requests {
            self.exemplars.clear();
        }
        self.keep_keys(MAX_KEYS);
    }

    /// Keeps fewer keys of each kind from now on, but not too few.
    pub(crate) fn fewer_keys(&mut self) {
        self.keep_keys((self.most_keys / 10 * 9).max(LEAST_KEYS));
    }

    fn keep_keys(&mut self, most: usize) {
        self.most_keys = most;
        self.requests.keep(most, &OTHER.into());
        self.queries.keep(most, &OTHER_ID);
        self.functions.keep(most, &OTHER.into());
    }

    /// Coarsens the minutes of at most so many keys that were not yet; all at once would take the agent a second. Returns
    /// whether there were any.
    pub(crate) fn coarsen(&mut self, most: usize) -> bool {
        let requests = self.requests.values_mut();
        let queries = self.queries.values_mut();
        let functions = self.functions.values_mut();
        let pools = self.pools.iter_mut();
        let commands = self.commands.values_mut();
        let all = [self.all_requests.coarsen(), self.all_queries.coarsen()].into_iter();
        // Each is done as it is asked for.
        all.chain(requests.map(|record| record.timeline.coarsen()))
            .chain(queries.map(|record| record.timeline.coarsen()))
            .chain(functions.map(|record| record.timeline.coarsen()))
            .chain(pools.map(|record| record.timeline.coarsen()))
            .chain(commands.map(|record| record.timeline.coarsen()))
            .filter(|coarsened| *coarsened)
            .take(most)
            .count()
            > 0
    }

    /// The hash that a route is recorded by.
    #[cfg_attr(
        not(feature = "cache"),
        expect(dead_code, reason = "caches ask for it")
    )]
    pub(crate) fn route_hash(&self, name: &str) -> Option<u64> {
        let mut names = self.names.iter();
        names
            .find(|(_, known)| ***known == *name)
            .map(|(hash, _)| *hash)
    }

    /// What a route ran in the last minute.
    pub(crate) fn recent_statements(&self, record: &RequestRecord) -> Merged {
        Ran::merged([&record.statements.before, &record.statements.now])
    }

    /// What a route has run since the start.
    pub(crate) fn all_statements(&self, record: &RequestRecord) -> Merged {
        Ran::merged([&record.all_statements])
    }

    /// Adds latencies to each statement, by its place among them, as if a shard had held them.
    #[cfg(test)]
    pub(crate) fn ran<'t>(&mut self, times: impl Fn(usize) -> &'t Histogram) {
        for (place, record) in self.queries.values_mut().enumerate() {
            let times = times(place);
            let window = QueryWindow {
                calls: times.count(),
                ..QueryWindow::default()
            };
            record.tick.0.merge(times);
            record.tick.1 = record.tick.1 + window;
            self.tick.queries.0.merge(times);
            self.tick.queries.1 = self.tick.queries.1 + window;
        }
    }

    pub(super) fn take(&mut self, recorder: &Recorder, tables: &mut Tables) {
        self.totals.slow_only += std::mem::take(&mut tables.slow_only);
        self.take_names(tables);
        let is_short = tables.room.is_short();
        self.totals.overflowed += self.take_statements(is_short, &mut tables.statements);
        self.totals.overflowed += tables
            .requests
            .drain(is_short, |hash, sums| self.take_request(hash, sums));
        self.take_caught(tables);
        for (number, sums) in tables.functions.iter_mut().enumerate() {
            if sums.calls > 0 {
                self.take_function(recorder.function_name(number), sums);
            }
        }
        for (number, sums) in tables.pools.iter_mut().enumerate() {
            if sums.acquires > 0 {
                self.take_pool(number, sums);
            }
        }
        self.totals.overflowed += tables
            .commands
            .drain(is_short, |key, sums| self.take_command(key, sums));
        tables.settle();
        self.totals.refused += tables.room.take_refused();
    }

    fn take_statements(&mut self, is_short: bool, statements: &mut Statements) -> u64 {
        statements.drain(is_short, |key, sums| {
            let window = QueryWindow {
                calls: sums.calls,
                errors: sums.errors,
                rows: sums.rows,
            };
            self.totals.calls += sums.calls;
            self.totals.unattributed += sums.unattributed;
            self.totals.elsewhere += sums.elsewhere;
            self.background
                .add(sums.unattributed, sums.background_nanos);
            let (times, all) = &mut self.tick.queries;
            *all = *all + window;
            let (id, statement) = key.unzip();
            if let Some(statement) = id
                && sums.unattributed > 0
            {
                let route = BACKGROUND;
                self.sites.ran(Pair { route, statement }, sums.unattributed);
            }
            let new = || {
                let record =
                    QueryRecord::of(statement.as_deref(), TEXTS.saturating_sub(self.texts));
                self.texts += record.texts();
                record
            };
            let record = self.queries.entry(id.as_ref(), OTHER_ID, sums.calls, new);
            // One text for all threads that run it.
            if let Some(statement) = statement
                && record.text == statement.text
            {
                record.varied |= statement.varied || statement.sample != record.sample;
                statement.text = record.text.clone();
                statement.sample.clone_from(&record.sample);
            }
            record.calls += sums.calls;
            record.errors += sums.errors;
            record.rows += sums.rows;
            record.unattributed += sums.unattributed;
            record.wrapped.0 += sums.wrapped.0;
            record.wrapped.1 += sums.wrapped.1;
            record.pool = sums.pool.checked_sub(1).or(record.pool);
            sums.times.drain_into(&mut [times, &mut record.tick.0]);
            record.tick.1 = record.tick.1 + window;
        })
    }

    fn take_request(&mut self, hash: Option<u64>, sums: &mut RequestSums) {
        let key = hash.and_then(|hash| self.names.get(&hash)).cloned();
        if let Some(hash) = hash
            && key.is_none()
            && self.nameless.len() < MAX_KEYS
        {
            self.nameless.push((hash, std::mem::take(sums)));
            return;
        }
        let window = RequestWindow {
            requests: sums.requests,
            errors: sums.errors,
            cancelled: sums.cancelled,
            queries: sums.queries,
            query_nanos: sums.query_nanos,
            pool_wait_nanos: sums.pool_wait_nanos,
        };
        self.totals.ended += sums.ended;
        self.totals.requests += sums.requests;
        self.totals.errors += sums.errors;
        self.totals.cancelled += sums.cancelled;
        let (times, all) = &mut self.tick.requests;
        *all = *all + window;
        let record =
            self.requests
                .entry(key.as_ref(), OTHER.into(), sums.ended, RequestRecord::new);
        record.requests += sums.requests;
        record.errors += sums.errors;
        record.cancelled += sums.cancelled;
        sums.head.drain_into(&mut [times, &mut record.tick.0]);
        let body = &mut record.body.now;
        sums.body.drain_into(&mut [body]);
        let at_once = &mut [times, &mut record.tick.0, body];
        sums.at_once.drain_into(at_once);
        let per_request = &mut record.per_request.now;
        sums.per_request.drain_into(&mut [per_request]);
        per_request.record_many(0, sums.ended.saturating_sub(sums.with_queries));
        record.tick.1 = record.tick.1 + window;
        if let Some(key) = &key {
            sums.slowest = Slowest::over(if self.keeps_requests {
                self.exemplars.slow_from(key, self.second)
            } else {
                u64::MAX
            });
        }
        for ran in [&mut record.statements.now, &mut record.all_statements] {
            ran.add_all(sums.queries, sums.query_nanos);
            for used in &sums.statements {
                ran.add(used, self.second);
            }
        }
        for used in &sums.statements {
            let statement = used.statement;
            if let Some(route) = hash.filter(|_| statement != OTHER_ID) {
                self.sites.ran(Pair { route, statement }, used.calls);
            }
        }
    }

    fn take_caught(&mut self, tables: &mut Tables) {
        let Self {
            exemplars,
            names,
            second,
            ..
        } = self;
        let mut nameless = 0;
        let missed = tables
            .caught
            .drain(|route, exemplar| match names.get(&route) {
                Some(route) => exemplars.take(route, exemplar, *second),
                None => nameless += 1,
            });
        self.totals.missed += missed + nameless;
        tables.caught.want(self.keeps_requests);
    }

    fn look_at_running(&mut self) {
        self.running.clear();
        for (route, start) in running::requests() {
            let Some(route) = self.names.get(&route) else {
                continue;
            };
            // A route may hang from its first request on: none has ended, and this is when it matters most.
            if !self.requests.has(route) && self.requests.len() < self.most_keys {
                self.requests
                    .entry(Some(route), OTHER.into(), 0, RequestRecord::new);
            }
            let oldest = self.running.entry(Arc::clone(route));
            let (count, oldest) = oldest.or_insert((0, start));
            *count += 1;
            if start.raw() < oldest.raw() {
                *oldest = start;
            }
        }
    }

    /// A flood brings more names than are of use; those of routes that go on are told again, and those of routes that were
    /// called more than once find a place in any case.
    fn take_names(&mut self, tables: &mut Tables) {
        for (hash, name) in tables.names.drain(..) {
            let known = self.names.len();
            let again = || tables.requests.get(hash).is_some_and(|sums| sums.ended > 1);
            if known < NAMES || known < 2 * NAMES && again() {
                self.names.insert(hash, name);
            }
        }
    }

    /// A name is told before anything is counted of its route, so after all was counted it is there to be found.
    fn name_the_nameless(&mut self, recorder: &Recorder) {
        if !self.nameless.is_empty() {
            recorder.drain(|tables| self.take_names(tables));
            for (hash, mut sums) in std::mem::take(&mut self.nameless) {
                let hash = self.names.contains_key(&hash).then_some(hash);
                self.take_request(hash, &mut sums);
            }
        }
        if self.names.len() > 2 * MAX_KEYS {
            let requests = &self.requests;
            self.names.retain(|_, name| requests.has(name));
            recorder.forget_names();
        }
    }

    fn close(&mut self, second: u64) {
        let close = Close {
            second,
            retention: self.retention,
        };
        close.timeline(&mut self.all_requests, &mut self.tick.requests);
        close.timeline(&mut self.all_queries, &mut self.tick.queries);
        for record in self.requests.values_mut() {
            close.timeline(&mut record.timeline, &mut record.tick);
        }
        for record in self.queries.values_mut() {
            close.timeline(&mut record.timeline, &mut record.tick);
        }
        for record in self.functions.values_mut() {
            close.timeline(&mut record.timeline, &mut record.tick);
        }
        for record in self.commands.values_mut() {
            close.timeline(&mut record.timeline, &mut record.tick);
        }
        for record in &mut self.pools {
            close.timeline(&mut record.timeline, &mut record.tick);
        }
    }

    fn next_generation(&mut self) {
        for record in self.requests.values_mut() {
            record.body.turn();
            record.per_request.turn();
            record.statements.turn();
        }
    }

    /// Chooses the keys with the long history.
    fn elect(&mut self) {
        let mut ranks: Vec<&mut Rank> = Vec::new();
        let requests = self.requests.values_mut();
        ranks.extend(requests.map(|record| record.timeline.ranked(|sums| sums.requests)));
        let queries = self.queries.values_mut();
        ranks.extend(queries.map(|record| record.timeline.ranked(|sums| sums.calls)));
        let functions = self.functions.values_mut();
        ranks.extend(functions.map(|record| record.timeline.ranked(|sums| sums.calls)));
        let pools = self.pools.iter_mut();
        ranks.extend(pools.map(|record| record.timeline.ranked(|sums| sums.calls)));
        // All requests and all statements have a place each.
        rank::elect(&mut ranks, BUSY - 2);
    }
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

/// The end of a second.
struct Close {
    second: u64,
    retention: Retention,
}

impl Close {
    fn timeline<S: Tally>(&self, timeline: &mut Timeline<S>, tick: &mut (Histogram, S)) {
        if !tick.0.is_empty() || tick.1 != S::default() {
            timeline.push(self.second, &tick.0, tick.1);
            tick.0.clear();
            tick.1 = S::default();
        }
        timeline.age(self.second, &self.retention);
    }
}
