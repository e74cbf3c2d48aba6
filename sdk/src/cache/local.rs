//! The local map: a bounded engine that only gets, inserts and removes.
//!
//! All functions of a namespace share one map, so that its capacity means what it says; each entry holds its value
//! behind one shared pointer of an erased type. That costs a hit two reference counts more than a map a function would,
//! and it buys that no value of the host's is cloned or dropped under a lock of the map. Stamps, expiry and the single
//! flight are not the engine's business: what one engine does differently from another is which entry has to go.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::key::{Probe, StoredKey};
use super::policy::{Eviction, Policy};
use super::stamp::Stamp;

#[cfg(feature = "moka")]
mod moka;
mod quick;

/// A value and what it is valid under.
pub(super) struct Slot<T: ?Sized = dyn Any + Send + Sync> {
    pub(super) stamp: Stamp,
    /// The tick from which it isn't served.
    pub(super) expires: u64,
    value: T,
}

/// A namespace's map, and how many entries it has pushed out.
pub(super) struct Local {
    engine: Chosen,
    evictions: Arc<AtomicU64>,
}

/// What a namespace wants of a map.
trait Engine {
    fn get(&self, probe: &Probe<'_>) -> Option<Arc<Slot>>;
    fn insert(&self, key: StoredKey, slot: Arc<Slot>);
    /// Removes the entry if it is still `slot`.
    fn remove(&self, key: &StoredKey, slot: &Arc<Slot>);
    /// Shows each entry once; those that come or go meanwhile may be left out.
    fn each(&self, seen: &mut dyn FnMut(StoredKey, Arc<Slot>));
    /// Changes how many entries are held.
    fn resize(&self, capacity: u64);
}

/// The engine of the policy's choice: a look-up asks for it by a comparison, and not through a table of functions.
enum Chosen {
    Quick(quick::Map),
    #[cfg(feature = "moka")]
    Moka(moka::Map),
}

impl Slot {
    pub(super) fn new<V: Any + Send + Sync>(value: V, stamp: Stamp, expires: u64) -> Arc<Self> {
        Arc::new(Slot {
            stamp,
            expires,
            value,
        })
    }

    pub(super) fn value<V: Any + Clone>(&self) -> Option<V> {
        self.value.downcast_ref::<V>().cloned()
    }
}

impl Local {
    pub(super) fn new(policy: &Policy) -> Self {
        let evictions = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&evictions);
        let engine = match policy.eviction {
            Eviction::Default => Chosen::Quick(quick::Map::new(policy.capacity, counted)),
            #[cfg(feature = "moka")]
            Eviction::Lru => Chosen::Moka(moka::Map::lru(policy.capacity, counted)),
            #[cfg(feature = "moka")]
            Eviction::TinyLfu => Chosen::Moka(moka::Map::tiny_lfu(policy.capacity, counted)),
        };
        Self { engine, evictions }
    }

    pub(super) fn get(&self, probe: &Probe<'_>) -> Option<Arc<Slot>> {
        match &self.engine {
            Chosen::Quick(map) => map.get(probe),
            #[cfg(feature = "moka")]
            Chosen::Moka(map) => map.get(probe),
        }
    }

    pub(super) fn insert(&self, key: StoredKey, slot: Arc<Slot>) {
        self.engine().insert(key, slot);
    }

    pub(super) fn remove(&self, key: &StoredKey, slot: &Arc<Slot>) {
        self.engine().remove(key, slot);
    }

    pub(super) fn each(&self, mut seen: impl FnMut(StoredKey, Arc<Slot>)) {
        self.engine().each(&mut seen);
    }

    pub(super) fn resize(&self, capacity: u64) {
        self.engine().resize(capacity);
    }

    pub(super) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    fn engine(&self) -> &dyn Engine {
        match &self.engine {
            Chosen::Quick(map) => map,
            #[cfg(feature = "moka")]
            Chosen::Moka(map) => map,
        }
    }
}
