//! What one request has done so far.
//!
//! The scope is owned by the request's future and lent to the thread for as long as the future is polled, so everything
//! that runs inside counts into plain fields: no lock, no reference count.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

use crate::clock::Start;

/// Distinct statements of one request that are counted by themselves.
pub(crate) const STATEMENTS: usize = 8;
/// Scopes of requests that are over which a thread keeps for the next.
const SPARE: usize = 32;

thread_local! {
    static CURRENT: Cell<Option<Box<Scope>>> = const { Cell::new(None) };
    static OVER: Cell<Option<Box<Scope>>> = const { Cell::new(None) };
}

/// One request: where it is, and its sums.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    pub(crate) progress: Progress,
    pub(crate) work: Work,
    pub(crate) pool_wait_nanos: u64,
    pub(crate) cache_hits: u32,
    pub(crate) cache_misses: u32,
    remote: Option<Arc<Remote>>,
    /// The next of those that are over, and how many there are from here.
    next: Option<Box<Scope>>,
    over: usize,
}

/// Where a request is; kept with its sums, so that they move from its response to its body as one pointer.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) route: u64,
    pub(crate) start: Start,
    pub(crate) stage: Stage,
    /// Whether it asks for the head only.
    pub(crate) head_only: bool,
    /// The bytes of its body that a server has still to ask for, where that is known.
    pub(crate) due: Option<u64>,
    /// Whether not all of its body was there when it was first asked for.
    pub(crate) waited: bool,
}

#[derive(Debug, Default, Clone, Copy)]
pub(crate) enum Stage {
    #[default]
    Waiting,
    /// `told` says whether the head was filed by itself.
    Answered {
        failed: bool,
        nanos: u64,
        told: bool,
    },
}

/// The statements of one request.
#[derive(Debug, Default, Clone)]
pub(crate) struct Work {
    statements: [Use; STATEMENTS],
    distinct: usize,
    /// Statements beyond the first [`STATEMENTS`] distinct ones.
    others: Use,
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
    /// Makes an empty one, whose progress is not set, of the memory of one that is over where this thread has any.
    #[inline]
    pub(crate) fn fresh() -> Box<Self> {
        let over = OVER.try_with(|over| {
            let mut scope = over.take()?;
            over.set(scope.next.take());
            Some(scope)
        });
        over.ok().flatten().unwrap_or_default()
    }

    /// Keeps the memory of one that is over for the next.
    #[inline]
    pub(crate) fn done(mut self: Box<Self>) {
        self.clear();
        let _ = OVER.try_with(|over| {
            self.next = over.take();
            self.over = self.next.as_ref().map_or(0, |next| next.over) + 1;
            if self.over > SPARE {
                self = self.next.take().unwrap_or(self);
            }
            over.set(Some(self));
        });
    }

    /// The statements' calls and nanoseconds, with what other threads did.
    #[inline]
    pub(crate) fn sum(&self) -> (u32, u64) {
        match &self.remote {
            None => self.work.sum(),
            Some(remote) => remote.with(&self.work).sum(),
        }
    }

    /// What other threads did, if any was given a part.
    #[inline]
    pub(crate) fn remote(&self) -> Option<&Remote> {
        self.remote.as_deref()
    }

    #[inline]
    fn clear(&mut self) {
        self.work.clear();
        self.pool_wait_nanos = 0;
        (self.cache_hits, self.cache_misses) = (0, 0);
        self.remote = None;
    }
}

impl Work {
    #[inline]
    pub(crate) fn add(&mut self, statement: u64, calls: u32, nanos: u64) {
        let known = self
            .statements
            .iter_mut()
            .take(self.distinct)
            .find(|used| used.statement == statement);
        let used = match known {
            Some(used) => used,
            None => match self.statements.get_mut(self.distinct) {
                Some(used) => {
                    self.distinct += 1;
                    *used = Use {
                        statement,
                        ..Use::default()
                    };
                    used
                }
                None => &mut self.others,
            },
        };
        used.calls += calls;
        used.nanos += nanos;
    }

    /// All statements' calls and nanoseconds.
    pub(crate) fn sum(&self) -> (u32, u64) {
        let first = (self.others.calls, self.others.nanos);
        self.named().fold(first, |(calls, nanos), used| {
            (calls + used.calls, nanos + used.nanos)
        })
    }

    /// The distinct statements, without the others.
    #[inline]
    pub(crate) fn named(&self) -> impl Iterator<Item = &Use> {
        self.statements.iter().take(self.distinct)
    }

    fn merge(&mut self, other: &Self) {
        for used in other.named() {
            self.add(used.statement, used.calls, used.nanos);
        }
        self.others.calls += other.others.calls;
        self.others.nanos += other.others.nanos;
    }

    fn clear(&mut self) {
        // What is behind the last distinct one is never read.
        self.distinct = 0;
        self.others = Use::default();
    }
}

impl Remote {
    /// Counts a statement that ran on another thread.
    #[inline]
    pub(crate) fn query(&self, statement: u64, nanos: u64) {
        self.work
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(statement, 1, nanos);
    }

    /// Adds what a task of its own did for the request.
    pub(crate) fn add(&self, scope: &Scope) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.merge(&scope.work);
        if let Some(remote) = &scope.remote {
            work.merge(&remote.work.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// What was done here and on other threads.
    pub(crate) fn with(&self, work: &Work) -> Work {
        let mut all = work.clone();
        all.merge(&self.work.lock().unwrap_or_else(PoisonError::into_inner));
        all
    }
}

/// Lends the scope in `slot` to this thread until the guard is dropped.
#[inline]
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
    #[inline]
    fn drop(&mut self) {
        swap(self.slot);
    }
}

/// Counts a statement for the present request.
pub(crate) fn query(statement: u64, nanos: u64) {
    with(|scope| scope.work.add(statement, 1, nanos));
}

/// Takes the present request's scope, if one is polled on this thread, until the guard is dropped.
#[inline]
pub(crate) fn present() -> Present {
    Present(CURRENT.try_with(Cell::take).ok().flatten())
}

/// The present request's scope, away from its place; see [`present`].
#[derive(Debug)]
pub(crate) struct Present(Option<Box<Scope>>);

impl Present {
    /// The scope; `None` where no request is polled.
    #[inline]
    pub(crate) fn scope(&mut self) -> Option<&mut Scope> {
        self.0.as_deref_mut()
    }
}

impl Drop for Present {
    #[inline]
    fn drop(&mut self) {
        if let Some(scope) = self.0.take() {
            let _ = CURRENT.try_with(|current| current.set(Some(scope)));
        }
    }
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

#[inline]
fn with<T>(f: impl FnOnce(&mut Scope) -> T) -> Option<T> {
    // The thread's end, or a call from inside `f`, finds nothing to count into.
    present().scope().map(f)
}

#[inline]
fn swap(slot: &mut Option<Box<Scope>>) {
    let _ = CURRENT.try_with(|current| *slot = current.replace(slot.take()));
}
