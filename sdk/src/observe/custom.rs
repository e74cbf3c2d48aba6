//! The service's own numbers: counters and gauges by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Metrics before new names share one that is not shown.
const MAX_METRICS: usize = 1_000;

/// A number that only grows.
///
/// Clone it and keep it: adding is one atomic addition, finding it by name is not.
#[derive(Clone)]
pub struct Counter(Arc<AtomicU64>);

/// A number that goes up and down.
#[derive(Clone)]
pub struct Gauge(Arc<AtomicU64>);

/// All counters and gauges of a deck.
#[derive(Debug, Default)]
pub(crate) struct Custom {
    metrics: Mutex<BTreeMap<(String, Kind), Arc<AtomicU64>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Counter,
    Gauge,
}

impl Counter {
    /// Adds to the number; it wraps at 2^64.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn noop() -> Self {
        Self(Arc::default())
    }
}

impl Gauge {
    /// Sets the number.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn noop() -> Self {
        Self(Arc::default())
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counter")
            .field(&self.0.load(Ordering::Relaxed))
            .finish()
    }
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gauge")
            .field(&f64::from_bits(self.0.load(Ordering::Relaxed)))
            .finish()
    }
}

impl Custom {
    pub(crate) fn counter(&self, name: &str) -> Counter {
        self.find(name, Kind::Counter)
            .map_or_else(Counter::noop, Counter)
    }

    pub(crate) fn gauge(&self, name: &str) -> Gauge {
        self.find(name, Kind::Gauge).map_or_else(Gauge::noop, Gauge)
    }

    /// All values, by name.
    pub(crate) fn values(&self) -> Vec<(String, Kind, f64)> {
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        metrics
            .iter()
            .map(|((name, kind), cell)| {
                let bits = cell.load(Ordering::Relaxed);
                let value = match kind {
                    Kind::Counter => bits as f64,
                    Kind::Gauge => f64::from_bits(bits),
                };
                (name.clone(), *kind, value)
            })
            .collect()
    }

    fn find(&self, name: &str, kind: Kind) -> Option<Arc<AtomicU64>> {
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (name.chars().take(200).collect::<String>(), kind);
        if metrics.len() >= MAX_METRICS && !metrics.contains_key(&key) {
            return None;
        }
        Some(Arc::clone(metrics.entry(key).or_default()))
    }
}
