//! What the store keeps of one key, and how such records add up.

use std::sync::Arc;

use perfdeck_bridge::histogram::Histogram;
use perfdeck_bridge::protocol::Redacted;

use super::statement::Ran;
use crate::record::kept::Record;
use crate::record::statements::Statement;
use crate::record::table::OTHER;
use crate::record::timeline::{Tally, Timeline};
use crate::sql;

/// What is kept of a statement's text where there is no room for all of it, in bytes.
const CUT: usize = 256;

/// One route.
#[derive(Debug)]
pub(crate) struct RequestRecord {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) cancelled: u64,
    pub(crate) timeline: Timeline<RequestWindow>,
    pub(crate) body: Recent<Histogram>,
    pub(crate) per_request: Recent<Histogram>,
    pub(super) statements: Recent<Ran>,
    pub(super) all_statements: Ran,
    pub(super) tick: (Histogram, RequestWindow),
}

/// One statement, by fingerprint.
#[derive(Debug)]
pub(crate) struct QueryRecord {
    pub(crate) text: Redacted,
    /// As it was last executed; it stays in the process. `None` where there was no room to keep it whole.
    pub(crate) sample: Option<Arc<str>>,
    /// It was executed in another text, too.
    pub(crate) varied: bool,
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) rows: u64,
    pub(crate) unattributed: u64,
    /// Calls through a pool of the deck's, and those of them that are not attributed.
    pub(crate) wrapped: (u64, u64),
    pub(crate) pool: Option<u16>,
    pub(crate) timeline: Timeline<QueryWindow>,
    pub(super) tick: (Histogram, QueryWindow),
}

/// One monitored function.
#[derive(Debug, Default)]
pub(crate) struct FunctionRecord {
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) timeline: Timeline<QueryWindow>,
    pub(super) tick: (Histogram, QueryWindow),
}

/// One command of a connection to Redis, or its round trips of several commands.
#[derive(Debug)]
pub(crate) struct CommandRecord {
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) timeouts: u64,
    pub(crate) given_up: u64,
    pub(crate) batched: u64,
    pub(crate) timeline: Timeline<CommandWindow>,
    pub(super) tick: (Histogram, CommandWindow),
}

/// One pool.
#[derive(Debug, Default)]
pub(crate) struct PoolRecord {
    pub(crate) acquires: u64,
    pub(crate) timeouts: u64,
    pub(crate) timeline: Timeline<QueryWindow>,
    pub(super) tick: (Histogram, QueryWindow),
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

        impl Tally for $name {
            const SUMS: usize = [$(stringify!($field)),*].len();

            fn sums(self) -> impl Iterator<Item = u64> {
                [$(self.$field),*].into_iter()
            }

            fn from_sums(mut sums: impl Iterator<Item = u64>) -> Self {
                Self { $($field: sums.next().unwrap_or_default()),* }
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
window!(
    /// Sums of commands over a window.
    CommandWindow { calls, errors }
);

/// What was seen in this generation and the one before: the last half to whole minute.
#[derive(Debug, Default)]
pub(crate) struct Recent<T> {
    pub(crate) now: T,
    pub(crate) before: T,
}

impl RequestRecord {
    pub(super) fn new() -> Self {
        Self {
            requests: 0,
            errors: 0,
            cancelled: 0,
            timeline: Timeline::new(),
            body: Recent::default(),
            per_request: Recent::default(),
            statements: Recent::default(),
            all_statements: Ran::default(),
            tick: Default::default(),
        }
    }
}

impl QueryRecord {
    /// Makes the one of a statement whose texts may take so much; of longer ones it keeps the beginning.
    pub(super) fn of(statement: Option<&Statement>, room: usize) -> Self {
        let whole = statement.filter(|known| known.texts() <= room);
        let cut = |known: &Statement| sql::redacted::cut(&known.text, CUT);
        Self {
            text: statement.map_or_else(
                || sql::redacted::own(OTHER),
                |known| whole.map_or_else(|| cut(known), |known| known.text.clone()),
            ),
            sample: whole.and_then(|known| known.sample.clone()),
            varied: false,
            calls: 0,
            errors: 0,
            rows: 0,
            unattributed: 0,
            wrapped: (0, 0),
            pool: None,
            timeline: Timeline::new(),
            tick: Default::default(),
        }
    }
}

impl Record for RequestRecord {
    fn other() -> Self {
        Self::new()
    }

    fn recent(&self) -> u64 {
        let sums = self.timeline.minute().1 + self.tick.1;
        sums.requests + sums.cancelled
    }

    fn absorb(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.cancelled += other.cancelled;
        self.all_statements.absorb(&other.all_statements);
    }
}

impl Record for QueryRecord {
    fn other() -> Self {
        Self::of(None, 0)
    }

    fn recent(&self) -> u64 {
        (self.timeline.minute().1 + self.tick.1).calls
    }

    fn absorb(&mut self, other: &Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.rows += other.rows;
        self.unattributed += other.unattributed;
        self.wrapped.0 += other.wrapped.0;
        self.wrapped.1 += other.wrapped.1;
    }
}

impl Record for FunctionRecord {
    fn other() -> Self {
        Self::default()
    }

    fn recent(&self) -> u64 {
        (self.timeline.minute().1 + self.tick.1).calls
    }

    fn absorb(&mut self, other: &Self) {
        self.calls += other.calls;
        self.errors += other.errors;
    }
}

impl Record for CommandRecord {
    fn other() -> Self {
        Self {
            calls: 0,
            errors: 0,
            timeouts: 0,
            given_up: 0,
            batched: 0,
            timeline: Timeline::new(),
            tick: Default::default(),
        }
    }

    fn recent(&self) -> u64 {
        (self.timeline.minute().1 + self.tick.1).calls
    }

    fn absorb(&mut self, other: &Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.timeouts += other.timeouts;
        self.given_up += other.given_up;
        self.batched += other.batched;
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
    pub(super) fn turn(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }
}
