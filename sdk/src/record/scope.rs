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
/// Texts of statements that a request is known to have begun.
const TEXTS: usize = 4;
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
    texts: Texts,
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

/// How often and how long one statement ran, and in what manner it was repeated.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) statement: u64,
    pub(crate) calls: u32,
    /// Calls whose values are those of the first call or of the one before.
    pub(crate) same: u32,
    /// Calls whose values are known.
    pub(crate) known: u32,
    /// Calls that began before the one before had ended.
    pub(crate) beside: u32,
    pub(crate) failed: u32,
    pub(crate) nanos: u64,
    pub(crate) rows: u64,
    /// The values of the first call that told any, and of the last, by their hashes.
    values: (u64, u64),
    /// When the last call ended, by the counter.
    ended: u64,
}

/// One call of a statement.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Call {
    pub(crate) statement: u64,
    pub(crate) nanos: u64,
    pub(crate) rows: u64,
    pub(crate) failed: bool,
    /// A hash of what was bound; `None` where it isn't known.
    pub(crate) values: Option<u64>,
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
            texts: Texts::default(),
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
    pub(crate) fn query(&mut self, call: &Call) {
        let Some(clock) = self.clock else {
            return self.work.add(call, Since::Unknown);
        };
        let ended = clock.start();
        self.work.add(call, Since::Known(clock, ended));
        let kind = Kind::ran(call.failed);
        self.trail
            .push(Step::new(kind, call.statement, ended, call.nanos));
    }

    /// Whether a statement's text, by where it lies, was begun before in this request: then its values are worth a look.
    #[inline]
    pub(crate) fn is_again(&mut self, text: &str) -> bool {
        self.texts.is_again(text)
    }

    #[inline]
    fn clear(&mut self) {
        self.place.end();
        self.work.clear();
        self.trail.clear();
        self.texts.clear();
        self.pool_wait_nanos = 0;
        (self.cache_hits, self.cache_misses) = (0, 0);
        self.remote = None;
    }
}

/// When a call ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Since {
    Known(&'static Clock, Start),
    Unknown,
}

impl Work {
    #[inline]
    pub(crate) fn add(&mut self, call: &Call, ended: Since) {
        self.entry(call.statement).add(call, ended);
    }

    /// The statement's place; that of the others if there is none left.
    #[inline]
    fn entry(&mut self, statement: u64) -> &mut Use {
        let known = self
            .statements
            .iter()
            .take(self.distinct)
            .position(|used| used.statement == statement);
        let place = known.unwrap_or(self.distinct);
        let Some(used) = self.statements.get_mut(place) else {
            return &mut self.others;
        };
        if known.is_none() {
            self.distinct += 1;
            *used = Use {
                statement,
                ..Use::default()
            };
        }
        used
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
            self.entry(used.statement).merge(used);
        }
        self.others.merge(&other.others);
    }

    fn clear(&mut self) {
        // What is behind the last distinct one is never read.
        self.distinct = 0;
        self.others = Use::default();
    }
}

impl Use {
    #[inline]
    fn add(&mut self, call: &Call, ended: Since) {
        self.calls += 1;
        self.nanos += call.nanos;
        self.rows += call.rows;
        self.failed += u32::from(call.failed);
        if let Since::Known(clock, ended) = ended {
            // Ends are read a little after the call's own, so what is nearly one after the other is.
            let since = clock.nanos_between(Start::from_raw(self.ended), ended);
            self.beside += u32::from(self.calls > 1 && since + since / 16 < call.nanos);
            self.ended = ended.raw();
        }
        if let Some(values) = call.values {
            let (first, last) = self.values;
            self.same += u32::from(self.known > 0 && (values == first || values == last));
            self.values = (if self.known == 0 { values } else { first }, values);
            self.known += 1;
        }
    }

    /// Adds what was counted elsewhere; of two orders of calls nothing more is known.
    fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.nanos += other.nanos;
        self.rows += other.rows;
        self.failed += other.failed;
        self.same += other.same;
        self.known += other.known;
        self.beside += other.beside;
    }
}

impl Remote {
    /// Counts a statement that ran on another thread; returns the request's route.
    #[inline]
    pub(crate) fn query(&self, call: &Call) -> u64 {
        let ended = self.clock.map(|clock| (clock, clock.start()));
        let mut done = self.lock();
        match ended {
            Some((clock, ended)) => {
                done.work.add(call, Since::Known(clock, ended));
                let kind = Kind::ran(call.failed);
                done.push(Step::new(kind, call.statement, ended, call.nanos));
            }
            None => done.work.add(call, Since::Unknown),
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

/// Where the texts lie that a request began last: a loop's text is nearly always the program's own, and stays in its place.
/// One that is made anew at each call isn't seen again, or seen wrongly once in a while, which costs a look at its values.
#[derive(Debug, Default)]
struct Texts {
    begun: [(usize, usize); TEXTS],
    next: usize,
}

impl Texts {
    #[inline]
    fn is_again(&mut self, text: &str) -> bool {
        let text = (text.as_ptr().addr(), text.len());
        if self.begun.contains(&text) {
            return true;
        }
        if let Some(place) = self.begun.get_mut(self.next % TEXTS) {
            *place = text;
        }
        self.next += 1;
        false
    }

    #[inline]
    fn clear(&mut self) {
        if self.next > 0 {
            *self = Self::default();
        }
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

/// Whether the present request has begun a statement of this text before.
#[inline]
pub(crate) fn is_again(text: &str) -> bool {
    with(|scope| scope.is_again(text)) == Some(true)
}

/// Counts a statement for the present request; returns its route.
#[inline]
pub(crate) fn query(call: &Call) -> u64 {
    let route = with(|scope| {
        scope.query(call);
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
