//! The default engine: quick_cache's, which forgets what was wanted once before what was wanted again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, UnitWeighter};

use super::super::key::{Hashed, Probe, StoredKey};
use super::{Engine, Slot};

pub(super) struct Map(Cache<StoredKey, Arc<Slot>, UnitWeighter, Hashed, Evictions>);

/// Counts what is pushed out, and lets it be dropped after the shard's lock.
#[derive(Clone)]
struct Evictions(Arc<AtomicU64>);

impl Map {
    pub(super) fn new(capacity: u64, evictions: Arc<AtomicU64>) -> Self {
        let items = usize::try_from(capacity).unwrap_or(usize::MAX);
        let mut options = OptionsBuilder::new();
        options
            .estimated_items_capacity(items.min(1 << 20))
            .weight_capacity(capacity);
        if capacity == 1 {
            // The engine's share for newcomers would round the only place away.
            options.hot_allocation(1.0);
        }
        let lifecycle = Evictions(evictions);
        Self(match options.build() {
            Ok(options) => Cache::with_options(options, UnitWeighter, Hashed::default(), lifecycle),
            // Both capacities were given, so this is not reached; the same map by the other door.
            Err(_) => Cache::with(0, capacity, UnitWeighter, Hashed::default(), lifecycle),
        })
    }
}

impl Engine for Map {
    fn get(&self, probe: &Probe<'_>) -> Option<Arc<Slot>> {
        self.0.get(probe)
    }

    fn insert(&self, key: StoredKey, slot: Arc<Slot>) {
        // Held until after the insert, so that the host's destructor doesn't run under the lock of the map.
        let overwritten = self.0.peek(&key.probe());
        self.0.insert(key, slot);
        drop(overwritten);
    }

    fn remove(&self, key: &StoredKey, slot: &Arc<Slot>) {
        self.0
            .remove_if(&key.probe(), |present| Arc::ptr_eq(present, slot));
    }

    fn each(&self, seen: &mut dyn FnMut(StoredKey, Arc<Slot>)) {
        for (key, slot) in self.0.iter() {
            seen(key, slot);
        }
    }

    /// Not below two entries a shard, under which the engine admits nothing.
    fn resize(&self, capacity: u64) {
        let least = 2 * self.0.num_shards() as u64;
        self.0.set_capacity(if capacity == 0 {
            0
        } else {
            capacity.max(least)
        });
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
