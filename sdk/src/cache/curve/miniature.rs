//! A cache of the real engines' kind, which holds nothing but when each key was loaded.

use std::time::Duration;

#[cfg(feature = "moka")]
use super::super::key::Hashed;
use super::super::local::quick;
use super::super::policy::Eviction;
use super::Candidate;

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
    ttl: Option<Duration>,
}

/// By the key's hash, the moment of its load.
enum Engine {
    Quick(quick::Bare<Duration>),
    #[cfg(feature = "moka")]
    Moka(moka::sync::Cache<u64, Duration, Hashed>),
}

impl Miniature {
    /// Makes one of a capacity that is halved so often.
    pub(super) fn new(candidate: &Candidate, halvings: u32) -> Self {
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
            ttl: candidate.ttl,
        }
    }

    /// Looks up and loads what isn't there; returns whether it was.
    pub(super) fn look_up(&mut self, hash: u64, at: Duration) -> bool {
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
        let is_fresh = |born: Duration| self.ttl.is_none_or(|ttl| at.saturating_sub(born) < ttl);
        if found.is_some_and(is_fresh) {
            return true;
        }
        match &self.engine {
            Engine::Quick(cache) => cache.insert(hash, at),
            #[cfg(feature = "moka")]
            // Turned away without a word.
            Engine::Moka(_) if self.places == 0 => {}
            #[cfg(feature = "moka")]
            Engine::Moka(cache) => cache.insert(hash, at),
        }
        false
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
