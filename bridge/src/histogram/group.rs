//! The counts of some neighbouring buckets as few bits, all equally wide.

use crate::bits::{BitReader, BitWriter};

/// Buckets to a group.
pub(super) const GROUP: usize = 8;

/// The widest counts of which a whole group is in a reader's view.
const WORD_WIDTH: u32 = BitReader::VIEW / GROUP as u32;

/// How the counts of a group are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    /// Whether a bit for each bucket tells first which are filled, and only those have a count, less one.
    masked: bool,
    /// The bits of a count.
    width: u32,
}

impl Form {
    pub(super) const EMPTY: Self = Self::plain(0);

    /// The common forms have a word of 3 bits; the others have the last word, a bit for the mask and 6 for the width.
    const COMMON: [Self; 7] = [
        Self::EMPTY,
        Self::plain(1),
        Self::plain(2),
        Self::plain(3),
        Self::plain(4),
        Self::masked(1),
        Self::masked(2),
    ];
    const WORD_BITS: u32 = 3;
    const OTHER: u64 = Self::COMMON.len() as u64;
    const OTHER_BITS: u32 = 7;

    const fn plain(width: u32) -> Self {
        Self {
            masked: false,
            width,
        }
    }

    const fn masked(width: u32) -> Self {
        Self {
            masked: true,
            width,
        }
    }

    /// The shortest for a group that is not empty.
    pub(super) fn of(counts: &[u64; GROUP]) -> Self {
        let most = counts.iter().copied().max().unwrap_or(0);
        let filled = counts.iter().filter(|count| **count > 0).count() as u32;
        let plain = Self::plain(u64::BITS - most.leading_zeros());
        // If no count is over 1 a mask alone would do, but so does a plain group of one bit a count.
        let masked = Self::masked((u64::BITS - most.saturating_sub(1).leading_zeros()).max(1));
        if masked.bits(filled) < plain.bits(filled) {
            masked
        } else {
            plain
        }
    }

    /// The bits of a group with so many filled buckets.
    fn bits(self, filled: u32) -> u32 {
        let form = if Self::COMMON.contains(&self) {
            0
        } else {
            Self::OTHER_BITS
        };
        form + self.count_bits(filled)
    }

    /// The bits of the mask and the counts.
    const fn count_bits(self, filled: u32) -> u32 {
        if self.masked {
            GROUP as u32 + self.width * filled
        } else {
            self.width * GROUP as u32
        }
    }

    pub(super) fn put(self, out: &mut BitWriter) {
        let common = Self::COMMON
            .iter()
            .zip(0..)
            .find(|(form, _)| **form == self);
        if let Some((_, word)) = common {
            out.put(word, Self::WORD_BITS);
        } else {
            out.put(Self::OTHER, Self::WORD_BITS);
            out.put(
                u64::from(self.width - 1) << 1 | u64::from(self.masked),
                Self::OTHER_BITS,
            );
        }
    }

    #[inline]
    pub(super) fn take(bits: &mut BitReader<'_>) -> Self {
        let word = bits.take_in_view(Self::WORD_BITS);
        if let Some(common) = Self::COMMON.get(word as usize) {
            return *common;
        }
        let word = bits.take_in_view(Self::OTHER_BITS);
        Self {
            masked: word & 1 == 1,
            width: (word >> 1) as u32 + 1,
        }
    }

    pub(super) fn put_group(self, counts: &[u64; GROUP], out: &mut BitWriter) {
        self.put(out);
        if self.masked {
            let last_first = counts.iter().rev();
            let mask = last_first.fold(0, |mask, count| mask << 1 | u64::from(*count > 0));
            out.put(mask, GROUP as u32);
            for count in counts.iter().filter(|count| **count > 0) {
                out.put(count - 1, self.width);
            }
        } else {
            counts.iter().for_each(|count| out.put(*count, self.width));
        }
    }

    #[inline]
    pub(super) fn take_group(self, bits: &mut BitReader<'_>) -> [u64; GROUP] {
        let mut counts = [0; GROUP];
        if self.width > WORD_WIDTH {
            let mut mask = if self.masked {
                bits.take_in_view(GROUP as u32)
            } else {
                u64::MAX
            };
            for count in &mut counts {
                if mask & 1 == 1 {
                    *count = bits.take(self.width).saturating_add(u64::from(self.masked));
                }
                mask >>= 1;
            }
            return counts;
        }
        // All counts at once and no branch a bucket: which are filled can't be foreseen.
        let low = (1 << self.width) - 1;
        if self.masked {
            let mut mask = bits.take_in_view(GROUP as u32);
            let mut word = bits.take_in_view(mask.count_ones() * self.width);
            for count in &mut counts {
                let filled = mask & 1;
                *count = ((word & low) + 1) * filled;
                word >>= self.width * filled as u32;
                mask >>= 1;
            }
        } else {
            let mut word = bits.take_in_view(GROUP as u32 * self.width);
            for count in &mut counts {
                *count = word & low;
                word >>= self.width;
            }
        }
        counts
    }

    /// Passes over a group's counts.
    #[inline]
    pub(super) fn skip_group(self, bits: &mut BitReader<'_>) {
        let filled = if self.masked {
            bits.peek_byte().count_ones()
        } else {
            0
        };
        bits.skip(self.count_bits(filled));
    }
}
