//! Buckets that threads count in without a lock, each thread in its stripe, and that the agent reads once a tick.
//!
//! Buckets only grow; the agent remembers what it took, so nothing is lost or counted twice. Stripes and blocks of buckets
//! are made when they are first needed, while there is [`Room`]; without room a thread counts in one that
//! threads share, for which some is left over.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::distribution::{BUCKETS, Distribution, bucket, bucket_of_any};
use super::handle::Losses;
use super::stripe::{self, ALONE, STRIPES};

/// Buckets that are made at once: two octaves.
const BLOCK: usize = 64;
const BLOCKS: usize = BUCKETS.div_ceil(BLOCK);
/// What all histograms of a deck may take while each thread gets a stripe of its own, and what in all. What the agent
/// remembers is beside that, and no more.
const ROOM: [usize; 2] = [3 << 20, 6 << 20];

/// One histogram.
pub(super) struct Buckets {
    stripes: [OnceLock<Box<Stripe>>; STRIPES],
    /// Only the agent asks for it.
    taken: Mutex<Taken>,
    room: Arc<Room>,
    losses: Arc<Losses>,
}

/// What histograms have taken of their deck's memory.
#[derive(Debug, Default)]
pub(super) struct Room(AtomicUsize);

#[derive(Debug)]
#[repr(align(128))]
struct Stripe {
    /// Set after each recording.
    changed: AtomicBool,
    /// The bits of the largest value since the last reading; they order as the values do.
    max: AtomicU64,
    blocks: [OnceLock<Box<Block>>; BLOCKS],
}

type Block = [AtomicU64; BLOCK];

/// The buckets as they were at the last reading.
type Taken = [Option<Box<[u64; BLOCK]>>; BLOCKS];

impl Buckets {
    pub(super) const fn new(room: Arc<Room>, losses: Arc<Losses>) -> Self {
        Self {
            stripes: [const { OnceLock::new() }; STRIPES],
            taken: Mutex::new([const { None }; BLOCKS]),
            room,
            losses,
        }
    }

    /// Counts a value.
    #[inline]
    pub(super) fn record(&self, value: f64, times: u64) {
        let bits = value.to_bits();
        let bucket = bucket(bits);
        // Two branches that are always the same take less than what joins them.
        if bucket >= BUCKETS {
            return self.record_any(value, times);
        }
        let own = stripe::alone();
        if own < ALONE
            && let Some(stripe) = self.stripes.get(own).and_then(OnceLock::get)
            && let Some(count) = stripe.bucket(bucket)
        {
            stripe.count(own, count, bits, times);
        } else {
            self.record_any(value, times);
        }
    }

    /// Takes all that was counted since the last time.
    pub(super) fn take(&self) -> Distribution {
        let stripes = || self.stripes.iter().filter_map(OnceLock::get);
        let mut new = Distribution::default();
        // Pairs with the release in `count`: what was counted before is seen, what comes later sets it again. Every
        // stripe is asked, so that no flag stays behind.
        let changed = stripes().filter(|stripe| stripe.changed.swap(false, Ordering::Acquire));
        if changed.count() == 0 {
            return new;
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let largest = stripes().map(|stripe| stripe.max.swap(0, Ordering::Relaxed));
        let largest = f64::from_bits(largest.max().unwrap_or(0));
        for (number, taken) in taken.iter_mut().enumerate() {
            let blocks: Vec<_> = stripes()
                .filter_map(|stripe| stripe.blocks.get(number)?.get())
                .collect();
            if blocks.is_empty() {
                continue;
            }
            let taken = taken.get_or_insert_with(|| {
                self.room.take(size_of::<[u64; BLOCK]>());
                Box::new([0; BLOCK])
            });
            for (place, taken) in taken.iter_mut().enumerate() {
                let counts = blocks.iter().filter_map(|block| block.get(place));
                let counts = counts.map(|count| count.load(Ordering::Relaxed));
                new.push(number * BLOCK + place, advance(taken, counts));
            }
        }
        new.reached(largest);
        new
    }

    /// Counts a value that may be 0, or beyond what is told apart, or none, in a stripe that may be shared.
    #[inline(never)]
    fn record_any(&self, value: f64, times: u64) {
        match bucket_of_any(value) {
            // The negative zero's bits are not in order.
            Some(bucket) => self.make(stripe::own(), bucket, value.abs().to_bits(), times),
            None => self.losses.dropped.add(times),
        }
    }

    /// Counts where something may have to be made first.
    fn make(&self, own: usize, bucket: usize, bits: u64, times: u64) {
        let made = self
            .made(own, bucket, ROOM[0])
            .or_else(|| self.made(ALONE, bucket, ROOM[1]));
        match made {
            Some((own, stripe, count)) => stripe.count(own, count, bits, times),
            None => self.losses.dropped.add(times),
        }
    }

    /// Makes a stripe's bucket if it isn't there and less than `limit` bytes are taken.
    fn made(
        &self,
        own: usize,
        bucket: usize,
        limit: usize,
    ) -> Option<(usize, &Stripe, &AtomicU64)> {
        let stripe = self.room.make(self.stripes.get(own)?, limit, Stripe::new)?;
        let block = stripe.blocks.get(bucket / BLOCK)?;
        let empty = || [const { AtomicU64::new(0) }; BLOCK];
        self.room.make(block, limit, empty)?;
        Some((own, stripe, stripe.bucket(bucket)?))
    }
}

impl Stripe {
    const fn new() -> Self {
        Self {
            changed: AtomicBool::new(false),
            max: AtomicU64::new(0),
            blocks: [const { OnceLock::new() }; BLOCKS],
        }
    }

    #[inline]
    fn bucket(&self, bucket: usize) -> Option<&AtomicU64> {
        self.blocks.get(bucket / BLOCK)?.get()?.get(bucket % BLOCK)
    }

    #[inline]
    fn count(&self, own: usize, count: &AtomicU64, bits: u64, times: u64) {
        stripe::add(count, own, times);
        if bits > self.max.load(Ordering::Relaxed) {
            stripe::raise(&self.max, own, bits);
        }
        self.changed.store(true, Ordering::Release);
    }
}

impl Room {
    pub(super) fn used(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns what a place holds, and fills it first where less than `limit` bytes are taken.
    fn make<'a, T>(
        &self,
        place: &'a OnceLock<Box<T>>,
        limit: usize,
        make: impl FnOnce() -> T,
    ) -> Option<&'a T> {
        if let Some(made) = place.get() {
            return Some(made);
        }
        let size = size_of::<T>();
        if self.0.fetch_add(size, Ordering::Relaxed) + size > limit
            // Made before it is put in its place, so that whoever comes at the same time waits for a move at most.
            || place.set(Box::new(make())).is_err()
        {
            self.0.fetch_sub(size, Ordering::Relaxed);
        }
        place.get().map(|made| &**made)
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stripes = self.stripes.iter().filter(|stripe| stripe.get().is_some());
        f.debug_struct("Buckets")
            .field("stripes", &stripes.count())
            .finish_non_exhaustive()
    }
}

/// Brings what was taken up to a sum, and returns what came since.
fn advance(taken: &mut u64, counts: impl Iterator<Item = u64>) -> u64 {
    let sum = counts.fold(0, u64::wrapping_add);
    sum.wrapping_sub(std::mem::replace(taken, sum))
}
