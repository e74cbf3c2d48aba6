//! What the search found, as it is told.

use std::collections::BTreeSet;

use perfdeck_bridge::protocol::Redacted;

use super::catalog::Table;
use super::search::Found;
use super::{Method, Proposal, Served, Statement};

/// A statement's plan, and the plan with all that is proposed.
pub(super) type Plans = (Vec<Redacted>, Vec<Redacted>);

/// The statements whose plans are wanted.
pub(super) fn served(found: &Found) -> BTreeSet<usize> {
    let after = found.after.iter().enumerate();
    after
        .filter(|(_, planned)| {
            planned
                .as_ref()
                .is_some_and(|planned| planned.uses.iter().any(|id| found.chosen.contains(id)))
        })
        .map(|(place, _)| place)
        .collect()
}

/// Words what was found.
pub(super) fn proposals(
    found: &Found,
    statements: &[Statement<'_>],
    tables: &[Table],
    method: Method,
    plans: &[(usize, Plans)],
    engine: crate::database::Engine,
) -> Vec<Proposal> {
    let mut told = Vec::new();
    for id in &found.chosen {
        let Some(candidate) = found.candidates.get(*id) else {
            continue;
        };
        let Some(table) = tables.get(candidate.table) else {
            continue;
        };
        let mut serves = Vec::new();
        let (mut before, mut after, mut calls, mut load) = (0.0, 0.0, 0.0, 0.0);
        for (place, (plan_before, plan_after)) in plans {
            let (Some(Some(was)), Some(Some(is)), Some(statement)) = (
                found.before.get(*place),
                found.after.get(*place),
                statements.get(*place),
            ) else {
                continue;
            };
            if !is.uses.contains(id) {
                continue;
            }
            let rate = statement.subject.calls_per_second;
            before += was.mean() * rate;
            after += is.mean() * rate;
            calls += rate;
            load += statement.load();
            serves.push(Served {
                query: statement.subject.query,
                factor: statement.bounded(is.mean() / was.mean().max(f64::MIN_POSITIVE)),
                plan_before: plan_before.clone(),
                plan_after: plan_after.clone(),
            });
        }
        let calls = f64::max(calls, f64::MIN_POSITIVE);
        let (cost_before, cost_after) = (before / calls, after / calls);
        let how = match method {
            Method::Planned => "by the database's own planner",
            Method::Modelled | Method::Ruled => "by a model on its statistics",
        };
        told.push(Proposal {
            reason: format!(
                "{} on {} ({}): {how} their cost falls from {cost_before:.0} to {cost_after:.0}; they take {:.1} ms in \
                 every second now",
                counted(serves.len()),
                table.name,
                candidate.index.shape.words().join(", "),
                load * 1e3,
            ),
            index: candidate.index.clone(),
            table_rows: table.rows,
            method,
            serves,
            cost_before,
            cost_after,
            build_seconds: table.build_seconds(&candidate.index.shape),
            size_bytes: table.index_bytes(&candidate.index.shape, candidate.share, engine),
        });
    }
    told
}

pub(super) fn counted(statements: usize) -> String {
    match statements {
        1 => "serves 1 statement".to_owned(),
        count => format!("serves {count} statements"),
    }
}
