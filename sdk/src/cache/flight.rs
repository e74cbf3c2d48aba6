//! One load per key: whoever misses first leads, the others join and wait for what the leader brings.
//!
//! A flight is known by its key and the stamps read before its load, so a look-up after an invalidation never joins an
//! older load. A leader that disappears leaves its flight abandoned; the joined then take another turn, and one of them
//! leads.

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::key::{Hashed, StoredKey};
use super::local::Slot;
use super::stamp::Stamp;
use super::sync::{AtomicUsize, Condvar, Mutex, MutexGuard, Notify, Ordering, PoisonError};

/// Flights of one registry; above, callers load by themselves.
const FLIGHTS: usize = 10_000;

/// The flights of one namespace.
pub(super) struct Flights {
    open: Mutex<HashMap<Id, Arc<Flight>, Hashed>>,
    /// Shared by all namespaces of a registry.
    count: Arc<AtomicUsize>,
}

/// A load that is under way.
pub(super) struct Flight {
    /// Whether a thread is blocked in it rather than a task polled; the two never wait for each other, since a blocked
    /// thread could be the one that polls.
    blocking: bool,
    outcome: Mutex<Option<Outcome>>,
    settled: Condvar,
    woken: Notify,
}

/// What a flight brought.
#[derive(Clone)]
pub(super) enum Outcome {
    Loaded(Arc<Slot>),
    /// An answer that isn't cached, packed if it can be shared.
    Refused(Option<Packed>),
    Panicked,
    /// The leader went away; somebody else has to load.
    Abandoned,
}

/// An answer that isn't cached, of an erased type.
pub(super) type Packed = Arc<dyn Any + Send + Sync>;

/// The right and the duty to load; dropped without an outcome it abandons the flight.
pub(super) struct Lead {
    flights: Arc<Flights>,
    id: Id,
    flight: Arc<Flight>,
    settled: bool,
}

pub(super) enum Boarding {
    Lead(Lead),
    Join(Arc<Flight>),
    /// There are too many flights, or the present one can't be waited for.
    Full,
}

#[derive(Clone, PartialEq, Eq)]
struct Id {
    key: StoredKey,
    stamp: Stamp,
}

impl Flights {
    pub(super) fn new(count: Arc<AtomicUsize>) -> Self {
        Self {
            open: Mutex::default(),
            count,
        }
    }

    pub(super) fn board(
        self: &Arc<Self>,
        key: StoredKey,
        stamp: Stamp,
        blocking: bool,
    ) -> Boarding {
        let id = Id { key, stamp };
        let mut open = self.open();
        match open.entry(id.clone()) {
            Entry::Occupied(entry) if entry.get().blocking == blocking => {
                Boarding::Join(Arc::clone(entry.get()))
            }
            Entry::Occupied(_) => Boarding::Full,
            Entry::Vacant(entry) => {
                if self.count.fetch_add(1, Ordering::Relaxed) >= FLIGHTS {
                    self.count.fetch_sub(1, Ordering::Relaxed);
                    return Boarding::Full;
                }
                let flight = Arc::new(Flight {
                    blocking,
                    outcome: Mutex::new(None),
                    settled: Condvar::new(),
                    woken: Notify::new(),
                });
                entry.insert(Arc::clone(&flight));
                Boarding::Lead(Lead {
                    flights: Arc::clone(self),
                    id,
                    flight,
                    settled: false,
                })
            }
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.open().len()
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Id, Arc<Flight>, Hashed>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// Waits for the outcome in a task.
    pub(super) async fn wait(&self) -> Outcome {
        loop {
            let woken = self.woken.notified();
            if let Some(outcome) = self.outcome().clone() {
                return outcome;
            }
            // `notified` counts from its making, so an outcome between the look and here wakes it.
            woken.await;
        }
    }

    /// Waits for the outcome on this thread.
    pub(super) fn block(&self) -> Outcome {
        let mut outcome = self.outcome();
        loop {
            if let Some(outcome) = outcome.clone() {
                return outcome;
            }
            outcome = self
                .settled
                .wait(outcome)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn outcome(&self) -> MutexGuard<'_, Option<Outcome>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lead {
    pub(super) const fn key(&self) -> &StoredKey {
        &self.id.key
    }

    pub(super) const fn stamp(&self) -> Stamp {
        self.id.stamp
    }

    /// Ends the flight and wakes all who joined.
    ///
    /// A loaded value has to be in the map by now: who comes after this finds no flight to join.
    pub(super) fn settle(mut self, outcome: Outcome) {
        self.land(outcome);
    }

    fn land(&mut self, outcome: Outcome) {
        self.settled = true;
        self.flights.open().remove(&self.id);
        self.flights.count.fetch_sub(1, Ordering::Relaxed);
        *self.flight.outcome() = Some(outcome);
        self.flight.settled.notify_all();
        self.flight.woken.notify_waiters();
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if !self.settled {
            let panicked = std::thread::panicking();
            self.land(if panicked {
                Outcome::Panicked
            } else {
                Outcome::Abandoned
            });
        }
    }
}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The stamps differ only around an invalidation; equality tells those flights apart.
        self.key.hash(state);
    }
}
