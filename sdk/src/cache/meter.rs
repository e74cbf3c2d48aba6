//! Counts of a namespace. Hits and misses are counted in a lane of the thread's own, without a locked instruction.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use perfdeck_bridge::histogram::Histogram;

/// Threads beyond this many less one share the last lane.
const LANES: usize = 32;
const SHARED: usize = LANES - 1;
const UNASSIGNED: usize = usize::MAX;

/// Lanes that no living thread owns, a bit each; the shared one is never given away.
static FREE: AtomicU32 = AtomicU32::new(u32::MAX >> 1);

thread_local! {
    static LANE: Cell<usize> = const { Cell::new(UNASSIGNED) };
    static LEASE: Lease = const { Lease(Cell::new(SHARED)) };
}

/// What is counted of one namespace.
#[derive(Default)]
pub(super) struct Meter {
    lanes: Box<[Lane; LANES]>,
    pub(super) loads: AtomicU64,
    pub(super) load_errors: AtomicU64,
    pub(super) joined: AtomicU64,
    pub(super) unloaded: AtomicU64,
    pub(super) invalidations: AtomicU64,
    load_times: Mutex<Histogram>,
}

#[derive(Default)]
#[repr(align(64))]
struct Lane {
    hits: AtomicU64,
    misses: AtomicU64,
}

/// Gives the thread's lane back when the thread ends.
struct Lease(Cell<usize>);

impl Meter {
    pub(super) fn hit(&self) {
        self.count(|lane| &lane.hits);
    }

    pub(super) fn miss(&self) {
        self.count(|lane| &lane.misses);
    }

    /// Hits and misses so far.
    pub(super) fn lookups(&self) -> (u64, u64) {
        self.lanes.iter().fold((0, 0), |(hits, misses), lane| {
            (
                hits + lane.hits.load(Ordering::Relaxed),
                misses + lane.misses.load(Ordering::Relaxed),
            )
        })
    }

    pub(super) fn loaded(&self, took: Duration) {
        self.load_times
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record(took);
    }

    /// Takes the load times since they were last taken.
    pub(super) fn take_load_times(&self) -> Histogram {
        std::mem::take(
            &mut *self
                .load_times
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    fn count(&self, which: impl Fn(&Lane) -> &AtomicU64) {
        let number = lane();
        let Some(lane) = self.lanes.get(number) else {
            return;
        };
        let counter = which(lane);
        if number == SHARED {
            counter.fetch_add(1, Ordering::Relaxed);
        } else {
            // No other thread writes here.
            counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let number = self.0.get();
        LANE.set(SHARED);
        if number != SHARED {
            // Released, so that the next owner continues from the counts as this thread left them.
            FREE.fetch_or(1 << number, Ordering::Release);
        }
    }
}

fn lane() -> usize {
    match LANE.get() {
        UNASSIGNED => assign(),
        number => number,
    }
}

#[cold]
fn assign() -> usize {
    let number = take_free();
    // A thread that is past giving back its lease takes none.
    let number = match LEASE.try_with(|lease| lease.0.set(number)) {
        Ok(()) => number,
        Err(_) => {
            if number != SHARED {
                FREE.fetch_or(1 << number, Ordering::Release);
            }
            SHARED
        }
    };
    LANE.set(number);
    number
}

fn take_free() -> usize {
    let taken = FREE.fetch_update(Ordering::Acquire, Ordering::Relaxed, |free| {
        (free != 0).then(|| free & (free - 1))
    });
    taken.map_or(SHARED, |free| free.trailing_zeros() as usize)
}
