//! The last minute of each of the service's own numbers.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::Agent;
use crate::observe::custom::{Distribution, Kind, Value};
use crate::record::timeline::MINUTE;

/// Seconds that the values of a histogram are kept together for.
const SLOT: u64 = 10;
/// What the last minutes of all histograms may take; without room a histogram has counts and no percentiles.
const ROOM: usize = 4 << 20;

/// All numbers, by kind and name.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    all: HashMap<(Kind, Arc<str>), Metric>,
    bytes: usize,
}

/// One number.
#[derive(Debug, Default)]
pub(crate) struct Metric {
    /// The sum, the value, or how many were recorded since the start.
    pub(crate) total: f64,
    /// How many were recorded since the start, or what was added.
    pub(crate) count: u64,
    /// Second by second: what was added, the value, or the 95th percentile.
    recent: VecDeque<f32>,
    /// Second by second: how much it went up, or whether it changed.
    changes: VecDeque<f32>,
    slots: VecDeque<Distribution>,
}

impl Metrics {
    /// The numbers by kind and name, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Kind, &Arc<str>, &Metric)> {
        self.all
            .iter()
            .map(|((kind, name), metric)| (*kind, name, metric))
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes what a number is at `second`.
    fn push(&mut self, second: u64, name: Arc<str>, value: Value) {
        let kind = match value {
            Value::Counter(_) => Kind::Counter,
            Value::Gauge(_) => Kind::Gauge,
            Value::Histogram(_) => Kind::Histogram,
        };
        let metric = self.all.entry((kind, name)).or_default();
        match value {
            Value::Counter(sum) => metric.push_counter(sum),
            Value::Gauge(value) => metric.push_gauge(value),
            Value::Histogram(new) => metric.push_histogram(second, &new),
        }
        let slots = metric.slot_bytes();
        if slots > 0 && self.bytes + slots > ROOM {
            metric.slots = VecDeque::new();
        }
        self.bytes += metric.bytes();
    }
}

impl Metric {
    /// How much a second over the last minute it went up, or how often it was recorded.
    pub(crate) fn per_second(&self) -> f64 {
        let changes = self.changes.iter().copied().map(f64::from);
        changes.sum::<f64>() / self.changes.len().max(1) as f64
    }

    /// In how many of the last seconds it changed.
    pub(crate) fn busy(&self) -> usize {
        self.changes.iter().filter(|change| **change != 0.0).count()
    }

    /// The last minute's values, oldest first; `NaN` where there were none.
    pub(crate) fn recent(&self) -> Vec<f32> {
        self.recent.iter().copied().collect()
    }

    /// What its history has for this second: the value of a gauge, else how much was added, or how often it was recorded.
    pub(crate) fn last(&self, kind: Kind) -> f64 {
        match kind {
            Kind::Gauge => self.total,
            Kind::Counter | Kind::Histogram => {
                f64::from(self.changes.back().copied().unwrap_or(0.0))
            }
        }
    }

    /// All that was recorded in the last minute.
    pub(crate) fn minute(&self) -> Distribution {
        let mut minute = Distribution::default();
        self.slots.iter().for_each(|slot| minute.merge(slot));
        minute
    }

    fn push_counter(&mut self, sum: u64) {
        let added = sum.wrapping_sub(self.count);
        (self.count, self.total) = (sum, sum as f64);
        self.push(added as f32, added as f32);
    }

    fn push_gauge(&mut self, value: f64) {
        let changed = value.to_bits() != self.total.to_bits();
        self.total = value;
        self.push(value as f32, f32::from(u8::from(changed)));
    }

    fn push_histogram(&mut self, second: u64, new: &Distribution) {
        self.count = self.count.wrapping_add(new.count());
        self.total = self.count as f64;
        let p95 = new.quantile(0.95).map_or(f32::NAN, |p95| p95 as f32);
        self.push(p95, new.count() as f32);
        if second.is_multiple_of(SLOT) || self.slots.is_empty() {
            if let Some(full) = self.slots.back_mut() {
                full.shrink();
            }
            self.slots.push_back(Distribution::default());
        }
        if self.slots.len() as u64 > MINUTE / SLOT {
            self.slots.pop_front();
        }
        if let Some(open) = self.slots.back_mut() {
            open.merge(new);
        }
    }

    fn push(&mut self, value: f32, change: f32) {
        for (ring, value) in [(&mut self.recent, value), (&mut self.changes, change)] {
            if ring.len() as u64 == MINUTE {
                ring.pop_front();
            }
            ring.push_back(value);
        }
    }

    fn bytes(&self) -> usize {
        let rings = self.recent.capacity() + self.changes.capacity();
        size_of::<Self>() + rings * size_of::<f32>() + self.slot_bytes()
    }

    fn slot_bytes(&self) -> usize {
        let slots = self.slots.iter();
        slots
            .map(|slot| size_of::<Distribution>() + slot.bytes())
            .sum()
    }
}

impl Agent {
    pub(super) fn observe_metrics(&mut self) {
        self.metrics.bytes = 0;
        for reading in self.eyes.custom.read() {
            self.metrics.push(self.second, reading.name, reading.value);
        }
    }
}
