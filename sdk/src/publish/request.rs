//! Routes and monitored functions.

use std::sync::Arc;

use perfdeck_bridge::protocol::{
    Background, FunctionRow, Quantities, QueryId, RequestRow, Requests, RouteDetail, RouteStatement,
};

use super::window::share_of_queries;
use super::{MAX_ROWS, ROW_TEXT, WITH_TREND, trend};
use crate::agent::Agent;
use crate::record::store::{RequestRecord, per_second, quantities};
use crate::record::table::{OTHER, OTHER_ID};
use crate::sql::redacted::{cut, own};

pub(super) fn requests(agent: &Agent) -> Requests {
    let mut records: Vec<_> = agent.store.requests.iter().collect();
    let wait = |record: &RequestRecord| record.timeline.minute().0.sum_seconds();
    records.sort_by(|(a_name, a), (b_name, b)| {
        wait(b).total_cmp(&wait(a)).then_with(|| a_name.cmp(b_name))
    });
    let rows = records.into_iter().take(MAX_ROWS).enumerate();
    let totals = agent.store.totals;
    Requests {
        routes: rows
            .map(|(place, (name, record))| row(agent, name, record, place))
            .collect(),
        functions: functions(agent),
        requests: totals.requests,
        errors: totals.errors,
        cancelled: totals.cancelled,
        background: background(agent),
    }
}

fn background(agent: &Agent) -> Background {
    let (queries, nanos) = agent.store.background.minute();
    let all = agent.store.all_queries.minute().0.sum_seconds();
    Background {
        queries: agent.store.totals.unattributed,
        queries_per_second: per_second(queries, agent.second),
        // The sum of all is told by a histogram, which is right to a percent or so.
        query_share: if all > 0.0 {
            (nanos as f64 / 1e9 / all).min(1.0)
        } else {
            0.0
        },
    }
}

/// One route, opened.
pub(crate) fn detail(agent: &Agent, route: &str) -> Option<RouteDetail> {
    let (name, record) = agent.store.requests.get_key_value(route)?;
    let row = row(agent, name, record, 0);
    Some(RouteDetail {
        statements: statements(agent, record, row.query_share),
        exemplars: super::exemplar::some(agent, route),
        row,
    })
}

/// What a route ran, the longest first and last all that is not told apart.
fn statements(agent: &Agent, record: &RequestRecord, query_share: f64) -> Vec<RouteStatement> {
    let recent = agent.store.recent_statements(record);
    let all = agent.store.all_statements(record);
    let mut others = (all.calls, recent.seconds);
    let share = |seconds: f64| {
        if recent.seconds > 0.0 {
            query_share * seconds.max(0.0) / recent.seconds
        } else {
            0.0
        }
    };
    let known = all.statements.iter().filter_map(|used| {
        let known = agent.store.queries.get(&used.query)?;
        (used.query != OTHER_ID).then_some((used, &known.text))
    });
    let mut told: Vec<_> = known
        .map(|(used, text)| {
            let mut lately = recent.statements.iter();
            let lately = lately.find(|recent| recent.query == used.query);
            let seconds = lately.map_or(0.0, |lately| lately.seconds);
            others = (others.0.saturating_sub(used.calls), others.1 - seconds);
            RouteStatement {
                query: QueryId(format!("{:016x}", used.query)),
                text: cut(text, ROW_TEXT),
                calls: used.calls,
                per_request: lately.unwrap_or(used).per_request,
                time_share: share(seconds),
            }
        })
        .collect();
    let (calls, seconds) = others;
    if calls > 0 {
        told.push(RouteStatement {
            query: QueryId(format!("{OTHER_ID:016x}")),
            text: own(OTHER),
            calls,
            per_request: Quantities::default(),
            time_share: share(seconds),
        });
    }
    told
}

fn row(agent: &Agent, name: &Arc<str>, record: &RequestRecord, place: usize) -> RequestRow {
    let (times, sums) = record.timeline.minute();
    let body = record.body.merged();
    let all = agent.store.all_requests.minute().0.sum_seconds();
    let running = agent.store.running.get(name);
    RequestRow {
        route: name.to_string(),
        requests: record.requests,
        errors: record.errors,
        cancelled: record.cancelled,
        requests_per_second: per_second(sums.requests, agent.second),
        p50_seconds: times.quantile(0.5),
        p95_seconds: times.quantile(0.95),
        p99_seconds: times.quantile(0.99),
        body_p95_seconds: body.quantile(0.95),
        error_ratio: if sums.requests > 0 {
            sums.errors as f64 / sums.requests as f64
        } else {
            0.0
        },
        wait_share: if all > 0.0 {
            times.sum_seconds() / all
        } else {
            0.0
        },
        queries_per_request: quantities(&record.per_request.merged()),
        query_share: share_of_queries(times.sum_seconds(), sums.query_nanos),
        recent: if place < WITH_TREND {
            trend(&record.timeline, agent.second)
        } else {
            Vec::new()
        },
        in_flight: running.map_or(0, |(count, _)| *count),
        oldest_in_flight_seconds: running
            .map(|(_, oldest)| agent.clock.nanos_since(*oldest) as f64 / 1e9),
    }
}

fn functions(agent: &Agent) -> Vec<FunctionRow> {
    let mut functions: Vec<_> = agent.store.functions.iter().collect();
    functions.sort_by(|(a_name, a), (b_name, b)| {
        let spent = |record: &crate::record::store::FunctionRecord| {
            record.timeline.minute().0.sum_seconds()
        };
        spent(b)
            .total_cmp(&spent(a))
            .then_with(|| a_name.cmp(b_name))
    });
    functions
        .into_iter()
        .take(MAX_ROWS)
        .map(|(name, record)| {
            let (times, sums) = record.timeline.minute();
            FunctionRow {
                name: name.to_string(),
                calls: record.calls,
                errors: record.errors,
                calls_per_second: per_second(sums.calls, agent.second),
                p50_seconds: times.quantile(0.5),
                p95_seconds: times.quantile(0.95),
            }
        })
        .collect()
}
