//! moka's engines, as maps only: no loads through them, no expiry, no invalidation.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::super::key::{Hashed, Probe, StoredKey};
use super::super::policy::{Policy, Unit};
use super::{Engine, Slot};

/// A map of moka's, whose capacity is fixed.
struct Fixed {
    cache: Cache<StoredKey, Held, Hashed>,
    capacity: u64,
    unit: Unit,
    evictions: Arc<AtomicU64>,
    let_go: Arc<LetGo>,
}

/// A value while moka has it. moka drops it under a lock of its own, and at a time of its own choice; the host's destructor
/// must not run there, so a dropped one is only put aside.
struct Held {
    slot: Option<Arc<Slot>>,
    let_go: Arc<LetGo>,
}

/// What moka has dropped, until the next call that leaves moka.
#[derive(Default)]
struct LetGo {
    slots: Mutex<Vec<Arc<Slot>>>,
    any: AtomicBool,
    /// Those whose place another took, until the call that brought it has counted them.
    replaced: Mutex<Vec<Arc<Slot>>>,
}

pub(super) struct Map {
    /// Swapped for another by a resize.
    fixed: ArcSwap<Fixed>,
    eviction: EvictionPolicy,
}

impl Map {
    pub(super) fn lru(policy: &Policy, evictions: Arc<AtomicU64>) -> Self {
        Self::new(EvictionPolicy::lru(), policy, evictions)
    }

    pub(super) fn tiny_lfu(policy: &Policy, evictions: Arc<AtomicU64>) -> Self {
        Self::new(EvictionPolicy::tiny_lfu(), policy, evictions)
    }

    fn new(eviction: EvictionPolicy, policy: &Policy, evictions: Arc<AtomicU64>) -> Self {
        let fixed = Fixed::new(eviction.clone(), policy.capacity, policy.unit, evictions);
        Self {
            fixed: ArcSwap::from_pointee(fixed),
            eviction,
        }
    }
}

impl Fixed {
    fn new(eviction: EvictionPolicy, capacity: u64, unit: Unit, evictions: Arc<AtomicU64>) -> Self {
        let counted = Arc::clone(&evictions);
        let let_go = Arc::<LetGo>::default();
        let left = Arc::clone(&let_go);
        let cache = Cache::builder()
            .max_capacity(capacity)
            .eviction_policy(eviction)
            .weigher(move |_, held: &Held| held.slot.as_ref().map_or(1, |slot| unit.weigh(slot)))
            .eviction_listener(move |_, held: Held, cause| match cause {
                RemovalCause::Size => {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                RemovalCause::Replaced => left.replaced().extend(held.into_slot()),
                RemovalCause::Expired | RemovalCause::Explicit => {}
            })
            .build_with_hasher(Hashed::default());
        Self {
            cache,
            capacity,
            unit,
            evictions,
            let_go,
        }
    }

    fn get(&self, probe: &Probe<'_>) -> Option<Arc<Slot>> {
        let slot = self.cache.get(probe).and_then(Held::into_slot);
        self.let_go.bury();
        slot
    }

    fn insert(&self, key: StoredKey, slot: Arc<Slot>, replaced: &mut dyn FnMut(&Slot)) {
        if self.capacity > 0 {
            let let_go = Arc::clone(&self.let_go);
            let slot = Some(slot);
            self.cache.insert(key, Held { slot, let_go });
            let former = std::mem::take(&mut *self.let_go.replaced());
            former.iter().for_each(|former| replaced(former));
            self.let_go.bury();
        } else {
            // moka turns it away without a word.
            self.evictions.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Held {
    fn into_slot(mut self) -> Option<Arc<Slot>> {
        self.slot.take()
    }
}

impl Clone for Held {
    fn clone(&self) -> Self {
        Self {
            slot: self.slot.clone(),
            let_go: Arc::clone(&self.let_go),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.let_go.slots().push(slot);
            self.let_go.any.store(true, Ordering::Release);
        }
    }
}

impl LetGo {
    /// Drops them, where no lock is held.
    fn bury(&self) {
        if self.any.load(Ordering::Relaxed) && self.any.swap(false, Ordering::Acquire) {
            let slots = std::mem::take(&mut *self.slots());
            drop(slots);
        }
    }

    fn replaced(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.replaced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for Map {
    fn get(&self, probe: &Probe<'_>) -> Option<Arc<Slot>> {
        self.fixed.load().get(probe)
    }

    fn insert(&self, key: StoredKey, slot: Arc<Slot>, replaced: &mut dyn FnMut(&Slot)) {
        self.fixed.load().insert(key, slot, replaced);
    }

    /// What another thread puts in between the look and the removal goes, too: a miss, and no more.
    fn remove(&self, key: &StoredKey, slot: &Arc<Slot>) -> bool {
        let fixed = self.fixed.load();
        let probe = key.probe();
        let present = fixed.get(&probe);
        let is_same = present.is_some_and(|present| Arc::ptr_eq(&present, slot));
        if is_same {
            fixed.cache.invalidate(&probe);
            fixed.let_go.bury();
        }
        is_same
    }

    fn each(&self, seen: &mut dyn FnMut(StoredKey, Arc<Slot>)) {
        let fixed = self.fixed.load_full();
        // What is over the capacity goes in its own time, which is not before the map is used again.
        fixed.cache.run_pending_tasks();
        fixed.let_go.bury();
        for (key, held) in fixed.cache.iter() {
            if let Some(slot) = held.into_slot() {
                seen((*key).clone(), slot);
            }
        }
    }

    /// Moves what fits to another map: any, since moka doesn't tell in which order they would go. What is inserted
    /// meanwhile is a miss later.
    fn resize(&self, capacity: u64) {
        let former = self.fixed.load_full();
        if former.capacity == capacity {
            return;
        }
        let evictions = Arc::clone(&former.evictions);
        let resized = Fixed::new(self.eviction.clone(), capacity, former.unit, evictions);
        let mut room = capacity;
        for (key, held) in former.cache.iter() {
            let Some(slot) = held.into_slot() else {
                continue;
            };
            match room.checked_sub(u64::from(former.unit.weigh(&slot))) {
                Some(left) => {
                    room = left;
                    resized.insert((*key).clone(), slot, &mut |_| {});
                }
                None => {
                    resized.evictions.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        self.fixed.store(Arc::new(resized));
    }
}
