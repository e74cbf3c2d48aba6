//! What the store holds, as near as it is worth counting.

use std::collections::HashMap;
use std::sync::Arc;

use perfdeck_bridge::histogram::Histogram;

use super::{CommandRecord, FunctionRecord, PoolRecord, QueryRecord, RequestRecord, Store};

/// What a text takes beside its bytes.
const COUNTS: usize = 2 * size_of::<usize>();

impl Store {
    /// What it holds, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let named = |name: &Arc<str>| name.len() + COUNTS;
        let requests = self.requests.iter();
        let queries = self.queries.iter();
        let functions = self.functions.iter();
        let pools = self.pools.iter().map(PoolRecord::bytes);
        requests
            .map(|(name, record)| named(name) + record.bytes())
            .chain(queries.map(|(_, record)| record.bytes()))
            .chain(functions.map(|(name, record)| named(name) + record.bytes()))
            .chain(pools)
            .chain(self.commands.values().map(CommandRecord::bytes))
            .chain(self.names.values().map(named))
            .sum::<usize>()
            + table(&self.requests)
            + table(&self.queries)
            + table(&self.functions)
            + table(&self.commands)
            + table(&self.names)
            + table(&self.running)
            + self.pools.capacity() * size_of::<PoolRecord>()
            + self.all_requests.bytes()
            + self.all_queries.bytes()
            + self.exemplars.bytes()
            + self.sites.bytes()
    }
}

impl RequestRecord {
    fn bytes(&self) -> usize {
        let distributions = [
            &self.body.now,
            &self.body.before,
            &self.per_request.now,
            &self.per_request.before,
            &self.tick.0,
        ];
        let ran = [
            &self.all_statements,
            &self.statements.now,
            &self.statements.before,
        ];
        distributions.map(beside).iter().sum::<usize>()
            + ran.iter().map(|ran| ran.bytes()).sum::<usize>()
            + self.timeline.bytes()
    }
}

impl QueryRecord {
    fn bytes(&self) -> usize {
        self.texts() + self.timeline.bytes() + beside(&self.tick.0)
    }

    /// What its texts take.
    pub(super) fn texts(&self) -> usize {
        let sample = self.sample.as_ref().map_or(0, |text| text.len() + COUNTS);
        self.text.as_str().len() + sample
    }
}

impl FunctionRecord {
    fn bytes(&self) -> usize {
        self.timeline.bytes() + beside(&self.tick.0)
    }
}

impl CommandRecord {
    fn bytes(&self) -> usize {
        self.timeline.bytes() + beside(&self.tick.0)
    }
}

impl PoolRecord {
    fn bytes(&self) -> usize {
        self.timeline.bytes() + beside(&self.tick.0)
    }
}

/// What a histogram holds beside itself.
fn beside(histogram: &Histogram) -> usize {
    histogram.bytes() - size_of::<Histogram>()
}

/// What a table takes, its empty places included: an eighth stays free, and each has a byte of its own.
pub(in crate::record) fn table<K, V, S>(table: &HashMap<K, V, S>) -> usize {
    table.capacity() * 8 / 7 * (size_of::<(K, V)>() + 1)
}
