//! The small whole numbers of a block: the first, and how far off a guess at each of the others was.

use super::guess::{Guess, Way};
use crate::bits::{BitReader, BitWriter, Pairs, Rice};

/// How many right guesses in a row a block of mostly right ones is taken to have at first.
const RIGHT: u64 = 16;

/// Packs the first number and the others.
pub(super) fn put(first: i64, others: &[i64], out: &mut BitWriter) {
    let (way, number) = best_way(first, others);
    let mut guess = Guess::new(way, first);
    let misses: Vec<u64> = others.iter().map(|number| guess.miss(*number)).collect();
    out.put_number(zigzag(first));
    out.put(number, 3);
    Coding::of(&misses).put(&misses, out);
}

/// The way of guessing that misses least, and its number.
///
/// A miss counts as its bits, which is about what its word takes; to write each way out would take thrice the time.
fn best_way(first: i64, others: &[i64]) -> (Way, u64) {
    let mut bits = [0u64; Way::ALL.len()];
    let mut guesses = Way::ALL.map(|way| Guess::new(way, first));
    for number in others {
        for (bits, guess) in bits.iter_mut().zip(&mut guesses) {
            *bits += u64::from(width(guess.miss(*number)));
        }
    }
    let ways = Way::ALL.into_iter().zip(0..).zip(bits);
    ways.min_by_key(|(_, bits)| *bits)
        .map_or((Way::Line, 0), |(way, _)| way)
}

impl Guess {
    /// How far off the guess at the next number is; learns it.
    #[inline]
    fn miss(&mut self, number: i64) -> u64 {
        let miss = zigzag(number.wrapping_sub(self.next()));
        self.learn(number);
        miss
    }
}

/// The numbers of a block on their way out.
#[derive(Debug)]
pub(super) struct Numbers {
    first: i64,
    guess: Guess,
    misses: Misses,
}

#[derive(Debug)]
enum Misses {
    Each(Rice),
    /// The pairs, how many right guesses are still to come, and the miss after them.
    Rare(Pairs, u64, u64),
}

impl Numbers {
    pub(super) fn take(bits: &mut BitReader<'_>) -> Option<Self> {
        let first = unzigzag(bits.take_number());
        let way = *Way::ALL.get(bits.take(3) as usize)?;
        let misses = match bits.take(1) {
            0 => Misses::Each(Rice::expecting(1 << bits.take(Coding::WIDTH_BITS))),
            _ => {
                let mut pairs = Pairs::expecting(0, RIGHT);
                let (gap, number) = pairs.take(bits);
                Misses::Rare(pairs, gap, number)
            }
        };
        let guess = Guess::new(way, first);
        Some(Self {
            first,
            guess,
            misses,
        })
    }

    pub(super) const fn first(&self) -> i64 {
        self.first
    }

    #[inline]
    pub(super) fn next(&mut self, bits: &mut BitReader<'_>) -> i64 {
        let miss = match &mut self.misses {
            Misses::Each(rice) => rice.take(bits),
            Misses::Rare(_, gap @ 1.., _) => {
                *gap -= 1;
                0
            }
            Misses::Rare(pairs, gap, number) => {
                let miss = *number;
                (*gap, *number) = pairs.take(bits);
                miss
            }
        };
        let number = self.guess.next().wrapping_add(unzigzag(miss));
        self.guess.learn(number);
        number
    }
}

/// How misses are written.
#[derive(Debug, Clone, Copy)]
enum Coding {
    /// Each by itself; the first are taken to be about 2 to the power of this.
    Each(u32),
    /// As pairs of how many guesses were right and the miss after them; a last pair ends the block.
    Rare,
}

impl Coding {
    const WIDTH_BITS: u32 = 5;

    fn of(misses: &[u64]) -> Self {
        let right = misses.iter().filter(|miss| **miss == 0).count();
        if right * 2 >= misses.len() {
            return Self::Rare;
        }
        let widths: u64 = misses.iter().map(|miss| u64::from(width(*miss))).sum();
        let width = widths / misses.len() as u64;
        Self::Each((width as u32).min((1 << Self::WIDTH_BITS) - 1))
    }

    fn put(self, misses: &[u64], out: &mut BitWriter) {
        match self {
            Self::Each(width) => {
                out.put(0, 1);
                out.put(u64::from(width), Self::WIDTH_BITS);
                let mut rice = Rice::expecting(1 << width);
                for miss in misses {
                    rice.put(*miss, out);
                }
            }
            Self::Rare => {
                out.put(1, 1);
                let mut pairs = Pairs::expecting(0, RIGHT);
                let mut gap = 0;
                for miss in misses {
                    if *miss == 0 {
                        gap += 1;
                    } else {
                        pairs.put(gap, *miss, out);
                        gap = 0;
                    }
                }
                pairs.put(gap, 1, out);
            }
        }
    }
}

const fn width(number: u64) -> u32 {
    u64::BITS - number.leading_zeros()
}

/// Small numbers of either sign as small ones without: 0, -1, 1, -2, 2 ...
const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}
