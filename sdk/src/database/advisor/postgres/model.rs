//! An index's effect worked out from statistics, for servers without hypopg: what a sequential scan in today's plan would
//! cost as an index scan, by the planner's own prices.

use super::catalog::Relation;
use crate::database::advisor::{Candidate, Statement};
use crate::database::postgres::{Plan, total_cost};
use crate::sql::access::Access;
use crate::sql::redacted::plan_line;

/// Processor's price of a row through an index, in pages in order.
const ROW: f64 = 0.015;
/// Pages from the root to a leaf.
const DESCENT: f64 = 3.0;
/// Of the rows, what a bound or two leave.
const RANGE: f64 = 0.25;

/// Returns the plan that is to be expected; `None` where today's has no scan that the index would replace.
pub(super) fn plan(
    before: &Plan,
    statement: &Statement<'_>,
    candidate: &Candidate,
    relation: &Relation,
) -> Option<Plan> {
    let table = &relation.table;
    let access = statement
        .accesses
        .iter()
        .find(|access| access.table == table.name)?;
    let position = before
        .lines
        .iter()
        .position(|line| is_scan_of(line.as_str(), &table.name))?;
    let scan = before.lines.get(position)?.as_str();
    let scan_cost = total_cost(scan)?;
    let (matched, ordered) = matched(statement, access, candidate, relation);
    let heap = matched.min(relation.pages.max(1.0)) * relation.random_page_cost;
    let cost = DESCENT * relation.random_page_cost + heap + matched * ROW;
    let total = if ordered && access.limited {
        cost
    } else {
        (before.cost - scan_cost).max(0.0) + cost
    };
    let name = &candidate.index.name;
    let mut lines = before.lines.clone();
    let step = format!(
        "Index Scan using {name} on {}  (modelled: cost={cost:.2} rows={matched:.0})",
        table.name
    );
    if let Some(line) = lines.get_mut(position) {
        let indent: String = scan
            .chars()
            .take_while(|letter| matches!(letter, ' ' | '-' | '>'))
            .collect();
        *line = plan_line(&(indent + &step));
    }
    Some(Plan { lines, cost: total })
}

/// Rows that an index scan would read, and whether it gives the wanted order.
fn matched(
    statement: &Statement<'_>,
    access: &Access,
    candidate: &Candidate,
    relation: &Relation,
) -> (f64, bool) {
    let table = &relation.table;
    let columns = &candidate.index.columns;
    let equal = |name: &String| access.equals.contains(name) || access.joins.contains(name);
    let leads = columns
        .iter()
        .take_while(|column| equal(&column.name))
        .count();
    let distinct: f64 = columns
        .iter()
        .take(leads)
        .filter_map(|column| table.column(&column.name))
        .map(|column| column.distinct)
        .product();
    let mut rows = (table.rows / distinct.max(1.0)).max(1.0);
    let rest = columns.get(leads..).unwrap_or_default();
    if rest
        .first()
        .is_some_and(|column| access.ranges.contains(&column.name))
    {
        rows = (rows * RANGE).max(1.0);
    }
    let order: Vec<&str> = access
        .order
        .iter()
        .map(|order| order.column.as_str())
        .collect();
    let ordered = !order.is_empty() && rest.iter().map(|column| column.name.as_str()).eq(order);
    let all_used = access.equals.iter().all(|name| {
        columns
            .iter()
            .take(leads)
            .any(|column| column.name == *name)
    });
    if access.limited && ordered && all_used && !access.residual && access.ranges.is_empty() {
        rows = rows.min(statement.subject.rows_per_call.max(1.0));
    }
    (rows, ordered)
}

fn is_scan_of(line: &str, table: &str) -> bool {
    let Some((_, rest)) = line.split_once("Seq Scan on ") else {
        return false;
    };
    let name = rest.split("  (cost=").next().unwrap_or(rest);
    // `table`, `table alias`, or either in quotes.
    let name = name.trim_start_matches('"');
    name.strip_prefix(table)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '"']))
}
