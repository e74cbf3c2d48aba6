//! A sequence comes near the last number that it, or its column, can hold; after it every insert fails.

use perfdeck_bridge::protocol::{DatabaseHealth, Finding, SequenceRow, Severity};

use super::{Told, quoted};

/// From where it is told, and is critical: the bounds of check_postgres's action `sequence`.
const NEAR: f64 = 0.85;
const CRITICAL: f64 = 0.95;

pub(super) fn look(health: &DatabaseHealth) -> impl Iterator<Item = Finding> + '_ {
    health
        .sequences
        .iter()
        .filter(|sequence| sequence.used_ratio >= NEAR)
        .map(|sequence| finding(health, sequence))
}

fn finding(health: &DatabaseHealth, sequence: &SequenceRow) -> Finding {
    let used = sequence.used_ratio * 100.0;
    let name = &sequence.name;
    let column = sequence.column.as_deref();
    let holds = column.map_or_else(
        || "it has".to_owned(),
        |column| format!("{column} can hold"),
    );
    Told {
        kind: "database_sequence_end",
        severity: if sequence.used_ratio >= CRITICAL {
            Severity::Critical
        } else {
            Severity::Warning
        },
        subject: name.clone(),
        title: format!("sequence {name} has given {used:.0} % of the numbers that {holds}"),
        why: format!(
            "Its last number was {} of {}; beyond that every insert fails.",
            sequence.last_value, sequence.limit
        ),
        bound: format!(
            "told from {:.0} %, critical from {:.0} %, as check_postgres does",
            NEAR * 100.0,
            CRITICAL * 100.0
        ),
        remedy: match column.and_then(|column| column.rsplit_once('.')) {
            Some((table, column)) => format!(
                "make the column bigint, which writes the table anew: ALTER TABLE {} ALTER COLUMN {} TYPE bigint; \
                 ALTER SEQUENCE {} AS bigint",
                quoted(table),
                quoted(column),
                quoted(name)
            ),
            None => format!("ALTER SEQUENCE {} AS bigint", quoted(name)),
        },
    }
    .finding(health)
}
