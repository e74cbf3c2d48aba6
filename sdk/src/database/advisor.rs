//! Which index would serve the statements that really run, proved before anything is touched.
//!
//! Statements in, [`WhatIf`]s out: `catalog` says what there is, `candidate` what could be, the engine's own file asks the
//! planner what each candidate would change, and `selection` keeps the few that pay. Nothing here writes.

use std::sync::Arc;
use std::time::Duration;

use perfdeck_bridge::protocol::Redacted;

use super::{Engine, Error, Handle, IndexPlan};
use crate::sql::access::{Access, Write};
use crate::sql::fingerprint::is_single_statement;
use crate::sql::parse::{Dialect, accesses};

mod candidate;
mod catalog;
#[cfg(feature = "sqlx-postgres")]
mod postgres;
mod selection;
#[cfg(feature = "sqlx-sqlite")]
mod sqlite;

/// The statements that are looked at in one round, the costliest first.
pub(crate) const MAX_SUBJECTS: usize = 20;
/// The candidates that are tried in one round.
pub(crate) const MAX_CANDIDATES: usize = 60;
/// How long a round may take.
const ROUND: Duration = Duration::from_secs(10);
/// Rows of the smallest table that is worth an index.
const SMALL: f64 = 1_000.0;
/// Seconds of a call that does next to nothing: no index promises less.
const FASTEST: f64 = 80e-6;
/// Seconds of a statement that no index makes noticeably faster.
const FAST: f64 = 200e-6;

/// A statement and what it cost lately.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Its fingerprint's id.
    pub(crate) query: u64,
    /// The statement as it was executed; it stays in the process.
    pub(crate) text: Arc<str>,
    pub(crate) calls_per_second: f64,
    pub(crate) mean_seconds: f64,
    /// Rows returned or written by a call.
    pub(crate) rows_per_call: f64,
}

/// What one index would do to one statement; an index that serves several is told once for each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WhatIf {
    /// The statement's fingerprint.
    pub(crate) query: u64,
    pub(crate) index: IndexPlan,
    /// Rows in the table, as the catalog or a sample estimates.
    pub(crate) table_rows: u64,
    /// The plan of today, a line a step, without literals.
    pub(crate) plan_before: Vec<Redacted>,
    /// The plan with the index.
    pub(crate) plan_after: Vec<Redacted>,
    pub(crate) method: Method,
    /// The statement's time with the index as a part of its time now, from 0 to 1.
    pub(crate) time_factor: f64,
    pub(crate) build_seconds_estimate: Option<f64>,
    pub(crate) size_bytes_estimate: Option<u64>,
}

/// How a gain is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// The database's planner chose the index.
    Planned,
    /// Worked out from statistics.
    Modelled,
}

/// Looks for indexes that pay for these statements; an empty answer is a good one.
///
/// The subjects should be all that cost time, writes too: what an index costs them is charged against it.
///
/// # Errors
///
/// When the database can't be asked. A statement that can't be planned is left out, not an error.
pub(crate) async fn advise(handle: &Handle, subjects: &[Subject]) -> Result<Vec<WhatIf>, Error> {
    let dialect = match handle.engine() {
        Engine::Postgres => Dialect::Postgres,
        Engine::Sqlite => Dialect::Sqlite,
    };
    let statements = statements(subjects, dialect);
    if !statements.iter().any(Statement::may_gain) {
        return Ok(Vec::new());
    }
    let trials = tokio::time::timeout(ROUND, async {
        match handle {
            #[cfg(feature = "sqlx-postgres")]
            Handle::Postgres(pool) => postgres::trials(pool, &statements).await,
            #[cfg(feature = "sqlx-sqlite")]
            Handle::Sqlite(pool) => sqlite::trials(pool, &statements).await,
        }
    });
    let trials = trials
        .await
        .map_err(|_| Error::timed_out("look for missing indexes"))??;
    Ok(selection::choose(&statements, trials))
}

/// A subject that could be read.
#[derive(Debug)]
struct Statement<'a> {
    subject: &'a Subject,
    accesses: Vec<Access>,
}

/// What one candidate does to one statement.
#[derive(Debug, Clone)]
struct Trial {
    statement: usize,
    index: IndexPlan,
    table_rows: f64,
    plan_before: Vec<Redacted>,
    plan_after: Vec<Redacted>,
    method: Method,
    /// The cost with the index as a part of the cost without.
    factor: f64,
    build_seconds: f64,
    size_bytes: u64,
}

/// A candidate of a round, with its table's place in the catalog.
#[derive(Debug, Clone)]
struct Candidate {
    table: usize,
    index: IndexPlan,
}

impl Statement<'_> {
    /// Seconds that it takes in every second.
    fn load(&self) -> f64 {
        self.subject.calls_per_second * self.subject.mean_seconds
    }

    /// Keeps a promised part of the time within what a call costs at the least.
    fn bounded(&self, factor: f64) -> f64 {
        let least = FASTEST / self.subject.mean_seconds.max(FASTEST);
        if factor.is_finite() {
            factor.clamp(least, 1.0)
        } else {
            1.0
        }
    }

    /// Returns whether there is time to save, and one statement that can be asked about.
    fn may_gain(&self) -> bool {
        self.subject.mean_seconds >= FAST
            && self.load() > 0.0
            && is_single_statement(&self.subject.text)
    }
}

/// The costliest that can be read, and every one that writes, up to the bound.
fn statements(subjects: &[Subject], dialect: Dialect) -> Vec<Statement<'_>> {
    let mut read: Vec<Statement<'_>> = subjects
        .iter()
        .take(MAX_SUBJECTS * 10)
        .map(|subject| Statement {
            subject,
            accesses: accesses(&subject.text, dialect),
        })
        .filter(|statement| !statement.accesses.is_empty())
        .collect();
    read.sort_by(|one, other| other.load().total_cmp(&one.load()));
    let mut places = MAX_SUBJECTS;
    read.retain(|statement| {
        let writes = statement
            .accesses
            .iter()
            .any(|access| access.write.is_some());
        places = places.saturating_sub(usize::from(!writes));
        writes || places > 0
    });
    read
}

/// What all statements would like of these tables, up to the bound.
fn wanted(
    statements: &[Statement<'_>],
    tables: &[catalog::Table],
    engine: Engine,
) -> Vec<Candidate> {
    let mut wanted: Vec<Candidate> = Vec::new();
    for statement in statements.iter().filter(|statement| statement.may_gain()) {
        for access in &statement.accesses {
            let meant = |(_, table): &(usize, &catalog::Table)| table.is_meant(access, engine);
            let Some((position, table)) = tables.iter().enumerate().find(meant) else {
                continue;
            };
            if table.rows < SMALL || matches!(access.write, Some(Write::Insert)) {
                continue;
            }
            for columns in candidate::candidates(access, table) {
                // A name that can't be quoted takes its candidate with it, nothing else.
                let schema = table.schema.as_deref();
                let Ok(index) = IndexPlan::new(engine, schema, &table.name, columns) else {
                    continue;
                };
                let known = wanted.iter().any(|known| known.index == index);
                if !known && wanted.len() < MAX_CANDIDATES {
                    wanted.push(Candidate {
                        table: position,
                        index,
                    });
                }
            }
        }
    }
    wanted
}

/// Returns whether the statement could use the candidate at all: it asks for the candidate's first column.
fn is_asked_for(
    statement: &Statement<'_>,
    candidate: &Candidate,
    table: &catalog::Table,
    engine: Engine,
) -> bool {
    let Some(lead) = candidate.index.columns.first() else {
        return false;
    };
    statement
        .accesses
        .iter()
        .filter(|access| table.is_meant(access, engine))
        .any(|access| {
            let order = access.order.iter().map(|order| &order.column);
            let mut asked = access
                .equals
                .iter()
                .chain(&access.ranges)
                .chain(&access.joins)
                .chain(order);
            asked.any(|name| {
                table
                    .column(name)
                    .is_some_and(|column| column.name == lead.name)
            })
        })
}
