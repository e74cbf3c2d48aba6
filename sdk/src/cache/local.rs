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
use super::life::Life;
use super::policy::{Eviction, Policy, Unit};
use super::stamp::{Stamp, Stripes};

#[cfg(feature = "moka")]
mod moka;
pub(super) mod quick;

/// A value, what it is valid under and for how long.
pub(super) struct Slot<T: ?Sized = dyn Any + Send + Sync> {
    pub(super) stamp: Stamp,
    pub(super) stripes: Stripes,
    pub(super) life: Life,
    /// With its key.
    pub(super) bytes: u32,
    /// Whether the value says that there is none.
    pub(super) absent: bool,
    pub(super) value: T,
}

/// A namespace's map, and how many entries it has pushed out.
pub(super) struct Local {
    engine: Chosen,
    evictions: Arc<AtomicU64>,
}

/// What a namespace wants of a map.
trait Engine {
    fn get(&self, probe: &Probe<'_>) -> Option<Arc<Slot>>;
    /// Keeps an entry, and shows whose place it takes, if there was one of its key.
    fn insert(&self, key: StoredKey, slot: Arc<Slot>, replaced: &mut dyn FnMut(&Slot));
    /// Removes the entry if it is still `slot`; returns whether it was.
    fn remove(&self, key: &StoredKey, slot: &Arc<Slot>) -> bool;
    /// Shows each entry once; those that come or go meanwhile may be left out.
    fn each(&self, seen: &mut dyn FnMut(StoredKey, Arc<Slot>));
    /// Changes how much is held.
    fn resize(&self, capacity: u64);
}

/// The engine of the policy's choice: a look-up asks for it by a comparison, and not through a table of functions.
enum Chosen {
    Quick(quick::Map),
    #[cfg(feature = "moka")]
    Moka(moka::Map),
}

impl Slot {
    #[inline]
    pub(super) fn holds<V: Any>(&self) -> bool {
        self.value.is::<V>()
    }

    #[inline]
    pub(super) fn value<V: Any + Clone>(&self) -> Option<V> {
        self.value.downcast_ref::<V>().cloned()
    }
}

impl Unit {
    fn weigh(self, slot: &Slot) -> u32 {
        match self {
            Self::Entries => 1,
            // What weighs nothing would never be pushed out.
            Self::Bytes => slot.bytes.max(1),
        }
    }
}

impl Local {
    pub(super) fn new(policy: &Policy) -> Self {
        let evictions = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&evictions);
        let engine = match policy.eviction {
            Eviction::Default => Chosen::Quick(quick::Map::new(policy, counted)),
            #[cfg(feature = "moka")]
            Eviction::Lru => Chosen::Moka(moka::Map::lru(policy, counted)),
            #[cfg(feature = "moka")]
            Eviction::TinyLfu => Chosen::Moka(moka::Map::tiny_lfu(policy, counted)),
        };
        Self { engine, evictions }
    }

    #[inline]
    pub(super) fn get(&self, probe: &Probe<'_>) -> Option<Arc<Slot>> {
        match &self.engine {
            Chosen::Quick(map) => map.get(probe),
            #[cfg(feature = "moka")]
            Chosen::Moka(map) => map.get(probe),
        }
    }

    pub(super) fn insert(&self, key: StoredKey, slot: Arc<Slot>, mut replaced: impl FnMut(&Slot)) {
        self.engine().insert(key, slot, &mut replaced);
    }

    pub(super) fn remove(&self, key: &StoredKey, slot: &Arc<Slot>) -> bool {
        self.engine().remove(key, slot)
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
