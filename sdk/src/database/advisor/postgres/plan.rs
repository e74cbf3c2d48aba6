//! Plans in JSON, read for what the search wants to know.

use std::collections::HashMap;

use perfdeck_bridge::protocol::Redacted;
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use crate::database::advisor::catalog::Table;
use crate::database::advisor::rule::Scan;
use crate::database::identifier::quote_qualified;
use crate::sql::redacted::{plan, plan_line};

/// What a step compares.
const CONDITIONS: [&str; 6] = [
    "Index Cond",
    "Recheck Cond",
    "Hash Cond",
    "Merge Cond",
    "Join Filter",
    "Filter",
];
/// The nodes of the deepest plan that is read.
const MAX_NODES: usize = 2_000;

/// A plan.
#[derive(Debug, Clone)]
pub(super) struct Plan(Value);

impl Plan {
    /// Reads what `EXPLAIN (FORMAT JSON)` answered.
    pub(super) fn read(row: &sqlx::postgres::PgRow) -> Option<Self> {
        let text = row.try_get_raw(0).ok()?;
        let text = text.as_str().ok()?;
        let mut read: Value = serde_json::from_str(text).ok()?;
        Some(Self(read.get_mut(0)?.get_mut("Plan")?.take()))
    }

    pub(super) fn cost(&self) -> f64 {
        number(&self.0, "Total Cost")
    }

    /// Rows that it writes.
    pub(super) fn written(&self) -> f64 {
        if text(&self.0, "Node Type") != "ModifyTable" {
            return 0.0;
        }
        let first = self.0.get("Plans").and_then(|plans| plans.get(0));
        first.map_or(0.0, |first| number(first, "Plan Rows"))
    }

    /// Calls `seen` for each node, with its depth.
    pub(super) fn each<'p>(&'p self, mut seen: impl FnMut(&'p Value, usize)) {
        let mut open = vec![(&self.0, 0)];
        let mut count = 0;
        while let Some((node, depth)) = open.pop() {
            count += 1;
            if count > MAX_NODES {
                break;
            }
            seen(node, depth);
            if let Some(Value::Array(plans)) = node.get("Plans") {
                open.extend(plans.iter().rev().map(|plan| (plan, depth + 1)));
            }
        }
    }

    /// The indexes that it goes through.
    pub(super) fn indexes(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.each(|node, _| {
            if let Some(name) = node.get("Index Name").and_then(Value::as_str) {
                names.push(name);
            }
        });
        names
    }

    /// How it reads tables, by their names; of several scans of one the costliest.
    pub(super) fn scans(&self) -> Vec<(&str, Scan)> {
        let mut scans: Vec<(&str, Scan)> = Vec::new();
        self.each(|node, _| {
            let kind = text(node, "Node Type");
            let Some(table) = node.get("Relation Name").and_then(Value::as_str) else {
                return;
            };
            if kind == "ModifyTable" {
                return;
            }
            scans.push((
                table,
                Scan {
                    cost: number(node, "Total Cost"),
                    rows: number(node, "Plan Rows"),
                    whole: kind == "Seq Scan",
                },
            ));
        });
        scans
    }

    /// Words it, a line a step with its costs; names of hypothetical indexes become real ones. Conditions are told where they
    /// are asked for, without their literals.
    pub(super) fn lines(&self, names: &HashMap<&str, &str>, conditions: bool) -> Vec<Redacted> {
        let mut lines = Vec::new();
        self.each(|node, depth| {
            let mut line = match depth {
                0 => String::new(),
                depth => format!("{}->  ", " ".repeat(depth * 6 - 4)),
            };
            let strategy = match text(node, "Join Type") {
                "" | "Inner" => "",
                other => other,
            };
            line.push_str(text(node, "Node Type"));
            if !strategy.is_empty() {
                line.push_str(&format!(" {strategy}"));
            }
            if let Some(index) = node.get("Index Name").and_then(Value::as_str) {
                let own = names.get(index).copied().unwrap_or(index);
                line.push_str(&format!(" using {own}"));
            }
            if let Some(table) = node.get("Relation Name").and_then(Value::as_str) {
                line.push_str(&format!(" on {table}"));
                let alias = text(node, "Alias");
                if !alias.is_empty() && alias != table {
                    line.push_str(&format!(" {alias}"));
                }
            }
            line.push_str(&format!(
                "  (cost={:.2}..{:.2} rows={:.0} width={:.0})",
                number(node, "Startup Cost"),
                number(node, "Total Cost"),
                number(node, "Plan Rows"),
                number(node, "Plan Width"),
            ));
            lines.push(plan_line(&line));
            let told = CONDITIONS.iter().filter(|_| conditions);
            for name in told {
                let condition = text(node, name);
                if !condition.is_empty() {
                    let indent = " ".repeat(depth * 6 + 2);
                    // As a whole text first: what is in a literal may look like costs.
                    lines.extend(plan(&[format!("{indent}{name}: {condition}")]));
                }
            }
        });
        lines
    }
}

pub(super) fn text<'v>(node: &'v Value, name: &str) -> &'v str {
    node.get(name).and_then(Value::as_str).unwrap_or("")
}

pub(super) fn number(node: &Value, name: &str) -> f64 {
    node.get(name).and_then(Value::as_f64).unwrap_or(0.0)
}

/// Asks how many rows a condition leaves of a table; `None` where it can't be asked.
pub(super) async fn rows_of(
    connection: &mut PgConnection,
    table: &Table,
    predicate: &str,
) -> Option<f64> {
    let on = quote_qualified(table.schema.as_deref(), &table.name).ok()?;
    let sql = format!("EXPLAIN (FORMAT JSON) SELECT 1 FROM {on} WHERE {predicate}");
    let row = sqlx::query(AssertSqlSafe(sql))
        .persistent(false)
        .fetch_one(connection)
        .await
        .ok()?;
    let read = Plan::read(&row)?;
    Some(number(&read.0, "Plan Rows"))
}
