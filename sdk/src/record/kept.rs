//! A bounded number of records by key, the busiest: what was not called for a while makes room for what is.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Deref;

use super::table::MAX_KEYS;

/// Records by key; read as the map that it is.
#[derive(Debug)]
pub(crate) struct Kept<K, R> {
    records: HashMap<K, R>,
    /// How many there may be.
    most: usize,
    /// Who could go, the least busy last; made once a second where it is needed.
    leaving: Option<Vec<(u64, K)>>,
}

/// What is kept of one key.
pub(crate) trait Record {
    /// Makes the one for what is not told apart.
    fn other() -> Self;
    /// How often it was called in the last minute, and in this second so far.
    fn recent(&self) -> u64;
    /// Adds the totals of a record that has to go.
    fn absorb(&mut self, other: &Self);
}

impl<K: Eq + Hash + Clone, R: Record> Kept<K, R> {
    /// Finds the record of `key`, or makes it; the one of `other` for no key, and where there is no room.
    ///
    /// A new key takes the place of one that was called less often in the whole last minute than the new one just now, by
    /// `calls`, and `other` takes over its totals. So a flood of keys that are called once each, and never again, moves
    /// nobody who is.
    pub(super) fn entry(
        &mut self,
        key: Option<&K>,
        other: K,
        calls: u64,
        new: impl FnOnce() -> R,
    ) -> &mut R {
        let key = key.filter(|key| {
            self.has(*key) || self.records.len() < self.most || self.make_room(calls, &other)
        });
        match key {
            Some(key) => self.records.entry(key.clone()).or_insert_with(new),
            None => self.records.entry(other).or_insert_with(R::other),
        }
    }

    /// Has at most so many from now on: the least busy go, and `other` takes over their totals.
    pub(super) fn keep(&mut self, most: usize, other: &K) {
        self.most = most;
        if self.records.len() > most {
            self.leaving = None;
            while self.records.len() > most && self.make_room(u64::MAX, other) {}
            self.records.shrink_to_fit();
        }
    }

    pub(super) fn has<Q: ?Sized + Eq + Hash>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.records.contains_key(key)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut R> {
        self.records.values_mut()
    }

    /// Says that a second is over: who could go is to be looked for anew.
    pub(super) fn next_second(&mut self) {
        self.leaving = None;
    }

    fn make_room(&mut self, calls: u64, other: &K) -> bool {
        let records = &self.records;
        let leaving = self.leaving.get_or_insert_with(|| {
            let mut leaving: Vec<_> = records
                .iter()
                .filter(|(key, _)| *key != other)
                .map(|(key, record)| (record.recent(), key.clone()))
                .collect();
            leaving.sort_unstable_by_key(|(recent, _)| std::cmp::Reverse(*recent));
            leaving
        });
        let Some((_, key)) = leaving.pop_if(|(recent, _)| *recent < calls) else {
            return false;
        };
        if let Some(gone) = self.records.remove(&key) {
            let other = self.records.entry(other.clone());
            other.or_insert_with(R::other).absorb(&gone);
        }
        true
    }
}

impl<K, R> Default for Kept<K, R> {
    fn default() -> Self {
        Self {
            records: HashMap::new(),
            most: MAX_KEYS,
            leaving: None,
        }
    }
}

impl<K, R> Deref for Kept<K, R> {
    type Target = HashMap<K, R>;

    fn deref(&self) -> &Self::Target {
        &self.records
    }
}
