use super::*;

#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct One(u64);

impl std::ops::Add for One {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::ops::Sub for One {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Tally for One {
    const SUMS: usize = 1;

    fn sums(self) -> impl Iterator<Item = u64> {
        [self.0].into_iter()
    }

    fn from_sums(mut sums: impl Iterator<Item = u64>) -> Self {
        Self(sums.next().unwrap_or_default())
    }
}

/// A retention of the one reach for all keys.
const fn reach(reach: Reach) -> Retention {
    Retention {
        busy: reach,
        other: reach,
        coarse: false,
    }
}

const BUSY: Retention = reach(Reach::BUSY);

fn second(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::new();
    values
        .iter()
        .for_each(|value| histogram.record_nanos(*value));
    histogram
}

/// A timeline in which each of so many seconds has a value of its own number of microseconds.
fn run(seconds: u64, retention: impl Fn(u64) -> Retention) -> Timeline<One> {
    let mut timeline = Timeline::new();
    for now in 1..=seconds {
        timeline.push(now, &second(&[now * 1_000]), One(1));
        timeline.age(now, &retention(now));
    }
    timeline
}

#[test]
fn the_minute_holds_just_the_last_sixty_seconds() {
    for kept in [Reach::BUSY, Reach::OTHER, Reach::OTHER.shortened()] {
        let mut timeline = run(200, |_| reach(kept));
        let (times, sums) = timeline.minute();
        assert_eq!((times.count(), sums), (60, One(60)));
        let least = times.quantile(0.0);
        assert!((least - 141e-6).abs() < 3e-6, "{least}");
        timeline.age(260, &reach(kept));
        assert_eq!(timeline.minute(), (&Histogram::new(), One(0)));
    }
}

#[test]
fn a_window_is_a_merge_of_its_seconds() {
    let timeline = run(100, |_| BUSY);
    let (times, sums) = timeline.window(10, 20);
    assert_eq!((times.count(), sums), (10, One(10)));
    assert_eq!(times.max_seconds(), 19e-6);
}

/// However old it is, what happened is told once, and in the right step.
#[test]
fn each_second_is_in_one_tier() {
    for seconds in [59, 60, 61, 719, 1_000, 30_000, 31_337] {
        let timeline = run(seconds, |_| BUSY);
        let (times, sums) = timeline.window(0, u64::MAX);
        assert_eq!((times.count(), sums), (seconds, One(seconds)));
        let expected = (seconds / 2..=seconds).sum::<u64>() as f64 / 1e6;
        let width = timeline.width_from(0);
        let mut counted = 0;
        timeline.steps(0, u64::MAX, 60.max(width), |from, times, sums| {
            let first = from.max(1);
            let last = (from + 59).min(seconds);
            assert_eq!(sums, One(last - first + 1), "{from} of {seconds}");
            let sum = (first..=last).sum::<u64>() as f64 / 1e6;
            assert!((times.sum_seconds() - sum).abs() < 1e-9, "{from}");
            counted += 1;
        });
        assert_eq!(counted, seconds / 60 + 1);
        assert!(expected > 0.0);
    }
}

#[test]
fn older_history_is_wider() {
    let timeline = run(30_000, |_| BUSY);
    assert_eq!(timeline.width_from(29_500), 1);
    assert_eq!(timeline.width_from(20_000), 10);
    assert_eq!(timeline.width_from(1_000), 60);
    assert_eq!(timeline.kept_from(), 0);
    let other = run(30_000, |_| reach(Reach::OTHER));
    assert_eq!(other.width_from(29_900), 1);
    assert_eq!(other.width_from(0), 10);
    assert!((29_100..29_200).contains(&other.kept_from()));
}

/// A key that becomes busy, or is no more, has no gap in its history and nothing twice.
#[test]
fn promotion_leaves_no_gap() {
    let seconds = 5_000;
    let timeline = run(seconds, |now| {
        reach(match now / 700 % 3 {
            0 => Reach::OTHER,
            1 => Reach::BUSY,
            _ => Reach::OTHER.shortened(),
        })
    });
    let from = timeline.kept_from();
    let (times, sums) = timeline.window(from, u64::MAX);
    assert_eq!(
        (times.count(), sums.0),
        (seconds - from + 1, seconds - from + 1)
    );
}

#[test]
fn a_gap_is_no_history() {
    let mut timeline = run(1_000, |_| BUSY);
    timeline.age(1_000_000, &BUSY);
    assert_eq!(timeline.window(0, u64::MAX).1, One(0));
    timeline.push(1_000_000, &second(&[1]), One(7));
    timeline.age(1_000_000, &BUSY);
    assert_eq!(timeline.minute().1, One(7));
    assert_eq!(timeline.window(0, u64::MAX).1, One(7));
}

#[test]
fn two_ticks_in_one_second_add_up() {
    let mut timeline = Timeline::new();
    for now in (1..=2_000).map(|tick| tick / 2) {
        timeline.push(now, &second(&[1]), One(1));
        timeline.age(now, &BUSY);
    }
    assert_eq!(timeline.window(0, u64::MAX).1, One(2_000));
    assert_eq!(timeline.window(100, 110).1, One(20));
}

#[test]
fn coarse_minutes_keep_their_counts() {
    let fine = run(50_000, |_| BUSY);
    let mut coarse = run(50_000, |_| BUSY);
    assert!(coarse.coarsen());
    assert!(!coarse.coarsen());
    assert!(coarse.bytes() < fine.bytes());
    let ((fine, fine_sums), (coarse, coarse_sums)) =
        (fine.window(0, 20_000), coarse.window(0, 20_000));
    assert_eq!((fine.count(), fine_sums), (coarse.count(), coarse_sums));
    assert_eq!(fine.sum_seconds(), coarse.sum_seconds());
    for q in [0.1, 0.5, 0.95] {
        let error = coarse.quantile(q) / fine.quantile(q) - 1.0;
        assert!(error.abs() < 0.09, "{q}: {error}");
    }
}

#[test]
fn history_is_bounded_at_each_resolution() {
    let timeline = run(100_000, |_| BUSY);
    let slots = |tier: usize| timeline.tiers[tier].between(0, u64::MAX).count();
    assert_eq!([0, 1, 2].map(slots), [900, 2_159, 1_666]);
    assert!(timeline.bytes() < 160 * 1024, "{}", timeline.bytes());
    let other = run(100_000, |_| reach(Reach::OTHER));
    assert!(other.bytes() < 12 * 1024, "{}", other.bytes());
}
