//! The what-if of SQLite: a shadow of the schema in memory, with statistics, whose planner is asked with and without a
//! candidate. The host's database is only read, and of its rows a bounded sample.

use sqlx::SqlitePool;

use super::{Candidate, Method, Statement, Trial, is_asked_for, wanted};
use crate::database::sqlite::{Access, Side};
use crate::database::{Engine, Error};
use crate::sql::redacted::steps;

mod cost;
mod sample;
mod schema;
mod shadow;
#[cfg(test)]
mod tests;

use schema::Measured;
use shadow::Shadow;

/// Tries every candidate on every statement that could use it.
pub(super) async fn trials(
    pool: &SqlitePool,
    statements: &[Statement<'_>],
) -> Result<Vec<Trial>, Error> {
    let mut side = Side::open(pool, Access::Read).await?;
    let read = schema::read(&mut side, statements).await;
    side.close().await;
    let schema = read.map_err(|error| Error::failed("read the schema", &error))?;
    let tables: Vec<_> = schema
        .tables
        .iter()
        .map(|measured| measured.table.clone())
        .collect();
    let candidates = wanted(statements, &tables, Engine::Sqlite);
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let mut shadow = Shadow::build(pool, &schema).await?;
    let tried = try_all(&mut shadow, statements, &schema.tables, &candidates).await;
    shadow.close().await;
    tried.map_err(|error| Error::failed("try an index on the shadow database", &error))
}

async fn try_all(
    shadow: &mut Shadow,
    statements: &[Statement<'_>],
    tables: &[Measured],
    candidates: &[Candidate],
) -> Result<Vec<Trial>, sqlx::Error> {
    let mut before = Vec::with_capacity(statements.len());
    for statement in statements {
        let plan = if statement.may_gain() {
            shadow.explain(&statement.subject.text).await.ok()
        } else {
            None
        };
        before.push(plan);
    }
    let mut trials = Vec::new();
    for candidate in candidates {
        let Some(measured) = tables.get(candidate.table) else {
            continue;
        };
        // What SQLite can't index, a generated column that isn't stored say, is no candidate.
        if shadow.add(candidate, measured).await.is_err() {
            continue;
        }
        for (position, (statement, before)) in statements.iter().zip(&before).enumerate() {
            let Some(before) = before else { continue };
            if !is_asked_for(statement, candidate, &measured.table, Engine::Sqlite) {
                continue;
            }
            let Ok(after) = shadow.explain(&statement.subject.text).await else {
                continue;
            };
            if !cost::uses(&after, &candidate.index.name) {
                continue;
            }
            let now = cost::of_plan(before, statement, tables, None);
            let then = cost::of_plan(&after, statement, tables, Some(candidate));
            trials.push(Trial {
                statement: position,
                index: candidate.index.clone(),
                table_rows: measured.table.rows,
                plan_before: steps(before),
                plan_after: steps(&after),
                method: Method::Planned,
                factor: statement.bounded(then / now.max(1.0)),
                build_seconds: measured.table.build_seconds(&candidate.index.columns),
                size_bytes: measured.table.index_bytes(&candidate.index.columns),
            });
        }
        shadow.remove(candidate).await?;
    }
    Ok(trials)
}
