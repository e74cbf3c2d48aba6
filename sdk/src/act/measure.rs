//! What an applied action brings: the same statements in a window before it and one after it.

use perfdeck_bridge::histogram::Histogram;
use perfdeck_bridge::protocol::{Gain, LedgerId, Verdict, Window};
use perfdeck_bridge::stats::typical_change;

use crate::clock::{Clock, Moment};
use crate::judge::gain::{self, Side};
use crate::record::store::Store;

/// The most seconds of the window before.
const BEFORE_SECONDS: u64 = 30;
/// Seconds after the action that belong to neither window.
const SETTLE_SECONDS: u64 = 1;
/// The window after is looked at from here on ...
const LEAST_SECONDS: u64 = 8;
/// ... and is closed here, whatever it shows.
const MOST_SECONDS: u64 = 60;

/// Looks, a second apart, that must agree before a window is closed early: one of many is right by chance.
const LOOKS: u32 = 3;

/// What an action is about.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Subject {
    /// Its statements; with none it is about all requests.
    pub(crate) queries: Vec<u64>,
    /// The route that should gain.
    pub(crate) route: Option<String>,
}

/// An action whose window after is open.
#[derive(Debug)]
pub(crate) struct Measurement {
    pub(crate) row: LedgerId,
    subject: Subject,
    before: Taken,
    from: u64,
    credited: bool,
    /// The verdict of the last look, and how many looks in a row have come to it.
    seen: (Verdict, u32),
}

/// What a measurement came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) realised: Option<Gain>,
    pub(crate) interval: Option<[f64; 2]>,
    /// The statements' own 95th percentile, before and after.
    pub(crate) statements: Option<[f64; 2]>,
}

/// One window of the record.
#[derive(Debug)]
pub(crate) struct Taken {
    side: Side,
    told: Told,
    window: (u64, u64),
}

/// The latencies that are told, with what they are of.
#[derive(Debug)]
struct Told {
    subject: String,
    times: Histogram,
}

/// Takes the window that ends at `second`, right before an action, and does not reach back to the one before it, which was
/// done at `last`.
pub(crate) fn before(store: &Store, subject: &Subject, last: Option<u64>, second: u64) -> Taken {
    let settled = last.map_or(0, |last| last + SETTLE_SECONDS);
    let from = second.saturating_sub(BEFORE_SECONDS).max(settled);
    take(store, subject, from.min(second), second)
}

/// Words a promise in the form of a measurement.
pub(crate) fn predicted(taken: &Taken, p95_after: f64, clock: &Clock) -> Option<Gain> {
    (!taken.told.times.is_empty()).then(|| Gain {
        subject: taken.told.subject.clone(),
        p95_seconds_before: taken.told.times.quantile(0.95),
        p95_seconds_after: p95_after,
        n_before: taken.told.times.count(),
        n_after: 0,
        window_before: window(taken.window, clock),
        window_after: None,
    })
}

impl Measurement {
    /// Opens the window after an action that was done at `second`.
    pub(crate) const fn new(
        row: LedgerId,
        subject: Subject,
        before: Taken,
        second: u64,
        credited: bool,
    ) -> Self {
        Self {
            row,
            subject,
            before,
            from: second + SETTLE_SECONDS,
            credited,
            seen: (Verdict::Measuring, 0),
        }
    }

    /// Looks at the window after; `None` while it should stay open.
    pub(crate) fn look(&mut self, store: &Store, second: u64, clock: &Clock) -> Option<Outcome> {
        let open = second.saturating_sub(self.from);
        if open < LEAST_SECONDS {
            return None;
        }
        let after = take(store, &self.subject, self.from, second);
        let (told_before, told_after) = (&self.before.told.times, &after.told.times);
        let told = typical_change(told_before, told_after);
        let verdict = match gain::verdict(&self.before.side, &after.side, self.credited) {
            // What is about all requests has no others to tell it from the load and the machine.
            Verdict::Helped if self.subject.queries.is_empty() => Verdict::NoChange,
            // Faster statements of a route that its users don't find faster are no help yet, nor is what leaves those
            // out who wait the longest.
            Verdict::Helped
                if told.is_none_or(|change| change.high >= 0.0)
                    || told_after.quantile(0.95) >= told_before.quantile(0.95) =>
            {
                Verdict::NoChange
            }
            verdict => verdict,
        };
        let again = if self.seen.0 == verdict {
            self.seen.1
        } else {
            0
        };
        self.seen = (verdict, again + 1);
        let sure = matches!(verdict, Verdict::Helped | Verdict::Worse) && self.seen.1 >= LOOKS;
        if !sure && open < MOST_SECONDS {
            return None;
        }
        let measured = !told_before.is_empty() && !told_after.is_empty();
        let p95s =
            |before: &Histogram, after: &Histogram| [before.quantile(0.95), after.quantile(0.95)];
        Some(Outcome {
            verdict,
            realised: measured.then(|| Gain {
                subject: after.told.subject.clone(),
                p95_seconds_before: told_before.quantile(0.95),
                p95_seconds_after: told_after.quantile(0.95),
                n_before: told_before.count(),
                n_after: told_after.count(),
                window_before: window(self.before.window, clock),
                window_after: Some(window(after.window, clock)),
            }),
            interval: told.map(|change| [change.low, change.high]),
            statements: (!self.subject.queries.is_empty())
                .then(|| p95s(&self.before.side.target, &after.side.target)),
        })
    }
}

fn take(store: &Store, subject: &Subject, from: u64, to: u64) -> Taken {
    let (mut target, mut control) = (Histogram::new(), Histogram::new());
    if subject.queries.is_empty() {
        target = store.all_requests.window(from, to).0;
    }
    for (id, record) in store.queries.iter() {
        let times = record.timeline.window(from, to).0;
        if subject.queries.contains(id) {
            target.merge(&times);
        } else if !subject.queries.is_empty() {
            control.merge(&times);
        }
    }
    let route = subject
        .route
        .as_ref()
        .and_then(|route| Some((route, store.requests.get(route.as_str())?)))
        .map(|(route, record)| (route.clone(), record.timeline.window(from, to).0));
    let (subject, times) = route.unwrap_or_else(|| match subject.queries.is_empty() {
        true => ("all requests".into(), target.clone()),
        false => ("its statements".into(), target.clone()),
    });
    // A service that has only just come under load has a shorter window than it was asked for.
    let first = store.all_queries.first_second(from).unwrap_or(from);
    let seconds = to.saturating_sub(first.max(from)).max(1);
    Taken {
        side: Side {
            target,
            control,
            seconds: seconds as f64,
        },
        told: Told { subject, times },
        window: (from, to),
    }
}

fn window((from, to): (u64, u64), clock: &Clock) -> Window {
    let at = |second: u64| clock.timestamp(Moment(second * 1_000_000_000));
    Window {
        from: at(from),
        to: at(to),
    }
}
