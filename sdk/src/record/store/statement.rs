//! What a route ran: its statements, a bounded number of them, and the sums of all.

use std::collections::HashMap;

use perfdeck_bridge::histogram::{Histogram, bounds};
use perfdeck_bridge::protocol::Quantities;

use super::quantities;
use crate::record::buckets::Buckets;
use crate::record::table::{MAX_ROUTE_STATEMENTS, Manner, StatementSums};

/// Seconds without a call after which a statement makes room for another.
const IDLE_SECONDS: u64 = 60;
/// Numbers of calls in a request that are told apart.
const MAX_REPEATS: usize = 64;

/// What one route ran of one statement.
#[derive(Debug, Clone)]
pub(crate) struct RouteStatement {
    pub(crate) query: u64,
    pub(crate) calls: u64,
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) per_request: Quantities,
    pub(crate) manner: Manner,
}

/// The statements that are told apart, and the sums of all, also of those that found no place or had to go.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    statements: Vec<Record>,
    calls: u64,
    nanos: u64,
}

/// One statement.
#[derive(Debug, Default, Clone)]
struct Record {
    statement: u64,
    /// Requests that ran it.
    requests: u64,
    calls: u64,
    nanos: u64,
    /// When it last ran.
    second: u64,
    manner: Manner,
    repeats: Repeats,
}

/// Calls in those requests that ran a statement more than once. They are few numbers, and take a tenth of a histogram.
#[derive(Debug, Default, Clone)]
struct Repeats {
    /// Requests by the bucket of their calls, in order.
    requests: Vec<(u32, u32)>,
    /// The most calls of a request.
    most: u64,
}

impl Ran {
    /// Adds up what generations know.
    pub(super) fn merged<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Merged {
        let mut merged = Merged::default();
        let mut statements: HashMap<u64, Record> = HashMap::new();
        for part in parts {
            merged.calls += part.calls;
            merged.seconds += part.nanos as f64 / 1e9;
            for record in &part.statements {
                statements
                    .entry(record.statement)
                    .or_default()
                    .merge(record);
            }
        }
        merged.statements = statements
            .into_iter()
            .map(|(query, record)| RouteStatement {
                query,
                calls: record.calls,
                requests: record.requests,
                seconds: record.nanos as f64 / 1e9,
                per_request: record.per_request(),
                manner: record.manner,
            })
            .collect();
        merged.statements.sort_by(|a, b| {
            b.seconds
                .total_cmp(&a.seconds)
                .then_with(|| a.query.cmp(&b.query))
        });
        merged
    }

    /// Adds what all statements of a route ran, those that are told apart included.
    pub(super) const fn add_all(&mut self, calls: u64, nanos: u64) {
        self.calls += calls;
        self.nanos += nanos;
    }

    /// Takes over what a route that has to go has run.
    pub(super) const fn absorb(&mut self, other: &Self) {
        self.add_all(other.calls, other.nanos);
    }

    /// Adds what a route ran of one statement. Where there is no place for it, it takes that of the one that has rested
    /// longest; it is among the others where none has.
    pub(super) fn add(&mut self, sums: &StatementSums, second: u64) {
        let known = self
            .statements
            .iter()
            .position(|record| record.statement == sums.statement);
        let place = known.or_else(|| self.make_place(second));
        if let Some(record) = place.and_then(|place| self.statements.get_mut(place)) {
            record.statement = sums.statement;
            record.requests += sums.requests;
            record.calls += sums.calls;
            record.nanos += sums.nanos;
            record.second = second;
            record.manner.merge(&sums.manner);
            if let Some(repeats) = &sums.repeats {
                record.repeats.add(repeats);
            }
        }
    }

    /// What it holds beside itself, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let repeats = self.statements.iter().map(|record| record.repeats.bytes());
        self.statements.capacity() * size_of::<Record>() + repeats.sum::<usize>()
    }

    fn make_place(&mut self, second: u64) -> Option<usize> {
        if self.statements.len() < MAX_ROUTE_STATEMENTS {
            self.statements.push(Record::default());
            return Some(self.statements.len() - 1);
        }
        let longest = self.statements.iter_mut().enumerate();
        let longest = longest.min_by_key(|(_, record)| record.second);
        longest
            .filter(|(_, record)| record.second + IDLE_SECONDS <= second)
            .map(|(place, record)| {
                *record = Record::default();
                place
            })
    }
}

/// What several know of what a route ran.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    /// The longest first.
    pub(crate) statements: Vec<RouteStatement>,
    /// Calls of all statements, also of those that are not told apart.
    pub(crate) calls: u64,
    /// The time that all took.
    pub(crate) seconds: f64,
}

impl Record {
    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.calls += other.calls;
        self.nanos += other.nanos;
        self.manner.merge(&other.manner);
        self.repeats.merge(&other.repeats);
    }

    /// The distribution of calls over the requests that ran it.
    fn per_request(&self) -> Quantities {
        let mut counts = Histogram::new();
        for (bucket, requests) in &self.repeats.requests {
            let (low, high) = bounds(*bucket as usize).unwrap_or_default();
            let calls = u64::midpoint(low, high).min(self.repeats.most);
            counts.record_many(calls, u64::from(*requests));
        }
        counts.record_many(1, self.requests.saturating_sub(counts.count()));
        counts.add_sums(0, self.repeats.most);
        quantities(&counts)
    }
}

impl Repeats {
    fn add(&mut self, repeats: &Buckets) {
        repeats.each(|bucket, requests| self.add_requests(bucket, requests));
        self.most = self.most.max(repeats.max());
    }

    fn merge(&mut self, other: &Self) {
        for (bucket, requests) in &other.requests {
            self.add_requests(*bucket, *requests);
        }
        self.most = self.most.max(other.most);
    }

    fn add_requests(&mut self, bucket: u32, requests: u32) {
        let known = self
            .requests
            .binary_search_by_key(&bucket, |(bucket, _)| *bucket);
        let place = match known {
            Ok(place) => place,
            Err(place) if self.requests.len() < MAX_REPEATS => {
                self.requests.insert(place, (bucket, 0));
                place
            }
            // The next lower one has to do.
            Err(place) => place.saturating_sub(1),
        };
        if let Some((_, sum)) = self.requests.get_mut(place) {
            *sum = sum.saturating_add(requests);
        }
    }

    const fn bytes(&self) -> usize {
        self.requests.capacity() * size_of::<(u32, u32)>()
    }
}

#[cfg(test)]
mod tests;
