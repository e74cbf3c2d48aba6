//! The samples' states, topic by topic.

mod advice;
mod crowd;
mod database;
mod exemplar;
mod history;
mod ledger;
mod service;
mod site;
mod table;

pub(super) use self::exemplar::exemplars;
pub(super) use self::history::{NUMBERS, history};
pub(super) use self::site::call_sites;
use super::voice::Voice;
use super::{Sample, before};
use crate::protocol::{
    Advice, Alerts, Caches, Database, Host, Ledger, Overview, Queries, Requests, State, Status,
    Timestamp,
};

/// Returns the state of every topic, in the order of [`crate::protocol::Topic::ALL`].
pub(super) fn states(sample: Sample, now: Timestamp) -> Vec<State> {
    let voice = Voice::of(sample);
    match sample {
        Sample::Empty => empty(),
        Sample::Typical | Sample::Hostile => vec![
            State::Status(Box::new(service::status(&voice))),
            State::Overview(Box::new(service::overview(&voice, now))),
            State::Requests(table::requests(&voice)),
            State::Queries(table::queries(&voice)),
            State::Caches(table::caches(&voice)),
            State::Database(database::database(&voice.aside(), now)),
            State::Alerts(service::alerts(&voice, now)),
            State::Advice(advice::advice(&voice)),
            State::Ledger(ledger::ledger(&voice, now)),
            State::Host(table::host(&voice)),
        ],
        Sample::Overloaded => crowd::states(&voice, now),
    }
}

fn empty() -> Vec<State> {
    let mut status = Status::default();
    status.optimization_summary.performance_score = 100.0;
    let mut overview = Overview::default();
    overview.score.value = 100.0;
    vec![
        State::Status(Box::new(status)),
        State::Overview(Box::new(overview)),
        State::Requests(Requests::default()),
        State::Queries(Queries::default()),
        State::Caches(Caches::default()),
        State::Database(Database::default()),
        State::Alerts(Alerts {
            alerts: Vec::new(),
            rules: 7,
            limits: service::limits(),
        }),
        State::Advice(Advice::default()),
        State::Ledger(Ledger::default()),
        State::Host(Host::default()),
    ]
}

/// Draws a series of 60 values whose course is that of the digits and whose last value is `now`.
fn course(digits: &str, now: f64) -> Vec<f32> {
    let heights: Vec<f64> = digits
        .chars()
        .filter_map(|digit| digit.to_digit(10))
        .map(f64::from)
        .collect();
    let last = heights
        .last()
        .copied()
        .filter(|last| *last > 0.0)
        .unwrap_or(1.0);
    (0..60)
        .map(|step| {
            let place = f64::from(step) / 59.0 * (heights.len().saturating_sub(1)) as f64;
            let left = heights.get(place as usize).copied().unwrap_or(last);
            let right = heights.get(place as usize + 1).copied().unwrap_or(left);
            ((left + (right - left) * place.fract()) / last * now) as f32
        })
        .collect()
}
