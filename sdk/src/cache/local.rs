//! The local map: a bounded engine that only gets, inserts and removes.
//!
//! All functions of a namespace share one map, so that its capacity means what it says; each entry holds its value
//! behind one shared pointer of an erased type. That costs a hit two reference counts more than a map a function would,
//! and it buys that no value of the host's is cloned or dropped under a lock of the map. Stamps, expiry and the single
//! flight are not the engine's business.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, UnitWeighter};

use super::key::{Hashed, Probe, StoredKey};
use super::stamp::Stamp;

/// A value and what it is valid under.
pub(super) struct Slot<T: ?Sized = dyn Any + Send + Sync> {
    pub(super) stamp: Stamp,
    /// The tick from which it isn't served.
    pub(super) expires: u64,
    value: T,
}

pub(super) struct Local {
    map: Cache<StoredKey, Arc<Slot>, UnitWeighter, Hashed, Evictions>,
    evictions: Arc<AtomicU64>,
}

/// Counts what is pushed out, and lets it be dropped after the shard's lock.
#[derive(Clone)]
struct Evictions(Arc<AtomicU64>);

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
    pub(super) fn new(capacity: u64) -> Self {
        let evictions = Arc::<AtomicU64>::default();
        let items = usize::try_from(capacity).unwrap_or(usize::MAX);
        let mut options = OptionsBuilder::new();
        options
            .estimated_items_capacity(items.min(1 << 20))
            .weight_capacity(capacity);
        if capacity == 1 {
            // The engine's share for newcomers would round the only place away.
            options.hot_allocation(1.0);
        }
        let lifecycle = Evictions(Arc::clone(&evictions));
        let map = match options.build() {
            Ok(options) => Cache::with_options(options, UnitWeighter, Hashed::default(), lifecycle),
            // Both capacities were given, so this is not reached; the same map by the other door.
            Err(_) => Cache::with(0, capacity, UnitWeighter, Hashed::default(), lifecycle),
        };
        Self { map, evictions }
    }

    pub(super) fn get(&self, probe: &Probe<'_>) -> Option<Arc<Slot>> {
        self.map.get(probe)
    }

    pub(super) fn insert(&self, key: StoredKey, slot: Arc<Slot>) {
        // Held until after the insert, so that the host's destructor doesn't run under the lock of the map.
        let overwritten = self.map.peek(&key.probe());
        self.map.insert(key, slot);
        drop(overwritten);
    }

    /// Removes the entry if it is still `slot`.
    pub(super) fn remove(&self, key: &StoredKey, slot: &Arc<Slot>) {
        self.map
            .remove_if(&key.probe(), |present| Arc::ptr_eq(present, slot));
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (StoredKey, Arc<Slot>)> + '_ {
        self.map.iter()
    }

    /// Changes the capacity; not below two entries a shard, under which the engine admits nothing.
    pub(super) fn resize(&self, capacity: u64) {
        let least = 2 * self.map.num_shards() as u64;
        self.map.set_capacity(if capacity == 0 {
            0
        } else {
            capacity.max(least)
        });
    }

    pub(super) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }
}

impl Lifecycle<StoredKey, Arc<Slot>> for Evictions {
    /// An insert of weight one pushes out one, or two while the map shrinks; a resize may push out all.
    type RequestState = Vec<(StoredKey, Arc<Slot>)>;

    fn on_evict(&self, dropped: &mut Self::RequestState, key: StoredKey, slot: Arc<Slot>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        dropped.push((key, slot));
    }
}
