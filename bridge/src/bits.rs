//! Bits into bytes and back, lowest first, and the adaptive code that histograms and series are packed in.
//!
//! Reading is total: after the last byte come zeros, and [`BitReader::ended_well`] tells at the end whether any of them
//! was taken, so a reader asks once and not at each word. Its loops must have a bound of their own.

// Whatever the bytes are.
#![deny(clippy::indexing_slicing)]

/// Bits on their way into bytes.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    filled: u32,
}

impl BitWriter {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            pending: 0,
            filled: 0,
        }
    }

    /// Puts the lowest `width` bits of `word`, whose other bits are zero.
    #[inline]
    pub(crate) fn put(&mut self, word: u64, width: u32) {
        self.pending |= word << self.filled;
        self.filled += width;
        if self.filled >= u64::BITS {
            self.bytes.extend_from_slice(&self.pending.to_le_bytes());
            self.filled -= u64::BITS;
            self.pending = word.checked_shr(width - self.filled).unwrap_or(0);
        }
    }

    /// Puts a number of any size; small ones are short.
    pub(crate) fn put_number(&mut self, number: u64) {
        let width = u64::BITS - (number | 1).leading_zeros();
        self.put(u64::from(width - 1), 6);
        self.put(number, width);
    }

    /// All that was written; the last byte is filled up with zeros.
    pub(crate) fn into_bytes(mut self) -> Box<[u8]> {
        let last = self.pending.to_le_bytes();
        self.bytes
            .extend(last.iter().take(self.filled.div_ceil(8) as usize));
        self.bytes.into()
    }
}

/// Bits out of bytes.
#[derive(Debug, Clone)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    taken: usize,
}

impl<'a> BitReader<'a> {
    /// How many of the next bits are always in view.
    pub(crate) const VIEW: u32 = 57;

    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, taken: 0 }
    }

    /// Takes a word of at most 64 bits.
    #[inline]
    pub(crate) fn take(&mut self, width: u32) -> u64 {
        if width > Self::VIEW {
            let low = self.take_in_view(32);
            return low | self.take_in_view(width - 32) << 32;
        }
        self.take_in_view(width)
    }

    /// Takes a word of at most [`Self::VIEW`] bits.
    #[inline]
    pub(crate) fn take_in_view(&mut self, width: u32) -> u64 {
        let word = self.peek() & ((1 << width) - 1);
        self.taken += width as usize;
        word
    }

    /// The next byte.
    #[inline]
    pub(crate) fn peek_byte(&self) -> u8 {
        self.peek() as u8
    }

    /// Passes over `width` bits.
    #[inline]
    pub(crate) const fn skip(&mut self, width: u32) {
        self.taken += width as usize;
    }

    /// Takes what [`BitWriter::put_number`] put.
    pub(crate) fn take_number(&mut self) -> u64 {
        let width = self.take(6) as u32 + 1;
        self.take(width)
    }

    /// Whether just what there is was taken: every byte, nothing beyond, and zeros where no bit was put.
    pub(crate) fn ended_well(&self) -> bool {
        self.taken.div_ceil(8) == self.bytes.len() && self.peek() == 0
    }

    /// The next bits, [`Self::VIEW`] of them at least.
    #[inline]
    fn peek(&self) -> u64 {
        let rest = self.bytes.get(self.taken / 8..).unwrap_or_default();
        let word = match rest.first_chunk() {
            Some(eight) => u64::from_le_bytes(*eight),
            None => rest
                .iter()
                .rev()
                .fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        word >> (self.taken % 8)
    }
}

/// An adaptive Rice code: numbers that are about as large as those before them get short words.
///
/// A number is its high part in ones, a zero, and its `k` low bits; `k` follows the mean of the last numbers, so it is
/// never written. What would need over [`Rice::MOST_ONES`] is written out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rice {
    /// [`Rice::MEMORY`] times the mean.
    sum: u64,
}

impl Rice {
    const MEMORY: u64 = 16;
    const MOST_ONES: u32 = 20;
    /// High part, zero and low part together fit a reader's view.
    const MOST_LOW_BITS: u32 = 32;

    /// Makes a code that expects numbers of about `mean` at first.
    pub(crate) const fn expecting(mean: u64) -> Self {
        Self {
            sum: mean * Self::MEMORY,
        }
    }

    #[inline]
    pub(crate) fn put(&mut self, number: u64, out: &mut BitWriter) {
        let low_bits = self.low_bits();
        let ones = number >> low_bits;
        if ones < u64::from(Self::MOST_ONES) {
            let low = number & ((1 << low_bits) - 1);
            let high = (1 << ones) - 1;
            out.put(low << (ones + 1) | high, ones as u32 + 1 + low_bits);
        } else {
            out.put((1 << Self::MOST_ONES) - 1, Self::MOST_ONES);
            out.put_number(number);
        }
        self.learn(number);
    }

    #[inline]
    pub(crate) fn take(&mut self, bits: &mut BitReader<'_>) -> u64 {
        let low_bits = self.low_bits();
        let word = bits.peek();
        let ones = word.trailing_ones();
        let number = if ones < Self::MOST_ONES {
            bits.taken += (ones + 1 + low_bits) as usize;
            let low = word >> (ones + 1) & ((1 << low_bits) - 1);
            u64::from(ones) << low_bits | low
        } else {
            bits.taken += Self::MOST_ONES as usize;
            bits.take_number()
        };
        self.learn(number);
        number
    }

    #[inline]
    const fn low_bits(self) -> u32 {
        let bits = ((self.sum / Self::MEMORY) | 1).ilog2();
        if bits < Self::MOST_LOW_BITS {
            bits
        } else {
            Self::MOST_LOW_BITS
        }
    }

    #[inline]
    fn learn(&mut self, number: u64) {
        self.sum = self.sum - self.sum / Self::MEMORY + number.min(1 << 40);
    }
}

/// Pairs of a gap, of how many zeros come first, and a number that is not zero.
///
/// A number without a gap costs no more than the number: a zero among the numbers tells of a gap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pairs {
    numbers: Rice,
    gaps: Rice,
}

impl Pairs {
    pub(crate) const fn expecting(number: u64, gap: u64) -> Self {
        Self {
            numbers: Rice::expecting(number),
            gaps: Rice::expecting(gap),
        }
    }

    #[inline]
    pub(crate) fn put(&mut self, gap: u64, number: u64, out: &mut BitWriter) {
        if gap == 0 {
            self.numbers.put(number, out);
        } else {
            self.numbers.put(0, out);
            self.gaps.put(gap - 1, out);
            self.numbers.put(number - 1, out);
        }
    }

    #[inline]
    pub(crate) fn take(&mut self, bits: &mut BitReader<'_>) -> (u64, u64) {
        let number = self.numbers.take(bits);
        if number > 0 {
            return (0, number);
        }
        let gap = self.gaps.take(bits).saturating_add(1);
        (gap, self.numbers.take(bits).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_come_back_as_they_went(words in prop::collection::vec((any::<u64>(), 0..=64u32), 0..200)) {
            let words: Vec<_> = words
                .into_iter()
                .map(|(word, width)| (word.checked_shr(64 - width).unwrap_or(0), width))
                .collect();
            let mut out = BitWriter::default();
            words.iter().for_each(|(word, width)| out.put(*word, *width));
            let bytes = out.into_bytes();
            let mut bits = BitReader::new(&bytes);
            for (word, width) in words {
                prop_assert_eq!(bits.take(width), word);
            }
            prop_assert!(bits.ended_well());
        }

        #[test]
        fn numbers_of_all_sizes_come_back_as_they_went(numbers in prop::collection::vec((any::<u64>(), 0..64u32, 0..20u64), 0..200)) {
            let pairs = || numbers.iter().map(|(number, shift, gap)| ((*gap).saturating_sub(9), number >> shift | 1));
            let mut out = BitWriter::default();
            let mut code = Pairs::expecting(1, 1);
            pairs().for_each(|(gap, number)| code.put(gap, number, &mut out));
            let bytes = out.into_bytes();
            let mut bits = BitReader::new(&bytes);
            let mut code = Pairs::expecting(1, 1);
            for pair in pairs() {
                prop_assert_eq!(code.take(&mut bits), pair);
            }
            prop_assert!(bits.ended_well());
        }
    }
}
