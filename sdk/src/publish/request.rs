//! Routes and monitored functions.

use std::sync::Arc;

use perfdeck_bridge::protocol::{
    Background, FunctionRow, QueryId, RequestRow, Requests, RouteDetail, RouteStatement,
};

use super::window::share_of_queries;
use super::{MAX_ROWS, ROW_TEXT, WITH_TREND, trend};
use crate::agent::Agent;
use crate::record::store::{RequestRecord, per_second, quantities};
use crate::sql::redacted::cut;

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
    let recent = agent.store.recent_statements(record);
    let recent_seconds: f64 = recent.iter().map(|used| used.seconds).sum();
    let statements = agent
        .store
        .all_statements(record)
        .into_iter()
        .filter_map(|used| {
            let query = agent.store.queries.get(&used.query)?;
            let lately = recent.iter().find(|recent| recent.query == used.query);
            let seconds = lately.map_or(0.0, |lately| lately.seconds);
            Some(RouteStatement {
                query: QueryId(format!("{:016x}", used.query)),
                text: cut(&query.text, ROW_TEXT),
                calls: used.calls,
                per_request: lately.unwrap_or(&used).per_request,
                time_share: if recent_seconds > 0.0 {
                    row.query_share * seconds / recent_seconds
                } else {
                    0.0
                },
            })
        });
    Some(RouteDetail {
        statements: statements.collect(),
        exemplars: super::exemplar::some(agent, route),
        row,
    })
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
