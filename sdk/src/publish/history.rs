//! The past, in steps of any width.

use perfdeck_bridge::histogram::Histogram;
use perfdeck_bridge::protocol::{
    CallsStep, History, HistoryOf, HistoryRequest, HistorySteps, MAX_HISTORY_STEPS,
    MAX_PERCENTILES, QueryId,
};

use crate::agent::Agent;
use crate::clock::Moment;
use crate::record::series::Scalar;
use crate::record::store::{QueryWindow, RequestWindow};
use crate::record::timeline::{Tally, Timeline};

/// Steps where nobody says how wide they should be.
const STEPS: u64 = 240;
/// Widths that people count in, in seconds.
const ROUND: [u64; 14] = [
    1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 14_400, 43_200,
];
const PERCENTILES: [f64; 3] = [50.0, 95.0, 99.0];

/// What was of one thing; `None` if nothing is known of it.
pub(crate) fn history(agent: &Agent, request: &HistoryRequest) -> Option<History> {
    let store = &agent.store;
    let asked = Asked { agent, request };
    let requests = |sums: RequestWindow| (sums.requests, sums.errors);
    let calls = |sums: QueryWindow| (sums.calls, sums.errors);
    Some(match &request.of {
        HistoryOf::Number(name) => asked.number(agent.numbers.get(name)?),
        HistoryOf::Requests => asked.calls(&store.all_requests, requests),
        HistoryOf::Route(route) => {
            asked.calls(&store.requests.get(route.as_str())?.timeline, requests)
        }
        HistoryOf::Queries => asked.calls(&store.all_queries, calls),
        HistoryOf::Query(QueryId(id)) => {
            let id = u64::from_str_radix(id, 16).ok()?;
            asked.calls(&store.queries.get(&id)?.timeline, calls)
        }
        HistoryOf::Function(name) => {
            asked.calls(&store.functions.get(name.as_str())?.timeline, calls)
        }
        HistoryOf::Pool(name) => {
            let pools = agent.pools.all();
            let number = pools.iter().position(|pool| pool.name == *name)?;
            asked.calls(&store.pools.get(number)?.timeline, calls)
        }
    })
}

struct Asked<'a> {
    agent: &'a Agent,
    request: &'a HistoryRequest,
}

/// The steps of an answer, in seconds.
#[derive(Debug, PartialEq, Eq)]
struct Steps {
    from: u64,
    to: u64,
    width: u64,
}

impl Asked<'_> {
    fn number(&self, number: &Scalar) -> History {
        let steps = self.steps(number.kept_from(), |from| number.width_from(from));
        let mut values = vec![None; steps.count()];
        number.steps(steps.from, steps.to, steps.width, |step, value| {
            if let Some(place) = values.get_mut(steps.place(step)) {
                *place = Some(value);
            }
        });
        self.told(
            &steps,
            number.kept_from(),
            number.error(),
            HistorySteps::Values(values),
        )
    }

    fn calls<S: Tally>(&self, timeline: &Timeline<S>, counts: impl Fn(S) -> (u64, u64)) -> History {
        let asked = self.request.percentiles.iter().copied();
        let asked = asked.filter(|percentile| (0.0..=100.0).contains(percentile));
        let mut percentiles: Vec<f64> = asked.take(MAX_PERCENTILES).collect();
        if percentiles.is_empty() {
            percentiles = PERCENTILES.to_vec();
        }
        let step = |times: &Histogram, (calls, errors): (u64, u64)| CallsStep {
            calls,
            errors,
            sum_seconds: times.sum_seconds(),
            max_seconds: times.max_seconds(),
            percentiles_seconds: if times.is_empty() {
                Vec::new()
            } else {
                let quantiles = percentiles.iter();
                quantiles
                    .map(|percentile| times.quantile(percentile / 100.0))
                    .collect()
            },
        };
        let steps = self.steps(timeline.kept_from(), |from| timeline.width_from(from));
        let mut told = vec![CallsStep::default(); steps.count()];
        let (mut all, mut sum) = (Histogram::new(), S::default());
        timeline.steps(steps.from, steps.to, steps.width, |second, times, sums| {
            if let Some(place) = told.get_mut(steps.place(second)) {
                *place = step(times, counts(sums));
            }
            all.merge(times);
            sum = sum + sums;
        });
        let whole = step(&all, counts(sum));
        self.told(
            &steps,
            timeline.kept_from(),
            timeline.error_from(steps.from),
            HistorySteps::Calls {
                steps: told,
                whole,
                percentiles,
            },
        )
    }

    fn steps(&self, kept_from: u64, width_from: impl Fn(u64) -> u64) -> Steps {
        let clock = &self.agent.clock;
        let end = self.agent.second + 1;
        let to = self
            .request
            .to
            .map_or(end, |to| clock.second_at(to).min(end));
        let from = self.request.from.map_or(0, |from| clock.second_at(from));
        let wanted = self.request.width_seconds.map(u64::from);
        Steps::new(from.clamp(kept_from.min(to), to), to, wanted, width_from)
    }

    fn told(&self, steps: &Steps, kept_from: u64, error_ratio: f64, told: HistorySteps) -> History {
        let at = |second: u64| {
            let moment = Moment(second * 1_000_000_000);
            self.agent.clock.timestamp(moment)
        };
        History {
            of: self.request.of.clone(),
            from: at(steps.from),
            width_seconds: steps.width as u32,
            kept_from: at(kept_from),
            error_ratio,
            steps: told,
        }
    }
}

impl Steps {
    /// Lays steps over `from..to`: as wide as is wanted, and no finer than what is kept of that time.
    fn new(from: u64, to: u64, wanted: Option<u64>, width_from: impl Fn(u64) -> u64) -> Self {
        let span = to - from;
        let wanted = wanted.unwrap_or_else(|| {
            let width = span.div_ceil(STEPS);
            let round = ROUND.into_iter().find(|round| *round >= width);
            round.unwrap_or(86_400)
        });
        let mut width = wanted
            .clamp(1, 86_400)
            .max(span.div_ceil(MAX_HISTORY_STEPS - 1));
        let mut first = from;
        // A step that begins a little earlier may reach into history that is kept more coarsely; there are three tiers.
        for _ in 0..3 {
            width = width.next_multiple_of(width_from(first));
            first = from - from % width;
        }
        Self {
            from: first,
            to,
            width,
        }
    }

    const fn count(&self) -> usize {
        (self.to - self.from).div_ceil(self.width) as usize
    }

    const fn place(&self, second: u64) -> usize {
        ((second - self.from) / self.width) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(from: u64, to: u64, wanted: Option<u64>) -> (u64, u64, usize) {
        let kept = |from| match from {
            9_000.. => 1,
            3_000.. => 10,
            _ => 60,
        };
        let steps = Steps::new(from, to, wanted, kept);
        (steps.from, steps.width, steps.count())
    }

    #[test]
    fn steps_are_as_wide_as_is_wanted_and_kept() {
        assert_eq!(steps(9_000, 10_000, Some(1)), (9_000, 1, 1_000));
        assert_eq!(
            steps(9_000, 10_000, Some(7)),
            (9_000, 10, 100),
            "into what is kept by ten"
        );
        assert_eq!(steps(4_000, 10_000, Some(15)), (4_000, 20, 300));
        assert_eq!(steps(0, 10_000, Some(15)), (0, 60, 167));
        assert_eq!(steps(0, 10_000, Some(u64::MAX)), (0, 86_400, 1));
        assert_eq!(steps(9_999, 9_999, None), (9_999, 1, 0));
    }

    #[test]
    fn without_a_width_it_is_a_round_one() {
        assert_eq!(steps(9_900, 10_000, None), (9_900, 1, 100));
        assert_eq!(steps(9_100, 10_000, None), (9_100, 5, 180));
        assert_eq!(steps(0, 7 * 86_400, None), (0, 3_600, 168));
    }

    #[test]
    fn there_are_never_too_many_steps() {
        let (_, width, count) = steps(0, 7 * 86_400, Some(1));
        assert!(count as u64 <= MAX_HISTORY_STEPS, "{count}");
        assert_eq!(width % 60, 0);
    }
}
