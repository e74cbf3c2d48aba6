//! The clock that entries expire by: coarse, since it is read on every hit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) const CLOCK: ClockId = ClockId::MonotonicCoarse;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::Monotonic;

/// The kernel's coarse monotonic clock, which a hit reads in 3 ns and which lags at most one kernel tick (4 ms or so);
/// or one that a test moves by hand.
#[derive(Debug, Clone)]
pub(super) enum Tick {
    Coarse,
    #[cfg_attr(not(test), expect(dead_code, reason = "tests move time"))]
    Manual(Arc<AtomicU64>),
}

impl Tick {
    /// Nanoseconds since a zero that doesn't matter.
    pub(super) fn now(&self) -> u64 {
        match self {
            Self::Coarse => {
                let time = clock_gettime(CLOCK);
                (time.tv_sec as u64)
                    .wrapping_mul(1_000_000_000)
                    .wrapping_add(time.tv_nsec as u64)
            }
            Self::Manual(hand) => hand.load(Ordering::Acquire),
        }
    }

    /// The moment `wait` from now; the far end of time if that is beyond it.
    pub(super) fn after(&self, wait: Duration) -> u64 {
        u64::try_from(wait.as_nanos()).map_or(u64::MAX, |wait| self.now().saturating_add(wait))
    }
}
