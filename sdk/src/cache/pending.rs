//! Invalidations that wait for the end of a transaction.
//!
//! A transaction of a wrapped pool has one queue. What is put into it takes effect when the transaction has committed,
//! and never if it was rolled back or dropped: until then other connections read what was there before, and whatever they
//! cached of it has to be gone afterwards.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::namespace::Namespace;
use super::reach::{Invalidation, What};
use super::space::Space;

/// Invalidations that wait one by one; above, their namespaces wait as a whole.
const MOST: usize = 1_000;

/// The queue of one transaction, or of a connection that may have one; cheap to clone.
#[derive(Clone)]
pub(crate) struct Pending(Arc<Mutex<State>>);

struct State {
    stage: Stage,
    due: Vec<Due>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No transaction is open.
    Idle,
    Open,
    Committed,
    RolledBack,
}

/// An invalidation to come.
#[derive(Clone)]
struct Due {
    space: Arc<Space>,
    what: What,
}

/// What came of putting an invalidation into a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It waits.
    Waits,
    /// There is nothing to wait for.
    Now,
    /// What it was for did not happen.
    Never,
}

impl Pending {
    /// Makes the queue of a transaction that has begun.
    pub(crate) fn open() -> Self {
        Self::at(Stage::Open)
    }

    /// Makes the queue of a connection without a transaction.
    pub(crate) fn idle() -> Self {
        Self::at(Stage::Idle)
    }

    fn at(stage: Stage) -> Self {
        let due = Vec::new();
        Self(Arc::new(Mutex::new(State { stage, due })))
    }

    /// Returns whether a transaction is open.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().stage == Stage::Open
    }

    /// Returns whether a transaction was open and has committed.
    pub(super) fn is_committed(&self) -> bool {
        matches!(self.lock().stage, Stage::Idle | Stage::Committed)
    }

    /// Returns whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().due.is_empty()
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A transaction begins on a connection.
    pub(crate) fn begin(&self) {
        self.lock().stage = Stage::Open;
    }

    /// What waits, in a queue of its own.
    pub(crate) fn clone_due(&self) -> Self {
        let due = self.lock().due.clone();
        let copy = Self::idle();
        copy.lock().due = due;
        copy
    }

    /// How much waits.
    pub(crate) fn len(&self) -> usize {
        self.lock().due.len()
    }

    /// Drops what has come since so much waited.
    pub(crate) fn truncate(&self, length: usize) {
        self.lock().due.truncate(length);
    }

    /// Drops what waits.
    pub(crate) fn roll_back(&self, then: After) {
        let mut state = self.lock();
        state.stage = then.stage(Stage::RolledBack);
        let due = std::mem::take(&mut state.due);
        drop(state);
        drop(due);
    }

    /// Lets take effect what waits; returns how far each has come.
    pub(crate) fn commit(&self, then: After) -> Vec<Invalidation> {
        let mut state = self.lock();
        state.stage = then.stage(Stage::Committed);
        let due = std::mem::take(&mut state.due);
        // Each tells Redis and changes a stamp, and may be waited for by nobody else's lock.
        drop(state);
        due.iter().map(Due::take_effect).collect()
    }

    /// Lets an invalidation wait for the end of a statement, or of the transaction that it is in.
    #[cfg(feature = "query-cache")]
    pub(super) fn owe(&self, space: &Arc<Space>, what: What) {
        self.lock().push(space, what);
    }

    /// Lets an invalidation wait, if there is something to wait for.
    pub(super) fn put(&self, space: &Arc<Space>, what: What) -> Put {
        let mut state = self.lock();
        match state.stage {
            Stage::Idle | Stage::Committed => return Put::Now,
            Stage::RolledBack => return Put::Never,
            Stage::Open => {}
        }
        state.push(space, what);
        Put::Waits
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a transaction's end leaves its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing follows.
    End,
    /// Its connection goes on without one.
    Idle,
}

impl After {
    const fn stage(self, end: Stage) -> Stage {
        match self {
            Self::End => end,
            Self::Idle => Stage::Idle,
        }
    }
}

impl State {
    fn push(&mut self, space: &Arc<Space>, what: What) {
        let is_known = |due: &Due| {
            Arc::ptr_eq(&due.space, space) && (due.what == what || due.what == What::All)
        };
        if self.due.iter().any(is_known) {
            return;
        }
        if self.due.len() >= MOST {
            self.make_whole();
            // With as many namespaces as that each still waits once.
            return self.push_whole(space);
        }
        self.due.push(Due {
            space: Arc::clone(space),
            what,
        });
    }

    /// Lets the namespaces wait as a whole.
    fn make_whole(&mut self) {
        for due in std::mem::take(&mut self.due) {
            self.push_whole(&due.space);
        }
    }

    fn push_whole(&mut self, space: &Arc<Space>) {
        if !self.due.iter().any(|due| Arc::ptr_eq(&due.space, space)) {
            self.due.push(Due {
                space: Arc::clone(space),
                what: What::All,
            });
        }
    }
}

impl Due {
    fn take_effect(&self) -> Invalidation {
        self.space.take_effect(self.what)
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.lock();
        f.debug_struct("Pending")
            .field("stage", &state.stage)
            .field("due", &state.due.len())
            .finish()
    }
}

impl Namespace {
    /// Invalidates once the transaction of the queue has committed.
    pub(crate) fn invalidate_after(&self, pending: &Pending, key: Option<&super::key::KeyWriter>) {
        let Some(what) = self.what(key) else {
            return;
        };
        if pending.put(&self.space, what) == Put::Now {
            self.space.take_effect(what);
        }
    }

    /// What is invalidated: the key's or tag's entries, or all; nothing, where the key is never cached.
    pub(super) fn what(&self, key: Option<&super::key::KeyWriter>) -> Option<What> {
        match key {
            None => Some(What::All),
            Some(key) if key.is_refused() => None,
            Some(key) => Some(What::Stripe(self.space.stripe(key))),
        }
    }
}
