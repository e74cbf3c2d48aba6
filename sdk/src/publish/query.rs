//! Statements.

use perfdeck_bridge::protocol::{
    CallFrame, CallSite, Queries, QueryDetail, QueryId, QueryRoute, QueryRow,
};

use super::{MAX_ROWS, ROW_TEXT, WITH_TREND, trend};
use crate::agent::Agent;
use crate::observe::layer::Installed;
use crate::record::site::book::Site;
use crate::record::store::{QueryRecord, per_second};
use crate::sql::redacted::cut;

/// What no request runs is told as the route of this name.
const BACKGROUND: &str = "background";
/// Call sites that a detail holds.
const MAX_SITES: usize = 16;

pub(super) fn queries(agent: &Agent) -> Queries {
    let mut records: Vec<_> = agent.store.queries.iter().collect();
    let spent = |record: &QueryRecord| record.timeline.minute().0.sum_seconds();
    records.sort_by(|(a_id, a), (b_id, b)| {
        spent(b)
            .total_cmp(&spent(a))
            .then_with(|| b.calls.cmp(&a.calls))
            .then_with(|| a_id.cmp(b_id))
    });
    let runners = runners(agent);
    let totals = agent.store.totals;
    let rows = records
        .into_iter()
        .take(MAX_ROWS)
        .enumerate()
        .map(|(place, (id, record))| {
            let mut row = row(agent, *id, record, place);
            row.text = cut(&row.text, ROW_TEXT);
            row.route = runners.get(id).map(|(route, _)| (*route).to_owned());
            row
        });
    Queries {
        queries: rows.collect(),
        calls: totals.calls,
        unattributed: totals.unattributed,
        slow_only: slow_only(agent),
    }
}

/// Whether only slow statements are heard, and no others by another way.
pub(super) fn slow_only(agent: &Agent) -> bool {
    Installed::load(&agent.eyes.layer) == Installed::SlowOnly && agent.store.totals.calls == 0
}

/// One statement, opened.
pub(crate) fn detail(agent: &Agent, id: &QueryId) -> Option<QueryDetail> {
    let id = u64::from_str_radix(&id.0, 16).ok()?;
    let record = agent.store.queries.get(&id)?;
    let mut row = row(agent, id, record, 0);
    let mut routes: Vec<_> = agent
        .store
        .requests
        .iter()
        .flat_map(|(route, request)| {
            let used = agent
                .store
                .all_statements(request)
                .statements
                .into_iter()
                .find(|used| used.query == id);
            used.map(|used| QueryRoute {
                route: route.to_string(),
                calls: used.calls,
            })
        })
        .collect();
    if record.unattributed > 0 {
        routes.push(QueryRoute {
            route: BACKGROUND.into(),
            calls: record.unattributed,
        });
    }
    routes.sort_by(|a, b| b.calls.cmp(&a.calls).then_with(|| a.route.cmp(&b.route)));
    row.route = routes.first().map(|first| first.route.clone());
    let call_sites = call_sites(agent, id, &routes);
    let distribution = record
        .timeline
        .minute()
        .0
        .buckets()
        .map(|(_, high, count)| (high as f64 / 1e9, count));
    Some(QueryDetail {
        distribution: distribution.collect(),
        call_sites,
        routes,
        row,
    })
}

/// Where the routes that run a statement call it, the busiest first.
fn call_sites(agent: &Agent, id: u64, routes: &[QueryRoute]) -> Vec<CallSite> {
    let known: std::collections::HashMap<&str, &Site> = agent
        .store
        .sites
        .of(id)
        .map(|site| (site.route.as_deref().unwrap_or(BACKGROUND), site))
        .collect();
    let sites = routes.iter().filter_map(|route| {
        let site = known.get(route.route.as_str())?;
        let frames = site.frames.iter().map(|frame| {
            let (file, line) = frame.at.clone().unzip();
            CallFrame {
                function: frame.function.clone(),
                file,
                line,
            }
        });
        Some(CallSite {
            route: route.route.clone(),
            frames: frames.collect(),
        })
    });
    sites.take(MAX_SITES).collect()
}

/// The route that runs each statement most.
pub(crate) fn runners(agent: &Agent) -> std::collections::HashMap<u64, (&str, u64)> {
    let mut runners = std::collections::HashMap::new();
    for (route, request) in agent.store.requests.iter() {
        for used in agent.store.recent_statements(request).statements {
            let most = runners.entry(used.query).or_insert((&**route, used.calls));
            if (used.calls, most.0) > (most.1, &**route) {
                *most = (&**route, used.calls);
            }
        }
    }
    runners
}

fn row(agent: &Agent, id: u64, record: &QueryRecord, place: usize) -> QueryRow {
    let (times, sums) = record.timeline.minute();
    let all = agent.store.all_queries.minute().0.sum_seconds();
    let pool = record
        .pool
        .filter(|pool| *pool > 0)
        .and_then(|pool| agent.pools.get(pool));
    QueryRow {
        id: QueryId(format!("{id:016x}")),
        text: record.text.clone(),
        database: pool
            .as_ref()
            .map_or_else(String::new, |pool| pool.database.into()),
        // Only the tier that knows the pool sees errors.
        errors: pool.as_ref().map(|_| record.errors),
        pool: pool.map(|pool| pool.name),
        calls: record.calls,
        calls_per_second: per_second(sums.calls, agent.second),
        p50_seconds: times.quantile(0.5),
        p95_seconds: times.quantile(0.95),
        p99_seconds: times.quantile(0.99),
        rows_per_call: if sums.calls > 0 {
            sums.rows as f64 / sums.calls as f64
        } else {
            0.0
        },
        time_share: if all > 0.0 {
            times.sum_seconds() / all
        } else {
            0.0
        },
        route: None,
        recent: if place < WITH_TREND {
            trend(&record.timeline, agent.second)
        } else {
            Vec::new()
        },
    }
}
