//! A namespace's map under look-ups that happened before, at the times they happened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::super::key::{Hashing, Probe, hashed};
use super::super::life::{Age, Life, Terms};
use super::super::local::{Local, Slot};
use super::super::policy::Policy;
use super::super::site::written;
use super::super::stamp::{Stamps, Stripes};
use super::Candidate;

/// Runs look-ups from elsewhere through the engine that a namespace would have.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use perfdeck::cache::Eviction;
/// use perfdeck::cache::curve::{Candidate, Replay};
///
/// let ttl = Some(Duration::from_secs(60));
/// let mut replay = Replay::new(&Candidate { eviction: Eviction::Default, capacity: 100, ttl });
/// assert!(!replay.look_up("users:7", Duration::from_secs(0)));
/// assert!(replay.look_up("users:7", Duration::from_secs(59)));
/// assert!(!replay.look_up("users:7", Duration::from_secs(61)));
/// assert_eq!(replay.hit_ratio(), Some(1.0 / 3.0));
/// ```
pub struct Replay {
    local: Local,
    hasher: Hashing,
    stamps: Stamps,
    terms: Terms,
    lookups: u64,
    hits: u64,
}

impl Replay {
    /// Begins with nothing held.
    #[must_use]
    pub fn new(candidate: &Candidate) -> Self {
        let policy = Policy::new()
            .capacity(candidate.capacity)
            .eviction(candidate.eviction);
        Self {
            local: Local::new(&policy),
            hasher: Hashing::default(),
            stamps: Stamps::new(),
            terms: Terms {
                ttl: candidate.ttl,
                stale: Duration::ZERO,
                fail_safe: Duration::ZERO,
                early: false,
            },
            lookups: 0,
            hits: 0,
        }
    }

    /// Looks a key up, at a time that only grows, and keeps it if it isn't there; returns whether it was.
    pub fn look_up(&mut self, key: &str, at: Duration) -> bool {
        self.lookups += 1;
        let now = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let key = written(key);
        let probe = Probe::new(0, &key, &self.hasher);
        let is_fresh = |slot: &Arc<Slot>| slot.life.age(now) < Age::Stale;
        if self.local.get(&probe).as_ref().is_some_and(is_fresh) {
            self.hits += 1;
            return true;
        }
        let stripes = Stripes::new(hashed(key.bytes(), &self.hasher), &[]);
        let slot = Arc::new(Slot {
            stamp: self.stamps.read(&stripes),
            stripes,
            life: Life::new(now, self.terms, Duration::ZERO),
            bytes: 0,
            absent: false,
            value: (),
        });
        self.local.insert(probe.store(), slot, |_| {});
        false
    }

    /// Hits of all look-ups so far; `None` before the first.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        (self.lookups > 0).then(|| self.hits as f64 / self.lookups as f64)
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("lookups", &self.lookups)
            .field("hits", &self.hits)
            .finish_non_exhaustive()
    }
}
