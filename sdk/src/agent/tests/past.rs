//! What is remembered, how far back, and what it takes.

use perfdeck_bridge::protocol::{
    Answer, BudgetLevel, CallsStep, History, HistoryOf, HistoryRequest, HistorySteps, Question,
    RefusalCode, Status,
};

use super::time::by_hand;
use super::*;
use crate::agent::Agent;
use crate::clock::{Hand, Moment};
use crate::record::table::Ran;

const MEBIBYTE: usize = 1 << 20;

/// The `call`th latency of a key in nanoseconds: over three octaves, most near the first.
fn latency(call: u64) -> u64 {
    let spread = call.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
    500_000 + spread * spread * 3
}

fn query(agent: &Agent, text: &str, nanos: u64) {
    let ran = Ran {
        nanos,
        rows: 1,
        failed: false,
        pool: None,
        attributed: true,
        elsewhere: false,
    };
    agent.eyes.recorder.query(text, &ran);
}

/// Ends a second without all that viewers are told.
fn end_second(agent: &mut Agent, hand: &Hand) {
    hand.pass(Duration::from_secs(1));
    agent.second = agent.clock.now().0 / 1_000_000_000;
    agent.store.drain(agent.eyes.recorder, agent.second);
    agent.push_numbers();
    agent.keep_budget();
}

fn ask(agent: &Agent, request: HistoryRequest) -> History {
    match agent.answer(&Question::History(request)) {
        Ok(Answer::History(history)) => history,
        other => panic!("{other:?}"),
    }
}

fn calls(history: &History) -> (&[CallsStep], &CallsStep) {
    match &history.steps {
        HistorySteps::Calls { steps, whole, .. } => (steps, whole),
        other @ HistorySteps::Values(_) => panic!("{other:?}"),
    }
}

fn told(agent: &Agent) -> Box<Status> {
    match crate::publish::state(agent, Topic::Status) {
        State::Status(status) => status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn any_window_is_answered_at_any_width_by_merging() {
    let (mut agent, hand) = by_hand();
    let mut ran = Vec::new();
    for second in 1..=2_000_u64 {
        // A bad stretch, so that no two windows are alike.
        let slower = if (700..730).contains(&second) { 9 } else { 1 };
        for call in 0..5 {
            let nanos = latency(second * 5 + call) * slower;
            ran.push((second, nanos));
            query(&agent, "SELECT * FROM orders WHERE id = 1", nanos);
        }
        end_second(&mut agent, &hand);
    }
    let at = |second: u64| agent.clock.timestamp(Moment(second * 1_000_000_000));
    for (from, to, width, expected) in [
        (1_900, 1_960, 1, 1),
        (1_900, 1_960, 7, 7),
        (600, 1_800, 60, 60),
        (0, 2_000, 1, 10),
        (0, 2_000, 600, 600),
    ] {
        let request = HistoryRequest {
            to: Some(at(to)),
            ..HistoryRequest::of(HistoryOf::Queries)
                .from(at(from))
                .width_seconds(width)
                .percentiles([50.0, 99.0])
        };
        let history = ask(&agent, request);
        assert_eq!(history.width_seconds, expected, "{from}..{to} by {width}");
        let begin = agent.clock.second_at(history.from);
        let (steps, whole) = calls(&history);
        let mut sum = 0;
        for (number, step) in (0..).zip(steps) {
            let first = begin + number * u64::from(history.width_seconds);
            let last = (first + u64::from(history.width_seconds)).min(to);
            let of_step = |(second, _): &&(u64, u64)| (first..last).contains(second);
            let mut latencies: Vec<u64> = ran
                .iter()
                .filter(of_step)
                .map(|(_, nanos)| *nanos)
                .collect();
            latencies.sort_unstable();
            assert_eq!(step.calls, latencies.len() as u64, "{first}");
            sum += step.calls;
            for (percentile, seconds) in [50, 99].into_iter().zip(&step.percentiles_seconds) {
                let rank = (latencies.len() * percentile).div_ceil(100).max(1);
                let exact = latencies[rank - 1] as f64 / 1e9;
                let error = (seconds / exact - 1.0).abs();
                assert!(
                    error <= history.error_ratio + 1e-9,
                    "p{percentile} at {first}: {error}"
                );
            }
        }
        assert_eq!(whole.calls, sum);
    }
    let nobody = HistoryRequest::of(HistoryOf::Route("GET /nowhere".into()));
    let refused = agent.answer(&Question::History(nobody));
    assert!(refused.is_err_and(|refusal| refusal.code == RefusalCode::Unknown));
}

#[test]
fn a_number_is_remembered_by_its_name() {
    let (mut agent, hand) = by_hand();
    for _ in 0..100 {
        query(&agent, "SELECT 1", 1_000);
        end_second(&mut agent, &hand);
    }
    let names = match agent.answer(&Question::Numbers) {
        Ok(Answer::Numbers(names)) => names,
        other => panic!("{other:?}"),
    };
    assert!(
        names.iter().any(|name| name == "queries_per_second"),
        "{names:?}"
    );
    let request = HistoryRequest::of(HistoryOf::Number("queries_per_second".into()));
    let history = ask(&agent, request.width_seconds(10));
    let HistorySteps::Values(values) = history.steps else {
        panic!("{history:?}");
    };
    assert_eq!(values.last(), Some(&Some(1.0)), "{values:?}");
}

/// A thousand statements and two hundred routes that run each second, which is as many as are told apart.
#[test]
fn a_thousand_busy_keys_stay_in_the_budget() {
    const SECONDS: u64 = 160;
    let (mut agent, hand) = by_hand();
    let texts: Vec<String> = (0..1_000)
        .map(|number| format!("SELECT a, b, c FROM table_{number} WHERE id = $1 ORDER BY b"))
        .collect();
    for second in 0..SECONDS {
        for (number, text) in texts.iter().enumerate() {
            for call in 0..3 {
                query(&agent, text, latency(second * 7 + number as u64 + call));
            }
        }
        end_second(&mut agent, &hand);
    }
    assert_eq!(agent.store.totals.calls, SECONDS * 3_000);
    let held = agent.held_bytes();
    assert!(held < 16 * MEBIBYTE, "{held}");
    assert_eq!(agent.budget.level(), BudgetLevel::Full);
}

/// With a limit that is too small, it gives up level by level until it fits, and takes all back once it does.
#[test]
fn the_deck_steps_down_through_named_levels_and_back() {
    let (mut agent, hand) = by_hand();
    agent.budget.limits.memory_bytes = 9 * MEBIBYTE;
    agent.budget.limits.cpu_percent = f64::INFINITY;
    let mut levels = vec![BudgetLevel::Full];
    let texts: Vec<String> = (0..300)
        .map(|number| format!("SELECT a FROM table_{number} WHERE id = $1"))
        .collect();
    let mut second = |agent: &mut Agent, busy: bool| {
        for (number, text) in texts.iter().enumerate().filter(|_| busy) {
            query(agent, text, latency(number as u64));
        }
        end_second(agent, &hand);
        let status = told(agent);
        if levels.last() != Some(&status.deck.level) {
            levels.push(status.deck.level);
            let spots = status.blind_spots.iter();
            let told = spots.filter(|spot| spot.kind == "budget_level").count();
            assert_eq!(told, usize::from(status.deck.level != BudgetLevel::Full));
        }
        status.deck.memory_bytes
    };
    for _ in 0..120 {
        second(&mut agent, true);
    }
    assert_eq!(agent.budget.level(), BudgetLevel::ShortHistory);
    agent.budget.limits.memory_bytes = 32 * MEBIBYTE;
    for _ in 0..1_000 {
        second(&mut agent, false);
    }
    let down = [
        BudgetLevel::Full,
        BudgetLevel::CoarseHistory,
        BudgetLevel::NoExemplars,
        BudgetLevel::ShortHistory,
    ];
    let back = down.iter().rev().skip(1);
    assert!(levels.iter().eq(down.iter().chain(back)), "{levels:?}");
}
