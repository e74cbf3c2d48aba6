//! What a service holds and records through.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::Buckets;
use super::stripe::Striped;

/// A number that only grows.
///
/// Clone it and keep it: adding takes a few nanoseconds in a place that is the thread's own, finding it by name does not.
#[derive(Clone)]
pub struct Counter(pub(super) Target<Striped>);

/// A number that goes up and down.
#[derive(Clone)]
pub struct Gauge(pub(super) Target<AtomicU64>);

/// A distribution of values of one unit, which the service chooses: bytes, seconds, rows.
///
/// Values are kept in buckets of logarithmic width, each at most 1.6 % off. Told apart is what lies between 2^-32
/// (about 2.3e-10) and 2^40 (about 1.1e12): smaller values count as 0, larger ones in the highest bucket. Counts and the
/// largest value are exact. What is negative or not finite is dropped, and counted as dropped.
///
/// # Examples
///
/// ```
/// # let deck = perfdeck::Builder::new("histogram").start_or_off().1;
/// let sizes = deck.histogram("chat.message.bytes");
/// sizes.record(1_280.0);
/// deck.histogram("chat.reply.seconds").record_duration(std::time::Duration::from_millis(120));
/// ```
#[derive(Clone)]
pub struct Histogram(pub(super) Target<Buckets>);

/// What a handle records into.
#[derive(Debug)]
pub(super) enum Target<T> {
    Kept(Arc<T>),
    /// There were too many names; only how often it is used is kept.
    Refused(Arc<Losses>),
    /// The deck is off.
    Off,
}

/// What was not kept, since the start.
#[derive(Debug, Default)]
pub(super) struct Losses {
    pub(super) overflowed: Striped,
    pub(super) dropped: Striped,
}

impl Counter {
    /// Adds to the number; it wraps at 2^64.
    #[inline]
    pub fn add(&self, count: u64) {
        match &self.0 {
            Target::Kept(sum) => sum.add(count),
            Target::Refused(losses) => lose(losses, 1),
            Target::Off => {}
        }
    }

    pub(crate) const fn noop() -> Self {
        Self(Target::Off)
    }

    #[cfg(feature = "metrics")]
    pub(super) fn lift(&self, to: u64) {
        match &self.0 {
            Target::Kept(sum) => sum.lift(to),
            Target::Refused(losses) => losses.overflowed.add(1),
            Target::Off => {}
        }
    }
}

impl Gauge {
    /// Sets the number; what was set last is what shows.
    pub fn set(&self, value: f64) {
        match &self.0 {
            Target::Kept(bits) => bits.store(value.to_bits(), Ordering::Relaxed),
            Target::Refused(losses) => losses.overflowed.add(1),
            Target::Off => {}
        }
    }

    /// Adds to the number, or takes from it.
    ///
    /// Unlike [`Counter::add`] it is one number for all threads, so many that change it at once wait for each other.
    pub fn add(&self, change: f64) {
        match &self.0 {
            Target::Kept(bits) => {
                bits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| {
                    Some((f64::from_bits(bits) + change).to_bits())
                })
                .ok();
            }
            Target::Refused(losses) => losses.overflowed.add(1),
            Target::Off => {}
        }
    }

    pub(crate) const fn noop() -> Self {
        Self(Target::Off)
    }
}

impl Histogram {
    /// Counts one value.
    #[inline]
    pub fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    /// Counts the same value several times.
    #[inline]
    pub fn record_many(&self, value: f64, times: u64) {
        match &self.0 {
            Target::Kept(buckets) => buckets.record(value, times),
            Target::Refused(losses) => lose(losses, times),
            Target::Off => {}
        }
    }

    /// Counts a duration in seconds.
    #[inline]
    pub fn record_duration(&self, duration: Duration) {
        self.record(duration.as_secs_f64());
    }

    pub(crate) const fn noop() -> Self {
        Self(Target::Off)
    }
}

/// Counts what is recorded through a handle that was refused its name.
#[cold]
#[inline(never)]
fn lose(losses: &Losses, times: u64) {
    losses.overflowed.add(times);
}

#[cfg(feature = "metrics")]
impl<T> Target<T> {
    pub(super) const fn is_kept(&self) -> bool {
        matches!(self, Self::Kept(_))
    }
}

impl<T> Clone for Target<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Kept(kept) => Self::Kept(Arc::clone(kept)),
            Self::Refused(losses) => Self::Refused(Arc::clone(losses)),
            Self::Off => Self::Off,
        }
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = match &self.0 {
            Target::Kept(sum) => Some(sum.sum()),
            Target::Refused(_) | Target::Off => None,
        };
        f.debug_tuple("Counter").field(&sum).finish()
    }
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = match &self.0 {
            Target::Kept(bits) => Some(f64::from_bits(bits.load(Ordering::Relaxed))),
            Target::Refused(_) | Target::Off => None,
        };
        f.debug_tuple("Gauge").field(&value).finish()
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram").finish_non_exhaustive()
    }
}
