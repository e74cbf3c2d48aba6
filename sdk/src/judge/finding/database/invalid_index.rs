//! An index that failed to be built was left behind.

use perfdeck_bridge::protocol::{DatabaseHealth, Finding, IndexRow, Severity};

use super::{Told, mebibytes, quoted};

pub(super) fn look(health: &DatabaseHealth) -> impl Iterator<Item = Finding> + '_ {
    // One that somebody builds is invalid until it is done.
    let left = |index: &&IndexRow| !index.valid && !index.building;
    let indexes = health.indexes.iter().filter(|_| !health.replica);
    indexes.filter(left).map(|index| finding(health, index))
}

fn finding(health: &DatabaseHealth, index: &IndexRow) -> Finding {
    let name = quoted(&index.name);
    Told {
        kind: "database_invalid_index",
        severity: Severity::Warning,
        subject: index.name.clone(),
        title: format!(
            "index {} on {} is invalid: no query uses it, and writes keep it all the same",
            index.name, index.table
        ),
        why: format!(
            "It takes {}, and nobody builds it now.",
            mebibytes(index.size_bytes.unwrap_or_default())
        ),
        bound: "a CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY that fails leaves its index behind (PostgreSQL, \
                CREATE INDEX, Building Indexes Concurrently)"
            .into(),
        remedy: format!(
            "DROP INDEX CONCURRENTLY {name}, or REINDEX INDEX CONCURRENTLY {name} where it is wanted"
        ),
    }
    .finding(health)
}
