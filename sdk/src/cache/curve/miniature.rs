//! A cache of the real engines' kind, which holds nothing but when each key was loaded.

use std::time::Duration;

#[cfg(feature = "moka")]
use super::super::key::Hashed;
use super::super::local::quick;
use super::super::policy::Eviction;
use super::Candidate;

/// A miniature of fewer places is too unlike its cache, however sure the sample is of it.
const LEAST_PLACES: u64 = 32;

/// A place of quick_cache's, with its share of the table, and of the keys that are remembered without one.
const QUICK_BYTES: usize = 64;
/// A place of moka's, with its nodes in the queues, and the sketch's share.
#[cfg(feature = "moka")]
const MOKA_BYTES: usize = 280;

/// After so many look-ups moka decides which of what came in is to stay; until then all of it is there.
#[cfg(feature = "moka")]
const BATCH: u32 = 64;

pub(super) struct Miniature {
    engine: Engine,
    places: u64,
    /// What is left of a batch of moka's.
    #[cfg(feature = "moka")]
    is_lru: bool,
    #[cfg(feature = "moka")]
    left: u32,
    #[cfg(feature = "moka")]
    batch: Option<u32>,
    is_whole: bool,
    /// The ticks for which an entry is fresh, and those for which it is served.
    ttl: u64,
    served: u64,
}

/// By the key's hash, what is known of its load.
enum Engine {
    Quick(quick::Bare<Loaded>),
    #[cfg(feature = "moka")]
    Moka(moka::sync::Cache<u64, Loaded, Hashed>),
}

#[derive(Clone, Copy)]
struct Loaded {
    at: u64,
    /// What tells whether the key was invalidated since.
    stamp: u32,
}

impl Miniature {
    /// Makes one of a capacity that is halved so often.
    pub(super) fn new(candidate: &Candidate, halvings: u32, stale: Duration) -> Self {
        let places = candidate.capacity.checked_shr(halvings).unwrap_or(0);
        #[cfg(feature = "moka")]
        let with_moka = |policy| {
            let cache = moka::sync::Cache::builder()
                .max_capacity(places)
                // As a namespace's has one, which changes how moka remembers what it has turned away.
                .weigher(|_, _| 1)
                .eviction_policy(policy);
            Engine::Moka(cache.build_with_hasher(Hashed::default()))
        };
        let engine = match candidate.eviction {
            Eviction::Default => Engine::Quick(quick::part(candidate.capacity, halvings)),
            #[cfg(feature = "moka")]
            Eviction::Lru => with_moka(moka::policy::EvictionPolicy::lru()),
            #[cfg(feature = "moka")]
            Eviction::TinyLfu => with_moka(moka::policy::EvictionPolicy::tiny_lfu()),
        };
        Self {
            engine,
            places,
            #[cfg(feature = "moka")]
            is_lru: matches!(candidate.eviction, Eviction::Lru),
            #[cfg(feature = "moka")]
            left: 0,
            // A part of the keys, a part of the batch; with all of them moka sees to it.
            #[cfg(feature = "moka")]
            batch: (halvings > 0).then(|| BATCH.checked_shr(halvings).unwrap_or(0).max(1)),
            is_whole: halvings == 0,
            ttl: candidate.ttl.map_or(u64::MAX, ticks),
            served: candidate
                .ttl
                .map_or(u64::MAX, |ttl| ticks(ttl.saturating_add(stale))),
        }
    }

    /// Looks up and loads what isn't there; returns whether it was. An entry may be fresh for a shorter time of its `own`,
    /// in ticks.
    pub(super) fn look_up(&mut self, hash: u64, at: u64, stamp: u32, own: u64) -> bool {
        let ttl = self.ttl.min(own);
        let served = ttl.saturating_add(self.served - self.ttl);
        let found = match &self.engine {
            Engine::Quick(cache) => cache.get(&hash),
            #[cfg(feature = "moka")]
            Engine::Moka(cache) => {
                if let Some(batch) = self.batch {
                    if self.left == 0 {
                        self.left = batch;
                        cache.run_pending_tasks();
                    }
                    self.left -= 1;
                }
                cache.get(&hash)
            }
        };
        let age = found
            .filter(|loaded| loaded.stamp == stamp)
            .map(|loaded| at.saturating_sub(loaded.at));
        if age.is_some_and(|age| age < ttl) {
            return true;
        }
        let loaded = Loaded { at, stamp };
        match &self.engine {
            Engine::Quick(cache) => cache.insert(hash, loaded),
            #[cfg(feature = "moka")]
            // Turned away without a word.
            Engine::Moka(_) if self.places == 0 => {}
            #[cfg(feature = "moka")]
            Engine::Moka(cache) => cache.insert(hash, loaded),
        }
        // What is past its time is served all the same, and refreshed beside.
        age.is_some_and(|age| age < served)
    }

    /// Whether it is large enough to stand for its cache.
    pub(super) const fn is_alike(&self) -> bool {
        self.is_whole || self.places >= LEAST_PLACES
    }

    /// How far off it is at the most on public traces where the sample's error is nil: the full cache's keys fall into
    /// other shards, and moka's batches into other moments.
    pub(super) const fn grain(&self) -> f64 {
        match self.engine {
            Engine::Quick(_) => 0.005,
            #[cfg(feature = "moka")]
            Engine::Moka(_) => {
                if self.is_lru {
                    0.005
                } else {
                    0.02
                }
            }
        }
    }

    pub(super) const fn bytes(&self) -> usize {
        let place = match self.engine {
            Engine::Quick(_) => QUICK_BYTES,
            #[cfg(feature = "moka")]
            Engine::Moka(_) => MOKA_BYTES,
        };
        self.places as usize * place
    }
}

/// What one of so many places takes, about.
pub(super) const fn bytes(eviction: Eviction, places: u64) -> usize {
    let place = match eviction {
        Eviction::Default => QUICK_BYTES,
        #[cfg(feature = "moka")]
        Eviction::Lru | Eviction::TinyLfu => MOKA_BYTES,
    };
    places as usize * place
}

fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
