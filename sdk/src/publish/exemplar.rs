//! Requests that were kept whole.

use perfdeck_bridge::protocol::{
    self, ExemplarId, ExemplarRow, ExemplarStep, Exemplars, Kept, QueryId, StepKind, WhichExemplar,
};

use super::ROW_TEXT;
use crate::agent::Agent;
use crate::record::command::Command;
use crate::record::exemplar::{Exemplar, SECONDS, Why};
use crate::record::trail::{Kind, Step};
use crate::sql::redacted::cut;

/// Requests that a route's detail tells of: the slowest, and those that failed.
const SLOWEST: usize = 4;
const FAILED: usize = 2;

/// What is kept of a route.
pub(crate) fn of_route(agent: &Agent, route: &str) -> Option<Exemplars> {
    let (name, record) = agent.store.requests.get_key_value(route)?;
    let kept = &agent.store.exemplars;
    Some(Exemplars {
        route: name.to_string(),
        exemplars: kept
            .of(route)
            .into_iter()
            .map(|exemplar| row(agent, exemplar))
            .collect(),
        not_kept: (record.errors + record.cancelled).saturating_sub(kept.taken(route)),
    })
}

/// The slowest of a route's requests, and the newest that failed or were given up.
pub(super) fn some(agent: &Agent, route: &str) -> Vec<ExemplarRow> {
    let kept = agent.store.exemplars.of(route);
    let (bad, mut fine): (Vec<_>, Vec<_>) = kept
        .into_iter()
        .partition(|exemplar| exemplar.failed || exemplar.cancelled);
    fine.sort_by_key(|exemplar| std::cmp::Reverse(exemplar.nanos));
    let some = fine
        .into_iter()
        .take(SLOWEST)
        .chain(bad.into_iter().take(FAILED));
    some.map(|exemplar| row(agent, exemplar)).collect()
}

/// One request, with what it did.
pub(crate) fn one(agent: &Agent, which: &WhichExemplar) -> Option<protocol::Exemplar> {
    match which {
        WhichExemplar::Id(ExemplarId(id)) => {
            let (route, exemplar) = agent.store.exemplars.find(*id)?;
            Some(whole(agent, route, exemplar))
        }
        WhichExemplar::Near { route, percentile } => {
            let exemplar = near(agent, route, f64::from(*percentile) / 100.0)?;
            Some(whole(agent, route, exemplar))
        }
    }
}

/// The kept request that took most nearly as long as a quantile of the last minute, or of all that is known where the last
/// minute had none.
fn near<'a>(agent: &'a Agent, route: &str, quantile: f64) -> Option<&'a Exemplar> {
    let timeline = &agent.store.requests.get(route)?.timeline;
    let minute = timeline.minute().0;
    let seconds = if minute.is_empty() {
        let from = agent.second.saturating_sub(SECONDS);
        let (times, _) = timeline.window(from, agent.second + 1);
        times.quantile(quantile)
    } else {
        minute.quantile(quantile)
    };
    let kept = agent.store.exemplars.of(route);
    let answered = kept
        .into_iter()
        .filter(|exemplar| !exemplar.cancelled || exemplar.status > 0);
    answered.min_by(|a, b| {
        let far = |exemplar: &Exemplar| (exemplar.nanos as f64 / 1e9 - seconds).abs();
        far(a).total_cmp(&far(b))
    })
}

fn whole(agent: &Agent, route: &str, exemplar: &Exemplar) -> protocol::Exemplar {
    let mut steps: Vec<_> = exemplar
        .steps
        .iter()
        .map(|noted| step(agent, exemplar, noted))
        .collect();
    // They were noted at their ends.
    steps.sort_by(|a, b| a.offset_seconds.total_cmp(&b.offset_seconds));
    protocol::Exemplar {
        route: route.to_owned(),
        row: row(agent, exemplar),
        steps,
        left_out: exemplar.left_out as u64,
    }
}

fn row(agent: &Agent, exemplar: &Exemplar) -> ExemplarRow {
    let queries = exemplar
        .steps
        .iter()
        .filter(|step| matches!(step.kind(), Kind::Statement | Kind::FailedStatement));
    ExemplarRow {
        id: ExemplarId(exemplar.id),
        at: agent.clock.timestamp(agent.clock.moment(exemplar.start)),
        duration_seconds: seconds(exemplar.nanos),
        body_seconds: exemplar.body_nanos.map(seconds),
        status: (exemplar.status > 0).then_some(exemplar.status),
        failed: exemplar.failed,
        cancelled: exemplar.cancelled,
        kept: match exemplar.why {
            Why::Failed => Kept::Failed,
            Why::Cancelled => Kept::Cancelled,
            Why::Slow => Kept::Slow,
            Why::Sample => Kept::Sample,
        },
        queries: queries.clone().count() as u32,
        query_seconds: seconds(queries.map(Step::nanos).sum()),
    }
}

fn step(agent: &Agent, exemplar: &Exemplar, step: &Step) -> ExemplarStep {
    let ended = agent.clock.nanos_between(exemplar.start, step.ended);
    let mut text = None;
    let (kind, name) = match step.kind() {
        Kind::Statement | Kind::FailedStatement => {
            let query = agent.store.queries.get(&step.what);
            text = query.map(|query| cut(&query.text, ROW_TEXT));
            (StepKind::Query, QueryId(format!("{:016x}", step.what)).0)
        }
        Kind::PoolWait => {
            let number = u16::try_from(step.what).ok().filter(|number| *number > 0);
            let pool = number.and_then(|number| agent.pools.get(number));
            (
                StepKind::PoolWait,
                pool.map_or_else(String::new, |pool| pool.name),
            )
        }
        Kind::CacheHit | Kind::CacheMiss => (StepKind::CacheLookup, cache(agent, step.what)),
        Kind::CacheLoad => (StepKind::CacheLoad, cache(agent, step.what)),
        Kind::Function | Kind::FailedFunction => {
            let name = agent.eyes.recorder.function_name(step.what as usize);
            (StepKind::Function, name.unwrap_or_default().to_owned())
        }
        Kind::Command | Kind::FailedCommand => (StepKind::Redis, command(agent, step.what)),
    };
    ExemplarStep {
        kind,
        name,
        text,
        offset_seconds: seconds(ended.saturating_sub(step.nanos())),
        duration_seconds: seconds(step.nanos()),
        failed: matches!(
            step.kind(),
            Kind::FailedStatement | Kind::FailedFunction | Kind::FailedCommand
        ),
        hit: match step.kind() {
            Kind::CacheHit => Some(true),
            Kind::CacheMiss => Some(false),
            _ => None,
        },
    }
}

/// Names a command to Redis by its connection and its word.
fn command(agent: &Agent, number: u64) -> String {
    let names = agent.eyes.recorder.names();
    let command = Command::from_raw(number);
    let connection = names.connection_name(command.connection);
    format!("{connection} {}", names.text(command.word))
}

#[cfg(feature = "cache")]
fn cache(agent: &Agent, number: u64) -> String {
    let mut rows = agent.cache_rows.iter();
    let row = rows.find(|row| row.number == number);
    row.map_or_else(String::new, |row| row.name.to_string())
}

#[cfg(not(feature = "cache"))]
fn cache(_: &Agent, _: u64) -> String {
    String::new()
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}
