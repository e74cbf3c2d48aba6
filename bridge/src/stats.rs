//! Whether two sets of latencies differ beyond chance.
//!
//! Latencies are compared on a log scale, where a change is a factor and the long tail does not drown the rest.

use crate::histogram::Histogram;

/// The half-width of a 95 % interval, in standard errors, by Student's t at `freedom` degrees.
///
/// An expansion around the normal's 1.96 that is within 1 % from four degrees on.
fn half_width(freedom: f64) -> f64 {
    1.96 + 2.4 / freedom + 3.4 / (freedom * freedom)
}

/// A relative change with its 95 % interval: -0.79 is 79 % less.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The change.
    pub ratio: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Change {
    fn from_logs(difference: f64, error: f64, freedom: f64) -> Self {
        let at = |log: f64| log.exp() - 1.0;
        let width = half_width(freedom.max(1.0)) * error;
        Self {
            ratio: at(difference),
            low: at(difference - width),
            high: at(difference + width),
        }
    }
}

/// Compares the typical (geometric mean) latency, by Welch's standard error of the difference of mean logs.
///
/// `None` if a side has fewer than two values.
#[must_use]
pub fn typical_change(before: &Histogram, after: &Histogram) -> Option<Change> {
    let (before, after) = (Logs::of(before)?, Logs::of(after)?);
    Some(Change::from_logs(
        after.mean - before.mean,
        before.error.hypot(after.error),
        before.freedom.min(after.freedom),
    ))
}

/// Compares the typical latency against a control that the change should not have touched.
///
/// What moved everything alike (less load, a faster machine) is taken out: the difference of the two differences.
/// `None` if any side has fewer than two values.
#[must_use]
pub fn controlled_change(
    [before, after]: [&Histogram; 2],
    [control_before, control_after]: [&Histogram; 2],
) -> Option<Change> {
    let (before, after) = (Logs::of(before)?, Logs::of(after)?);
    let (control_before, control_after) = (Logs::of(control_before)?, Logs::of(control_after)?);
    let difference = (after.mean - before.mean) - (control_after.mean - control_before.mean);
    let error = [before, after, control_before, control_after]
        .into_iter()
        .fold(0.0, |sum: f64, side| sum.hypot(side.error));
    Some(Change::from_logs(
        difference,
        error,
        before.freedom.min(after.freedom),
    ))
}

#[derive(Clone, Copy)]
struct Logs {
    mean: f64,
    /// The standard error of the mean.
    error: f64,
    /// One less than there are values.
    freedom: f64,
}

impl Logs {
    fn of(histogram: &Histogram) -> Option<Self> {
        if histogram.count() < 2 {
            return None;
        }
        let n = histogram.count() as f64;
        let weighted = || {
            histogram
                .buckets()
                .map(|(low, high, count)| (((low + high) as f64 / 2.0).max(1.0).ln(), count as f64))
        };
        let mean = weighted().map(|(log, count)| log * count).sum::<f64>() / n;
        let variance = weighted()
            .map(|(log, count)| (log - mean).powi(2) * count)
            .sum::<f64>()
            / (n - 1.0);
        Some(Self {
            mean,
            error: (variance / n).sqrt(),
            freedom: n - 1.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(millis: u64, count: u64) -> Histogram {
        let mut histogram = Histogram::new();
        for i in 0..count {
            // From half to one and a half times, evenly.
            histogram.record_nanos(millis * (500_000 + i * 1_000_000 / count));
        }
        histogram
    }

    #[test]
    fn a_tenfold_gain_is_seen_with_its_size() {
        let change = typical_change(&around(100, 200), &around(10, 200)).unwrap();
        assert!((change.ratio + 0.9).abs() < 0.01, "{change:?}");
        assert!(change.low < change.ratio && change.ratio < change.high && change.high < -0.8);
    }

    #[test]
    fn the_same_latencies_don_t_differ() {
        let change = typical_change(&around(100, 50), &around(100, 60)).unwrap();
        assert!(change.low < 0.0 && change.high > 0.0, "{change:?}");
    }

    #[test]
    fn what_moved_everything_is_no_gain() {
        let change = controlled_change(
            [&around(100, 200), &around(50, 200)],
            [&around(20, 200), &around(10, 200)],
        )
        .unwrap();
        assert!(change.low < 0.0 && change.high > 0.0, "{change:?}");
    }

    #[test]
    fn a_handful_of_values_proves_nothing() {
        assert_eq!(typical_change(&around(100, 1), &around(10, 200)), None);
    }
}
