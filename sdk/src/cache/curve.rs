//! What the hit ratio would be with another capacity, another eviction or another time to live: predicted from the
//! look-ups that happen, without keeping more than a few thousand keys.
//!
//! For each configuration asked for there is a miniature cache: the same engine with at most [`PLACES`] places, which
//! sees the look-ups of so many of all keys as its places are of the capacity, chosen by a hash (Waldspurger, Saemundsson,
//! Ahmad and Park, "Cache Modeling and Optimization using Miniature Simulations", 2017). A cache of no more places is no
//! miniature but the thing itself. What it misses, scaled up, is what the cache would miss; how much the parts of the
//! sample differ says how far off that may be.

use std::fmt;
use std::time::Duration;

use super::policy::Eviction;
use super::sampling::Lookup;

pub(crate) mod forecast;
mod miniature;
mod replay;
mod sample;
#[cfg(test)]
mod tests;
pub(crate) mod trial;

use miniature::Miniature;
pub use replay::Replay;
use sample::Sample;

/// The places of a miniature, at most. Twice as many halve the variance, for twice the memory and up to twice the time.
pub const PLACES: u64 = 2_048;
/// With fewer look-ups nothing is said.
pub const LOOKUPS: u64 = 10_000;
/// With fewer of them in the sample nothing is said, either.
const SAMPLED: u64 = 500;
/// With a larger error nothing is said.
pub const ERROR: f64 = 0.05;

/// A configuration whose hit ratio is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Which entry has to go.
    pub eviction: Eviction,
    /// How many entries fit.
    pub capacity: u64,
    /// How long an entry is fresh; for ever, if there is no end.
    pub ttl: Option<Duration>,
}

/// Predicts the hit ratios of several configurations from one run of look-ups.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use perfdeck::cache::Eviction;
/// use perfdeck::cache::curve::{Candidate, Estimator};
///
/// let candidate = |capacity| Candidate { eviction: Eviction::Default, capacity, ttl: None };
/// let mut estimator = Estimator::new(&[candidate(100), candidate(100_000)]);
/// for lookup in 0_u64..200_000 {
///     let hash = (lookup % 10_000).wrapping_mul(0x9e37_79b9_7f4a_7c15);
///     estimator.look_up(hash, Duration::ZERO);
/// }
/// let predictions = estimator.predictions();
/// assert!(predictions[0].hit_ratio < Some(0.02), "each key comes again after 10,000 others");
/// assert!(predictions[1].hit_ratio > Some(0.93), "and fits here");
/// ```
pub struct Estimator {
    lookups: u64,
    parts: Vec<Part>,
}

/// What is predicted for a configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The configuration.
    pub candidate: Candidate,
    /// Hits of all look-ups; `None` after fewer than [`LOOKUPS`], or where the error would be above [`ERROR`].
    pub hit_ratio: Option<f64>,
    /// How far it may be off: two standard errors of the sampling, and what the engine itself differs by on public
    /// traces, which is 0.005, and 0.02 for `TinyLfu`.
    pub error: Option<f64>,
}

/// What the estimator of a running namespace is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The places of a miniature, at most.
    pub(crate) places: u64,
    /// How often the keys were halved already before their look-ups come here.
    pub(crate) halvings: u32,
    /// For how long after its time an entry is served while it is refreshed.
    pub(crate) stale: Duration,
}

struct Part {
    candidate: Candidate,
    miniature: Miniature,
    sample: Sample,
}

impl Estimator {
    /// Begins with nothing seen.
    #[must_use]
    pub fn new(candidates: &[Candidate]) -> Self {
        let bounds = Bounds {
            places: PLACES,
            halvings: 0,
            stale: Duration::ZERO,
        };
        Self::within(candidates, bounds)
    }

    /// Begins for look-ups of which only some arrive.
    pub(crate) fn within(candidates: &[Candidate], bounds: Bounds) -> Self {
        let part = |candidate: &Candidate| {
            let halvings = halvings(candidate.capacity, bounds.places).max(bounds.halvings);
            Part {
                candidate: *candidate,
                miniature: Miniature::new(candidate, halvings, bounds.stale),
                sample: Sample::new(halvings),
            }
        };
        Self {
            lookups: 0,
            parts: candidates.iter().map(part).collect(),
        }
    }

    /// Notes a look-up, by a good hash of its key, at a time that only grows.
    pub fn look_up(&mut self, hash: u64, at: Duration) {
        self.lookups += 1;
        let at = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        self.see(sample::mixed(hash) >> 32, hash, at, 0, u64::MAX);
    }

    /// Notes a look-up of those that were sampled by the upper bits of their hash, and counts it as no other; `own` is how
    /// long its entry is fresh by itself, where that is shorter than the configuration's.
    pub(crate) fn take(&mut self, lookup: &Lookup, own: Option<Duration>) {
        // In the miniatures all of a hash is to differ, and not only what is left below the bound.
        let key = sample::mixed(lookup.hash);
        let own = own.and_then(|own| u64::try_from(own.as_nanos()).ok());
        let own = own.unwrap_or(u64::MAX);
        self.see(lookup.hash >> 32, key, lookup.at, lookup.stamp, own);
    }

    /// Counts look-ups, sampled or not.
    pub(crate) const fn passed(&mut self, lookups: u64) {
        self.lookups += lookups;
    }

    /// Forgets what was counted, and not what the miniatures hold.
    pub(crate) fn count_anew(&mut self) {
        self.lookups = 0;
        for part in &mut self.parts {
            part.sample.clear();
        }
    }

    fn see(&mut self, place: u64, key: u64, at: u64, stamp: u32, own: u64) {
        for part in &mut self.parts {
            if part.sample.takes(place) {
                let hit = part.miniature.look_up(key, at, stamp, own);
                part.sample.note(place, hit);
            }
        }
    }

    /// Says what is known so far, in the order of the configurations.
    #[must_use]
    pub fn predictions(&self) -> Vec<Prediction> {
        self.parts
            .iter()
            .map(|part| {
                let (hit_ratio, error) = part.sample.estimate(self.lookups);
                let error = error + part.miniature.grain();
                let saw_enough = self.lookups >= LOOKUPS && part.sample.lookups() >= SAMPLED;
                let says = saw_enough && error <= ERROR && part.miniature.is_alike();
                Prediction {
                    candidate: part.candidate,
                    hit_ratio: says.then_some(hit_ratio),
                    error: says.then_some(error),
                }
            })
            .collect()
    }

    /// The memory that it takes, about; it doesn't grow with the number of look-ups or keys.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let parts = self.parts.iter();
        parts
            .map(|part| size_of::<Part>() + part.miniature.bytes() + sample::BYTES)
            .sum()
    }
}

/// How often a capacity is halved to be a miniature's. By halves, since moka's table of frequencies has a power of two of
/// places: another share of it would forget sooner, or later.
const fn halvings(capacity: u64, places: u64) -> u32 {
    let mut halvings = 0;
    while capacity >> halvings > places {
        halvings += 1;
    }
    halvings
}

/// What one configuration takes in an estimator, about.
fn bytes_of(candidate: &Candidate, bounds: Bounds) -> usize {
    let halvings = halvings(candidate.capacity, bounds.places).max(bounds.halvings);
    let places = candidate.capacity.checked_shr(halvings).unwrap_or(0);
    size_of::<Part>() + miniature::bytes(candidate.eviction, places) + sample::BYTES
}

impl fmt::Debug for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Estimator")
            .field("lookups", &self.lookups)
            .field("candidates", &self.parts.len())
            .finish_non_exhaustive()
    }
}
