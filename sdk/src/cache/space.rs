//! One namespace: its policy, map, stamps, flights and counts.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use super::census::Census;
use super::chain;
use super::flight::{Boarding, Flight, Flights, Lead};
use super::key::{Probe, StoredKey};
use super::life::{Age, Life};
use super::local::{Local, Slot};
use super::meter::Meter;
use super::policy::Policy;
use super::sampling::Sampling;
use super::stamp::{Stamp, Stamps, Stripes};
use super::terms::{Origin, Terms};
use super::tier::Kept;
use super::values::Values;
use super::warm::Warm;
use super::{Row, Shared, life};

mod change;
mod validity;

/// Loads in the background of one registry; above, what is stale is served until a place is free.
const REFRESHES: usize = 1_024;
/// An entry that is to last longer lasts so long, in which nothing overflows: a century.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// What an entry takes beside its key and its value, in bytes.
const ENTRY: usize = 100;

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
    pub(super) meter: Arc<Meter>,
    pub(super) sampling: Sampling,
    flights: Arc<Flights>,
    terms: Mutex<Terms>,
    /// Whether `terms` came from more than the default, so that registering again has nothing to do.
    settled: AtomicBool,
    /// Whether the time to live was ever changed, so that an entry made under the former one may last too long.
    retimed: AtomicBool,
    jitter: AtomicU64,
    census: Mutex<Census>,
    /// What loads its values by functions that can be called again.
    warmables: Mutex<Vec<Weak<dyn Warm>>>,
}

/// What a caller has to do after a look-up.
pub(super) enum Turn {
    Hit(Arc<Slot>, Age),
    /// Answer with the entry, and load a newer one beside.
    Refresh(Arc<Slot>, Age, Lead, Refreshing),
    /// The entry, if there is one, is for a load that fails.
    Lead(Lead, Option<Arc<Slot>>),
    Join(Arc<Flight>, Option<Arc<Slot>>),
    /// Load without a flight; keep what comes under the stamps, if there are any.
    Alone(Option<(StoredKey, Stamp)>),
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// A task whose load could run in another.
    Task,
    /// A task that has to load itself.
    Caller,
    /// A thread that isn't to be polled.
    Blocking,
}

/// A place among the loads in the background.
pub(super) struct Refreshing(Arc<AtomicUsize>);

impl Space {
    pub(super) fn new(name: Arc<str>, policy: Policy, by: Origin, shared: Shared) -> Self {
        Self {
            number: SPACES.fetch_add(1, Ordering::Relaxed),
            name,
            stamps: Stamps::new(),
            local: OnceLock::new(),
            meter: Arc::default(),
            sampling: Sampling::default(),
            flights: Arc::new(Flights::new(Arc::clone(&shared.flights))),
            terms: Mutex::new(Terms::new(policy, by)),
            settled: AtomicBool::new(by != Origin::Default),
            retimed: AtomicBool::new(false),
            jitter: AtomicU64::new(0),
            census: Mutex::default(),
            warmables: Mutex::default(),
            shared,
        }
    }

    /// Counts in another's place.
    pub(super) fn counted_with(self, other: &Self) -> Self {
        Self {
            meter: Arc::clone(&other.meter),
            ..self
        }
    }

    /// Finds an entry that answers without further thought.
    ///
    /// Who calls it is compiled with the host: this stays here whole, with all that it calls inside it.
    pub(super) fn sure(&self, probe: &Probe<'_>) -> Option<Arc<Slot>> {
        let slot = self.local.get()?.get(probe)?;
        let now = self.shared.tick.now();
        (self.is_valid(&slot, now) && slot.life.is_sure(now)).then_some(slot)
    }

    /// Finds an entry that is fresh.
    pub(super) fn fresh(&self, probe: &Probe<'_>) -> Option<Arc<Slot>> {
        let slot = self.local.get()?.get(probe)?;
        let now = self.shared.tick.now();
        (self.is_valid(&slot, now) && slot.life.age(now) < Age::Stale).then_some(slot)
    }

    /// Whether nothing that an entry was made from was invalidated, as far as this instance can know.
    #[inline]
    fn is_valid(&self, slot: &Slot, now: u64) -> bool {
        // Read after the entry was found, so that the present stamps are no older than what they are compared with.
        slot.stamp == self.present(&slot.stripes) && self.is_known(slot, now)
    }

    #[cfg(not(feature = "redis"))]
    #[expect(clippy::unused_self, reason = "another build asks for more")]
    const fn is_known(&self, _: &Slot, _: u64) -> bool {
        true
    }

    /// Whether what other instances invalidated is known, or the entry too young to matter.
    #[cfg(feature = "redis")]
    #[inline]
    fn is_known(&self, slot: &Slot, now: u64) -> bool {
        let Some(remote) = &self.shared.remote else {
            return true;
        };
        let detached = super::remote::DETACHED.as_nanos() as u64;
        now < remote.confirmed() || now < slot.life.begun().saturating_add(detached)
    }

    /// Finds an entry of the type that a look-up or a failed load could be answered with.
    fn found<V: Any>(&self, probe: &Probe<'_>) -> Option<(Arc<Slot>, Age)> {
        let slot = self.local.get()?.get(probe)?;
        // A value of another type is another function's mistake, and a miss.
        let now = self.shared.tick.now();
        if !self.is_valid(&slot, now) || !slot.holds::<V>() {
            return None;
        }
        let age = slot.life.age(now);
        (age != Age::Dead).then_some((slot, age))
    }

    /// Looks up and, if that isn't all, says whether to load or to wait.
    pub(super) fn turn<V: Any>(&self, probe: &Probe<'_>, stripes: &Stripes, how: How) -> Turn {
        if self.shared.bypassed {
            return Turn::Alone(None);
        }
        // Before the look-up, and so before any load.
        let stamp = self.present(stripes);
        let now = self.shared.tick.now();
        let (spare, age) = match self.found::<V>(probe) {
            Some((slot, Age::Fresh)) => return Turn::Hit(slot, Age::Fresh),
            Some((slot, Age::Due)) => {
                if how != How::Task || !slot.life.draws_early(now, self.draw()) {
                    return Turn::Hit(slot, Age::Fresh);
                }
                (Some(slot), Age::Due)
            }
            // One is trying, or failed a moment ago.
            Some((slot, age)) if slot.life.waits(now) => return Turn::Hit(slot, age),
            Some((slot, age)) => (Some(slot), age),
            None => (None, Age::Dead),
        };
        if chain::contains(self.address(), probe) {
            return Turn::Alone(None);
        }
        let key = probe.store();
        let boarding = self.flights.board(key.clone(), stamp, how == How::Blocking);
        let (served, spare) = match spare {
            Some(slot) if age < Age::Spare => (Some(slot), None),
            spare => (None, spare),
        };
        match (boarding, served) {
            (Boarding::Join(_) | Boarding::Full, Some(slot)) => Turn::Hit(slot, age),
            (Boarding::Join(flight), None) => Turn::Join(flight, spare),
            (Boarding::Full, None) => Turn::Alone(Some((key, stamp))),
            // Between the look-up and the boarding another leader may have filled the map and landed.
            (Boarding::Lead(lead), served) => match (self.found::<V>(probe), served) {
                (Some((slot, Age::Fresh)), _) => Turn::Hit(slot, Age::Fresh),
                (_, Some(slot)) if how == How::Task => match self.refreshing() {
                    Some(place) => Turn::Refresh(slot, age, lead, place),
                    None => Turn::Hit(slot, age),
                },
                (_, served) => Turn::Lead(lead, served.or(spare)),
            },
        }
    }

    /// Notes that the load for which an entry was kept failed.
    pub(super) fn failed(&self, slot: &Slot) {
        slot.life.failed(self.shared.tick.now(), self.draw());
    }

    pub(super) fn refreshing(&self) -> Option<Refreshing> {
        let count = &self.shared.refreshes;
        if count.fetch_add(1, Ordering::Relaxed) >= REFRESHES {
            count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Refreshing(Arc::clone(count)))
    }

    /// Keeps a value if nothing was invalidated since its stamps were read.
    pub(super) fn fill(&self, key: StoredKey, slot: &Arc<Slot>) {
        // The look-up compares again; this only spares a newer entry from being overwritten by one that can't be used.
        if self.present(&slot.stripes) == slot.stamp && !self.shared.bypassed {
            self.local()
                .insert(key, Arc::clone(slot), |former| self.left(former));
            // Asked afterwards: either this sees the change, or the change has seen the entry.
            if self.retimed.load(Ordering::SeqCst) {
                self.shorten(slot, 1.0);
            }
        }
    }

    /// Keeps what a load brought, in the place of what it was refreshed from; an absent value only where the function or
    /// the policy wants it. Returns whether it was one to keep.
    pub(super) fn keep<V>(
        &self,
        key: &StoredKey,
        slot: &Arc<Slot>,
        values: &Values<V>,
        former: Option<&Arc<Slot>>,
    ) -> bool {
        let keeps_absent = || !values.drops_absent() || self.terms().code().negative_ttl.is_some();
        let keeps = !slot.absent || keeps_absent();
        if keeps {
            self.fill(key.clone(), slot);
        } else if let Some(former) = former {
            self.remove(key, former);
        }
        keeps
    }

    /// Removes an entry, if it is still there.
    pub(super) fn remove(&self, key: &StoredKey, slot: &Arc<Slot>) {
        if self.local().remove(key, slot) {
            self.left(slot);
        }
    }

    /// How many entries are over; they are dropped if that is wanted.
    pub(super) fn over(&self, drops: bool) -> u64 {
        let Some(local) = self.local.get() else {
            return 0;
        };
        let (now, mut over) = (self.shared.tick.now(), 0);
        local.each(|key, slot| {
            if slot.life.is_over(now) {
                over += 1;
                if drops {
                    self.remove(&key, &slot);
                }
            }
        });
        over
    }

    /// Counts an entry that is no longer held, for another cause than the want of room.
    fn left(&self, former: &Slot) {
        let now = self.shared.tick.now();
        self.count(|meter| {
            if former.stamp != self.present(&former.stripes) {
                &meter.left_invalidated
            } else if former.life.age(now) >= Age::Stale {
                &meter.left_expired
            } else {
                &meter.left_replaced
            }
        });
    }

    /// Makes an entry of a value under the stamp from before it was asked for.
    pub(super) fn slot<V>(
        &self,
        key: &StoredKey,
        value: V,
        stamp: Stamp,
        stripes: Stripes,
        values: &Values<V>,
        kept: Kept,
    ) -> Arc<Slot>
    where
        V: Any + Send + Sync,
    {
        let absent = values.is_absent(&value);
        let weight = values.bytes(&value);
        let terms = self.lasts(values.ttl, absent);
        if self.shared.metered && !absent {
            let asked = values.fresh.or_else(|| self.terms().ttl(values.ttl));
            self.meter.asks(asked);
        }
        let terms = terms.since(kept.age, kept.fresh);
        let life = Life::new(self.shared.tick.now(), terms, kept.cost);
        let bytes = weight + key.length() + ENTRY;
        Arc::new(Slot {
            stamp,
            stripes,
            life,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            absent,
            value,
        })
    }

    /// Whether the policy says how long an entry is fresh.
    #[cfg(feature = "query-cache")]
    pub(super) fn has_ttl(&self) -> bool {
        self.terms().policy().ttl.is_some()
    }

    pub(super) fn soft_timeout(&self) -> Option<Duration> {
        self.terms().code().soft_timeout
    }

    /// `hash` is what the key is sampled by, where it is.
    pub(super) fn count_hit(&self, slot: &Slot, hash: Option<u64>) {
        self.count_hit_of(slot, hash, || slot.life.fresh_for());
    }

    /// Counts one on an entry that is fresh for so long, whatever its slot says.
    pub(super) fn count_hit_of(
        &self,
        slot: &Slot,
        hash: Option<u64>,
        fresh_for: impl FnOnce() -> Option<Duration>,
    ) {
        #[cfg(feature = "query-cache")]
        if !slot.stripes.tables().is_empty() {
            super::query::seen::note_slot(self, slot);
        }
        if self.shared.metered {
            if let Some(hash) = hash
                && self.sampling.wants(hash)
            {
                let (tick, stamp) = (&self.shared.tick, slot.stamp);
                self.sampling.keep(hash, tick, stamp, fresh_for());
            }
            if self.meter.hit() {
                let age = self.shared.tick.now().saturating_sub(slot.life.born);
                self.meter.aged(Duration::from_nanos(age), hash);
            }
            if slot.absent {
                self.count(|meter| &meter.negative_hits);
            }
            crate::record::scope::cache_lookup(self.number, true);
        }
    }

    /// `asked` is what the key is sampled by, what its entry hangs on, and for how long it wants to be fresh.
    pub(super) fn count_miss(&self, asked: Option<(u64, &Stripes, Option<Duration>)>) {
        if self.shared.metered {
            if let Some((hash, stripes, own)) = asked
                && self.sampling.wants(hash)
            {
                let stamp = self.present(stripes);
                self.sampling.keep(hash, &self.shared.tick, stamp, own);
            }
            self.meter.miss();
            crate::record::scope::cache_lookup(self.number, false);
        }
    }

    pub(super) fn count(&self, counter: impl Fn(&Meter) -> &AtomicU64) {
        if self.shared.metered {
            counter(&self.meter).fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes a policy from whoever has more say than the one before.
    pub(super) fn settle(&self, policy: &Policy, by: Origin) {
        if by == Origin::Function && self.settled.load(Ordering::Acquire) {
            self.terms().note_conflict(policy);
            return;
        }
        {
            let mut terms = self.terms();
            terms.settle(policy, by, self.local.get().is_some());
        }
        self.fit();
        self.settled.store(true, Ordering::Release);
    }

    pub(super) fn local(&self) -> &Local {
        if let Some(local) = self.local.get() {
            return local;
        }
        // Held until the map is in its place, so that a policy that is settled meanwhile finds it or is found.
        let terms = self.terms();
        self.local.get_or_init(|| Local::new(&terms.policy()))
    }

    pub(super) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(super) fn row(&self) -> Row {
        let (policy, conflict) = {
            let terms = self.terms();
            (terms.policy(), terms.conflict())
        };
        let held = self
            .census
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .held(self);
        let (hits, misses) = self.meter.lookups();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Row {
            number: self.number,
            name: Arc::clone(&self.name),
            policy,
            conflict,
            entries: held.entries,
            bytes: held.bytes,
            hits,
            misses,
            stale_hits: count(&self.meter.stale_hits),
            negative_hits: count(&self.meter.negative_hits),
            fail_safe: count(&self.meter.fail_safe),
            loads: count(&self.meter.loads),
            refreshes: count(&self.meter.refreshes),
            load_errors: count(&self.meter.load_errors),
            joined: count(&self.meter.joined),
            unloaded: count(&self.meter.unloaded),
            shared_hits: count(&self.meter.shared_hits),
            shared_misses: count(&self.meter.shared_misses),
            evictions: self.local.get().map_or(0, Local::evictions),
            left_expired: count(&self.meter.left_expired),
            left_invalidated: count(&self.meter.left_invalidated),
            left_replaced: count(&self.meter.left_replaced),
            asked_ttl: self.meter.asked_ttl(),
            in_redis: self.meter.in_redis.load(Ordering::Relaxed),
            invalidations: count(&self.meter.invalidations),
            load_times: self.meter.take_load_times(),
            aged: self.meter.take_aged(),
        }
    }

    /// Makes the next row count what is held, however long the last count took.
    #[cfg(test)]
    pub(super) fn count_anew(&self) {
        *self.census.lock().unwrap_or_else(PoisonError::into_inner) = Census::default();
    }

    #[cfg(test)]
    pub(super) fn flights_open(&self) -> usize {
        self.flights.count()
    }

    /// How long an entry lasts that was loaded now, by its function and by the policy.
    pub(super) fn lasts(&self, own: Option<Duration>, absent: bool) -> life::Terms {
        let terms = self.terms();
        let (policy, ttl) = (terms.code(), terms.ttl(own));
        let negative = policy.negative_ttl.filter(|_| absent);
        let jitter = f64::from(policy.jitter) / 100.0;
        let (stale, fail_safe) = beyond(policy, absent);
        life::Terms {
            // Never longer than promised.
            ttl: negative
                .or(ttl)
                .map(|ttl| ttl.min(LONGEST).mul_f64(1.0 - self.draw() * jitter)),
            stale,
            fail_safe,
            early: policy.early_refresh,
        }
    }

    /// A number from 0 to 1, evenly spread over a run of draws.
    fn draw(&self) -> f64 {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let turn = self.jitter.fetch_add(GOLDEN, Ordering::Relaxed);
        (turn >> 11) as f64 / (1u64 << 53) as f64
    }

    fn terms(&self) -> MutexGuard<'_, Terms> {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For how long an entry is served stale, and for a failed load; what is absent is no loss.
const fn beyond(policy: &Policy, absent: bool) -> (Duration, Duration) {
    if absent {
        (Duration::ZERO, Duration::ZERO)
    } else {
        (policy.stale, policy.fail_safe)
    }
}

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
