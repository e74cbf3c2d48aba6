//! The default engine: quick_cache's, which forgets what was wanted once before what was wanted again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Lifecycle, OptionsBuilder, UnitWeighter, Weighter};

use super::super::key::{Hashed, Probe, StoredKey};
use super::super::policy::{Policy, Unit};
use super::{Engine, Slot};

/// A shard holds at least so many bytes, so that a large value isn't too large for its shard; and an entry is taken to
/// weigh so much, until it is known.
const SHARD_BYTES: u64 = 4 << 20;
const ENTRY_BYTES: u64 = 1 << 10;

pub(super) struct Map {
    cache: Cache<StoredKey, Arc<Slot>, Weight, Hashed, Evictions>,
    unit: Unit,
}

/// A map by hashes alone.
pub(in crate::cache) type Bare<V> = Cache<u64, V, UnitWeighter, Hashed, DefaultLifecycle<u64, V>>;

#[derive(Clone)]
struct Weight(Unit);

/// Counts what is pushed out.
#[derive(Clone)]
struct Evictions(Arc<AtomicU64>);

/// What leaves the map in one call, so that the host's destructors run after the shard's lock.
#[derive(Default)]
struct Gone {
    /// What the call puts in, if it does.
    newcomer: Option<(StoredKey, Arc<Slot>)>,
    /// Of weight one there is one, or two while the map shrinks; a resize may push out all.
    slots: Vec<(StoredKey, Arc<Slot>)>,
}

impl Gone {
    /// Whether an entry had the place that the newcomer takes.
    fn is_predecessor(&self, key: &StoredKey, slot: &Arc<Slot>) -> bool {
        self.newcomer
            .as_ref()
            .is_some_and(|(newcomer, value)| newcomer == key && !Arc::ptr_eq(value, slot))
    }
}

impl Map {
    pub(super) fn new(policy: &Policy, evictions: Arc<AtomicU64>) -> Self {
        let (capacity, unit) = (policy.capacity, policy.unit);
        let mut options = OptionsBuilder::new();
        let items = match unit {
            Unit::Entries => capacity,
            Unit::Bytes => {
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                let shards = usize::try_from(capacity / SHARD_BYTES).unwrap_or(usize::MAX);
                options.shards(shards.clamp(1, 4 * cores));
                capacity / ENTRY_BYTES
            }
        };
        fill(&mut options, items, capacity);
        let lifecycle = Evictions(evictions);
        let cache = match options.build() {
            Ok(options) => Cache::with_options(options, Weight(unit), Hashed::default(), lifecycle),
            // Both capacities were given, so this is not reached; the same map by the other door.
            Err(_) => Cache::with(0, capacity, Weight(unit), Hashed::default(), lifecycle),
        };
        Self { cache, unit }
    }
}

/// Sets how many entries are expected, and what they may weigh.
fn fill(options: &mut OptionsBuilder, items: u64, capacity: u64) {
    let items = usize::try_from(items).unwrap_or(usize::MAX);
    options
        .estimated_items_capacity(items.clamp(1, 1 << 20))
        .weight_capacity(capacity);
    if capacity == 1 {
        // The engine's share for newcomers would round the only place away.
        options.hot_allocation(1.0);
    }
}

/// Makes a bare map of a part of a namespace's: a half of a half of it, and so on. It evicts as that does, since its shards
/// are as large, if there are as many to halve.
pub(in crate::cache) fn part<V: Clone>(capacity: u64, halvings: u32) -> Bare<V> {
    let mut options = OptionsBuilder::new();
    let places = capacity.checked_shr(halvings).unwrap_or(0);
    fill(&mut options, places, places);
    if halvings > 0 {
        // As many as the engine makes unasked.
        let shards = 4 * std::thread::available_parallelism().map_or(1, usize::from);
        options.shards(shards.checked_shr(halvings).unwrap_or(0).max(1));
    }
    let (hasher, lifecycle) = (Hashed::default(), DefaultLifecycle::default());
    match options.build() {
        Ok(options) => Cache::with_options(options, UnitWeighter, hasher, lifecycle),
        // Both were given, so this is not reached; the same map by the other door.
        Err(_) => Cache::with(0, places, UnitWeighter, hasher, lifecycle),
    }
}

impl Weighter<StoredKey, Arc<Slot>> for Weight {
    fn weight(&self, _: &StoredKey, slot: &Arc<Slot>) -> u64 {
        u64::from(self.0.weigh(slot))
    }
}

impl Engine for Map {
    #[inline]
    fn get(&self, probe: &Probe<'_>) -> Option<Arc<Slot>> {
        self.cache.get(probe)
    }

    fn insert(&self, key: StoredKey, slot: Arc<Slot>, replaced: &mut dyn FnMut(&Slot)) {
        let mut gone = Gone {
            newcomer: Some((key.clone(), Arc::clone(&slot))),
            slots: Vec::new(),
        };
        self.cache.insert_with_lifecycle(key, slot, &mut gone);
        for (key, slot) in &gone.slots {
            if gone.is_predecessor(key, slot) {
                replaced(slot);
            }
        }
    }

    fn remove(&self, key: &StoredKey, slot: &Arc<Slot>) -> bool {
        let is_same = |present: &Arc<Slot>| Arc::ptr_eq(present, slot);
        self.cache.remove_if(&key.probe(), is_same).is_some()
    }

    fn each(&self, seen: &mut dyn FnMut(StoredKey, Arc<Slot>)) {
        for (key, slot) in self.cache.iter() {
            seen(key, slot);
        }
    }

    /// Not below two entries a shard, under which the engine admits nothing.
    fn resize(&self, capacity: u64) {
        let least = match self.unit {
            Unit::Entries => 2,
            Unit::Bytes => 2 * ENTRY_BYTES,
        } * self.cache.num_shards() as u64;
        self.cache.set_capacity(if capacity == 0 {
            0
        } else {
            capacity.max(least)
        });
    }
}

impl Lifecycle<StoredKey, Arc<Slot>> for Evictions {
    type RequestState = Gone;

    fn on_evict(&self, gone: &mut Gone, key: StoredKey, slot: Arc<Slot>) {
        // The engine tells of the newcomer's predecessor, too, and of a newcomer that is too heavy to be let in.
        if !gone.is_predecessor(&key, &slot) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        gone.slots.push((key, slot));
    }
}
