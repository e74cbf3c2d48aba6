//! The planner goes by statistics of rows that are no more.

use perfdeck_bridge::protocol::{DatabaseHealth, Finding, Severity, TableRow};

use super::{OVERDUE_SECONDS, Told, quoted, rows};
use crate::judge::finding::told;

/// Rows of the smallest table whose plans may suffer.
const LEAST_ROWS: u64 = 10_000;
/// How many times as many rows must be written as autovacuum waits for.
const TIMES: f64 = 2.0;

pub(super) fn look(health: &DatabaseHealth) -> impl Iterator<Item = Finding> + '_ {
    let tables = health.tables.iter().filter(|_| !health.replica);
    tables.filter_map(|table| {
        let overdue = table.analyze_overdue_seconds?;
        let due = table.analyze_due_rows?;
        let many = table.modified_rows as f64 > TIMES * due;
        (overdue >= OVERDUE_SECONDS && many && table.live_rows >= LEAST_ROWS)
            .then(|| finding(health, table, due, overdue))
    })
}

fn finding(health: &DatabaseHealth, table: &TableRow, due: f64, overdue: f64) -> Finding {
    let never = table.analyzed_at.is_none();
    let off = table.autovacuum == Some(false);
    Told {
        kind: "database_stale_statistics",
        severity: Severity::Warning,
        subject: table.name.clone(),
        title: if never {
            format!("{} has no statistics, and {} rows", table.name, rows(table.live_rows))
        } else {
            format!(
                "the statistics of {} are stale: {} rows were written since",
                table.name,
                rows(table.modified_rows)
            )
        },
        why: format!(
            "{} rows were written since the statistics of its {} rows were gathered, which is overdue for {}{}.",
            rows(table.modified_rows),
            rows(table.live_rows),
            told(overdue),
            if off { ", since autovacuum is off for it" } else { "" },
        ),
        bound: format!(
            "autovacuum is due from {} written rows: autovacuum_analyze_threshold + autovacuum_analyze_scale_factor \
             x rows (PostgreSQL, Routine Vacuuming). Told from twice that and {} rows, three autovacuum_naptime later.",
            rows(due as u64),
            rows(LEAST_ROWS),
        ),
        remedy: if off {
            let name = quoted(&table.name);
            format!(
                "ANALYZE {name}; and autovacuum on again, in the server's settings or by ALTER TABLE {name} RESET \
                 (autovacuum_enabled)"
            )
        } else {
            format!("ANALYZE {}", quoted(&table.name))
        },
    }
    .finding(health)
}
