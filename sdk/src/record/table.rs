//! What a shard holds: sums by key, a bounded number of keys a kind, and one `<other>` that keeps the totals right.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use perfdeck_bridge::histogram::Histogram;
use perfdeck_bridge::protocol::Redacted;

use super::scope::Work;
use crate::sql;

/// Keys a kind before new ones are filed under [`OTHER`].
pub(crate) const MAX_KEYS: usize = 1_000;
/// The key that keeps the totals right once there are too many.
pub(crate) const OTHER: &str = "<other>";
/// The id of a statement that is filed under [`OTHER`].
pub(crate) const OTHER_ID: u64 = 0;
/// Statements told apart a route.
const MAX_ROUTE_STATEMENTS: usize = 32;
/// Drains without a call before a key's memory is given back.
const IDLE_DRAINS: u8 = 60;
/// The longest text kept of a statement.
const MAX_TEXT: usize = 16 * 1024;

/// Distinct texts whose fingerprint a half remembers.
const MAX_TEXTS: usize = 4_096;

/// One half of a shard.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) requests: Keyed<Arc<str>, RequestSums>,
    pub(crate) queries: Keyed<Statement, QuerySums>,
    pub(crate) functions: Keyed<Arc<str>, FunctionSums>,
    pub(crate) pools: Vec<PoolSums>,
    pub(crate) slow_only: u64,
    /// A text's hash to its fingerprint's id.
    texts: HashMap<u64, u64, FixedState>,
}

/// What is known of a statement.
#[derive(Debug)]
pub(crate) struct Statement {
    /// Without literals.
    pub(crate) text: Redacted,
    /// As it was first executed; it stays in the process. `None` where it is too long to keep.
    pub(crate) sample: Option<Arc<str>>,
}

/// Sums by a key's hash.
///
/// Keys are told apart by 64 bits of a hash that is seeded anew in each process.
#[derive(Debug)]
pub(crate) struct Keyed<K, T> {
    entries: HashMap<u64, Entry<K, T>, FixedState>,
    other: Option<Box<T>>,
    overflowed: u64,
}

#[derive(Debug)]
struct Entry<K, T> {
    key: K,
    sums: T,
    idle: u8,
}

/// Sums that can be taken and begun anew.
pub(crate) trait Sums: Default {
    fn is_empty(&self) -> bool;
    fn clear(&mut self);
}

/// One route.
#[derive(Debug, Default)]
pub(crate) struct RequestSums {
    pub(crate) started: u64,
    pub(crate) ended: u64,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) cancelled: u64,
    pub(crate) head: Histogram,
    pub(crate) body: Histogram,
    /// Statements a request, counted as if they were nanoseconds.
    pub(crate) per_request: Histogram,
    pub(crate) queries: u64,
    pub(crate) query_nanos: u64,
    pub(crate) pool_wait_nanos: u64,
    pub(crate) statements: Vec<StatementSums>,
}

/// One statement of one route.
#[derive(Debug, Default, Clone)]
pub(crate) struct StatementSums {
    pub(crate) statement: u64,
    /// Requests that ran it.
    pub(crate) requests: u64,
    pub(crate) calls: u64,
    pub(crate) nanos: u64,
    /// Calls in those requests that ran it more than once, counted as if they were nanoseconds.
    pub(crate) repeats: Option<Box<Histogram>>,
}

/// One statement.
#[derive(Debug, Default)]
pub(crate) struct QuerySums {
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) rows: u64,
    pub(crate) unattributed: u64,
    pub(crate) times: Histogram,
    /// One more than the pool's number; 0 where the pool is not known.
    pub(crate) pool: u16,
}

/// One monitored function.
#[derive(Debug, Default)]
pub(crate) struct FunctionSums {
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) times: Histogram,
}

/// One pool.
#[derive(Debug, Default)]
pub(crate) struct PoolSums {
    pub(crate) acquires: u64,
    pub(crate) timeouts: u64,
    pub(crate) waits: Histogram,
}

impl<K, T> Default for Keyed<K, T> {
    fn default() -> Self {
        Self {
            entries: HashMap::default(),
            other: None,
            overflowed: 0,
        }
    }
}

impl<K, T: Sums> Keyed<K, T> {
    /// Finds a key's sums, or those of `<other>` where there is no room for another key.
    pub(crate) fn entry(&mut self, hash: u64, key: impl FnOnce() -> K) -> &mut T {
        if !self.has_room(hash) {
            self.overflowed += 1;
            return self.other.get_or_insert_default();
        }
        let entry = self.entries.entry(hash).or_insert_with(|| Entry {
            key: key(),
            sums: T::default(),
            idle: 0,
        });
        &mut entry.sums
    }

    /// Whether a key is told apart, or would be.
    fn has_room(&self, hash: u64) -> bool {
        self.entries.contains_key(&hash) || self.entries.len() < MAX_KEYS
    }

    /// Hands out all sums, those of `<other>` without a key, and begins anew; gives back the memory of keys that are idle. Returns what overflowed.
    pub(crate) fn drain(&mut self, mut each: impl FnMut(u64, Option<&K>, &mut T)) -> u64 {
        self.entries.retain(|hash, entry| {
            if entry.sums.is_empty() {
                entry.idle += 1;
                return entry.idle < IDLE_DRAINS;
            }
            entry.idle = 0;
            each(*hash, Some(&entry.key), &mut entry.sums);
            entry.sums.clear();
            true
        });
        if let Some(other) = self.other.as_deref_mut().filter(|other| !other.is_empty()) {
            each(OTHER_ID, None, other);
            other.clear();
        }
        std::mem::take(&mut self.overflowed)
    }
}

impl Tables {
    /// Finds a statement's id and sums; its text is taken apart only when it is new.
    ///
    /// Texts that differ in nothing but their literals are one statement, also for the bound on keys.
    pub(crate) fn statement(&mut self, hash: u64, sql: &str) -> (u64, &mut QuerySums) {
        if let Some(id) = self.texts.get(&hash).copied()
            && self.queries.entries.contains_key(&id)
        {
            return (id, self.queries.entry(id, || Statement::of(sql).1));
        }
        let (id, statement) = Statement::of(sql);
        if self.texts.len() >= MAX_TEXTS {
            self.texts.clear();
        }
        self.texts.insert(hash, id);
        let known = self.queries.has_room(id);
        (
            if known { id } else { OTHER_ID },
            self.queries.entry(id, || statement),
        )
    }

    pub(crate) fn pool(&mut self, number: u16) -> &mut PoolSums {
        let number = usize::from(number);
        if self.pools.len() <= number {
            self.pools.resize_with(number + 1, PoolSums::default);
        }
        &mut self.pools[number]
    }
}

impl RequestSums {
    /// Files what a request did.
    pub(crate) fn file(&mut self, work: &Work, pool_wait_nanos: u64) {
        self.pool_wait_nanos += pool_wait_nanos;
        let (calls, nanos) = work.sum();
        self.queries += u64::from(calls);
        self.query_nanos += nanos;
        self.per_request.record_nanos(u64::from(calls));
        for used in work.named() {
            let Some(sums) = find_or_add(&mut self.statements, used.statement) else {
                continue;
            };
            sums.requests += 1;
            sums.calls += u64::from(used.calls);
            sums.nanos += used.nanos;
            if used.calls > 1 {
                sums.repeats
                    .get_or_insert_default()
                    .record_nanos(u64::from(used.calls));
            }
        }
    }
}

impl StatementSums {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.calls += other.calls;
        self.nanos += other.nanos;
        if let Some(theirs) = &other.repeats {
            self.repeats.get_or_insert_default().merge(theirs);
        }
    }
}

/// Finds a statement's sums in a route's bounded list.
pub(crate) fn find_or_add(
    statements: &mut Vec<StatementSums>,
    statement: u64,
) -> Option<&mut StatementSums> {
    let place = match statements
        .iter()
        .position(|sums| sums.statement == statement)
    {
        Some(place) => place,
        None if statements.len() < MAX_ROUTE_STATEMENTS => {
            statements.push(StatementSums {
                statement,
                ..StatementSums::default()
            });
            statements.len() - 1
        }
        None => return None,
    };
    statements.get_mut(place)
}

impl Statement {
    fn of(sql: &str) -> (u64, Self) {
        let (id, text) = sql::redacted::statement(sql);
        (
            id,
            Self {
                text,
                sample: (sql.len() <= MAX_TEXT).then(|| sql.into()),
            },
        )
    }
}

impl Sums for RequestSums {
    fn is_empty(&self) -> bool {
        // A request's steps can fall into different halves, so one that has only heads is not empty.
        self.started + self.requests + self.cancelled + self.ended == 0
    }

    fn clear(&mut self) {
        (self.started, self.ended, self.requests) = (0, 0, 0);
        (self.errors, self.cancelled, self.queries) = (0, 0, 0);
        (self.query_nanos, self.pool_wait_nanos) = (0, 0);
        self.head.clear();
        self.body.clear();
        self.per_request.clear();
        self.statements.clear();
    }
}

impl Sums for QuerySums {
    fn is_empty(&self) -> bool {
        self.calls == 0
    }

    fn clear(&mut self) {
        (self.calls, self.errors, self.rows, self.unattributed) = (0, 0, 0, 0);
        self.times.clear();
    }
}

impl Sums for FunctionSums {
    fn is_empty(&self) -> bool {
        self.calls == 0
    }

    fn clear(&mut self) {
        (self.calls, self.errors) = (0, 0);
        self.times.clear();
    }
}
