//! What the sample's host remembers: an even day with a bad quarter of an hour that is just over.

use crate::protocol::{
    CallsStep, History, HistoryOf, HistoryRequest, HistorySteps, Requests, Timestamp,
};

const STEPS: u64 = 30;
const WIDTH: u64 = 30;
const MICROS: u64 = 1_000_000;

/// The numbers that have a history of their own.
pub(in crate::testing) const NUMBERS: [&str; 3] =
    ["cpu_ratio", "requests_per_second", "cache_hit_ratio/users"];

/// What was of one thing; `None` if the sample knows nothing of it.
pub(in crate::testing) fn history(
    requests: &Requests,
    request: &HistoryRequest,
    now: Timestamp,
) -> Option<History> {
    let steps = match &request.of {
        HistoryOf::Number(name) => {
            NUMBERS.contains(&name.as_str()).then_some(())?;
            let value = |step| (step != 3).then(|| 0.4 + 0.1 * f64::from(step % 5));
            HistorySteps::Values((0..STEPS as u32).map(value).collect())
        }
        HistoryOf::Route(route) => {
            let row = requests.routes.iter().find(|row| row.route == *route)?;
            calls(request, row.requests_per_second, row.p50_seconds)
        }
        HistoryOf::Requests | HistoryOf::Queries => calls(request, 148.0, 0.04),
        HistoryOf::Query(_) | HistoryOf::Function(_) | HistoryOf::Pool(_) => return None,
    };
    let from = now.micros() / MICROS / WIDTH * WIDTH - STEPS * WIDTH;
    Some(History {
        of: request.of.clone(),
        from: Timestamp::from_micros(from * MICROS),
        width_seconds: WIDTH as u32,
        kept_from: Timestamp::from_micros((from - 3_600) * MICROS),
        error_ratio: 0.016,
        steps,
    })
}

fn calls(request: &HistoryRequest, per_second: f64, p50: f64) -> HistorySteps {
    let mut percentiles = request.percentiles.clone();
    if percentiles.is_empty() {
        percentiles = vec![50.0, 95.0, 99.0];
    }
    let step = |calls: u64, slower: f64| CallsStep {
        calls,
        errors: calls / 120,
        sum_seconds: calls as f64 * p50 * slower,
        max_seconds: p50 * slower * 9.0,
        percentiles_seconds: percentiles
            .iter()
            .map(|percentile| p50 * slower * (1.0 + (percentile - 50.0) / 10.0))
            .collect(),
    };
    let calls = (per_second * WIDTH as f64) as u64;
    let steps = (0..STEPS).map(|number| {
        let slower = if (8..14).contains(&number) { 3.0 } else { 1.0 };
        step(calls - number % 7, slower)
    });
    HistorySteps::Calls {
        steps: steps.collect(),
        whole: step(calls * STEPS, 1.4),
        percentiles,
    }
}
