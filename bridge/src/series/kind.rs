//! What a series measures, and so how exactly it is kept.

use crate::histogram;

/// The largest whole number up to which a floating-point number tells each from the next.
pub(super) const LARGEST_WHOLE: f64 = (1u64 << 53) as f64;

/// Bits of a fraction that are kept after its leading one.
const FRACTION_BITS: u32 = 10;

/// What a series measures, and so how exactly it is kept.
///
/// # Examples
///
/// ```
/// use perfdeck_bridge::series::Kind;
///
/// assert_eq!(Kind::Count.kept(42.0), Some(42.0));
/// assert_eq!(Kind::Level.kept(f64::NAN), None);
/// let latency = Kind::Latency.kept(0.125).unwrap();
/// assert!((latency / 0.125 - 1.0).abs() <= Kind::Latency.error());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Whole numbers from 0 to 2^53, kept as they are: requests in a second, errors. Others go to the nearest of them.
    Count,
    /// Seconds, kept as their bucket in a [`crate::histogram::Histogram`] and read back as its middle: at most 1.6 %
    /// off, below 32 ns at most half a nanosecond. Negative ones become 0, those over 137 s become 137 s.
    Latency,
    /// Any real number: ratios, bytes, percentages. Whole numbers up to 2^53 are kept as they are, others at
    /// most 0.05 % off.
    Level,
}

impl Kind {
    /// Returns the largest relative error of a value that is read back.
    #[must_use]
    pub const fn error(self) -> f64 {
        match self {
            Self::Count => 0.0,
            Self::Latency => 0.016,
            Self::Level => 1.0 / (2 << FRACTION_BITS) as f64,
        }
    }

    /// Returns what a series reads back for a value; `None` for what is no number, or has no end.
    #[must_use]
    pub fn kept(self, value: f64) -> Option<f64> {
        self.value(self.code(value)?)
    }

    /// The whole number that stands for a value in an open block; never `i64::MIN`.
    pub(super) fn code(self, value: f64) -> Option<i64> {
        if !value.is_finite() {
            return None;
        }
        Some(match self {
            Self::Count => nearest(value.min(LARGEST_WHOLE)) as i64,
            Self::Latency => histogram::bucket(nearest(value * 1e9)) as i64,
            Self::Level => {
                let magnitude = value.abs();
                let mut bits = magnitude.to_bits();
                if whole(magnitude).is_none() {
                    let lost = f64::MANTISSA_DIGITS - 1 - FRACTION_BITS;
                    let rounded = (bits + (1 << (lost - 1))) >> lost;
                    // The largest numbers have nothing above them but infinity.
                    bits = rounded.min(f64::MAX.to_bits() >> lost) << lost;
                }
                if value < 0.0 {
                    -(bits as i64)
                } else {
                    bits as i64
                }
            }
        })
    }

    /// The value that a code stands for; `None` if it stands for none.
    pub(super) fn value(self, code: i64) -> Option<f64> {
        match self {
            Self::Count => {
                let value = code as f64;
                (0.0..=LARGEST_WHOLE).contains(&value).then_some(value)
            }
            Self::Latency => {
                let (low, high) = histogram::bounds(usize::try_from(code).ok()?)?;
                Some((low + high) as f64 / 2e9)
            }
            Self::Level => {
                let magnitude = f64::from_bits(code.unsigned_abs());
                let value = if code < 0 { -magnitude } else { magnitude };
                value.is_finite().then_some(value)
            }
        }
    }

    pub(super) const fn number(self) -> u64 {
        match self {
            Self::Count => 0,
            Self::Latency => 1,
            Self::Level => 2,
        }
    }

    pub(super) const fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Count),
            1 => Some(Self::Latency),
            2 => Some(Self::Level),
            _ => None,
        }
    }
}

/// The number as a whole one, if it is one and the next can be told from it.
pub(super) fn whole(value: f64) -> Option<i64> {
    let whole = value as i64;
    (whole as f64 == value && value.abs() <= LARGEST_WHOLE).then_some(whole)
}

/// The nearest whole number; 0 for negative ones. `f64::round` is a call on most targets.
fn nearest(value: f64) -> u64 {
    let below = value as u64;
    below.saturating_add(u64::from(value - below as f64 >= 0.5))
}
