//! The deck's time: monotonic nanoseconds, anchored once to the wall clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use perfdeck_bridge::protocol::Timestamp;

/// A monotonic clock; the processor's counter, or one that a test moves by hand.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    source: Source,
    /// The wall clock at the monotonic zero.
    epoch: Timestamp,
}

#[derive(Debug, Clone)]
enum Source {
    Counter {
        clock: quanta::Clock,
        zero: quanta::Instant,
    },
    Manual(Arc<AtomicU64>),
}

/// Nanoseconds since the clock was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Moment(pub(crate) u64);

impl Clock {
    pub(crate) fn new() -> Self {
        let clock = quanta::Clock::new();
        let zero = clock.now();
        // The one reading of the wall clock: every later moment is told from here, so a jump can't reorder them.
        Self {
            source: Source::Counter { clock, zero },
            epoch: SystemTime::now().into(),
        }
    }

    /// Makes a clock that stands still until `hand` is moved.
    #[cfg_attr(not(test), expect(dead_code, reason = "the testing deck uses it"))]
    pub(crate) fn manual(epoch: Timestamp) -> (Self, Arc<AtomicU64>) {
        let hand = Arc::new(AtomicU64::new(0));
        (
            Self {
                source: Source::Manual(Arc::clone(&hand)),
                epoch,
            },
            hand,
        )
    }

    pub(crate) fn now(&self) -> Moment {
        match &self.source {
            Source::Counter { clock, zero } => {
                Moment(clock.now().saturating_duration_since(*zero).as_nanos() as u64)
            }
            Source::Manual(hand) => Moment(hand.load(Ordering::Acquire)),
        }
    }

    pub(crate) fn timestamp(&self, moment: Moment) -> Timestamp {
        self.epoch.after(Duration::from_nanos(moment.0))
    }
}

impl Moment {
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    pub(crate) const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
