//! The numbers that have a history of their own: the overview's, and those of each pool, cache and custom metric.

#[cfg(feature = "cache")]
use std::collections::BTreeSet;
use std::collections::{BTreeMap, VecDeque};
#[cfg(feature = "cache")]
use std::sync::Arc;

use perfdeck_bridge::histogram::Histogram;
use perfdeck_bridge::series::Kind;

use super::Agent;
use crate::observe::custom;
use crate::record::series::Scalar;
use crate::record::timeline::MINUTE;

/// Numbers with a history.
const MOST: usize = 160;
/// Seconds after which what was hot counts half.
#[cfg(feature = "cache")]
const FADE_EVERY: u64 = 120;
/// Seconds without a value after which a number may have to make room.
const IDLE_SECONDS: u64 = 15 * 60;

/// The histories by name, as `perfdeck history` lists them.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    scalars: BTreeMap<Box<str>, Scalar>,
}

impl Numbers {
    /// Adds a second's value; `None` where nothing was seen. A number that has no place, and finds none, is not kept.
    pub(crate) fn push(&mut self, second: u64, name: &str, kind: Kind, value: Option<f64>) {
        if let Some(scalar) = self.scalars.get_mut(name) {
            scalar.push(second, value);
        } else if value.is_some() && self.make_room(second) {
            let mut scalar = Scalar::new(kind);
            scalar.push(second, value);
            self.scalars.insert(name.into(), scalar);
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Scalar> {
        self.scalars.get(name)
    }

    /// The last `samples` seconds, oldest first; `NaN` where nothing was seen.
    pub(crate) fn recent(&self, name: &str, samples: usize) -> Vec<f32> {
        self.get(name)
            .map_or_else(Vec::new, |scalar| scalar.recent(samples))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.scalars.keys().map(|name| &**name)
    }

    pub(crate) fn bytes(&self) -> usize {
        let scalars = self.scalars.iter();
        scalars
            .map(|(name, scalar)| size_of::<Scalar>() + name.len() + scalar.bytes())
            .sum()
    }

    fn make_room(&mut self, second: u64) -> bool {
        if self.scalars.len() < MOST {
            return true;
        }
        let idle = self
            .scalars
            .iter()
            .min_by_key(|(_, scalar)| scalar.seen())
            .filter(|(_, scalar)| scalar.seen() + IDLE_SECONDS < second)
            .map(|(name, _)| name.clone());
        idle.is_some_and(|name| self.scalars.remove(&name).is_some())
    }
}

/// One cache namespace's last minute.
#[derive(Debug, Default)]
pub(crate) struct CacheHistory {
    /// Hits and misses since the start.
    last: (u64, u64),
    seconds: VecDeque<(u64, u64, f64)>,
    /// What else was counted since the start, minute by minute and second by second.
    events: Events,
    /// Each load since the start.
    pub(crate) loads: Histogram,
    /// Of some hits since the start, how old their entries were and of which keys they were.
    #[cfg(feature = "cache")]
    pub(crate) aged: crate::cache::Aged,
}

/// What was counted besides look-ups, since the start, at each of the last seconds, and at each tenth of more.
#[derive(Debug, Default)]
struct Events {
    seconds: VecDeque<Event>,
    tens: VecDeque<Event>,
    noted: usize,
}

#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) evictions: u64,
    pub(crate) invalidations: u64,
    pub(crate) joined: u64,
}

/// Events of each width that are kept, beside the one that they are compared with.
const EVENTS: usize = 60;
const TEN: usize = 10;

impl CacheHistory {
    /// Notes what was counted since the start.
    #[cfg(feature = "cache")]
    pub(crate) fn note(&mut self, event: Event) {
        let events = &mut self.events;
        push(&mut events.seconds, event);
        if events.noted.is_multiple_of(TEN) {
            push(&mut events.tens, event);
        }
        events.noted += 1;
    }

    /// What `of` was a second, over so many seconds or as many as there are.
    #[cfg(feature = "cache")]
    pub(crate) fn per_second(&self, seconds: usize, of: impl Fn(&Event) -> u64) -> f64 {
        let (events, width) = if seconds > EVENTS && self.events.tens.len() > 1 {
            (&self.events.tens, TEN)
        } else {
            (&self.events.seconds, 1)
        };
        let first = events.len().saturating_sub(seconds / width + 1);
        match (events.get(first), events.back()) {
            (Some(then), Some(now)) if events.len() > first + 1 => {
                let seconds = (events.len() - first - 1) * width;
                of(now).saturating_sub(of(then)) as f64 / seconds as f64
            }
            _ => 0.0,
        }
    }

    /// Takes this second's sums since the start; returns the share of look-ups that hit, where there were any.
    pub(crate) fn push(&mut self, hits: u64, misses: u64) -> Option<f64> {
        let (hits_before, misses_before) = self.last;
        let (new_hits, new_misses) = (
            hits.saturating_sub(hits_before),
            misses.saturating_sub(misses_before),
        );
        self.last = (hits, misses);
        if self.seconds.len() as u64 == MINUTE {
            self.seconds.pop_front();
        }
        self.seconds.push_back((
            new_hits,
            new_misses,
            new_hits as f64 * self.loads.mean_seconds(),
        ));
        let lookups = new_hits + new_misses;
        (lookups > 0).then(|| new_hits as f64 / lookups as f64)
    }

    /// Hits, misses and seconds saved of the last minute.
    pub(crate) fn minute(&self) -> (u64, u64, f64) {
        self.seconds.iter().fold((0, 0, 0.0), |sum, second| {
            (sum.0 + second.0, sum.1 + second.1, sum.2 + second.2)
        })
    }

    pub(crate) fn seconds(&self) -> u64 {
        self.seconds.len() as u64
    }

    /// What it holds, in bytes.
    #[cfg(feature = "cache")]
    pub(super) fn bytes(&self) -> usize {
        self.loads.bytes()
            + self.aged.ages.bytes()
            + self.seconds.capacity() * size_of::<(u64, u64, f64)>()
            + (self.events.seconds.capacity() + self.events.tens.capacity()) * size_of::<Event>()
    }
}

#[cfg(feature = "cache")]
fn push(events: &mut VecDeque<Event>, event: Event) {
    if events.len() > EVENTS {
        events.pop_front();
    }
    events.push_back(event);
}

/// What the hit rate of a cache namespace is called.
#[cfg(feature = "cache")]
pub(crate) fn cache_hit_ratio(namespace: &str) -> String {
    format!("cache_hit_ratio/{namespace}")
}

impl Agent {
    pub(super) fn push_numbers(&mut self) {
        let second = self.second;
        let now = crate::publish::vitals::Now::of(self);
        for (name, kind, value) in now.told() {
            self.numbers.push(second, name, kind, value);
        }
        for pool in self.pools.all() {
            let used = pool.occupancy().map(|(_, in_use, _)| f64::from(in_use));
            let name = format!("pool_in_use/{}", pool.name);
            self.numbers.push(second, &name, Kind::Count, used);
        }
        for (kind, name, metric) in self.metrics.iter() {
            let prefix = match kind {
                custom::Kind::Counter => "counter",
                custom::Kind::Gauge => "gauge",
                custom::Kind::Histogram => "histogram",
            };
            let name = format!("{prefix}/{name}");
            // What has not moved yet needs no place.
            if metric.busy() > 0 || self.numbers.get(&name).is_some() {
                self.numbers
                    .push(second, &name, Kind::Level, Some(metric.last(kind)));
            }
        }
    }

    #[cfg(feature = "cache")]
    pub(super) fn observe_caches(&mut self) {
        self.read_caches();
        for row in &self.cache_rows {
            let history = self.cache_history.entry(Arc::clone(&row.name)).or_default();
            let ratio = history.push(row.hits, row.misses);
            history.note(Event {
                evictions: row.evictions,
                invalidations: row.invalidations,
                joined: row.joined,
            });
            if self.second.is_multiple_of(FADE_EVERY) {
                history.aged.fade();
            }
            let name = cache_hit_ratio(&row.name);
            self.numbers.push(self.second, &name, Kind::Level, ratio);
        }
    }

    /// Reads the caches as they are now.
    #[cfg(feature = "cache")]
    pub(super) fn read_caches(&mut self) {
        self.cache_rows = self.caches.rows();
        if self.cache_history.len() > self.cache_rows.len() {
            let names: BTreeSet<_> = self.cache_rows.iter().map(|row| &row.name).collect();
            self.cache_history.retain(|name, _| names.contains(name));
        }
        for row in &self.cache_rows {
            let history = self.cache_history.entry(Arc::clone(&row.name)).or_default();
            history.loads.merge(&row.load_times);
            history.aged.merge(&row.aged);
        }
    }
}

#[cfg(all(test, feature = "cache"))]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told_a_second_over_a_minute_and_over_ten() {
        let mut history = CacheHistory::default();
        let rates = |history: &CacheHistory| {
            [60, 600].map(|seconds| history.per_second(seconds, |event| event.evictions))
        };
        assert_eq!(rates(&history), [0.0, 0.0]);
        let mut evictions = 0;
        for second in 0..2_000 {
            // Five a second, and from then on two.
            evictions += if second < 1_900 { 5 } else { 2 };
            history.note(Event {
                evictions,
                ..Event::default()
            });
            if second == 5 {
                assert_eq!(rates(&history), [5.0, 5.0]);
            }
        }
        let [minute, ten] = rates(&history);
        // The last tenth second was the 1,990th.
        assert_eq!((minute, ten), (2.0, (509.0 * 5.0 + 91.0 * 2.0) / 600.0));
        assert!(history.bytes() < 16 * 1024, "{}", history.bytes());
    }
}
