//! Counts of a namespace. Hits and misses are counted in a lane of the thread's own, without a locked instruction.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use perfdeck_bridge::histogram::Histogram;

/// Threads beyond this many less one share the last lane.
const LANES: usize = 32;
const SHARED: usize = LANES - 1;
const UNASSIGNED: usize = usize::MAX;
/// One hit in so many, of each lane, has its entry's age noted.
const AGED: u64 = 64;

/// The keys that are watched: any that has more than one in so many of the hits is among them.
const HOT: usize = 8;

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
    /// Entries that another took the place of, or that were swept, since their time was over, ...
    pub(super) left_expired: AtomicU64,
    /// ... since they were invalidated, ...
    pub(super) left_invalidated: AtomicU64,
    /// ... or though they were good.
    pub(super) left_replaced: AtomicU64,
    /// The shortest and the longest time that entries were fresh for, in nanoseconds and one more; 0 before the first.
    shortest: AtomicU64,
    longest: AtomicU64,
    /// Whether a function's values are in Redis, too.
    pub(super) in_redis: AtomicBool,
    load_times: Mutex<Histogram>,
    aged: Mutex<Aged>,
}

/// Of some hits, how old the entry was and which keys come again and again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aged {
    pub(crate) ages: Histogram,
    /// Keys by their hash and how often they were seen, at least; where all places are taken, all lose one.
    keys: [(u64, u32); HOT],
    /// The hits whose keys were looked at.
    seen: u32,
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
    #[inline]
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

    /// Notes how long an entry is fresh.
    pub(super) fn asks(&self, ttl: Option<Duration>) {
        let nanos = ttl.map_or(u64::MAX, |ttl| {
            u64::try_from(ttl.as_nanos())
                .unwrap_or(u64::MAX)
                .saturating_add(1)
        });
        let shortest = self.shortest.load(Ordering::Relaxed);
        if shortest == 0 {
            self.shortest.store(nanos, Ordering::Relaxed);
        } else if nanos < shortest {
            self.shortest.fetch_min(nanos, Ordering::Relaxed);
        }
        if nanos > self.longest.load(Ordering::Relaxed) {
            self.longest.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    /// The shortest and the longest time that entries were fresh for; `None` in it is for ever.
    pub(super) fn asked_ttl(&self) -> Option<[Option<Duration>; 2]> {
        let ends = [&self.shortest, &self.longest].map(|end| end.load(Ordering::Relaxed));
        let told =
            |nanos: u64| (nanos < u64::MAX).then(|| Duration::from_nanos(nanos.saturating_sub(1)));
        ends.iter().all(|end| *end > 0).then(|| ends.map(told))
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
    pub(super) fn aged(&self, age: Duration, hash: Option<u64>) {
        if let Ok(mut aged) = self.aged.try_lock() {
            aged.ages.record(age);
            if let Some(hash) = hash {
                aged.see(hash);
            }
        }
    }

    /// Takes the load times since they were last taken.
    pub(super) fn take_load_times(&self) -> Histogram {
        take(&self.load_times)
    }

    /// Takes what is known of some of the hits since it was last taken.
    pub(super) fn take_aged(&self) -> Aged {
        take(&self.aged)
    }

    /// Returns what the counter had before, in the thread's lane.
    #[inline]
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

impl Aged {
    /// Adds what was seen of others.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.ages.merge(&other.ages);
        self.seen = self.seen.saturating_add(other.seen);
        for (hash, count) in other.keys {
            self.add(hash, count);
        }
    }

    /// The share of the hits that one key has, at least, and of how many hits that is known.
    pub(crate) fn hottest(&self) -> (f64, u32) {
        let most = self.keys.iter().map(|(_, count)| *count).max();
        let share = f64::from(most.unwrap_or(0)) / f64::from(self.seen.max(1));
        (share, self.seen)
    }

    /// Forgets half of the keys' counts, so that what was hot long ago is not for ever.
    pub(crate) fn fade(&mut self) {
        self.seen /= 2;
        for (_, count) in &mut self.keys {
            *count /= 2;
        }
    }

    fn see(&mut self, hash: u64) {
        self.seen = self.seen.saturating_add(1);
        self.add(hash, 1);
    }

    /// By Misra and Gries, "Finding repeated elements" (1982).
    fn add(&mut self, hash: u64, count: u32) {
        if count == 0 {
            return;
        }
        if let Some((_, known)) = self
            .keys
            .iter_mut()
            .find(|(key, known)| *key == hash && *known > 0)
        {
            *known = known.saturating_add(count);
            return;
        }
        let least = self.keys.iter().map(|(_, known)| *known).min().unwrap_or(0);
        let lost = least.min(count);
        for (_, known) in &mut self.keys {
            *known -= lost;
        }
        if count > lost
            && let Some(free) = self.keys.iter_mut().find(|(_, known)| *known == 0)
        {
            *free = (hash, count - lost);
        }
    }
}

fn take<T: Default>(times: &Mutex<T>) -> T {
    std::mem::take(&mut *times.lock().unwrap_or_else(PoisonError::into_inner))
}

#[inline]
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
