//! One namespace: its policy, map, stamps, flights and counts.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::census::Census;
use super::chain;
use super::flight::{Boarding, Flight, Flights, Lead};
use super::key::{Probe, StoredKey};
use super::local::{Local, Slot};
use super::meter::Meter;
use super::policy::{Eviction, Policy};
use super::stamp::{Stamp, Stamps};
use super::{Row, Shared};

/// Namespaces made so far in this process.
static SPACES: AtomicU64 = AtomicU64::new(0);

pub(super) struct Space {
    /// Tells it apart in what a request did.
    pub(super) number: u64,
    pub(super) name: Arc<str>,
    pub(super) shared: Shared,
    pub(super) stamps: Stamps,
    /// Made on first use, when whoever settles the capacity first has done so.
    local: OnceLock<Local>,
    pub(super) meter: Meter,
    flights: Arc<Flights>,
    terms: Mutex<Terms>,
    /// Whether `terms` came from more than the default, so that registering again has nothing to do.
    settled: AtomicBool,
    jitter: AtomicU64,
    census: Mutex<Census>,
}

/// The policy and who gave it.
struct Terms {
    policy: Policy,
    by: Origin,
    conflict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    Default,
    Function,
    Builder,
}

/// What a caller has to do after a look-up.
pub(super) enum Turn<V> {
    Hit(V),
    Lead(Lead),
    Join(Arc<Flight>),
    /// Load without a flight; keep what comes under the stamps, if there are any.
    Alone(Option<(StoredKey, Stamp)>),
}

impl Space {
    pub(super) fn new(name: Arc<str>, policy: Policy, by: Origin, shared: Shared) -> Self {
        Self {
            number: SPACES.fetch_add(1, Ordering::Relaxed),
            name,
            stamps: Stamps::new(),
            local: OnceLock::new(),
            meter: Meter::default(),
            flights: Arc::new(Flights::new(Arc::clone(&shared.flights))),
            terms: Mutex::new(Terms {
                policy,
                by,
                conflict: false,
            }),
            settled: AtomicBool::new(by != Origin::Default),
            jitter: AtomicU64::new(0),
            census: Mutex::default(),
            shared,
        }
    }

    pub(super) fn lookup<V: Any + Clone>(&self, probe: &Probe<'_>) -> Result<V, Stamp> {
        let found = self.local.get().and_then(|local| local.get(probe));
        // Read after the entry, so that the present stamps are no older than what they are compared with, and before
        // any load.
        let stamp = self.stamps.read(probe.stripe());
        match found {
            Some(slot) if slot.stamp == stamp && self.shared.tick.now() < slot.expires => {
                // A value of another type is another function's mistake, and a miss.
                slot.value::<V>().ok_or(stamp)
            }
            _ => Err(stamp),
        }
    }

    /// Looks up and, on a miss, says whether to load or to wait.
    pub(super) fn turn<V: Any + Clone>(&self, probe: &Probe<'_>, blocking: bool) -> Turn<V> {
        let stamp = match self.lookup(probe) {
            Ok(value) => return Turn::Hit(value),
            Err(stamp) => stamp,
        };
        if chain::contains(self.address(), probe) {
            return Turn::Alone(None);
        }
        let key = probe.store();
        match self.flights.board(key.clone(), stamp, blocking) {
            Boarding::Join(flight) => Turn::Join(flight),
            Boarding::Full => Turn::Alone(Some((key, stamp))),
            // Between the look-up and the boarding another leader may have filled the map and landed.
            Boarding::Lead(lead) => match self.lookup(probe) {
                Ok(value) => Turn::Hit(value),
                Err(_) => Turn::Lead(lead),
            },
        }
    }

    /// Keeps a value if nothing was invalidated since its stamps were read.
    pub(super) fn fill(&self, key: StoredKey, slot: &Arc<Slot>) {
        // The look-up compares again; this only spares a newer entry from being overwritten by one that can't be used.
        if self.stamps.read(key.probe().stripe()) == slot.stamp {
            self.local().insert(key, Arc::clone(slot));
        }
    }

    pub(super) fn slot<V>(&self, value: V, stamp: Stamp, ttl: Option<Duration>) -> Arc<Slot>
    where
        V: Any + Send + Sync,
    {
        Slot::new(value, stamp, self.expiry(ttl))
    }

    pub(super) fn count_hit(&self) {
        if self.shared.metered {
            self.meter.hit();
            crate::record::scope::cache_lookup(self.number, true);
        }
    }

    pub(super) fn count_miss(&self) {
        if self.shared.metered {
            self.meter.miss();
            crate::record::scope::cache_lookup(self.number, false);
        }
    }

    pub(super) fn count(&self, counter: impl Fn(&Meter) -> &AtomicU64) {
        if self.shared.metered {
            counter(&self.meter).fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn invalidate(&self) -> (u64, u64) {
        self.count(|meter| &meter.invalidations);
        self.stamps.bump()
    }

    pub(super) fn invalidate_key(&self, probe: &Probe<'_>) {
        self.count(|meter| &meter.invalidations);
        self.stamps.bump_key(probe.stripe());
    }

    /// Takes a policy from whoever has more say than the one before.
    pub(super) fn settle(&self, policy: &Policy, by: Origin) {
        if by == Origin::Function && self.settled.load(Ordering::Acquire) {
            self.note_conflict(policy);
            return;
        }
        let mut terms = self.terms();
        if terms.by < by || by == Origin::Builder {
            let former = std::mem::replace(&mut terms.policy, policy.clone());
            terms.by = by;
            if let Some(local) = self.local.get() {
                // A map evicts as it was made to.
                terms.policy.eviction = former.eviction;
                terms.conflict |= policy.eviction != former.eviction;
                local.resize(policy.capacity);
            }
        }
        self.settled.store(true, Ordering::Release);
    }

    pub(super) fn local(&self) -> &Local {
        if let Some(local) = self.local.get() {
            return local;
        }
        // Held until the map is in its place, so that a policy that is settled meanwhile finds it or is found.
        let terms = self.terms();
        self.local.get_or_init(|| Local::new(&terms.policy))
    }

    pub(super) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(super) fn row(&self) -> Row {
        let (policy, conflict) = {
            let terms = self.terms();
            (terms.policy.clone(), terms.conflict)
        };
        let (hits, misses) = self.meter.lookups();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Row {
            number: self.number,
            name: Arc::clone(&self.name),
            policy,
            conflict,
            entries: self
                .census
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entries(self),
            hits,
            misses,
            loads: count(&self.meter.loads),
            load_errors: count(&self.meter.load_errors),
            joined: count(&self.meter.joined),
            unloaded: count(&self.meter.unloaded),
            evictions: self.local.get().map_or(0, Local::evictions),
            invalidations: count(&self.meter.invalidations),
            load_times: self.meter.take_load_times(),
        }
    }

    #[cfg(test)]
    pub(super) fn flights_open(&self) -> usize {
        self.flights.count()
    }

    fn expiry(&self, ttl: Option<Duration>) -> u64 {
        let ttl = match (ttl, self.terms().policy.ttl) {
            (Some(own), Some(all)) => Some(own.min(all)),
            (own, all) => own.or(all),
        };
        let Some(ttl) = ttl else { return u64::MAX };
        // Between 90 % and 100 %: never longer than promised.
        self.shared
            .tick
            .after(ttl.mul_f64(1.0 - self.draw() / 10.0))
    }

    /// A number from 0 to 1, evenly spread over a run of draws.
    fn draw(&self) -> f64 {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let turn = self.jitter.fetch_add(GOLDEN, Ordering::Relaxed);
        (turn >> 11) as f64 / (1u64 << 53) as f64
    }

    #[cold]
    fn note_conflict(&self, policy: &Policy) {
        let mut terms = self.terms();
        let longer = match (policy.ttl, terms.policy.ttl) {
            (Some(own), Some(all)) => own > all,
            (_, _) => false,
        };
        let resized =
            policy.capacity != Policy::DEFAULT_CAPACITY && policy.capacity != terms.policy.capacity;
        let evicted = policy.eviction;
        let evicts_else = evicted != Eviction::Default && evicted != terms.policy.eviction;
        terms.conflict |= longer || resized || evicts_else;
    }

    fn terms(&self) -> MutexGuard<'_, Terms> {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
