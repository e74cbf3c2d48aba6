//! Where statements are called from: the host's side.
//!
//! Only a stack tells that, and to take one costs a thread of the host tens of microseconds. So one is taken of each
//! pair of a route and a statement, and only when the agent has asked for it: it writes the pairs that it wants into a
//! table, where a recording looks at one place. What was taken is not yet resolved to names; that is the agent's work, in
//! the [`book`].

pub(crate) mod book;
mod frame;

use std::backtrace::Backtrace;
use std::ops::DerefMut;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use super::sync::{Single, yield_now};

/// Pairs that are asked for at a time.
const WANTED: usize = 64;
/// Stacks that are held until the agent comes: so many a second are taken at most.
const HELD: usize = 4;
/// Stacks that are taken of a deck's host, in all.
pub(crate) const MOST: u32 = 1_000;
/// The route of what runs for no request.
pub(crate) const BACKGROUND: u64 = 0;

/// Who takes a stack, or resolves one, holds this.
///
/// std does both under one lock of its own. Here it is only tried, so that no thread of the host waits for the agent.
static BUSY: Single<()> = Single::new(());

/// What the agent asks for, and what was taken for it.
#[derive(Debug)]
pub(crate) struct Sites {
    wanted: Wanted,
    held: Single<Vec<Taken>>,
    taken: AtomicU32,
}

/// The keys of pairs, each in its place; 0 where none is asked for. It is written once a second at most.
#[derive(Debug)]
#[repr(align(64))]
struct Wanted([AtomicU64; WANTED]);

/// A statement of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    /// The route's hash, or [`BACKGROUND`].
    pub(crate) route: u64,
    pub(crate) statement: u64,
}

/// What a thread of the host has left.
#[derive(Debug)]
pub(super) struct Taken {
    pair: Pair,
    /// `None` where the statement is told on a thread that its caller is not on.
    stack: Option<Backtrace>,
    nanos: u64,
}

impl Pair {
    /// Tells pairs apart; never 0.
    #[inline]
    const fn key(self) -> u64 {
        (self.route ^ self.statement.rotate_left(32)) | 1
    }
}

impl Sites {
    pub(super) fn new() -> Self {
        Self {
            wanted: Wanted([const { AtomicU64::new(0) }; WANTED]),
            held: Single::new(Vec::new()),
            taken: AtomicU32::new(0),
        }
    }

    /// Takes the present thread's stack if the agent has asked for this pair's; `is_caller` says whether it is the
    /// caller's, and is asked only then.
    #[inline]
    pub(crate) fn pass(&self, pair: Pair, is_caller: impl FnOnce() -> bool) {
        let key = pair.key();
        if self.wanted.place(key).load(Ordering::Relaxed) == key {
            self.take(pair, is_caller);
        }
    }

    #[cold]
    fn take(&self, pair: Pair, is_caller: impl FnOnce() -> bool) {
        let key = pair.key();
        let place = self.wanted.place(key);
        // Whatever comes of it, no other call tries until the agent asks again.
        let mine = place.compare_exchange(key, 0, Ordering::Relaxed, Ordering::Relaxed);
        if mine.is_err() || std::thread::panicking() {
            return;
        }
        let (Some(_busy), Some(mut held)) = (BUSY.take(), self.held.take()) else {
            return;
        };
        if held.len() >= HELD || self.taken.fetch_add(1, Ordering::Relaxed) >= MOST {
            return;
        }
        let begun = Instant::now();
        let stack = is_caller().then(Backtrace::force_capture);
        held.push(Taken {
            pair,
            stack,
            nanos: begun.elapsed().as_nanos() as u64,
        });
    }

    /// Asks for a pair; returns whether it is asked for anew. Another one that has the same place stays there if `yields`.
    fn want(&self, pair: Pair, yields: bool) -> bool {
        let key = pair.key();
        let place = self.wanted.place(key);
        let there = place.load(Ordering::Relaxed);
        let wants = there == 0 || (there != key && !yields);
        if wants {
            place.store(key, Ordering::Relaxed);
        }
        wants
    }

    /// Asks for nothing any more.
    fn want_none(&self) {
        for place in &self.wanted.0 {
            place.store(0, Ordering::Relaxed);
        }
    }

    /// Asks for nothing any more, and lets go what nobody will resolve.
    pub(super) fn forget(&self) {
        self.want_none();
        drop(std::mem::take(&mut *wait(&self.held)));
    }

    /// Whether all were taken that may be.
    fn is_over(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= MOST
    }

    /// The next stack that was taken.
    fn next(&self) -> Option<Taken> {
        wait(&self.held).pop()
    }
}

impl Wanted {
    #[inline]
    const fn index(key: u64) -> usize {
        (key >> 58) as usize
    }

    #[inline]
    fn place(&self, key: u64) -> &AtomicU64 {
        &self.0[Self::index(key) % WANTED]
    }
}

/// Resolves a stack to text, while no thread of the host takes one.
fn resolve(stack: &Backtrace) -> String {
    let _busy = wait(&BUSY);
    stack.to_string()
}

/// Waits for a thread of the host to be done with a stack; for the agent, and for no other.
fn wait<T>(single: &Single<T>) -> impl DerefMut<Target = T> + '_ {
    loop {
        if let Some(taken) = single.take() {
            return taken;
        }
        yield_now();
    }
}
