//! What a histogram has counted, by bucket.
//!
//! A bucket is named by the upper bits of its values: the exponent, and the five highest bits of the fraction. So an
//! octave has 32 buckets, and a bucket's middle is at most 1.6 % from any value in it. Bucket 0 is what counts as 0.

/// Bits of the fraction that tell buckets apart.
const SUB_BITS: u32 = 5;
/// The powers of two between which values are told apart.
const LOWEST: i32 = -32;
const HIGHEST: i32 = 40;
/// All buckets.
pub(super) const BUCKETS: usize = 1 + ((HIGHEST - LOWEST) << SUB_BITS) as usize;

const SHIFT: u32 = f64::MANTISSA_DIGITS - 1 - SUB_BITS;
/// The upper bits of the lowest value that is told from 0.
const BASE: u64 = ((f64::MAX_EXP - 1 + LOWEST) as u64) << SUB_BITS;

/// Counts by bucket; only buckets that hold something take room.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Distribution {
    /// By bucket, ascending.
    counts: Vec<(u16, u32)>,
    total: u64,
    /// The largest value; 0 if empty.
    pub(crate) max: f64,
}

/// Returns the bucket of a value that is told apart, by its bits; all others get a number that is no bucket's.
#[inline]
pub(super) const fn bucket(bits: u64) -> usize {
    (bits >> SHIFT).wrapping_sub(BASE - 1) as usize
}

/// Returns the bucket of any value that is not negative and finite; `None` for all others.
pub(super) fn bucket_of_any(value: f64) -> Option<usize> {
    if !(0.0..=f64::MAX).contains(&value) {
        return None;
    }
    // Below the lowest the number would have been negative.
    let lowest = f64::from_bits(BASE << SHIFT);
    Some(if value < lowest {
        0
    } else {
        bucket(value.to_bits()).min(BUCKETS - 1)
    })
}

/// Returns the lowest value of a bucket, but for the first.
fn lowest(bucket: u16) -> f64 {
    f64::from_bits((u64::from(bucket) + BASE - 1) << SHIFT)
}

/// Returns a bucket's middle.
fn middle(bucket: u16) -> f64 {
    if bucket == 0 {
        return 0.0;
    }
    f64::from_bits(lowest(bucket).to_bits() | 1 << (SHIFT - 1))
}

impl Distribution {
    /// Adds to a bucket that is higher than all before.
    pub(super) fn push(&mut self, bucket: usize, count: u64) {
        if count > 0 {
            self.total = self.total.wrapping_add(count);
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            self.counts.push((bucket as u16, count));
        }
    }

    /// Sets the largest value.
    ///
    /// A value that is recorded during a reading may be in this one and the largest value in the last: then the largest
    /// is at least what its bucket begins with.
    pub(super) fn reached(&mut self, max: f64) {
        let highest = self.counts.last().map_or(0, |(bucket, _)| *bucket);
        let missed = bucket_of_any(max).is_none_or(|bucket| bucket < usize::from(highest));
        self.max = if missed { lowest(highest) } else { max };
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    pub(crate) const fn count(&self) -> u64 {
        self.total
    }

    /// Adds all that another counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.max = self.max.max(other.max);
        self.total = self.total.wrapping_add(other.total);
        for (bucket, count) in &other.counts {
            match self
                .counts
                .binary_search_by_key(bucket, |(bucket, _)| *bucket)
            {
                Ok(place) => {
                    if let Some((_, mine)) = self.counts.get_mut(place) {
                        *mine = mine.saturating_add(*count);
                    }
                }
                Err(place) => self.counts.insert(place, (*bucket, *count)),
            }
        }
    }

    /// Returns the smallest value that at least `q` of all values don't exceed; `None` if empty.
    ///
    /// It is a bucket's middle, so at most 1.6 % off, and never over the largest value that was counted.
    pub(crate) fn quantile(&self, q: f64) -> Option<f64> {
        let rank = ((q.clamp(0.0, 1.0) * self.held() as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in &self.counts {
            seen += u64::from(*count);
            if seen >= rank {
                return Some(middle(*bucket).min(self.max));
            }
        }
        None
    }

    /// Returns the mean, at most 1.6 % off; `None` if empty.
    pub(crate) fn mean(&self) -> Option<f64> {
        let sums = self.counts.iter();
        let sum: f64 = sums
            .map(|(bucket, count)| middle(*bucket) * f64::from(*count))
            .sum();
        (!self.is_empty()).then(|| sum / self.held() as f64)
    }

    /// What the buckets hold, which is all of it unless one has counted 2^32.
    fn held(&self) -> u64 {
        self.counts.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// What it holds, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.counts.capacity() * size_of::<(u16, u32)>()
    }

    /// Lets go of the room that it doesn't need.
    pub(crate) fn shrink(&mut self) {
        self.counts.shrink_to_fit();
    }
}
