//! The small whole numbers of a block: the first, and how far off a guess at each of the others was.

use std::mem;

use super::guess::{Guess, Way};
use crate::bits::{BitReader, Cost, Pairs, Rice, Sink};

/// How many right guesses in a row a block of mostly right ones is taken to have at first.
const RIGHT: u64 = 16;

/// Packs the first number and the others, by the way of guessing that is the shortest.
pub(super) fn put(first: i64, others: &[i64], out: &mut impl Sink) {
    let mut best = (u64::MAX, 0, Coding::Rare, Vec::new());
    let mut misses = Vec::new();
    for (way, number) in Way::ALL.into_iter().zip(0..) {
        let mut guess = Guess::new(way, first);
        misses.clear();
        misses.extend(others.iter().map(|number| {
            let miss = zigzag(number.wrapping_sub(guess.next()));
            guess.learn(*number);
            miss
        }));
        let coding = Coding::of(&misses);
        let mut cost = Cost::default();
        coding.put(&misses, &mut cost);
        if cost.0 < best.0 {
            let worse = mem::replace(&mut best, (cost.0, number, coding, misses));
            misses = worse.3;
        }
    }
    let (_, way, coding, misses) = best;
    out.put_number(zigzag(first));
    out.put(way, 3);
    coding.put(&misses, out);
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
        let widths: u32 = misses.iter().map(|miss| 64 - miss.leading_zeros()).sum();
        let width = widths / misses.len() as u32;
        Self::Each(width.min((1 << Self::WIDTH_BITS) - 1))
    }

    fn put(self, misses: &[u64], out: &mut impl Sink) {
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

/// Small numbers of either sign as small ones without: 0, -1, 1, -2, 2 ...
const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}
