//! What the next number of a series will be, guessed from those before it.

/// A way to guess; each is best for some series, so the packer tries them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The number goes on as it did between the last two.
    Line,
    /// The number stays near a mean, in which a new one weighs `2^-n`; with 0 it stays where it is.
    Mean(u32),
}

impl Way {
    pub(super) const ALL: [Self; 4] = [Self::Mean(0), Self::Mean(2), Self::Mean(4), Self::Line];
}

/// A guess that learns.
///
/// Arithmetic wraps: packer and unpacker then guess the same whatever the numbers are, and a bad guess only costs bits.
#[derive(Debug)]
pub(super) struct Guess {
    way: Way,
    last: i64,
    /// The step of a line; the mean, in parts of [`Guess::PART_BITS`].
    state: i64,
    seen: u32,
}

impl Guess {
    const PART_BITS: u32 = 4;

    pub(super) const fn new(way: Way, first: i64) -> Self {
        let state = match way {
            Way::Line => 0,
            Way::Mean(_) => first.wrapping_shl(Self::PART_BITS),
        };
        Self {
            way,
            last: first,
            state,
            seen: 1,
        }
    }

    #[inline(always)]
    pub(super) const fn next(&self) -> i64 {
        match self.way {
            Way::Line => self.last.wrapping_add(self.state),
            Way::Mean(0) => self.last,
            Way::Mean(_) => {
                let half = 1 << (Self::PART_BITS - 1);
                self.state.wrapping_add(half) >> Self::PART_BITS
            }
        }
    }

    #[inline(always)]
    pub(super) fn learn(&mut self, number: i64) {
        match self.way {
            Way::Line => self.state = number.wrapping_sub(self.last),
            Way::Mean(0) => {}
            Way::Mean(weight) => {
                // The first numbers weigh more: the very first one is no mean yet.
                self.seen = self.seen.saturating_add(1);
                let weight = weight.min(self.seen.ilog2());
                let off = (number << Self::PART_BITS).wrapping_sub(self.state);
                self.state = self.state.wrapping_add(off >> weight);
            }
        }
        self.last = number;
    }
}
