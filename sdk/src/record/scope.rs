//! What one request has done so far.
//!
//! The scope is owned by the request's future and lent to the thread for as long as the future is polled, so everything
//! that runs inside counts into plain fields: no lock, no reference count.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

/// Distinct statements of one request that are counted by themselves.
pub(crate) const STATEMENTS: usize = 8;

thread_local! {
    static CURRENT: RefCell<Option<Box<Scope>>> = const { RefCell::new(None) };
}

/// The sums of one request.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    pub(crate) work: Work,
    pub(crate) pool_wait_nanos: u64,
    pub(crate) cache_hits: u32,
    pub(crate) cache_misses: u32,
    remote: Option<Arc<Remote>>,
}

/// The statements of one request.
#[derive(Debug, Default, Clone)]
pub(crate) struct Work {
    pub(crate) statements: [Use; STATEMENTS],
    /// Statements beyond the first [`STATEMENTS`] distinct ones.
    pub(crate) others: Use,
}

/// How often and how long one statement ran.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) statement: u64,
    pub(crate) calls: u32,
    pub(crate) nanos: u64,
}

/// What was done for a request on other threads, under its spans.
#[derive(Debug, Default)]
pub(crate) struct Remote {
    work: Mutex<Work>,
}

impl Scope {
    /// The sums, with what other threads did.
    pub(crate) fn total(&self) -> Work {
        let mut total = self.work.clone();
        if let Some(remote) = &self.remote {
            total.merge(&remote.work.lock().unwrap_or_else(PoisonError::into_inner));
        }
        total
    }
}

impl Work {
    pub(crate) fn add(&mut self, statement: u64, calls: u32, nanos: u64) {
        let slot = self
            .statements
            .iter_mut()
            .find(|slot| slot.calls == 0 || slot.statement == statement)
            .unwrap_or(&mut self.others);
        slot.statement = statement;
        slot.calls += calls;
        slot.nanos += nanos;
    }

    /// All statements' calls and nanoseconds.
    pub(crate) fn sum(&self) -> (u32, u64) {
        self.uses().fold((0, 0), |(calls, nanos), used| {
            (calls + used.calls, nanos + used.nanos)
        })
    }

    /// The distinct statements, without the `others`.
    pub(crate) fn named(&self) -> impl Iterator<Item = &Use> {
        self.statements.iter().take_while(|used| used.calls > 0)
    }

    fn uses(&self) -> impl Iterator<Item = &Use> {
        self.statements.iter().chain([&self.others])
    }

    fn merge(&mut self, other: &Self) {
        for used in other.named() {
            self.add(used.statement, used.calls, used.nanos);
        }
        self.others.calls += other.others.calls;
        self.others.nanos += other.others.nanos;
    }
}

impl Remote {
    /// Counts a statement that ran on another thread.
    pub(crate) fn query(&self, statement: u64, nanos: u64) {
        self.work
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(statement, 1, nanos);
    }

    /// Adds what a task of its own did for the request.
    pub(crate) fn work(&self, work: &Work) {
        self.work
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .merge(work);
    }
}

/// Lends the scope in `slot` to this thread until the guard is dropped.
pub(crate) fn lend(slot: &mut Option<Box<Scope>>) -> Lent<'_> {
    swap(slot);
    Lent { slot }
}

/// A scope on loan; see [`lend`].
#[derive(Debug)]
pub(crate) struct Lent<'a> {
    slot: &'a mut Option<Box<Scope>>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        swap(self.slot);
    }
}

/// Counts a statement for the present request.
pub(crate) fn query(statement: u64, nanos: u64) {
    with(|scope| scope.work.add(statement, 1, nanos));
}

/// Whether a request is being polled on this thread.
pub(crate) fn is_present() -> bool {
    with(|_| ()).is_some()
}

/// Counts a wait for a connection for the present request.
pub(crate) fn pool_wait(nanos: u64) {
    with(|scope| scope.pool_wait_nanos += nanos);
}

/// Counts a cache look-up for the present request.
pub(crate) fn cache_lookup(hit: bool) {
    with(|scope| {
        if hit {
            scope.cache_hits += 1;
        } else {
            scope.cache_misses += 1;
        }
    });
}

/// The part of the present request that other threads may add to.
pub(crate) fn remote() -> Option<Arc<Remote>> {
    with(|scope| Arc::clone(scope.remote.get_or_insert_default()))
}

fn with<T>(f: impl FnOnce(&mut Scope) -> T) -> Option<T> {
    // The thread's end, or a call from inside `f`, finds nothing to count into.
    CURRENT
        .try_with(|current| {
            let mut current = current.try_borrow_mut().ok()?;
            current.as_deref_mut().map(f)
        })
        .ok()
        .flatten()
}

fn swap(slot: &mut Option<Box<Scope>>) {
    let _ = CURRENT.try_with(|current| {
        if let Ok(mut current) = current.try_borrow_mut() {
            std::mem::swap(&mut *current, slot);
        }
    });
}
