//! The deck's time: monotonic nanoseconds, anchored once to the wall clock.

use std::time::{Duration, SystemTime};

use perfdeck_bridge::protocol::Timestamp;

/// A monotonic clock: the processor's counter.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    counter: quanta::Clock,
    zero: quanta::Instant,
    /// The counter at the monotonic zero.
    began: Start,
    /// The wall clock at the monotonic zero.
    epoch: Timestamp,
    #[cfg(test)]
    wall: Option<std::sync::Arc<std::sync::atomic::AtomicI64>>,
}

/// When something began, by the processor's counter.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Start(u64);

impl Start {
    /// The counter's value, for a place that holds nothing else.
    #[inline]
    pub(crate) const fn raw(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
}

/// Nanoseconds since the clock was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Moment(pub(crate) u64);

impl Clock {
    pub(crate) fn new() -> Self {
        let counter = quanta::Clock::new();
        let began = Start(counter.raw());
        let zero = counter.now();
        // Every later moment is told from this reading of the wall clock, so a jump can't reorder them.
        Self {
            counter,
            zero,
            began,
            epoch: SystemTime::now().into(),
            #[cfg(test)]
            wall: None,
        }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment(
            self.counter
                .now()
                .saturating_duration_since(self.zero)
                .as_nanos() as u64,
        )
    }

    /// Begins to time something.
    #[inline]
    pub(crate) fn start(&self) -> Start {
        Start(self.counter.raw())
    }

    /// The nanoseconds since then.
    #[inline]
    pub(crate) fn nanos_since(&self, start: Start) -> u64 {
        let end = self.counter.raw();
        // Another processor's counter may be a little behind.
        if end <= start.0 {
            return 0;
        }
        self.counter.delta_as_nanos(start.0, end)
    }

    /// The moment of a reading of the counter.
    pub(crate) fn moment(&self, start: Start) -> Moment {
        Moment(self.nanos_between(self.began, start))
    }

    /// The nanoseconds from one reading of the counter to a later one.
    pub(crate) fn nanos_between(&self, start: Start, end: Start) -> u64 {
        if end.0 <= start.0 {
            return 0;
        }
        self.counter.delta_as_nanos(start.0, end.0)
    }

    /// Seconds that the wall clock is ahead of [`Self::timestamp`]; negative where it is behind.
    ///
    /// It moves when the wall clock is set and when the machine sleeps, and only the doctor asks.
    pub(crate) fn wall_ahead_seconds(&self) -> f64 {
        #[cfg(test)]
        if let Some(wall) = &self.wall {
            return wall.load(std::sync::atomic::Ordering::Relaxed) as f64;
        }
        let told = self.timestamp(self.now()).micros() as f64;
        let wall = Timestamp::from(SystemTime::now()).micros() as f64;
        (wall - told) / 1e6
    }

    /// The second since the clock was made in which a timestamp lies; 0 for one before.
    pub(crate) const fn second_at(&self, at: Timestamp) -> u64 {
        at.since(self.epoch).as_secs()
    }

    pub(crate) fn timestamp(&self, moment: Moment) -> Timestamp {
        self.epoch.after(Duration::from_nanos(moment.0))
    }
}

impl Moment {
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// What a test moves a clock with.
#[cfg(test)]
pub(crate) struct Hand {
    counter: std::sync::Arc<quanta::Mock>,
    wall: std::sync::Arc<std::sync::atomic::AtomicI64>,
}

#[cfg(test)]
impl Clock {
    /// A clock that stands still until it is moved.
    pub(crate) fn manual() -> (Self, Hand) {
        let (clock, counter) = quanta::Clock::mock();
        counter.increment(Duration::from_secs(1_000));
        let wall = std::sync::Arc::default();
        let hand = Hand {
            counter,
            wall: std::sync::Arc::clone(&wall),
        };
        let clock = Self {
            zero: clock.now(),
            began: Start(clock.raw()),
            counter: clock,
            epoch: Timestamp::from_micros(1_700_000_000_000_000),
            wall: Some(wall),
        };
        (clock, hand)
    }
}

#[cfg(test)]
impl Hand {
    pub(crate) fn pass(&self, time: Duration) {
        self.counter.increment(time);
    }

    pub(crate) fn take_back(&self, time: Duration) {
        self.counter.decrement(time);
    }

    /// Sets the wall clock so many seconds ahead of the deck's time.
    pub(crate) fn set_wall(&self, seconds: i64) {
        self.wall
            .store(seconds, std::sync::atomic::Ordering::Relaxed);
    }
}
