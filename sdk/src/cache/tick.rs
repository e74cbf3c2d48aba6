//! The clock that entries expire by: coarse, since it is read on every hit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

// Not rustix: it looks for the kernel's clock in a place where valgrind has none, and the service would crash there.
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) const CLOCK: ClockId = ClockId::CLOCK_MONOTONIC_COARSE;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::CLOCK_MONOTONIC;

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
    #[inline]
    pub(super) fn now(&self) -> u64 {
        match self {
            Self::Coarse => {
                // It can't fail: the kernel has had the clock since 2.6.32.
                let time = clock_gettime(CLOCK).unwrap_or(TimeSpec::new(0, 0));
                (time.tv_sec() as u64)
                    .wrapping_mul(1_000_000_000)
                    .wrapping_add(time.tv_nsec() as u64)
            }
            Self::Manual(hand) => hand.load(Ordering::Acquire),
        }
    }

    /// The moment `wait` from now; the far end of time if that is beyond it.
    pub(super) fn after(&self, wait: Duration) -> u64 {
        u64::try_from(wait.as_nanos()).map_or(u64::MAX, |wait| self.now().saturating_add(wait))
    }
}
