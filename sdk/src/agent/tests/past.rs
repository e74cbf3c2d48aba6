//! What is remembered, how far back, and what it takes.

use perfdeck_bridge::histogram::Histogram;
use perfdeck_bridge::protocol::{
    Answer, BudgetLevel, CallsStep, History, HistoryOf, HistoryRequest, HistorySteps, Question,
    RefusalCode, Status,
};

use super::time::by_hand;
use super::*;
use crate::agent::Agent;
use crate::builder::LEAST_MEMORY;
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
        values: None,
    };
    agent.eyes.recorder.query(text, &ran);
}

/// Ends a second without all that viewers are told.
fn end_second(agent: &mut Agent, hand: &Hand) {
    merge_second(agent, hand, 1);
    agent.push_numbers();
    agent.keep_budget();
}

/// Merges what happened since the last second, which was so many seconds ago.
fn merge_second(agent: &mut Agent, hand: &Hand, seconds: u64) {
    hand.pass(Duration::from_secs(seconds));
    agent.second = agent.clock.now().0 / 1_000_000_000;
    agent.store.drain(agent.eyes.recorder, agent.second);
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
    check_windows(
        (1, 2_000),
        &[
            (1_900, 1_960, 1, 1),
            (1_900, 1_960, 7, 7),
            (600, 1_800, 60, 60),
            (0, 2_000, 1, 10),
            (0, 2_000, 600, 600),
        ],
    );
}

#[test]
fn a_window_of_old_minutes_is_answered_by_merging_as_well() {
    check_windows(
        (4, 26_000),
        &[
            (600, 1_800, 1, 60),
            (660, 780, 60, 60),
            (0, 3_600, 300, 300),
            (0, 26_000, 3_600, 3_600),
        ],
    );
}

/// Asks for windows from, to and by so many seconds, which are to be as wide as the last of each, once something ran every
/// `(each)` seconds and `(until)` were over.
fn check_windows((each, until): (u64, u64), windows: &[(u64, u64, u32, u32)]) {
    let (mut agent, hand) = by_hand();
    let mut ran = Vec::new();
    for second in 1..=until {
        // A bad stretch, so that no two windows are alike.
        let slower = if (700..730).contains(&second) { 9 } else { 1 };
        let calls = if second.is_multiple_of(each) { 5 } else { 0 };
        for call in 0..calls {
            let nanos = latency(second * 5 + call) * slower;
            ran.push((second, nanos));
            query(&agent, "SELECT * FROM orders WHERE id = 1", nanos);
        }
        merge_second(&mut agent, &hand, 1);
    }
    let at = |second: u64| agent.clock.timestamp(Moment(second * 1_000_000_000));
    for (from, to, width, expected) in windows.iter().copied() {
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

/// So many latencies, most within two octaves and a few far above, as those of a key that is at times slower.
fn spread(key: u64, calls: u64, slot: u64) -> Histogram {
    let mut times = Histogram::new();
    let slower = 1.0 + 0.3 * (slot as f64 / 200.0).sin();
    for call in 0..calls {
        let random = (slot * 131 + key * 17 + call).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The sum of some is about normal.
        let normal: f64 = random
            .to_le_bytes()
            .map(|byte| f64::from(byte) / 128.0 - 1.0)
            .iter()
            .sum::<f64>()
            / 1.6;
        let millis = (1 + key % 7) as f64 * slower * (0.7 * normal).exp();
        times.record_nanos((millis * 1e6) as u64);
    }
    times
}

/// 700,000 seconds of 38 statements: their minutes for the whole time, tens of seconds for the last six hours and seconds for
/// the last quarter of one, which is all that is kept.
#[test]
fn a_week_of_all_busy_keys_stays_in_the_budget_and_says_what_it_gave_up() {
    const SECONDS: u64 = 700_000;
    const KEYS: u64 = 38;
    let (mut agent, hand) = by_hand();
    agent.budget.limits.cpu_percent = f64::INFINITY;
    for key in 0..KEYS {
        query(&agent, &format!("SELECT a FROM table_{key}"), 1_000_000);
    }
    merge_second(&mut agent, &hand, 60);
    let slots: Vec<[Vec<Histogram>; 3]> = (0..KEYS)
        .map(|key| {
            [30, 300, 1_800].map(|calls| (0..64).map(|slot| spread(key, calls, slot)).collect())
        })
        .collect();
    let mut most = 0;
    let mut step = 0;
    while agent.second < SECONDS {
        step += 1;
        let (width, tier) = match SECONDS - agent.second {
            0..=960 => (1, 0),
            961..=21_720 => (10, 1),
            _ => (60, 2),
        };
        agent.store.ran(|key| {
            let slots = &slots[key % slots.len()][tier];
            &slots[step % slots.len()]
        });
        merge_second(&mut agent, &hand, width);
        agent.keep_budget();
        most = most.max(agent.held_bytes());
    }
    let limit = agent.budget.limits.memory_bytes;
    let kept = agent
        .store
        .queries
        .values()
        .map(|query| query.timeline.kept_from());
    let days = kept.map(|from| (SECONDS - from) as f64 / 86_400.0);
    let days = days.fold(f64::INFINITY, f64::min);
    let said = format!("{days:.1} days, {most} bytes, {}", agent.budget.level());
    assert!(most <= limit, "{said}");
    assert!(days > 3.0, "{said}");
    let calls = agent
        .store
        .queries
        .values()
        .map(|query| query.timeline.minute().1.calls);
    assert!(calls.sum::<u64>() > 0, "{said}");
    let status = told(&agent);
    let mut spots = status.blind_spots.iter();
    assert!(spots.any(|spot| spot.kind == "budget_level"), "{said}");
    let request = HistoryRequest::of(HistoryOf::Queries).width_seconds(60);
    assert!(ask(&agent, request).error_ratio >= 0.07 - 1e-9, "{said}");
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
    agent.budget.limits.memory_bytes = LEAST_MEMORY;
    agent.budget.limits.cpu_percent = f64::INFINITY;
    super::route::request(&agent, 0..3);
    end_second(&mut agent, &hand);
    assert_eq!(agent.store.exemplars.of("GET /report").len(), 1);
    let mut levels = vec![BudgetLevel::Full];
    let texts: Vec<String> = (0..1_000)
        .map(|number| format!("SELECT a FROM table_{number} WHERE id = $1"))
        .collect();
    let mut second = |agent: &mut Agent, busy: bool| {
        for (number, text) in texts.iter().enumerate().filter(|_| busy) {
            for call in 0..4 {
                let nanos = latency(agent.second * 31 + number as u64 * 7 + call);
                query(agent, text, nanos << (call * 4));
            }
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
    for _ in 0..200 {
        second(&mut agent, true);
    }
    assert_eq!(agent.budget.level(), BudgetLevel::ShortHistory);
    for _ in 0..30 {
        let held = second(&mut agent, true);
        assert!(held <= LEAST_MEMORY as u64, "{held}");
    }
    assert_eq!(agent.store.exemplars.of("GET /report").len(), 0);
    let calls = agent.store.queries.values().map(|query| query.calls);
    let all = 230 * 4_000 + 3;
    assert_eq!(calls.sum::<u64>(), all, "counts are never given up");
    agent.budget.limits.memory_bytes = 48 * MEBIBYTE;
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
