//! What a plan of SQLite costs, in rows read one after the other. Its `EXPLAIN QUERY PLAN` has no numbers, so they come
//! from the statistics and from what the statement was seen to return.

use std::collections::HashMap;

use super::schema::Measured;
use crate::database::advisor::{Candidate, Statement};
use crate::database::ddl::{Key, On};
use crate::sql::access::{Access, Subject, Test};

/// Reading a row through an index against reading the next row of a scan.
const LOOKUP: f64 = 3.0;
/// Of the rows, what a bound or two leave.
const RANGE: f64 = 0.25;
/// Sorting a row, by comparison.
const SORT: f64 = 0.1;

/// Returns whether a step of the plan goes through the index.
pub(super) fn uses(plan: &[String], index: &str) -> bool {
    plan.iter().any(|step| index_of(step) == Some(index))
}

/// Adds up the plan's steps; each is taken as often as those before it leave rows.
pub(super) fn of_plan(
    plan: &[String],
    statement: &Statement<'_>,
    tables: &[Measured],
    shown: &HashMap<usize, Candidate>,
    shares: &HashMap<(usize, String), f64>,
) -> f64 {
    let sorts = plan.iter().any(|step| step.starts_with("USE TEMP B-TREE"));
    let (mut total, mut outer) = (0.0, 1.0);
    for step in plan {
        let Some((access, measured)) = touched(step, statement, tables) else {
            continue;
        };
        let (visited, left) = rows(step, access, measured, statement, shown, shares);
        let left = if access.limited && !sorts && statement.accesses.len() == 1 {
            left.min(statement.subject.rows_per_call.max(1.0))
        } else {
            left
        };
        let visited = if access.limited && !sorts && statement.accesses.len() == 1 {
            // The reading ends when enough rows are found.
            let (_, matching) = rows(step, access, measured, statement, shown, shares);
            (visited * (left / matching.max(1.0)).min(1.0)).max(left)
        } else {
            visited
        };
        total += outer * price(step, visited, measured.table.rows);
        outer *= left.max(1.0);
    }
    if sorts {
        total += SORT * outer * outer.max(2.0).log2();
    }
    total.max(1.0)
}

/// Rows that a step reads, and those of them that satisfy the equalities.
fn rows(
    step: &str,
    access: &Access,
    measured: &Measured,
    statement: &Statement<'_>,
    shown: &HashMap<usize, Candidate>,
    shares: &HashMap<(usize, String), f64>,
) -> (f64, f64) {
    let all = measured.table.rows.max(1.0);
    let equals: Vec<&str> = equals(access, measured);
    let mut matching = if equals.is_empty() {
        all
    } else {
        measured.matching(&equals)
    };
    if !access.ranges.is_empty() {
        matching = (matching * RANGE).max(1.0);
    }
    // What the text fixes is known better than by what its column has as a rule.
    for condition in &access.conditions {
        let predicate = condition.constant.as_ref();
        let known = predicate.and_then(|own| shares.get(&(measured.place, own.clone())));
        if let Some(share) = known {
            matching = matching.min((all * share).max(1.0));
        }
    }
    // Of a simple statement it is known how many rows it returned.
    let simple = statement.accesses.len() == 1
        && !access.limited
        && !access.folded
        && access.joins.is_empty();
    let returned = statement.subject.rows_per_call.clamp(1.0, all);
    if simple {
        matching = if access.residual {
            matching.max(returned)
        } else {
            returned
        };
    }
    let share = shown_by(step, shown).map_or(1.0, |candidate| candidate.share);
    matching = matching.min((all * share).max(1.0));
    if !step.starts_with("SEARCH") {
        return ((all * share).max(1.0), matching);
    }
    let Some(condition) = step.rfind('(').and_then(|at| step.get(at..)) else {
        return ((all * share).max(1.0), matching);
    };
    let equalities = condition.matches("=?").count();
    let ranged = condition.contains(">?") || condition.contains("<?");
    let columns: Vec<&str> = columns_of(step, measured, shown).take(equalities).collect();
    let mut found = if columns.is_empty() && equalities > 0 {
        // The row number, or an index that the statement builds for itself.
        if condition.contains("rowid=?") {
            1.0
        } else {
            matching
        }
    } else if columns.is_empty() {
        all
    } else {
        measured.matching(&columns)
    };
    if ranged {
        found = (found * RANGE).max(1.0);
    }
    let all_used = equals.iter().all(|name| {
        columns
            .iter()
            .any(|column| column.eq_ignore_ascii_case(name))
    });
    if simple && !access.residual && all_used && (access.ranges.is_empty() || ranged) {
        found = returned;
    }
    if !(simple && found <= returned) {
        found = (found * share).max(1.0);
    }
    (found.max(1.0), matching.min(found).max(1.0))
}

/// The columns and expressions that one value is looked up of.
fn equals<'a>(access: &'a Access, measured: &Measured) -> Vec<&'a str> {
    let mut equals: Vec<&str> = access.equals.iter().map(String::as_str).collect();
    for condition in &access.conditions {
        if let (Subject::Expression(text), Test::Equal | Test::OneOf) =
            (&condition.on, condition.test)
        {
            equals.push(text);
        }
    }
    equals.retain(|name| measured.sample.has(name));
    equals
}

/// The candidate that a step goes through.
fn shown_by<'a>(step: &str, shown: &'a HashMap<usize, Candidate>) -> Option<&'a Candidate> {
    let name = index_of(step)?;
    shown
        .values()
        .find(|candidate| candidate.index.name == name)
}

fn price(step: &str, visited: f64, all: f64) -> f64 {
    let depth = all.max(2.0).log2();
    let through_index = step.contains(" USING INDEX ");
    if step.contains("(ANY(") {
        // A look-up for each value of what leads, where statistics of the host's own say so; without, all is read.
        return all * 0.5;
    }
    if step.contains(" USING AUTOMATIC ") {
        // Built for the statement alone, from every row.
        return SORT * all * depth + visited;
    }
    let row = if through_index { LOOKUP } else { 1.0 };
    if step.starts_with("SEARCH") {
        depth + visited * row
    } else {
        visited * row
    }
}

/// The columns of the index that a step goes through, in order.
fn columns_of<'a>(
    step: &'a str,
    measured: &'a Measured,
    shown: &'a HashMap<usize, Candidate>,
) -> impl Iterator<Item = &'a str> {
    let name = index_of(step);
    let keys = match shown_by(step, shown) {
        Some(candidate) => Some(&candidate.index.shape.keys),
        None => measured
            .table
            .indexes
            .iter()
            .find(|index| !index.name.is_empty() && name == Some(index.name.as_str()))
            .map(|index| &index.keys),
    };
    keys.into_iter().flatten().map(|key: &Key| match &key.on {
        On::Column(name) | On::Expression(name) => name.as_str(),
    })
}

/// The index that a step names; one with a space before a parenthesis in its name is not known again, which costs accuracy.
pub(super) fn index_of(step: &str) -> Option<&str> {
    let rest = step
        .split_once(" USING INDEX ")
        .or_else(|| step.split_once(" USING COVERING INDEX "))?
        .1;
    Some(rest.split_once(" (").map_or(rest, |(name, _)| name))
}

/// The table that a step reads.
pub(super) fn table_of<'a>(
    step: &str,
    statement: &'a Statement<'_>,
    tables: &'a [Measured],
) -> Option<&'a Measured> {
    touched(step, statement, tables).map(|(_, measured)| measured)
}

/// The access that a step serves: it names the table by its alias.
fn touched<'a>(
    step: &str,
    statement: &'a Statement<'_>,
    tables: &'a [Measured],
) -> Option<(&'a Access, &'a Measured)> {
    let rest = step
        .strip_prefix("SCAN ")
        .or_else(|| step.strip_prefix("SEARCH "))?;
    statement.accesses.iter().find_map(|access| {
        let name = rest.get(..access.alias.len())?;
        let ends = rest
            .get(access.alias.len()..)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        if access.alias.is_empty() || !ends || !name.eq_ignore_ascii_case(&access.alias) {
            return None;
        }
        let meant = |measured: &&Measured| measured.table.name.eq_ignore_ascii_case(&access.table);
        tables.iter().find(meant).map(|measured| (access, measured))
    })
}
