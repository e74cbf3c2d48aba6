//! What one request has done so far.
//!
//! The scope is owned by the request's future and lent to the thread for as long as the future is polled, so everything
//! that runs inside counts into plain fields: no lock, no reference count.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::running::Claim;
use super::site::BACKGROUND;
use super::trail::{Kind, NOTED_NANOS, STEPS, Step, Trail};
use crate::clock::{Clock, Start};

/// Distinct statements of one request that are counted by themselves.
pub(crate) const STATEMENTS: usize = 8;
/// Scopes of requests that are over which a thread keeps for the next.
const SPARE: usize = 32;

thread_local! {
    static CURRENT: Cell<Option<Box<Scope>>> = const { Cell::new(None) };
    static OVER: Cell<Option<Box<Scope>>> = const { Cell::new(None) };
}

/// One request: where it is, its sums, and what it did in order.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) progress: Progress,
    pub(crate) work: Work,
    pub(crate) trail: Trail,
    /// What tells the steps' times; `None` until a request begins.
    clock: Option<&'static Clock>,
    /// Where it is seen while it runs.
    place: Claim,
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
    /// The response's status; 0 before there is one.
    pub(crate) status: u16,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug)]
pub(crate) struct Remote {
    clock: Option<&'static Clock>,
    route: u64,
    done: Mutex<Done>,
}

#[derive(Debug, Default)]
struct Done {
    work: Work,
    pool_wait_nanos: u64,
    /// At most [`STEPS`].
    steps: Vec<Step>,
    left_out: usize,
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
        over.ok().flatten().unwrap_or_else(Self::made)
    }

    #[cold]
    fn made() -> Box<Self> {
        Box::new(Self {
            progress: Progress::default(),
            work: Work::default(),
            trail: Trail::default(),
            clock: None,
            place: Claim::new(),
            pool_wait_nanos: 0,
            cache_hits: 0,
            cache_misses: 0,
            remote: None,
            next: None,
            over: 0,
        })
    }

    /// Begins with a request.
    #[inline]
    pub(crate) fn begin(&mut self, progress: Progress, clock: &'static Clock) {
        self.place.begin(progress.route, progress.start);
        self.progress = progress;
        self.clock = Some(clock);
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

    /// The nanoseconds since it began.
    pub(crate) fn elapsed(&self) -> u64 {
        let since = |clock: &Clock| clock.nanos_since(self.progress.start);
        self.clock.map_or(0, since)
    }

    /// Notes that all of it was to load a value for a cache, by its number.
    pub(crate) fn loaded(&mut self, space: u64) {
        self.step(Kind::CacheLoad, space, self.elapsed());
    }

    /// What it did, also on other threads, in the order in which it was done with it, and how many steps found no place.
    pub(crate) fn steps(&self) -> (Vec<Step>, usize) {
        let mut steps = self.trail.steps().to_vec();
        let mut left_out = self.trail.left_out();
        if let Some(remote) = &self.remote {
            let done = remote.lock();
            steps.extend(&done.steps);
            left_out += done.left_out;
            steps.sort_by_key(|step| step.ended.raw());
        }
        (steps, left_out)
    }

    #[inline]
    fn step(&mut self, kind: Kind, what: u64, nanos: u64) {
        if let Some(clock) = self.clock {
            self.trail.push(Step::new(kind, what, clock.start(), nanos));
        }
    }

    /// Counts a statement that ran for it.
    #[inline]
    pub(crate) fn query(&mut self, statement: u64, nanos: u64, failed: bool) {
        self.work.add(statement, 1, nanos);
        self.step(Kind::ran(failed), statement, nanos);
    }

    #[inline]
    fn clear(&mut self) {
        self.place.end();
        self.work.clear();
        self.trail.clear();
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
    /// Counts a statement that ran on another thread; returns the request's route.
    #[inline]
    pub(crate) fn query(&self, statement: u64, nanos: u64, failed: bool) -> u64 {
        let step = self
            .clock
            .map(|clock| Step::new(Kind::ran(failed), statement, clock.start(), nanos));
        let mut done = self.lock();
        done.work.add(statement, 1, nanos);
        if let Some(step) = step {
            done.push(step);
        }
        self.route
    }

    /// Counts a wait for a connection of a pool in a task of its own.
    pub(crate) fn pool_wait(&self, pool: u16, nanos: u64) {
        let what = u64::from(pool);
        let step = self
            .clock
            .map(|clock| Step::new(Kind::PoolWait, what, clock.start(), nanos));
        let mut done = self.lock();
        done.pool_wait_nanos += nanos;
        if let Some(step) = step.filter(|_| nanos >= NOTED_NANOS) {
            done.push(step);
        }
    }

    /// Notes a step of a task of its own that is not summed up.
    pub(crate) fn step(&self, kind: Kind, what: u64, nanos: u64) {
        if let Some(clock) = self.clock {
            let step = Step::new(kind, what, clock.start(), nanos);
            self.lock().push(step);
        }
    }

    /// Adds what a task of its own did for the request.
    pub(crate) fn add(&self, scope: &Scope) {
        let (steps, left_out) = scope.steps();
        let mut done = self.lock();
        done.work.merge(&scope.work);
        done.pool_wait_nanos += scope.pool_wait_nanos;
        if let Some(remote) = &scope.remote {
            done.work.merge(&remote.lock().work);
        }
        done.left_out += left_out;
        for step in steps {
            done.push(step);
        }
    }

    /// How long tasks of their own waited for connections.
    pub(crate) fn pool_wait_nanos(&self) -> u64 {
        self.lock().pool_wait_nanos
    }

    /// What was done here and on other threads.
    pub(crate) fn with(&self, work: &Work) -> Work {
        let mut all = work.clone();
        all.merge(&self.lock().work);
        all
    }

    fn lock(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Done {
    fn push(&mut self, step: Step) {
        if self.steps.len() < STEPS {
            self.steps.push(step);
        } else {
            self.left_out += 1;
        }
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

/// Counts a statement for the present request; returns its route.
#[inline]
pub(crate) fn query(statement: u64, nanos: u64, failed: bool) -> u64 {
    let route = with(|scope| {
        scope.query(statement, nanos, failed);
        scope.progress.route
    });
    route.unwrap_or(BACKGROUND)
}

/// Takes the present request's scope, if one is polled on this thread, until the guard is dropped.
#[inline]
pub(crate) fn present() -> Present {
    Present(CURRENT.try_with(Cell::take).ok().flatten())
}

/// Whether a request is polled on this thread.
#[inline]
pub(crate) fn is_present() -> bool {
    present().scope().is_some()
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

/// Counts a wait for a connection of a pool for the present request.
pub(crate) fn pool_wait(pool: u16, nanos: u64) {
    with(|scope| {
        scope.pool_wait_nanos += nanos;
        if nanos >= NOTED_NANOS {
            scope.step(Kind::PoolWait, u64::from(pool), nanos);
        }
    });
}

/// Counts a look-up in a cache, by its number, for the present request.
#[inline]
pub(crate) fn cache_lookup(space: u64, hit: bool) {
    with(|scope| {
        if hit {
            scope.cache_hits += 1;
            scope.step(Kind::CacheHit, space, 0);
        } else {
            scope.cache_misses += 1;
            scope.step(Kind::CacheMiss, space, 0);
        }
    });
}

/// Notes a step that is not summed up.
#[inline]
pub(crate) fn step(kind: Kind, what: u64, nanos: u64) {
    with(|scope| scope.step(kind, what, nanos));
}

/// The part of the present request that other threads may add to.
pub(crate) fn remote() -> Option<Arc<Remote>> {
    with(|scope| {
        let (clock, route) = (scope.clock, scope.progress.route);
        let remote = scope.remote.get_or_insert_with(|| {
            Arc::new(Remote {
                clock,
                route,
                done: Mutex::default(),
            })
        });
        Arc::clone(remote)
    })
}

/// A scope for a task of its own that works for the present request, and what it is added to once it is done.
pub(crate) fn child() -> Option<(Box<Scope>, Arc<Remote>)> {
    let request = remote()?;
    let mut scope = Scope::fresh();
    scope.clock = request.clock;
    scope.progress.route = request.route;
    scope.progress.start = request.clock.map(Clock::start).unwrap_or_default();
    Some((scope, request))
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
