//! Log buckets: a histogram of durations with a fixed relative error, exact counts, and a merge.
//!
//! Values are nanoseconds. Below 32 ns each value has its bucket; above, each octave is cut into [`SUB_BUCKETS`], so a
//! bucket's middle is at most 1.6 % from any value in it. Values over [`MAX`] count as [`MAX`].

mod group;
mod packed;
#[cfg(test)]
mod tests;

use std::time::Duration;

/// Buckets to an octave.
pub const SUB_BUCKETS: usize = 32;
/// The largest value that is told apart, 2^37 - 1 ns (137 s).
pub const MAX: u64 = (1 << 37) - 1;

/// All buckets; [`bucket`] and [`bounds`] number them from 0.
pub const BUCKETS: usize = BLOCKS * SUB_BUCKETS;

const SUB_BITS: u32 = SUB_BUCKETS.trailing_zeros();
/// Blocks of [`SUB_BUCKETS`] buckets: the values below 32 ns, then an octave each.
pub const BLOCKS: usize = 33;

/// Returns the number of the bucket that a duration in nanoseconds falls into.
///
/// Numbers grow with the duration; each [`SUB_BUCKETS`] of them are an octave.
#[must_use]
#[inline]
pub const fn bucket(nanos: u64) -> usize {
    let (block, sub) = place(if nanos < MAX { nanos } else { MAX });
    block * SUB_BUCKETS + sub
}

/// Returns the lowest and the highest nanosecond of a bucket; `None` if there is none of that number.
#[must_use]
pub const fn bounds(bucket: usize) -> Option<(u64, u64)> {
    if bucket >= BUCKETS {
        return None;
    }
    Some(bounds_of(bucket / SUB_BUCKETS, bucket % SUB_BUCKETS))
}

/// Durations by log bucket.
///
/// Empty it takes 300 bytes; each octave that is touched adds 256. Counts are `u64`, so nothing wraps.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    blocks: [Option<Box<[u64; SUB_BUCKETS]>>; BLOCKS],
    count: u64,
    sum: u64,
    max: u64,
}

impl Histogram {
    /// Makes an empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            blocks: [const { None }; BLOCKS],
            count: 0,
            sum: 0,
            max: 0,
        }
    }

    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        self.record_nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts one duration in nanoseconds.
    pub fn record_nanos(&mut self, nanos: u64) {
        self.record_many(nanos, 1);
    }

    /// Counts the same duration in nanoseconds `times` times.
    pub fn record_many(&mut self, nanos: u64, times: u64) {
        if times == 0 {
            return;
        }
        let value = nanos.min(MAX);
        self.add(place(value), times);
        self.count += times;
        self.sum = self.sum.saturating_add(value.saturating_mul(times));
        self.max = self.max.max(value);
    }

    /// Adds all that another counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.blocks.iter_mut().zip(&other.blocks) {
            let Some(theirs) = theirs else { continue };
            let mine = mine.get_or_insert_with(Default::default);
            for (mine, theirs) in mine.iter_mut().zip(theirs.iter()) {
                *mine += theirs;
            }
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// Adds the counts of the block of [`SUB_BUCKETS`] buckets from number `block * SUB_BUCKETS` on, as whoever counts by
    /// [`bucket`] kept them; their sum and largest value come by [`Self::add_sums`].
    pub fn add_block(&mut self, block: usize, counts: &[u32; SUB_BUCKETS]) {
        let added: u64 = counts.iter().map(|count| u64::from(*count)).sum();
        let Some(mine) = self.blocks.get_mut(block).filter(|_| added > 0) else {
            return;
        };
        let mine = mine.get_or_insert_with(Default::default);
        for (mine, theirs) in mine.iter_mut().zip(counts) {
            *mine += u64::from(*theirs);
        }
        self.count += added;
    }

    /// Adds the sum of values, and the largest of them, whose counts [`Self::add_block`] added.
    pub fn add_sums(&mut self, sum: u64, max: u64) {
        self.sum = self.sum.saturating_add(sum);
        self.max = self.max.max(max);
    }

    /// Forgets all counts and keeps the memory.
    pub fn clear(&mut self) {
        for block in self.blocks.iter_mut().flatten() {
            block.fill(0);
        }
        self.count = 0;
        self.sum = 0;
        self.max = 0;
    }

    /// Returns how many were counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Returns whether nothing was counted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the sum of all values in seconds, exact up to [`MAX`] a value.
    #[must_use]
    pub fn sum_seconds(&self) -> f64 {
        self.sum as f64 / 1e9
    }

    /// Returns the largest value in seconds.
    #[must_use]
    pub fn max_seconds(&self) -> f64 {
        self.max as f64 / 1e9
    }

    /// Returns the mean in seconds; 0 if empty.
    #[must_use]
    pub fn mean_seconds(&self) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            self.sum_seconds() / self.count as f64
        }
    }

    /// Returns the smallest value, in seconds, that at least `q` of all values don't exceed; 0 if empty.
    ///
    /// It is a bucket's middle, so at most 1.6 % off, and never over the largest value that was counted.
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (low, high, count) in self.buckets() {
            seen += count;
            if seen >= rank {
                return (((low + high) / 2).min(self.max)) as f64 / 1e9;
            }
        }
        0.0
    }

    /// Walks the buckets that hold anything: their lowest and highest nanosecond, and their count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.filled().map(|(block, sub, count)| {
            let (low, high) = bounds_of(block, sub);
            (low, high, count)
        })
    }

    /// Returns how many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.blocks.iter().flatten().count() * size_of::<[u64; SUB_BUCKETS]>()
    }

    fn filled(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        self.blocks.iter().enumerate().flat_map(|(number, block)| {
            block.iter().flat_map(move |block| {
                block
                    .iter()
                    .enumerate()
                    .filter(|(_, count)| **count > 0)
                    .map(move |(sub, count)| (number, sub, *count))
            })
        })
    }

    fn add(&mut self, (block, sub): (usize, usize), count: u64) {
        if let Some(block) = self.blocks.get_mut(block)
            && let Some(bucket) = block.get_or_insert_with(Default::default).get_mut(sub)
        {
            *bucket = bucket.saturating_add(count);
        }
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

/// The block, and the bucket in it, that counts a value of at most [`MAX`] nanoseconds.
#[inline]
const fn place(value: u64) -> (usize, usize) {
    if value < SUB_BUCKETS as u64 {
        return (0, value as usize);
    }
    let octave = value.ilog2();
    let block = (octave - SUB_BITS + 1) as usize;
    let sub = (value >> (octave - SUB_BITS)) as usize & (SUB_BUCKETS - 1);
    (block, sub)
}

const fn bounds_of(block: usize, sub: usize) -> (u64, u64) {
    if block == 0 {
        return (sub as u64, sub as u64);
    }
    let shift = block as u32 - 1;
    let low = (SUB_BUCKETS as u64 + sub as u64) << shift;
    (low, low + (1 << shift) - 1)
}
