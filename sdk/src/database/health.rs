//! How a database is: its sizes, its upkeep, and who is in whose way.
//!
//! A look is a few statements on one connection of perfdeck's own, in transactions that can't write, with short time-outs;
//! it reads catalogs and counters, never a row of the host's. What can't be read keeps its last state and says why.

use std::time::Duration;

#[cfg(feature = "sqlx-postgres")]
use perfdeck_bridge::protocol::TableRow;
use perfdeck_bridge::protocol::{DatabaseHealth, Timestamp};

use super::{Error, Handle};

#[cfg(feature = "sqlx-postgres")]
mod postgres;
#[cfg(feature = "sqlx-sqlite")]
mod sqlite;
#[cfg(test)]
mod tests;

/// Rows that are told of each kind; how many more there are is told beside them.
const MAX_TABLES: usize = 50;
const MAX_INDEXES: usize = 100;
#[cfg(feature = "sqlx-postgres")]
const MAX_SEQUENCES: usize = 20;
#[cfg(feature = "sqlx-postgres")]
const MAX_SESSIONS: usize = 20;
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(8);
/// The most bytes of a name that is the client's or a user's to choose.
const MAX_NAME: usize = 160;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Who is connected, and who waits for whom.
    Sessions,
    /// That, and the tables, indexes and sequences.
    All,
}

/// Looks at a database, and returns what was known of it with what is new.
pub(crate) async fn look(
    handle: &Handle,
    look: Look,
    known: DatabaseHealth,
    now: Timestamp,
) -> DatabaseHealth {
    // Who waits for whom is of a moment; all else is what it was.
    let before = DatabaseHealth {
        sessions: Vec::new(),
        blocked: Vec::new(),
        ..known.clone()
    };
    let looked = tokio::time::timeout(PATIENCE, async {
        match handle {
            #[cfg(feature = "sqlx-postgres")]
            Handle::Postgres(pool) => postgres::look(pool, look, known, now).await,
            #[cfg(feature = "sqlx-sqlite")]
            Handle::Sqlite(pool) => sqlite::look(pool, look, known, now).await,
        }
    });
    let failed = match looked.await {
        Ok(Ok(health)) => return health,
        Ok(Err(error)) => error,
        Err(_) => Error::timed_out("look at the database"),
    };
    DatabaseHealth {
        failure: Some(failed.to_string()),
        ..before
    }
}

/// Notes for how long each table was seen to need care: since the look before, or since then. One that is taken care of just
/// now is not overdue, however long that takes.
#[cfg(feature = "sqlx-postgres")]
fn overdue(tables: &mut [TableRow], before: &DatabaseHealth, now: Timestamp, tended: &[String]) {
    let passed = before
        .sized_at
        .map_or(0.0, |then| now.since(then).as_secs_f64());
    for table in tables {
        let known = before.tables.iter().find(|known| known.name == table.name);
        let tended = tended.contains(&table.name);
        let since = |due: Option<f64>, rows: u64, overdue: Option<f64>| {
            let over = due.is_some_and(|due| rows as f64 > due) && !tended;
            over.then(|| overdue.map_or(0.0, |seconds| seconds + passed))
        };
        table.vacuum_overdue_seconds = since(
            table.vacuum_due_rows,
            table.dead_rows,
            known.and_then(|known| known.vacuum_overdue_seconds),
        );
        table.analyze_overdue_seconds = since(
            table.analyze_due_rows,
            table.modified_rows,
            known.and_then(|known| known.analyze_overdue_seconds),
        );
    }
}

/// A name with its schema where that says something.
#[cfg(feature = "sqlx-postgres")]
fn qualified(schema: &str, name: &str) -> String {
    if schema == "public" {
        cut(name)
    } else {
        cut(&format!("{schema}.{name}"))
    }
}

/// Cuts a name that somebody else chose.
fn cut(name: &str) -> String {
    let end = (0..=MAX_NAME.min(name.len()))
        .rev()
        .find(|end| name.is_char_boundary(*end));
    name.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}
