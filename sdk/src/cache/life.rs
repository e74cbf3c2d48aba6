//! How good an entry is at a moment: fresh, due for a refresh, stale but still served, or kept in case a load fails.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// An early refresh is possible this many load times before an entry is stale; further away it is drawn less than once in
/// 2,900 look-ups.
const EARLY: u64 = 8;
/// After a failed load the next try waits this long, doubled with each further failure.
const FIRST_RETRY: u64 = 1_000_000_000;
const LAST_RETRY: u64 = 30_000_000_000;

/// The moments of an entry, in ticks.
pub(super) struct Life {
    pub(super) born: u64,
    /// Until then a look-up asks nothing else. This and the ends that follow only ever come nearer.
    sure: AtomicU64,
    fresh: AtomicU64,
    /// Until then it is served while it is refreshed.
    stale: AtomicU64,
    /// Until then it is served if a load fails.
    dead: AtomicU64,
    /// What its load took, in nanoseconds.
    cost: u64,
    /// The tick before which nobody tries again, after a failed load.
    retry: AtomicU64,
    failures: AtomicU32,
}

/// How long an entry lasts, as its policy says.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// For ever, if there is none.
    pub(super) ttl: Option<Duration>,
    pub(super) stale: Duration,
    pub(super) fail_safe: Duration,
    pub(super) early: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Age {
    Fresh,
    /// Fresh, and maybe refreshed all the same.
    Due,
    Stale,
    /// Too old to serve, unless a load fails.
    Spare,
    Dead,
}

impl Terms {
    /// The terms of a value that was loaded elsewhere, so long ago, and was to be fresh so long.
    pub(super) fn since(self, age: Duration, fresh: Option<Duration>) -> Self {
        let ttl = match (self.ttl, fresh) {
            (Some(here), Some(there)) => Some(here.min(there)),
            (here, there) => here.or(there),
        };
        let over = ttl.map_or(Duration::ZERO, |ttl| age.saturating_sub(ttl));
        Self {
            ttl: ttl.map(|ttl| ttl.saturating_sub(age)),
            stale: self.stale.saturating_sub(over),
            fail_safe: self.fail_safe.saturating_sub(over),
            ..self
        }
    }

    /// Until when an entry is sure, fresh, served stale, and kept, that began at `born` and took `cost` to load.
    fn ends(self, born: u64, cost: u64) -> [u64; 4] {
        let after = |from: u64, wait: Duration| from.saturating_add(nanos(wait));
        let fresh = self.ttl.map_or(u64::MAX, |ttl| after(born, ttl));
        let stale = after(fresh, self.stale);
        let window = if self.early && self.ttl.is_some() {
            (EARLY.saturating_mul(cost)).min((fresh - born) / 2)
        } else {
            0
        };
        let dead = stale.max(after(fresh, self.fail_safe));
        [fresh - window, fresh, stale, dead]
    }
}

impl Life {
    pub(super) fn new(now: u64, terms: Terms, cost: Duration) -> Self {
        let cost = nanos(cost);
        let [sure, fresh, stale, dead] = terms.ends(now, cost).map(AtomicU64::new);
        Self {
            born: now,
            sure,
            fresh,
            stale,
            dead,
            cost,
            retry: AtomicU64::new(0),
            failures: AtomicU32::new(0),
        }
    }

    /// Lets it last no longer than these terms say, from its beginning.
    pub(super) fn shorten(&self, terms: Terms) {
        let ends = [&self.sure, &self.fresh, &self.stale, &self.dead];
        for (end, sooner) in ends.into_iter().zip(terms.ends(self.born, self.cost)) {
            end.fetch_min(sooner, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn is_sure(&self, now: u64) -> bool {
        now < self.sure.load(Ordering::Relaxed)
    }

    pub(super) fn age(&self, now: u64) -> Age {
        let is_over = |end: &AtomicU64| now >= end.load(Ordering::Relaxed);
        if !is_over(&self.sure) {
            Age::Fresh
        } else if !is_over(&self.fresh) {
            Age::Due
        } else if !is_over(&self.stale) {
            Age::Stale
        } else if !is_over(&self.dead) {
            Age::Spare
        } else {
            Age::Dead
        }
    }

    fn fresh(&self) -> u64 {
        self.fresh.load(Ordering::Relaxed)
    }

    /// Whether this look-up, with a number drawn from 0 to 1, is the one that refreshes early: the nearer the end and the
    /// longer the load, the likelier (Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede
    /// Prevention", with beta 1).
    pub(super) fn draws_early(&self, now: u64, drawn: f64) -> bool {
        let remaining = self.fresh().saturating_sub(now) as f64;
        !self.waits(now) && drawn < (-remaining / self.cost.max(1) as f64).exp()
    }

    /// Whether a load failed so lately that nobody should try again yet.
    pub(super) fn waits(&self, now: u64) -> bool {
        now < self.retry.load(Ordering::Relaxed)
    }

    /// Notes a failed load; the wait is cut by up to a tenth, as drawn, so that keys that failed together don't come back
    /// together.
    pub(super) fn failed(&self, now: u64, drawn: f64) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed);
        let wait = FIRST_RETRY
            .saturating_mul(1 << failures.min(16))
            .min(LAST_RETRY);
        let wait = (wait as f64 * (1.0 - drawn / 10.0)) as u64;
        self.retry
            .store(now.saturating_add(wait), Ordering::Relaxed);
    }

    /// How long it is fresh from its beginning; `None` for ever.
    pub(super) fn fresh_for(&self) -> Option<Duration> {
        let end = self.fresh();
        (end < u64::MAX).then(|| Duration::from_nanos(end.saturating_sub(self.born)))
    }

    /// When its load began, so that what it read is no older.
    #[cfg(feature = "redis")]
    pub(super) const fn begun(&self) -> u64 {
        self.born.saturating_sub(self.cost)
    }

    /// How long it is fresh yet.
    #[cfg(feature = "redis")]
    pub(super) fn left(&self, now: u64) -> Duration {
        Duration::from_nanos(self.fresh().saturating_sub(now))
    }

    /// How long it is fresh from its beginning, for ever if there is no end, and how long it is kept beyond.
    #[cfg(feature = "redis")]
    pub(super) fn lasts(&self) -> (Option<Duration>, Duration) {
        let beyond = self
            .dead
            .load(Ordering::Relaxed)
            .saturating_sub(self.fresh());
        (self.fresh_for(), Duration::from_nanos(beyond))
    }

    /// What its load took.
    #[cfg(feature = "redis")]
    pub(super) const fn cost(&self) -> Duration {
        Duration::from_nanos(self.cost)
    }

    /// Whether nothing brings it back.
    pub(super) fn is_over(&self, now: u64) -> bool {
        self.dead.load(Ordering::Relaxed) <= now
    }

    /// Whether a look-up could be answered with it.
    pub(super) fn answers(&self, now: u64) -> bool {
        now < self.stale.load(Ordering::Relaxed)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
