//! The few that pay: greedy over the whole workload, with what writes lose charged against what reads gain.

use super::{Method, Statement, Trial, WhatIf};
use crate::sql::access::Write;

/// What is left of a statement's time must be at most this.
const PLANNED_BAR: f64 = 0.5;
/// The same where no planner has confirmed it.
const MODELLED_BAR: f64 = 0.2;
/// Seconds that one more index costs a written row, with its part of the log: on the cautious side of what was measured.
const WRITE_SECONDS: f64 = 30e-6;
/// Seconds that must be saved in every second, all statements together.
const WORTH: f64 = 2e-4;
/// An index more must serve someone this much better, or another is dropped for it.
const NEARLY: f64 = 1.25;

/// Picks the indexes and tells each once a statement that it serves.
pub(super) fn choose(statements: &[Statement<'_>], trials: Vec<Trial>) -> Vec<WhatIf> {
    let trials: Vec<Trial> = trials
        .into_iter()
        .filter(|trial| trial.factor <= bar(trial.method))
        .collect();
    let mut best = vec![1.0; statements.len()];
    let mut chosen: Vec<&str> = Vec::new();
    loop {
        let mut names: Vec<&str> = Vec::new();
        for name in trials.iter().map(|trial| trial.index.name.as_str()) {
            if !names.contains(&name) && !chosen.contains(&name) {
                names.push(name);
            }
        }
        // Candidates come with the likeliest in front, and estimates differ in what means nothing.
        let valued = names.into_iter().enumerate().map(|(rank, name)| {
            (
                value(name, &trials, statements, &best) * (1.0 - 0.001 * rank as f64),
                name,
            )
        });
        let Some((_, name)) = valued
            .filter(|(value, _)| *value >= WORTH)
            .max_by(|one, other| one.0.total_cmp(&other.0))
        else {
            break;
        };
        chosen.push(name);
        for trial in trials.iter().filter(|trial| trial.index.name == name) {
            if let Some(best) = best.get_mut(trial.statement) {
                *best = best.min(trial.factor);
            }
        }
    }
    drop_served(&mut chosen, &trials);
    serving(&chosen, &trials, statements)
}

/// Seconds saved a second beyond what is chosen so far, less what writes lose.
fn value(name: &str, trials: &[Trial], statements: &[Statement<'_>], best: &[f64]) -> f64 {
    let mut saved = 0.0;
    let mut width = 0;
    let mut charge = 0.0;
    for trial in trials.iter().filter(|trial| trial.index.name == name) {
        let (Some(statement), Some(best)) =
            (statements.get(trial.statement), best.get(trial.statement))
        else {
            continue;
        };
        width = trial.index.columns.len();
        charge = write_seconds(trial, statements);
        if trial.factor <= best * PLANNED_BAR {
            saved += statement.load() * (best - trial.factor);
        }
    }
    // Among equals the narrower; and a gain must be twice its price.
    let narrowness = 1.0 - 0.01 * width as f64;
    if saved >= 2.0 * charge {
        (saved - charge) * narrowness
    } else {
        0.0
    }
}

/// Seconds in every second that writes to the table would spend on the index.
fn write_seconds(trial: &Trial, statements: &[Statement<'_>]) -> f64 {
    let mut rows = 0.0;
    for statement in statements {
        let touches = statement.accesses.iter().any(|access| {
            access.table.eq_ignore_ascii_case(&trial.index.table)
                && match &access.write {
                    None => false,
                    Some(Write::Insert | Write::Delete) => true,
                    Some(Write::Update(columns)) => columns.iter().any(|changed| {
                        trial
                            .index
                            .columns
                            .iter()
                            .any(|column| column.name.eq_ignore_ascii_case(changed))
                    }),
                }
        });
        if touches {
            rows += statement.subject.calls_per_second * statement.subject.rows_per_call.max(1.0);
        }
    }
    rows * WRITE_SECONDS
}

/// Drops an index if for all its statements another chosen one does nearly as well.
fn drop_served(chosen: &mut Vec<&str>, trials: &[Trial]) {
    for name in chosen.clone() {
        let served = trials
            .iter()
            .filter(|trial| trial.index.name == name)
            .all(|own| {
                trials.iter().any(|other| {
                    other.index.name != name
                        && other.statement == own.statement
                        && chosen.contains(&other.index.name.as_str())
                        && other.factor <= own.factor * NEARLY
                })
            });
        if served && chosen.len() > 1 {
            chosen.retain(|kept| *kept != name);
        }
    }
}

/// For each statement its best index among the chosen.
fn serving(chosen: &[&str], trials: &[Trial], statements: &[Statement<'_>]) -> Vec<WhatIf> {
    let mut told = Vec::new();
    for (position, statement) in statements.iter().enumerate() {
        let own = trials.iter().filter(|trial| trial.statement == position);
        let own = own.filter(|trial| chosen.contains(&trial.index.name.as_str()));
        let Some(trial) = own.min_by(|one, other| one.factor.total_cmp(&other.factor)) else {
            continue;
        };
        told.push(WhatIf {
            query: statement.subject.query,
            index: trial.index.clone(),
            table_rows: trial.table_rows as u64,
            plan_before: trial.plan_before.clone(),
            plan_after: trial.plan_after.clone(),
            method: trial.method,
            time_factor: trial.factor.clamp(0.0, 1.0),
            build_seconds_estimate: Some(trial.build_seconds),
            size_bytes_estimate: Some(trial.size_bytes),
        });
    }
    told
}

const fn bar(method: Method) -> f64 {
    match method {
        Method::Planned => PLANNED_BAR,
        Method::Modelled => MODELLED_BAR,
    }
}
