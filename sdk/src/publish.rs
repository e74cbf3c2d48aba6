//! The one place where what is kept becomes what is told: shards, interned ids and histograms to the bridge's structs.

mod alert;
mod cache;
mod database;
pub(crate) mod exemplar;
pub(crate) mod history;
mod host;
mod overview;
pub(crate) mod query;
pub(crate) mod request;
mod status;
pub(crate) mod vitals;
mod window;

use perfdeck_bridge::protocol::{Advice, State, Topic};

use crate::agent::Agent;
use crate::judge::finding;
use crate::record::timeline::{Tally, Timeline};

pub(crate) use window::window;

/// Rows that a topic's state holds; the rest comes by asking.
const MAX_ROWS: usize = 200;
/// Rows that carry their last minutes.
const WITH_TREND: usize = 60;
/// The most bytes of a text that a row holds; the whole comes by asking.
const ROW_TEXT: usize = 500;

/// Tells one topic's present state.
pub(crate) fn state(agent: &Agent, topic: Topic) -> State {
    match topic {
        Topic::Status => State::Status(Box::new(status::status(agent))),
        Topic::Overview => State::Overview(Box::new(overview::overview(agent))),
        Topic::Requests => State::Requests(request::requests(agent)),
        Topic::Queries => State::Queries(query::queries(agent)),
        Topic::Caches => State::Caches(cache::caches(agent)),
        Topic::Database => State::Database(database::database(agent)),
        Topic::Alerts => State::Alerts(alert::alerts(agent)),
        Topic::Advice => State::Advice(advice(agent)),
        Topic::Ledger => State::Ledger(agent.ledger.told()),
        Topic::Host => State::Host(host::host(agent)),
    }
}

fn advice(agent: &Agent) -> Advice {
    let findings = agent.verdicts.findings.clone();
    let open = findings.iter().filter(|finding| finding::is_open(finding));
    // Remedies overlap: together they can't save more than all of it.
    let wait_share = open
        .map(|finding| finding.impact.wait_share)
        .sum::<f64>()
        .min(1.0);
    Advice {
        findings,
        wait_share,
    }
}

/// The last two minutes of a timeline's 95th percentile, six seconds a point; `NaN` where nothing happened.
fn trend<S: Tally>(timeline: &Timeline<S>, second: u64) -> Vec<f32> {
    const POINTS: usize = 20;
    const STEP: u64 = 6;
    // Whole steps, so that a point stays what it was when the next one comes.
    let end = (second + 1) / STEP * STEP;
    let from = end.saturating_sub(POINTS as u64 * STEP);
    let mut trend = vec![f32::NAN; POINTS];
    let missing = POINTS - ((end - from) / STEP) as usize;
    timeline.steps(from, end, STEP, |step, times, _| {
        if let Some(point) = trend.get_mut(missing + ((step - from) / STEP) as usize) {
            *point = times.quantile(0.95) as f32;
        }
    });
    trend
}
