//! A table is read whole, again and again, where the database itself says that an index would do.

use std::collections::BTreeMap;

use perfdeck_bridge::protocol::{
    Confidence, Evidence, Finding, FindingId, FindingStatus, Impact, MissingIndex, ProposedAction,
    Risk, Severity,
};

use super::{is_felt, stable_id, told};
use crate::judge::facts::{Facts, IndexFact};
use crate::judge::window::{Route, Window};

/// The share of its time that a statement must lose.
const LEAST_GAIN: f64 = 0.5;
/// Seconds of statements that an index must save a second, to be worth its upkeep.
const LEAST_SAVED: f64 = 0.001;
/// Calls since the start: fewer are no habit, and what following the advice brings could not be told.
const LEAST_CALLS: u64 = 10;
/// The share of the users' wait from which it is critical.
const CRITICAL_SHARE: f64 = 0.15;

pub(super) fn look<'a>(window: &'a Window, facts: &'a Facts) -> impl Iterator<Item = Finding> + 'a {
    let mut by_index: BTreeMap<(&str, &str), Vec<&IndexFact>> = BTreeMap::new();
    for fact in facts
        .indexes
        .iter()
        .filter(|fact| fact.time_factor <= 1.0 - LEAST_GAIN)
    {
        by_index
            .entry((&fact.pool, &fact.index_name))
            .or_default()
            .push(fact);
    }
    by_index
        .into_values()
        .filter_map(|facts| finding(window, &facts))
}

/// Names the finding of an index.
pub(crate) fn id(fact: &IndexFact) -> FindingId {
    stable_id(
        "missing_index",
        // The statement has the schema as well: tables of one name are told apart.
        &[&fact.pool, &fact.create],
    )
}

/// All statements that one index serves are one finding.
fn finding(window: &Window, facts: &[&IndexFact]) -> Option<Finding> {
    let saved = |fact: &IndexFact| {
        window.query(fact.query).map_or(0.0, |query| {
            query.calls_per_second * query.mean_seconds * (1.0 - fact.time_factor)
        })
    };
    let calls = |fact: &IndexFact| window.query(fact.query).map_or(0, |query| query.calls);
    if facts.iter().map(|fact| calls(fact)).sum::<u64>() < LEAST_CALLS
        || facts.iter().map(|fact| saved(fact)).sum::<f64>() < LEAST_SAVED
    {
        return None;
    }
    // The statement that gains most stands for all.
    let fact = facts.iter().max_by(|a, b| saved(a).total_cmp(&saved(b)))?;
    let query = window.query(fact.query)?;
    // A connection that is sooner free is sooner had: the waits for one shrink with what all statements take.
    let saved_seconds: f64 = facts.iter().map(|fact| saved(fact)).sum::<f64>() * window.seconds();
    let relieved = if window.query_seconds > 0.0 {
        (saved_seconds / window.query_seconds).min(1.0)
    } else {
        0.0
    };
    let saved_of = |route: &Route| -> f64 {
        let waits = if route.wait_seconds > 0.0 {
            relieved * route.pool_wait_seconds / route.wait_seconds
        } else {
            0.0
        };
        let parts = facts.iter().flat_map(|fact| {
            let uses = route
                .statements
                .iter()
                .filter(|used| used.query == fact.query);
            uses.map(|used| used.time_share * (1.0 - fact.time_factor))
        });
        (parts.sum::<f64>() + waits).min(1.0)
    };
    let wait_share = window.share(
        window
            .routes
            .iter()
            .map(|route| saved_of(route) * route.wait_seconds)
            .sum(),
    );
    // Of the time of all statements, since work outside requests makes no user wait, or of the wait.
    if !is_felt(window, saved_seconds.max(wait_share * window.wait_seconds)) {
        return None;
    }
    let runs = |route: &&Route| {
        route
            .statements
            .iter()
            .any(|used| facts.iter().any(|fact| fact.query == used.query))
    };
    let route =
        window.routes.iter().filter(runs).max_by(|a, b| {
            (saved_of(a) * a.wait_seconds).total_cmp(&(saved_of(b) * b.wait_seconds))
        });
    let query_after = query.p95_seconds * fact.time_factor;
    let after = route.map(|route| {
        (route.p95_seconds * (1.0 - saved_of(route))).max(query_after.min(route.p95_seconds))
    });
    let columns = fact.columns.join(", ");
    let (who, now, then) = match (route, after) {
        (Some(route), Some(after)) => (&*route.name, route.p95_seconds, after),
        _ => ("a background query", query.p95_seconds, query_after),
    };
    // The remedy comes first, so that findings of one route differ where a narrow screen cuts them.
    let title = format!(
        "index {} ({columns}): {who} p95 {} -> about {}",
        fact.table,
        told(now),
        told(then),
    );
    Some(Finding {
        id: id(fact),
        kind: "missing_index".into(),
        severity: if wait_share >= CRITICAL_SHARE {
            Severity::Critical
        } else {
            Severity::Warning
        },
        title,
        evidence: Evidence::MissingIndex(MissingIndex {
            table: fact.table.clone(),
            columns: fact.columns.clone(),
            query: query.text.clone(),
            calls_per_second: query.calls_per_second,
            query_p95_seconds: query.p95_seconds,
            query_p95_seconds_after: query_after,
            table_rows: fact.table_rows,
            plan_before: fact.plan_before.clone(),
            plan_after: fact.plan_after.clone(),
        }),
        impact: Impact {
            route: route.map(|route| route.name.to_string()),
            p95_seconds_now: route.map(|route| route.p95_seconds),
            p95_seconds_after: after,
            wait_share,
        },
        confidence: if fact.planned {
            Confidence::Verified
        } else {
            Confidence::Estimated
        },
        action: Some(ProposedAction {
            kind: "create_index".into(),
            preview: fact.create.clone(),
            risk: Risk::Schema,
            undo: fact.drop.clone(),
        }),
        status: FindingStatus::Ready,
        score_points: 0.0,
    })
}
