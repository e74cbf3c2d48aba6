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
/// One hit in so many, of each lane, has its entry's age noted.
const AGED: u64 = 64;

/// Lanes that no living thread owns, a bit each; the shared one is never given away.
static FREE: AtomicU32 = AtomicU32::new(u32::MAX >> 1);

thread_local! {
    static LANE: Cell<usize> = const { Cell::new(UNASSIGNED) };
    static LEASE: Lease = const { Lease(Cell::new(SHARED)) };
}

/// What a meter takes, with some octaves of what its distributions hold for a second.
pub(crate) const METERED: usize = size_of::<Meter>() + LANES * size_of::<Lane>() + 2_048;

/// What is counted of one namespace.
#[derive(Default)]
pub(super) struct Meter {
    lanes: Box<[Lane; LANES]>,
    /// Hits on what was past its time.
    pub(super) stale_hits: AtomicU64,
    /// Hits that say that there is nothing.
    pub(super) negative_hits: AtomicU64,
    /// Answers with a kept entry, since a load failed or was slow.
    pub(super) fail_safe: AtomicU64,
    pub(super) loads: AtomicU64,
    /// The loads in the background.
    pub(super) refreshes: AtomicU64,
    pub(super) load_errors: AtomicU64,
    pub(super) joined: AtomicU64,
    pub(super) unloaded: AtomicU64,
    /// Misses here that Redis had a value for.
    pub(super) shared_hits: AtomicU64,
    /// Misses here and in Redis.
    pub(super) shared_misses: AtomicU64,
    /// What a load takes, as a moving average in nanoseconds; 0 before the first.
    usual_load: AtomicU64,
    pub(super) invalidations: AtomicU64,
    load_times: Mutex<Histogram>,
    ages: Mutex<Histogram>,
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
    /// Counts a hit; returns whether it is one whose age is to be noted.
    pub(super) fn hit(&self) -> bool {
        self.count(|lane| &lane.hits).is_multiple_of(AGED)
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
        let nanos = took.as_nanos() as u64;
        let before = self.usual_load.load(Ordering::Relaxed);
        let usual = if before == 0 {
            nanos
        } else {
            before - before / 8 + nanos / 8
        };
        self.usual_load.store(usual.max(1), Ordering::Relaxed);
        self.load_times
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record(took);
    }

    /// What a load takes here, once one was measured.
    #[cfg(feature = "redis")]
    pub(super) fn usual_load(&self) -> Option<Duration> {
        let usual = self.usual_load.load(Ordering::Relaxed);
        (usual > 0).then(|| Duration::from_nanos(usual))
    }

    /// Notes how old an entry was when it was hit, unless another thread is at it.
    #[cold]
    pub(super) fn aged(&self, age: Duration) {
        if let Ok(mut ages) = self.ages.try_lock() {
            ages.record(age);
        }
    }

    /// Takes the load times since they were last taken.
    pub(super) fn take_load_times(&self) -> Histogram {
        take(&self.load_times)
    }

    /// Takes the ages of some of the hits since they were last taken.
    pub(super) fn take_ages(&self) -> Histogram {
        take(&self.ages)
    }

    /// Returns what the counter had before, in the thread's lane.
    fn count(&self, which: impl Fn(&Lane) -> &AtomicU64) -> u64 {
        let number = lane();
        let Some(lane) = self.lanes.get(number) else {
            return 1;
        };
        let counter = which(lane);
        if number == SHARED {
            counter.fetch_add(1, Ordering::Relaxed)
        } else {
            // No other thread writes here.
            let before = counter.load(Ordering::Relaxed);
            counter.store(before + 1, Ordering::Relaxed);
            before
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

fn take(times: &Mutex<Histogram>) -> Histogram {
    std::mem::take(&mut *times.lock().unwrap_or_else(PoisonError::into_inner))
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
