//! One thread's tables, aggregated in place.
//!
//! A shard has two halves. Its thread writes to the first that is free, and the agent drains one at a time, so the other is
//! there for the writer: it never waits. Only where the agent goes on from the first to the second while the writer does the
//! same are both in use; the recorder then files in a shard that all threads share.

use std::ops::DerefMut;

use super::sync::{AtomicBool, AtomicU64, Ordering, Single, yield_now};

/// What one thread, or a few, record into.
#[derive(Debug)]
pub(super) struct Shard<T> {
    halves: [Single<T>; 2],
    taken: AtomicBool,
    started: AtomicU64,
}

impl<T> Shard<T> {
    pub(super) fn new(half: impl Fn() -> T) -> Self {
        Self {
            halves: [Single::new(half()), Single::new(half())],
            taken: AtomicBool::new(false),
            started: AtomicU64::new(0),
        }
    }

    /// Takes a half to write to; `None` if each was in use when it was tried.
    #[inline]
    pub(super) fn enter(&self) -> Option<impl DerefMut<Target = T> + '_> {
        let [first, second] = &self.halves;
        // Not a loop: this is the way of every recording.
        match first.take() {
            Some(tables) => Some(tables),
            None => second.take(),
        }
    }

    /// Lends each half to `drain` in turn; for the agent, which may wait for a writer to be done.
    pub(super) fn drain(&self, mut drain: impl FnMut(&mut T)) {
        for half in &self.halves {
            loop {
                if let Some(mut tables) = half.take() {
                    drain(&mut tables);
                    break;
                }
                yield_now();
            }
        }
    }

    /// Counts a request's arrival, by the one thread that the shard is for.
    #[inline]
    pub(super) fn start(&self) {
        // With one writer there is no need for an addition that others can't come between.
        let started = self.started.load(Ordering::Relaxed);
        self.started.store(started + 1, Ordering::Relaxed);
    }

    /// Requests that arrived since the shard was made.
    pub(super) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Takes the shard for a thread; returns whether it was free.
    pub(super) fn occupy(&self) -> bool {
        !self.taken.swap(true, Ordering::AcqRel)
    }

    /// Gives the shard back; what it holds is drained as ever, and the next thread goes on in it.
    pub(super) fn vacate(&self) {
        self.taken.store(false, Ordering::Release);
    }
}
