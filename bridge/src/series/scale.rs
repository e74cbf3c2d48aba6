//! How the numbers of a block become small whole ones, without loss.

use super::kind::{Kind, LARGEST_WHOLE, whole};
use crate::bits::{BitReader, BitWriter};

/// What a block's numbers have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// All are multiples of a step: pages, whole percents.
    Steps(u64),
    /// Floating-point numbers whose lowest bits are zero; the smallest magnitude that is not zero becomes 1, so that
    /// zero is near the others and not a thousand octaves away.
    Float { zeros: u32, below: u64 },
}

impl Scale {
    /// Finds the scale of a block's codes.
    pub(super) fn of(kind: Kind, codes: impl Iterator<Item = i64> + Clone) -> Self {
        match kind {
            Kind::Latency => Self::Steps(1),
            Kind::Count => Self::Steps(step(codes.map(i64::unsigned_abs))),
            Kind::Level => {
                let whole = |code| kind.value(code).and_then(whole);
                if codes.clone().all(|code| whole(code).is_some()) {
                    return Self::Steps(step(codes.filter_map(whole).map(i64::unsigned_abs)));
                }
                let magnitudes = codes.map(i64::unsigned_abs).filter(|code| *code > 0);
                let (bits, least) = magnitudes.fold((0, u64::MAX), |(bits, least), magnitude| {
                    (bits | magnitude, least.min(magnitude))
                });
                let zeros = bits.trailing_zeros().min(63);
                let below = (least >> zeros).saturating_sub(1);
                Self::Float { zeros, below }
            }
        }
    }

    pub(super) fn put(self, out: &mut BitWriter) {
        match self {
            Self::Steps(step) => {
                out.put(0, 1);
                out.put_number(step);
            }
            Self::Float { zeros, below } => {
                out.put(1, 1);
                out.put(u64::from(zeros), 6);
                out.put_number(below);
            }
        }
    }

    pub(super) fn take(bits: &mut BitReader<'_>) -> Self {
        if bits.take(1) == 0 {
            Self::Steps(bits.take_number())
        } else {
            Self::Float {
                zeros: bits.take(6) as u32,
                below: bits.take_number(),
            }
        }
    }

    /// Makes a code small.
    pub(super) fn shrink(self, kind: Kind, code: i64) -> i64 {
        match (self, kind) {
            (Self::Steps(step), Kind::Count | Kind::Latency) => divided(code, step),
            (Self::Steps(step), Kind::Level) => {
                divided(kind.value(code).unwrap_or_default() as i64, step)
            }
            (Self::Float { zeros, below }, _) => {
                let magnitude = (code.unsigned_abs() >> zeros).saturating_sub(below);
                signed(magnitude, code < 0)
            }
        }
    }

    /// Makes a small number the value that it was; `None` if a series of the kind can't hold it.
    pub(super) fn grow(self, kind: Kind, small: i64) -> Option<f64> {
        match (self, kind) {
            (Self::Steps(step), Kind::Count | Kind::Latency) => {
                kind.value(small.checked_mul(i64::try_from(step).ok()?)?)
            }
            (Self::Steps(step), Kind::Level) => {
                let whole = small.checked_mul(i64::try_from(step).ok()?)? as f64;
                (whole.abs() <= LARGEST_WHOLE).then_some(whole)
            }
            (Self::Float { zeros, below }, _) => {
                let magnitude = match small.unsigned_abs() {
                    0 => 0,
                    small => small.checked_add(below)?,
                };
                if magnitude.leading_zeros() <= zeros {
                    return None;
                }
                kind.value(signed(magnitude << zeros, small < 0))
            }
        }
    }
}

/// Division takes long, and most steps are 1, or pages.
const fn divided(number: i64, step: u64) -> i64 {
    if step.is_power_of_two() {
        number >> step.trailing_zeros()
    } else {
        number / step as i64
    }
}

const fn signed(magnitude: u64, negative: bool) -> i64 {
    let positive = magnitude as i64;
    if negative {
        positive.wrapping_neg()
    } else {
        positive
    }
}

/// The largest number that all are multiples of, 1 if all are zero.
fn step(numbers: impl Iterator<Item = u64> + Clone) -> u64 {
    let bits = numbers.clone().fold(0, |bits, number| bits | number);
    if bits == 0 {
        return 1;
    }
    // Without their common power of two most have nothing in common, and the search ends soon.
    let twos = bits.trailing_zeros();
    let mut odd = 0;
    for number in numbers {
        let mut rest = number >> twos;
        while rest != 0 {
            (odd, rest) = (rest, odd % rest);
        }
        if odd == 1 {
            break;
        }
    }
    odd << twos
}
