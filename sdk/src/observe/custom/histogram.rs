//! Buckets that threads count in without a lock, each thread in its stripe, and that the agent empties once a tick.
//!
//! A bucket is one atomic addition, so nothing is lost and nobody waits; what the agent takes is taken by an exchange,
//! so a value that is recorded meanwhile is in this reading or in the next. Stripes and blocks of buckets are made when
//! they are first needed, while there is [`Room`]; without room a thread counts in another's stripe, or in the first, for
//! which some is left over.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::distribution::{BUCKETS, Distribution, bucket};
use super::handle::Losses;
use super::stripe::{self, STRIPES};

/// Buckets that are made at once: two octaves.
const BLOCK: usize = 64;
const BLOCKS: usize = (BUCKETS - 1).div_ceil(BLOCK);
/// What all histograms of a deck may take while each thread gets a stripe of its own, and what in all.
const ROOM: [usize; 2] = [4 << 20, 8 << 20];

/// One histogram.
pub(super) struct Buckets {
    stripes: [OnceLock<Box<Stripe>>; STRIPES],
    room: Arc<Room>,
    losses: Arc<Losses>,
}

/// What histograms have taken of their deck's memory.
#[derive(Debug, Default)]
pub(super) struct Room(AtomicUsize);

#[derive(Debug)]
#[repr(align(128))]
struct Stripe {
    /// Set after each recording: the agent looks at no other stripes.
    changed: AtomicBool,
    /// The bits of the largest value, which order as the values do.
    max: AtomicU64,
    /// What counts as 0.
    zero: AtomicU64,
    blocks: [OnceLock<Box<Block>>; BLOCKS],
}

type Block = [AtomicU64; BLOCK];

impl Buckets {
    pub(super) const fn new(room: Arc<Room>, losses: Arc<Losses>) -> Self {
        Self {
            stripes: [const { OnceLock::new() }; STRIPES],
            room,
            losses,
        }
    }

    /// Counts a value.
    #[inline]
    pub(super) fn record(&self, value: f64, times: u64) {
        let bits = value.to_bits();
        // The bits of what is negative or no number are larger.
        if bits >= f64::INFINITY.to_bits() {
            return self.record_odd(value, times);
        }
        let bucket = bucket(bits);
        let stripe = self.stripes.get(stripe::own()).and_then(OnceLock::get);
        if let Some(stripe) = stripe
            && let Some(counts) = stripe.bucket(bucket)
        {
            stripe.count(counts, bits, times);
        } else {
            self.make(bucket, bits, times);
        }
    }

    /// Takes all that was counted since the last time.
    pub(super) fn take(&self) -> Distribution {
        let changed = self.stripes.iter().filter_map(OnceLock::get);
        // Pairs with the release in `count`: what was counted before is seen, what comes later sets it again.
        let changed: Vec<_> = changed
            .filter(|stripe| {
                stripe.changed.load(Ordering::Relaxed)
                    && stripe.changed.swap(false, Ordering::AcqRel)
            })
            .collect();
        let mut taken = Distribution::default();
        if changed.is_empty() {
            return taken;
        }
        let take = |count: &AtomicU64| match count.load(Ordering::Relaxed) {
            0 => 0,
            _ => count.swap(0, Ordering::Relaxed),
        };
        let largest = changed.iter().map(|stripe| take(&stripe.max)).max();
        taken.max = f64::from_bits(largest.unwrap_or(0));
        taken.push(0, changed.iter().map(|stripe| take(&stripe.zero)).sum());
        for number in 0..BLOCKS {
            let blocks = changed
                .iter()
                .filter_map(|stripe| stripe.blocks.get(number)?.get());
            let blocks: Vec<_> = blocks.collect();
            if blocks.is_empty() {
                continue;
            }
            for place in 0..BLOCK {
                let counts = blocks.iter().filter_map(|block| block.get(place));
                taken.push(1 + number * BLOCK + place, counts.map(take).sum());
            }
        }
        taken
    }

    /// Counts what is no positive number: only the negative zero is a value.
    #[cold]
    fn record_odd(&self, value: f64, times: u64) {
        if value == 0.0 {
            self.record(0.0, times);
        } else {
            self.losses.dropped.add(times);
        }
    }

    /// Counts where something has to be made first.
    #[cold]
    fn make(&self, bucket: usize, bits: u64, times: u64) {
        let own = self.stripes.get(stripe::own());
        let own = own.and_then(|own| self.made(own, bucket, ROOM[0]));
        let anybodys = || {
            let stripes = self.stripes.iter().filter_map(OnceLock::get);
            let mut held = stripes.filter_map(|stripe| Some((&**stripe, stripe.bucket(bucket)?)));
            held.next()
        };
        let shared = || self.made(self.stripes.first()?, bucket, ROOM[1]);
        match own.or_else(anybodys).or_else(shared) {
            Some((stripe, counts)) => stripe.count(counts, bits, times),
            None => self.losses.dropped.add(times),
        }
    }

    /// Makes a bucket if it isn't there and less than `limit` bytes are taken.
    fn made<'a>(
        &'a self,
        stripe: &'a OnceLock<Box<Stripe>>,
        bucket: usize,
        limit: usize,
    ) -> Option<(&'a Stripe, &'a AtomicU64)> {
        let stripe = self.room.make(stripe, limit, Stripe::new)?;
        if bucket > 0 {
            let block = stripe.blocks.get((bucket - 1) / BLOCK)?;
            self.room
                .make(block, limit, || [const { AtomicU64::new(0) }; BLOCK])?;
        }
        Some((stripe, stripe.bucket(bucket)?))
    }
}

impl Stripe {
    const fn new() -> Self {
        Self {
            changed: AtomicBool::new(false),
            max: AtomicU64::new(0),
            zero: AtomicU64::new(0),
            blocks: [const { OnceLock::new() }; BLOCKS],
        }
    }

    #[inline]
    fn bucket(&self, bucket: usize) -> Option<&AtomicU64> {
        let Some(bucket) = bucket.checked_sub(1) else {
            return Some(&self.zero);
        };
        self.blocks.get(bucket / BLOCK)?.get()?.get(bucket % BLOCK)
    }

    #[inline]
    fn count(&self, counts: &AtomicU64, bits: u64, times: u64) {
        counts.fetch_add(times, Ordering::Relaxed);
        if bits > self.max.load(Ordering::Relaxed) {
            self.max.fetch_max(bits, Ordering::Relaxed);
        }
        self.changed.store(true, Ordering::Release);
    }
}

impl Room {
    pub(super) fn used(&self) -> usize {
        self.0.load(Ordering::Relaxed)
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
