use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A limit on how often something may happen.
///
/// Whoever used the allowance up waits until half of it is back, so that a flood costs a few long pauses and not a wake-up
/// for each of its members.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    burst: u32,
    /// When the allowance is full again.
    full_at: Instant,
    /// When the next one is allowed.
    ready_at: Instant,
}

impl Pace {
    /// Allows `per_second` (at least 1) in the long run, and `burst` (at least 1) at once.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let (interval, now) = (Duration::from_secs(1) / per_second.max(1), Instant::now());
        Self {
            interval,
            burst: burst.max(1),
            full_at: now,
            ready_at: now,
        }
    }

    /// Waits until one more is allowed.
    pub(super) async fn ready(&self) {
        if self.ready_at > Instant::now() {
            sleep_until(self.ready_at).await;
        }
    }

    /// Counts one.
    pub(super) fn spend(&mut self) {
        let now = Instant::now();
        self.full_at = self.full_at.max(now) + self.interval;
        if self.full_at > now + self.interval * (self.burst - 1) {
            self.ready_at = self.full_at - self.interval * (self.burst / 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_the_rest_is_spread() {
        let mut pace = Pace::new(100, 10);
        let start = Instant::now();
        let mut times = Vec::new();
        for _ in 0..30 {
            pace.ready().await;
            pace.spend();
            times.push(start.elapsed().as_millis());
        }
        assert!(times[..10].iter().all(|time| *time == 0), "{times:?}");
        assert!((150..=250).contains(times.last().unwrap()), "{times:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_quiet_time_saves_no_more_than_a_burst() {
        let mut pace = Pace::new(100, 10);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let start = Instant::now();
        for _ in 0..110 {
            pace.ready().await;
            pace.spend();
        }
        assert!(
            start.elapsed() >= Duration::from_millis(990),
            "{:?}",
            start.elapsed()
        );
    }
}
