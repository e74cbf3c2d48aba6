//! Whether an action helped: the same statements before and after, at matched load, against all that it did not touch.

use perfdeck_bridge::histogram::Histogram;
use perfdeck_bridge::protocol::Verdict;
use perfdeck_bridge::stats::{controlled_change, typical_change};

/// Calls that each side must have: as few as the interval is right for. How sure they make one is in its width.
const LEAST_CALLS: u64 = 5;
/// A change smaller than this is none.
const LEAST_CHANGE: f64 = 0.1;
/// A load that differs by more than this factor can't be compared.
const MOST_LOAD_CHANGE: f64 = 3.0;

/// One side of a comparison.
#[derive(Debug)]
pub(crate) struct Side {
    /// The statements, or requests, that the action is about.
    pub(crate) target: Histogram,
    /// All others.
    pub(crate) control: Histogram,
    pub(crate) seconds: f64,
}

/// Compares; `credited` is whether the database now uses what the action made.
///
/// A change that everything else shows too is the load's or the machine's, and not the action's.
pub(crate) fn verdict(before: &Side, after: &Side, credited: bool) -> Verdict {
    if before.target.count() < LEAST_CALLS || after.target.count() < LEAST_CALLS {
        return Verdict::NotEnoughTraffic;
    }
    if !credited {
        return Verdict::NoChange;
    }
    let rate = |side: &Side| side.target.count() as f64 / side.seconds.max(1e-3);
    let load = rate(after) / rate(before);
    if !(1.0 / MOST_LOAD_CHANGE..=MOST_LOAD_CHANGE).contains(&load) {
        return Verdict::NotEnoughTraffic;
    }
    let Some(plain) = typical_change(&before.target, &after.target) else {
        return Verdict::NotEnoughTraffic;
    };
    let others = [&before.control, &after.control];
    let controlled = others.iter().all(|control| control.count() >= LEAST_CALLS);
    let against = controlled
        .then(|| controlled_change([&before.target, &after.target], others))
        .flatten();
    // Beyond chance in itself, and beyond what the others did: both, or it is no change.
    let changes = [Some(plain), against];
    let mut changes = changes.iter().flatten();
    if changes.clone().all(|change| change.high < -LEAST_CHANGE) {
        Verdict::Helped
    } else if changes.all(|change| change.low > LEAST_CHANGE) {
        Verdict::Worse
    } else {
        Verdict::NoChange
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(millis: u64, count: u64) -> Histogram {
        let mut histogram = Histogram::new();
        for i in 0..count {
            histogram.record_nanos(millis * (500_000 + i * 1_000_000 / count.max(1)));
        }
        histogram
    }

    /// A side as `target ms x calls, control ms x calls` in ten seconds.
    fn side(target: (u64, u64), control: (u64, u64)) -> Side {
        Side {
            target: around(target.0, target.1),
            control: around(control.0, control.1),
            seconds: 10.0,
        }
    }

    #[test]
    fn a_gain_is_only_what_the_action_alone_can_have_brought() {
        let before = || side((100, 200), (20, 400));
        for (what, after, credited, expected) in [
            (
                "the target alone is faster",
                side((5, 200), (20, 400)),
                true,
                Verdict::Helped,
            ),
            (
                "everything is faster",
                side((50, 200), (10, 400)),
                true,
                Verdict::NoChange,
            ),
            (
                "another index did it",
                side((5, 200), (20, 400)),
                false,
                Verdict::NoChange,
            ),
            (
                "nothing changed",
                side((100, 200), (20, 400)),
                true,
                Verdict::NoChange,
            ),
            (
                "only the others are slower",
                side((100, 200), (80, 400)),
                true,
                Verdict::NoChange,
            ),
            (
                "the load fell to a fifth",
                side((50, 40), (20, 80)),
                true,
                Verdict::NotEnoughTraffic,
            ),
            (
                "hardly anybody calls",
                side((5, 4), (20, 400)),
                true,
                Verdict::NotEnoughTraffic,
            ),
            (
                "all is slower, it least",
                side((150, 200), (80, 400)),
                true,
                Verdict::NoChange,
            ),
            (
                "it is slower",
                side((300, 200), (20, 400)),
                true,
                Verdict::Worse,
            ),
            (
                "nothing to compare with",
                side((5, 200), (20, 3)),
                true,
                Verdict::Helped,
            ),
        ] {
            assert_eq!(verdict(&before(), &after, credited), expected, "{what}");
        }
    }
}
