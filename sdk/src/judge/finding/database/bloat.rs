//! Dead rows take room and time, and nobody cleans up.

use perfdeck_bridge::protocol::{DatabaseHealth, Finding, Severity, TableRow};

use super::{OVERDUE_SECONDS, Told, mebibytes, quoted, rows};
use crate::judge::finding::told;

/// The share of the rows that are dead. `autovacuum_vacuum_scale_factor`, from which autovacuum cleans up, is 0.2.
const DEAD_SHARE: f64 = 0.2;
/// The smallest table that is worth a word: reading less from memory takes a few milliseconds.
const LEAST_BYTES: u64 = 10 << 20;

pub(super) fn look(health: &DatabaseHealth) -> impl Iterator<Item = Finding> + '_ {
    // What a replica counts is its own, and upkeep is the primary's.
    let tables = health.tables.iter().filter(|_| !health.replica);
    tables.filter_map(|table| {
        let bytes = table.heap_bytes.filter(|bytes| *bytes >= LEAST_BYTES)?;
        let overdue = table.vacuum_overdue_seconds?;
        let share = share(table);
        (overdue >= OVERDUE_SECONDS && share >= DEAD_SHARE)
            .then(|| finding(health, table, bytes, overdue))
    })
}

fn share(table: &TableRow) -> f64 {
    table.dead_rows as f64 / (table.live_rows + table.dead_rows).max(1) as f64
}

fn finding(health: &DatabaseHealth, table: &TableRow, bytes: u64, overdue: f64) -> Finding {
    let share = share(table);
    let off = table.autovacuum == Some(false);
    let oldest = health.sessions.iter().map(|row| row.transaction_seconds);
    let oldest = oldest.fold(0.0, f64::max);
    let held = if oldest >= OVERDUE_SECONDS {
        let age = told(oldest);
        format!(" A transaction is open for {age}: what died since it began can't be cleaned up.")
    } else {
        String::new()
    };
    let due = table.vacuum_due_rows.unwrap_or_default() as u64;
    Told {
        kind: "database_bloat",
        severity: Severity::Warning,
        subject: table.name.clone(),
        title: format!(
            "{} is bloated: {:.0} % of its rows are dead, about {} of {}",
            table.name,
            share * 100.0,
            mebibytes((bytes as f64 * share) as u64),
            mebibytes(bytes),
        ),
        why: format!(
            "{} of {} rows are dead, and clean-up is overdue for {}{}.{held}",
            rows(table.dead_rows),
            rows(table.live_rows + table.dead_rows),
            told(overdue),
            if off { ", since autovacuum is off for it" } else { "" },
        ),
        bound: format!(
            "autovacuum is due from {} dead rows: autovacuum_vacuum_threshold + autovacuum_vacuum_scale_factor x \
             rows (PostgreSQL, Routine Vacuuming). Told from {:.0} % of {}, three autovacuum_naptime later.",
            rows(due),
            DEAD_SHARE * 100.0,
            mebibytes(LEAST_BYTES),
        ),
        remedy: if off {
            let name = quoted(&table.name);
            format!(
                "VACUUM (ANALYZE) {name}; and autovacuum on again, in the server's settings or by ALTER TABLE {name} RESET \
                 (autovacuum_enabled)"
            )
        } else {
            format!("VACUUM (ANALYZE) {}", quoted(&table.name))
        },
    }
    .finding(health)
}
