//! What several instances of a service agree on through Redis: which entries are invalid, and the values that one has
//! loaded for all ([`values`]).
//!
//! An invalidation takes effect here at once and is then put down in Redis by one script: the namespace's generation
//! grows, the journal gets a line, and whoever listens is nudged. Each instance reads generations and journal once a
//! second, or sooner when nudged, so a lost nudge costs a second and nothing more. What Redis forgot, or brought back
//! from before, shows as a gap in the journal's count or as another generation, and then everything it may concern is
//! invalid. An instance believes no Redis that knows less than it does: it begins the namespace anew first.
//!
//! While Redis can't be reached, an entry is served for [`DETACHED`] after it was last known to be valid or was begun
//! to be loaded, and invalidations wait in a bounded map until it is back.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

use super::NAMESPACES;
use super::reach::{Invalidation, What};

pub(super) mod codec;
pub(super) mod envelope;
mod generation;
pub(super) mod lease;
mod link;
pub(super) mod place;
mod script;
mod shape;
pub(super) mod values;
mod worker;

use generation::Generations;
pub(crate) use link::{Address, Url};
use values::{Store, Tally};
pub(super) use worker::start;

/// Connections that one instance has at most: to send and read what was invalidated, to be nudged, and for values.
const CONNECTIONS: usize = 3;
/// The time between two looks at Redis, at most; drawn between nine tenths of it and all.
const POLL: Duration = Duration::from_secs(1);
/// How long Redis may take for an answer.
const TIMEOUT: Duration = Duration::from_millis(250);
/// How long an entry is served that nobody can say is still valid.
pub(super) const DETACHED: Duration = Duration::from_secs(5);
/// Keys and tags that wait to be invalidated; above, their namespaces wait as a whole.
const WAITING: usize = 10_000;
/// What is invalid of a namespace that there is no place for is told as a line about this one, which means all there are.
const EVERYTHING: &str = "";
/// Keys and tags share so many stripes in Redis. The local ones are as many or a part of them.
const STRIPES: u64 = 16 * 1024;

/// An instance's side of the agreement.
pub(super) struct Remote {
    waiting: Mutex<Waiting>,
    /// Wakes the worker, to send.
    wake: Notify,
    /// Wakes it to read.
    look: Arc<Notify>,
    /// Something that was waiting has been sent, or is to wait again.
    sent: Notify,
    /// The tick until which what is valid here is so everywhere, as far as it matters.
    confirmed: AtomicU64,
    pub(super) state: State,
    generations: Mutex<Generations>,
    address: Address,
    store: Store,
    pub(super) tally: Tally,
    stopped: AtomicBool,
    /// The process that the worker is in; a child that was forked has none.
    process: u32,
}

/// What has happened; counts are since the start.
#[derive(Default)]
pub(super) struct State {
    attached: AtomicBool,
    /// Invalidations by other instances that were taken over.
    received: AtomicU64,
    gaps: AtomicU64,
    rollbacks: AtomicU64,
    errors: AtomicU64,
}

/// How the agreement stands.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) attached: bool,
    /// How long after an invalidation anywhere this instance may serve the old value.
    pub(crate) bound: Duration,
    /// Invalidations that Redis hasn't got yet: keys, tags and whole namespaces.
    pub(crate) deferred: u64,
    pub(crate) received: u64,
    pub(crate) gaps: u64,
    pub(crate) rollbacks: u64,
    pub(crate) errors: u64,
    /// Look-ups that waited for another instance's load.
    pub(crate) waited: u64,
    /// Loads that no lease was to be had for.
    pub(crate) unleased: u64,
    /// Values that were not what they should be.
    pub(crate) undecodable: u64,
    /// Values that were loaded and not put down.
    pub(crate) not_stored: u64,
}

/// Invalidations that Redis hasn't got yet, by namespace.
#[derive(Default)]
pub(super) struct Waiting {
    changes: HashMap<Arc<str>, Change>,
    stripes: usize,
    /// Namespaces whose changes are on their way.
    sending: HashSet<Arc<str>>,
}

/// What is invalid of one namespace.
#[derive(Default)]
pub(super) struct Change {
    all: bool,
    stripes: BTreeSet<u64>,
    told: Vec<oneshot::Sender<()>>,
}

impl Remote {
    /// How many connections to a port there are at most.
    pub(super) fn most_connections_to(&self, port: u16) -> usize {
        self.address.most_connections_to(port)
    }

    /// Begins with nothing known, so that nothing is served for long before Redis was asked.
    fn new(runtime: Handle, address: Address, turns: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            wake: Notify::new(),
            look: Arc::default(),
            sent: Notify::new(),
            store: Store::new(runtime, address.clone(), turns),
            address,
            tally: Tally::default(),
            confirmed: AtomicU64::new(0),
            state: State::default(),
            generations: Mutex::default(),
            stopped: AtomicBool::new(false),
            process: std::process::id(),
        }
    }

    #[inline]
    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::Acquire)
    }

    /// Tells the other instances of an invalidation that has taken effect here.
    pub(super) fn invalidate(&self, space: &Arc<str>, what: What) -> Invalidation {
        // Without Redis it can only wait, and its caller needn't.
        let attached = self.state.attached.load(Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        self.waiting().add(space, what, attached.then_some(tell));
        self.wake.notify_one();
        if !self.is_here() {
            // Nobody would ever send it.
            self.waiting().take();
        }
        Invalidation::told(told)
    }

    pub(super) fn standing(&self) -> Standing {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let attached = self.state.attached.load(Ordering::Relaxed);
        Standing {
            attached,
            bound: if attached { POLL + TIMEOUT } else { DETACHED },
            deferred: self.waiting().count(),
            received: count(&self.state.received),
            gaps: count(&self.state.gaps),
            rollbacks: count(&self.state.rollbacks),
            errors: count(&self.state.errors),
            waited: count(&self.tally.waited),
            unleased: count(&self.tally.unleased),
            undecodable: count(&self.tally.undecodable),
            not_stored: count(&self.tally.not_stored),
        }
    }

    /// Whether there is a worker, and in this process.
    fn is_here(&self) -> bool {
        !self.stopped.load(Ordering::Acquire) && self.process == std::process::id()
    }

    #[cfg(test)]
    pub(super) fn is_served(&self) -> bool {
        !self.stopped.load(Ordering::Acquire)
    }

    /// Nobody sends any more.
    fn stop(&self) {
        self.state.attached.store(false, Ordering::Relaxed);
        self.stopped.store(true, Ordering::Release);
        self.waiting().take();
        self.sent.notify_waiters();
    }

    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A hash that is the same in all instances.
pub(super) fn stable(key: &[u8]) -> u64 {
    first_eight(&Sha256::digest(key))
}

/// A digest's first bytes as a number.
fn first_eight(digest: &[u8]) -> u64 {
    digest
        .iter()
        .take(8)
        .fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

impl What {
    fn stripe(hash: u64) -> u64 {
        // The same bits that the local stripe follows from.
        (hash >> 20) % STRIPES
    }
}

impl Waiting {
    pub(super) fn add(&mut self, space: &Arc<str>, what: What, tell: Option<oneshot::Sender<()>>) {
        // Names made from data would fill memory while Redis can't be reached.
        let has_place = self.changes.contains_key(space) || self.changes.len() < NAMESPACES;
        let (space, what) = if has_place {
            (Arc::clone(space), what)
        } else {
            (EVERYTHING.into(), What::All)
        };
        let change = self.changes.entry(space).or_default();
        // Whoever isn't told hears that it waits; which it does.
        if change.told.len() < WAITING {
            change.told.extend(tell);
        }
        match what {
            What::All => change.all = true,
            What::Stripe(hash) => {
                self.stripes += usize::from(change.stripes.insert(What::stripe(hash)));
            }
        }
        if change.all || self.stripes > WAITING {
            change.all = true;
            self.stripes -= change.stripes.len();
            change.stripes.clear();
        }
    }

    /// Puts back what Redis didn't get; who waited for it is told so.
    pub(super) fn put_back(&mut self, space: Arc<str>, failed: Change) {
        let change = self.changes.entry(space).or_default();
        change.all |= failed.all;
        self.stripes -= change.stripes.len();
        change.stripes.extend(failed.stripes);
        if change.all || self.stripes + change.stripes.len() > WAITING {
            change.all = true;
            change.stripes.clear();
        }
        self.stripes += change.stripes.len();
    }

    pub(super) fn take(&mut self) -> HashMap<Arc<str>, Change> {
        self.stripes = 0;
        let taken = std::mem::take(&mut self.changes);
        self.sending.extend(taken.keys().map(Arc::clone));
        taken
    }

    /// Whether Redis may hold values of the namespace that were invalidated here.
    fn owes(&self, namespace: &str) -> bool {
        [namespace, EVERYTHING]
            .iter()
            .any(|owed| self.changes.contains_key(*owed) || self.sending.contains(*owed))
    }

    pub(super) fn count(&self) -> u64 {
        let whole = self.changes.values().filter(|change| change.all).count();
        (self.stripes + whole) as u64
    }
}
