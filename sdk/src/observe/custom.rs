//! The service's own numbers: counters, gauges and histograms by name.
//!
//! A handle is found once and kept; recording through it takes no lock. What is recorded lies in stripes, so that threads
//! don't meet on a cache line; the agent sums them up once a tick ([`Custom::read`]). Names and memory are bounded: what
//! goes beyond is counted, and told as not kept.

mod distribution;
#[cfg(feature = "metrics")]
pub(crate) mod facade;
mod handle;
mod histogram;
mod stripe;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

pub(crate) use self::distribution::Distribution;
pub use self::handle::{Counter, Gauge, Histogram};
use self::handle::{Losses, Target};
use self::histogram::{Buckets, Room};
use self::stripe::Striped;

/// Names before further ones are not kept.
const MAX_NAMES: usize = 1_000;
/// The most bytes of a name, and of a description.
const MAX_TEXT: usize = 200;

/// All numbers of a deck.
#[derive(Debug, Default)]
pub(crate) struct Custom {
    names: RwLock<Names>,
    losses: Arc<Losses>,
    room: Arc<Room>,
    /// What others remember of it, in bytes.
    beside: AtomicUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// What a number is by now.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) name: Arc<str>,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    /// The sum since the start.
    Counter(u64),
    Gauge(f64),
    /// What was recorded since the last reading.
    Histogram(Distribution),
}

/// What a number means, by the service's own words.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) unit: Option<String>,
    pub(crate) description: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Names {
    counters: BTreeMap<Arc<str>, Arc<Striped>>,
    gauges: BTreeMap<Arc<str>, Arc<AtomicU64>>,
    histograms: BTreeMap<Arc<str>, Arc<Buckets>>,
    about: BTreeMap<(Kind, Box<str>), About>,
}

impl Custom {
    pub(crate) fn counter(&self, name: &str) -> Counter {
        let found = self.find(
            name,
            |names| &mut names.counters,
            Names::counters,
            Arc::default,
        );
        Counter(self.target(found))
    }

    pub(crate) fn gauge(&self, name: &str) -> Gauge {
        let found = self.find(name, |names| &mut names.gauges, Names::gauges, Arc::default);
        Gauge(self.target(found))
    }

    pub(crate) fn histogram(&self, name: &str) -> Histogram {
        let make = || {
            Arc::new(Buckets::new(
                Arc::clone(&self.room),
                Arc::clone(&self.losses),
            ))
        };
        let found = self.find(name, |names| &mut names.histograms, Names::histograms, make);
        Histogram(self.target(found))
    }

    /// Keeps what a number means; `name` is without labels.
    pub(crate) fn describe(&self, kind: Kind, name: &str, about: About) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let key = (kind, Box::from(cut(name)));
        if names.about.len() < MAX_NAMES || names.about.contains_key(&key) {
            let description = about.description.map(|text| cut(&text).to_owned());
            names.about.insert(
                key,
                About {
                    description,
                    ..about
                },
            );
        }
    }

    /// What was said of a number, if anything was; its labels have no say.
    pub(crate) fn about(&self, kind: Kind, name: &str) -> About {
        let base = name.split_once('{').map_or(name, |(base, _)| base);
        let names = self.names();
        let about = names.about.get(&(kind, Box::from(base)));
        about.cloned().unwrap_or_default()
    }

    /// Reads every number, and takes what the histograms hold.
    pub(crate) fn read(&self) -> Vec<Reading> {
        // Nothing is read while the lock is held, which whoever finds a number by name waits for.
        let (counters, gauges, histograms) = {
            let names = self.names();
            (
                listed(&names.counters),
                listed(&names.gauges),
                listed(&names.histograms),
            )
        };
        let reading = |(name, value)| Reading { name, value };
        let counters = counters
            .into_iter()
            .map(|(name, counter)| (name, Value::Counter(counter.sum())));
        let gauges = gauges.into_iter().map(|(name, gauge)| {
            let value = f64::from_bits(gauge.load(Ordering::Relaxed));
            (name, Value::Gauge(value))
        });
        let histograms = histograms
            .into_iter()
            .map(|(name, buckets)| (name, Value::Histogram(buckets.take())));
        let all = counters.chain(gauges).chain(histograms);
        all.map(reading).collect()
    }

    /// Recordings of names beyond the bound, since the start.
    pub(crate) fn overflowed(&self) -> u64 {
        self.losses.overflowed.sum()
    }

    /// Recordings of values that no histogram can hold, or that found no memory, since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.losses.dropped.sum()
    }

    /// What it holds, in bytes, as near as it is worth counting.
    pub(crate) fn bytes(&self) -> usize {
        let names = self.names();
        let texts = names.counters.keys().chain(names.gauges.keys());
        let texts: usize = texts
            .chain(names.histograms.keys())
            .map(|name| name.len())
            .sum();
        let about = names.about.len() * (MAX_TEXT + size_of::<About>());
        let counters = names.counters.len() * size_of::<Striped>();
        let gauges = names.gauges.len() * size_of::<AtomicU64>();
        let histograms = names.histograms.len() * size_of::<Buckets>();
        let beside = self.beside.load(Ordering::Relaxed);
        texts + about + counters + gauges + histograms + self.room.used() + beside
    }

    /// Adds to the bytes that others hold on its behalf.
    #[cfg(feature = "metrics")]
    fn remembers(&self, bytes: usize) {
        self.beside.fetch_add(bytes, Ordering::Relaxed);
    }

    fn target<T>(&self, found: Option<Arc<T>>) -> Target<T> {
        found.map_or_else(|| Target::Refused(Arc::clone(&self.losses)), Target::Kept)
    }

    fn find<T>(
        &self,
        name: &str,
        all_mut: impl FnOnce(&mut Names) -> &mut BTreeMap<Arc<str>, Arc<T>>,
        all: impl FnOnce(&Names) -> &BTreeMap<Arc<str>, Arc<T>>,
        make: impl FnOnce() -> Arc<T>,
    ) -> Option<Arc<T>> {
        let name = &*shortened(name);
        {
            let names = self.names();
            if let Some(found) = all(&names).get(name) {
                return Some(Arc::clone(found));
            }
            // Names made from data keep nobody else waiting.
            if names.len() >= MAX_NAMES {
                return None;
            }
        }
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let full = names.len() >= MAX_NAMES;
        let all = all_mut(&mut names);
        if full && !all.contains_key(name) {
            return None;
        }
        Some(Arc::clone(all.entry(name.into()).or_insert_with(make)))
    }

    /// Holds the lock, for a test to poison it.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> std::sync::RwLockWriteGuard<'_, Names> {
        self.names.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn names(&self) -> RwLockReadGuard<'_, Names> {
        self.names.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    fn len(&self) -> usize {
        self.counters.len() + self.gauges.len() + self.histograms.len()
    }

    const fn counters(&self) -> &BTreeMap<Arc<str>, Arc<Striped>> {
        &self.counters
    }

    const fn gauges(&self) -> &BTreeMap<Arc<str>, Arc<AtomicU64>> {
        &self.gauges
    }

    const fn histograms(&self) -> &BTreeMap<Arc<str>, Arc<Buckets>> {
        &self.histograms
    }
}

fn listed<T>(all: &BTreeMap<Arc<str>, Arc<T>>) -> Vec<(Arc<str>, Arc<T>)> {
    let all = all.iter();
    all.map(|(name, number)| (Arc::clone(name), Arc::clone(number)))
        .collect()
}

/// A name as it is kept: a long one is cut, and still another than those that begin as it does.
fn shortened(name: &str) -> Cow<'_, str> {
    if name.len() <= MAX_TEXT {
        return Cow::Borrowed(name);
    }
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(name);
    let mark = format!("…{hash:016x}");
    let begin = name.floor_char_boundary(MAX_TEXT - mark.len());
    Cow::Owned(format!("{}{mark}", name.get(..begin).unwrap_or_default()))
}

/// The longest part of a text that is kept.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT))
        .unwrap_or_default()
}
