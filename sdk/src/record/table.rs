//! What a shard holds: sums by key, a bounded number of keys a kind, and one `<other>` that keeps the totals right.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::buckets::Buckets;
use super::command::{Command, CommandSums, Ending, Part};
use super::exemplar::{Caught, Slowest};
use super::room::{Budget, Room};
use super::scope::{Call, Scope, Stage, Use, Work};
use super::statements::Statements;

/// Keys a kind before new ones are filed under [`OTHER`].
pub(crate) const MAX_KEYS: usize = 1_000;
/// The key that keeps the totals right once there are too many.
pub(crate) const OTHER: &str = "<other>";
/// The id of a statement that is filed under [`OTHER`].
pub(crate) const OTHER_ID: u64 = 0;
/// Calls of one statement in one request from which it is repeated.
pub(crate) const REPEATS: u32 = 5;
/// Statements told apart a route.
pub(super) const MAX_ROUTE_STATEMENTS: usize = 32;
/// Drains without a call before a key's memory is given back.
const IDLE_DRAINS: u8 = 60;
/// The same where memory is short.
const SHORT_DRAINS: u8 = 45;
/// Keys from which on those that were not called since the last drain make room at once.
const CROWDED: usize = MAX_KEYS / 2;
/// Pools whose waits are told apart.
const MAX_POOLS: usize = 64;

/// One half of a shard.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(super) requests: Keyed<RequestSums>,
    pub(super) statements: Statements,
    /// By the function's number.
    pub(super) functions: Vec<FunctionSums>,
    pub(super) pools: Vec<PoolSums>,
    /// By [`Command::key`].
    pub(super) commands: Keyed<CommandSums>,
    pub(super) slow_only: u64,
    /// Names of routes that this thread met first, by their hash.
    pub(super) names: Vec<(u64, Arc<str>)>,
    pub(super) caught: Caught,
    pub(super) room: Room,
}

/// Sums by a key's hash.
///
/// Keys are told apart by 64 bits of a hash that is seeded anew in each process.
#[derive(Debug)]
pub(super) struct Keyed<T> {
    entries: HashMap<u64, Box<Entry<T>>, Hashed>,
    other: Box<T>,
    overflowed: u64,
}

#[derive(Debug)]
struct Entry<T> {
    sums: T,
    idle: u8,
}

/// Sums that can be taken and begun anew.
pub(super) trait Sums: Default {
    fn is_empty(&self) -> bool;
    fn clear(&mut self);
    /// Says that nothing happened since the last drain.
    fn rest(&mut self);
    /// What it takes of the room, beside its own size.
    fn bytes(&self) -> usize;
}

/// One route.
#[derive(Debug, Default)]
pub(super) struct RequestSums {
    pub(super) ended: u64,
    pub(super) slowest: Slowest,
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) cancelled: u64,
    pub(super) head: Buckets,
    pub(super) body: Buckets,
    /// Of responses whose body was there with their head: most are, and one visit to a histogram is cheaper than two.
    pub(super) at_once: Buckets,
    /// Requests that ran a statement.
    pub(super) with_queries: u64,
    /// Statements of each of those, counted as if they were nanoseconds.
    pub(super) per_request: Buckets,
    pub(super) queries: u64,
    pub(super) query_nanos: u64,
    pub(super) pool_wait_nanos: u64,
    pub(super) statements: Vec<StatementSums>,
}

/// One statement of one route.
#[derive(Debug, Default)]
pub(super) struct StatementSums {
    pub(super) statement: u64,
    /// Requests that ran it.
    pub(super) requests: u64,
    pub(super) calls: u64,
    pub(super) nanos: u64,
    pub(super) manner: Manner,
    /// Calls in those requests that ran it more than once, counted as if they were nanoseconds.
    pub(super) repeats: Option<Box<Buckets>>,
}

/// In what manner requests repeated a statement.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Requests that ran it again and again, one call after the other and as far as is known with other values.
    pub(crate) looping: u64,
    /// Those of them of which it isn't known whether the values were others.
    pub(crate) unsure: u64,
    /// Requests that ran it again and again with the same values, and succeeded before the last.
    pub(crate) again: u64,
    pub(crate) rows: u64,
}

impl Manner {
    /// Adds what one request did.
    #[inline]
    fn add(&mut self, used: &Use) {
        self.rows += used.rows;
        if used.calls < REPEATS {
            return;
        }
        let in_turn = used.calls.saturating_sub(used.beside + used.failed);
        // Values are looked at from the second call on, and of the first of those nothing is to be compared.
        if in_turn.saturating_sub(used.same) >= REPEATS {
            self.looping += 1;
            self.unsure += u64::from(used.known + 2 < used.calls);
        }
        let succeeded = used.same.saturating_sub(used.failed);
        self.again += u64::from(succeeded + 2 >= REPEATS && 2 * succeeded >= used.known);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.looping += other.looping;
        self.unsure += other.unsure;
        self.again += other.again;
        self.rows += other.rows;
    }
}

/// One monitored function.
#[derive(Debug, Default)]
pub(super) struct FunctionSums {
    pub(super) calls: u64,
    pub(super) errors: u64,
    pub(super) times: Buckets,
}

/// One pool.
#[derive(Debug, Default)]
pub(super) struct PoolSums {
    pub(super) acquires: u64,
    pub(super) timeouts: u64,
    pub(super) waits: Buckets,
}

/// A statement that has run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ran {
    pub(crate) nanos: u64,
    pub(crate) rows: u64,
    pub(crate) failed: bool,
    pub(crate) pool: Option<u16>,
    /// Whether it is known what it ran for.
    pub(crate) attributed: bool,
    /// Whether that is not known since it was told on a thread of its driver's own.
    pub(crate) elsewhere: bool,
    /// A hash of what was bound, where anybody asked for it.
    pub(crate) values: Option<u64>,
}

impl Ran {
    /// What a request counts of it.
    #[inline]
    pub(super) const fn call(&self, statement: u64) -> Call {
        Call {
            statement,
            nanos: self.nanos,
            rows: self.rows,
            failed: self.failed,
            values: self.values,
        }
    }
}

/// How a request's response was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    Answered { failed: bool, nanos: u64 },
    Cancelled,
}

/// How a response's body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Whole { nanos: u64 },
    Failed,
    Cancelled,
}

/// For keys that are hashes themselves.
pub(super) type Hashed = BuildHasherDefault<Same>;

#[derive(Debug, Default)]
pub(super) struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl<T: Sums> Keyed<T> {
    fn new() -> Self {
        Self {
            entries: HashMap::default(),
            other: Box::default(),
            overflowed: 0,
        }
    }

    /// Finds a key's sums, or those of `<other>` where there is no room for another key.
    #[inline]
    fn entry(&mut self, hash: u64, room: &mut Room) -> &mut T {
        let full = self.entries.len() >= MAX_KEYS;
        match self.entries.entry(hash) {
            Place::Occupied(entry) => &mut entry.into_mut().sums,
            Place::Vacant(place) => {
                if full || !room.take(entry_bytes::<T>()) {
                    self.overflowed += 1;
                    return &mut self.other;
                }
                let entry = Entry {
                    sums: T::default(),
                    idle: 0,
                };
                &mut place.insert(Box::new(entry)).sums
            }
        }
    }

    /// The sums of a key that has some.
    pub(super) fn get(&self, hash: u64) -> Option<&T> {
        self.entries.get(&hash).map(|entry| &entry.sums)
    }

    /// Hands out all sums, those of `<other>` without a hash, and begins anew; gives back the memory of keys that are idle.
    /// Returns what overflowed.
    pub(super) fn drain(
        &mut self,
        is_short: bool,
        mut each: impl FnMut(Option<u64>, &mut T),
    ) -> u64 {
        let most_idle = most_idle(self.entries.len(), is_short);
        self.entries.retain(|hash, entry| {
            if entry.sums.is_empty() {
                entry.idle += 1;
                entry.sums.rest();
                return entry.idle < most_idle;
            }
            entry.idle = 0;
            each(Some(*hash), &mut entry.sums);
            entry.sums.clear();
            true
        });
        if self.entries.capacity() > 4 * (self.entries.len() + 16) {
            self.entries.shrink_to(2 * self.entries.len());
        }
        if !self.other.is_empty() {
            each(None, &mut self.other);
            self.other.clear();
        }
        std::mem::take(&mut self.overflowed)
    }

    /// What all entries take of the room.
    fn bytes(&self) -> usize {
        let sums: usize = self.entries.values().map(|entry| entry.sums.bytes()).sum();
        sums + self.entries.len() * entry_bytes::<T>()
    }
}

impl Tables {
    pub(super) fn new(budget: &'static Budget) -> Self {
        Self {
            requests: Keyed::new(),
            statements: Statements::default(),
            functions: Vec::new(),
            pools: Vec::new(),
            commands: Keyed::new(),
            slow_only: 0,
            names: Vec::new(),
            caught: Caught::default(),
            room: Room::new(budget),
        }
    }

    /// Names a route that this thread had not met; returns whether there was room.
    pub(super) fn introduce(&mut self, hash: u64, name: impl FnOnce() -> Arc<str>) -> bool {
        if self.names.len() >= MAX_KEYS {
            return false;
        }
        let name = name();
        let room = self.room.take(size_of::<(u64, Arc<str>)>() + name.len());
        if room {
            self.names.push((hash, name));
        }
        room
    }

    /// Files the head of a request's response.
    #[inline]
    pub(super) fn head(&mut self, route: u64, head: &Head) {
        let room = &mut self.room;
        self.requests.entry(route, room).head(head, room);
    }

    /// Files a request's end, and the head of its response where that was not filed before.
    #[inline]
    pub(super) fn ended(&mut self, head: Option<&Head>, body: Option<Body>, scope: &Scope) {
        let room = &mut self.room;
        let sums = self.requests.entry(scope.progress.route, room);
        sums.ended += 1;
        match (head, body) {
            (Some(Head::Answered { failed, nanos }), Some(Body::Whole { nanos: end }))
                if *nanos == end =>
            {
                sums.answered(*failed);
                sums.at_once.record(end, room);
            }
            _ => {
                if let Some(head) = head {
                    sums.head(head, room);
                }
                if let Some(body) = body {
                    sums.body(body, room);
                }
            }
        }
        sums.pool_wait_nanos += scope.pool_wait_nanos;
        match scope.remote() {
            None => sums.work(&scope.work, room),
            Some(remote) => {
                sums.pool_wait_nanos += remote.pool_wait_nanos();
                sums.work(&remote.with(&scope.work), room);
            }
        }
        let common = match (scope.progress.stage, body) {
            (_, Some(Body::Failed | Body::Cancelled)) => false,
            (Stage::Answered { failed, nanos, .. }, _) => !failed && !sums.slowest.wants(nanos),
            (Stage::Waiting, _) => false,
        };
        if self.caught.sample() || !common {
            let room = |bytes| room.take(bytes);
            self.caught.take(scope, body, &mut sums.slowest, room);
        }
    }

    /// Files a call of a monitored function, by its number.
    #[inline]
    pub(super) fn function(&mut self, number: u16, nanos: u64, failed: bool) {
        let Some(sums) = self.functions.get_mut(usize::from(number)) else {
            return self.new_function(number, nanos, failed);
        };
        sums.calls += 1;
        sums.errors += u64::from(failed);
        sums.times.record(nanos, &mut self.room);
    }

    /// Files a wait for a connection of a pool, by the pool's number.
    pub(super) fn acquire(&mut self, pool: u16, nanos: u64, timed_out: bool) {
        let number = usize::from(pool).min(MAX_POOLS - 1);
        if self.pools.len() <= number {
            self.pools.resize_with(number + 1, PoolSums::default);
        }
        if let Some(sums) = self.pools.get_mut(number) {
            sums.acquires += 1;
            sums.timeouts += u64::from(timed_out);
            sums.waits.record(nanos, &mut self.room);
        }
    }

    /// Files a command that went alone, or a round trip of several.
    #[inline]
    pub(super) fn command(&mut self, command: Command, ending: Ending, nanos: u64) {
        let room = &mut self.room;
        let sums = self.commands.entry(command.key(), room);
        sums.ended(ending, nanos, room);
    }

    /// Files a round trip of several commands of a connection.
    pub(super) fn batch(&mut self, trip: Command, ending: Ending, nanos: u64, parts: &[Part]) {
        self.command(trip, ending, nanos);
        for part in parts {
            let command = Command {
                word: part.word,
                ..trip
            };
            let sums = self.commands.entry(command.key(), &mut self.room);
            sums.in_batch(part, ending);
        }
    }

    /// Functions are as many as the service's code has, so there is no other one to count them under: without room the
    /// call is counted as refused.
    #[cold]
    fn new_function(&mut self, number: u16, nanos: u64, failed: bool) {
        let wanted = usize::from(number) + 1;
        let bytes = (wanted - self.functions.len()) * size_of::<FunctionSums>();
        if wanted <= MAX_KEYS && self.room.take(bytes) {
            self.functions.resize_with(wanted, FunctionSums::default);
            self.function(number, nanos, failed);
        } else {
            self.room.refuse();
        }
    }

    /// Counts anew what is held, and returns what is no longer needed of the budget.
    pub(super) fn settle(&mut self) {
        let used = self.requests.bytes()
            + self.statements.bytes()
            + self
                .functions
                .iter()
                .map(|sums| size_of::<FunctionSums>() + sums.times.bytes())
                .sum::<usize>()
            + self
                .pools
                .iter()
                .map(|pool| pool.waits.bytes())
                .sum::<usize>()
            + self.commands.bytes()
            + self.names.capacity() * size_of::<(u64, Arc<str>)>()
            + self.caught.bytes();
        self.room.settle(used);
    }
}

impl RequestSums {
    fn head(&mut self, head: &Head, room: &mut Room) {
        match *head {
            Head::Answered { failed, nanos } => {
                self.answered(failed);
                self.head.record(nanos, room);
            }
            Head::Cancelled => self.cancelled += 1,
        }
    }

    fn body(&mut self, body: Body, room: &mut Room) {
        match body {
            Body::Whole { nanos } => self.body.record(nanos, room),
            Body::Failed => self.errors += 1,
            Body::Cancelled => self.cancelled += 1,
        }
    }

    fn answered(&mut self, failed: bool) {
        self.requests += 1;
        self.errors += u64::from(failed);
    }

    /// Files what a request did.
    #[inline]
    fn work(&mut self, work: &Work, room: &mut Room) {
        let (calls, nanos) = work.sum();
        if calls == 0 {
            return;
        }
        self.with_queries += 1;
        self.queries += u64::from(calls);
        self.query_nanos += nanos;
        self.per_request.record(u64::from(calls), room);
        for used in work.named() {
            self.statement(used, room);
        }
    }

    #[inline]
    fn statement(&mut self, used: &Use, room: &mut Room) {
        let known = self
            .statements
            .iter()
            .position(|sums| sums.statement == used.statement);
        let place = match known {
            Some(place) => place,
            None if self.statements.len() < MAX_ROUTE_STATEMENTS
                && room.take(size_of::<StatementSums>()) =>
            {
                self.statements.push(StatementSums {
                    statement: used.statement,
                    ..StatementSums::default()
                });
                self.statements.len() - 1
            }
            // The sums of all have it; the agent tells it as one of the others.
            None => return,
        };
        let Some(sums) = self.statements.get_mut(place) else {
            return;
        };
        sums.requests += 1;
        sums.calls += u64::from(used.calls);
        sums.nanos += used.nanos;
        sums.manner.add(used);
        if used.calls > 1 {
            if sums.repeats.is_some() || room.take(size_of::<Buckets>()) {
                sums.repeats
                    .get_or_insert_default()
                    .record(u64::from(used.calls), room);
            } else {
                room.refuse();
            }
        }
    }
}

impl Sums for RequestSums {
    fn is_empty(&self) -> bool {
        // A request's steps can fall into different halves, so one that has only heads is not empty.
        self.requests + self.cancelled + self.ended == 0
    }

    fn clear(&mut self) {
        (self.ended, self.requests) = (0, 0);
        (self.errors, self.cancelled) = (0, 0);
        (self.queries, self.with_queries) = (0, 0);
        (self.query_nanos, self.pool_wait_nanos) = (0, 0);
        self.statements.clear();
    }

    fn rest(&mut self) {
        // What was slow in a busier minute says nothing of the next request.
        self.slowest = Slowest::default();
    }

    fn bytes(&self) -> usize {
        self.head.bytes()
            + self.body.bytes()
            + self.at_once.bytes()
            + self.per_request.bytes()
            + self.statements.capacity() * size_of::<StatementSums>()
    }
}

/// What an entry takes of the room by itself, with the empty places of its table.
const fn entry_bytes<T>() -> usize {
    size_of::<Entry<T>>() + 40
}

/// The drains without a call after which one of so many keys has to go: soon where memory is short, since what a flood has
/// left behind takes the room of what is real. Not at once: a flood that goes on would have its next keys taken in each
/// time, and whoever drains them has to keep them, too.
pub(super) const fn most_idle(keys: usize, is_short: bool) -> u8 {
    if keys > CROWDED {
        1
    } else if is_short {
        SHORT_DRAINS
    } else {
        IDLE_DRAINS
    }
}
