//! The what-if of PostgreSQL: hypothetical indexes where the extension hypopg is installed, else a model on the planner's
//! statistics. Both on one connection of perfdeck's own.

use sqlx::PgPool;
use sqlx::postgres::PgConnection;

use super::{Method, Statement, Trial, is_asked_for, wanted};
use crate::database::postgres::{Plan, close, connect, explain};
use crate::database::{Engine, Error};

mod catalog;
mod hypopg;
mod model;
#[cfg(test)]
mod tests;

/// Tries every candidate on every statement that could use it.
pub(super) async fn trials(
    pool: &PgPool,
    statements: &[Statement<'_>],
) -> Result<Vec<Trial>, Error> {
    let mut connection = connect(pool).await?;
    let tried = on(&mut connection, statements).await;
    close(connection).await;
    tried.map_err(|error| Error::failed("look for missing indexes", &error))
}

async fn on(
    connection: &mut PgConnection,
    statements: &[Statement<'_>],
) -> Result<Vec<Trial>, sqlx::Error> {
    let relations = catalog::read(connection, statements).await?;
    let tables: Vec<_> = relations
        .iter()
        .map(|relation| relation.table.clone())
        .collect();
    let candidates = wanted(statements, &tables, Engine::Postgres);
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let mut before = Vec::with_capacity(statements.len());
    for statement in statements {
        before.push(if statement.may_gain() {
            explain(connection, &statement.subject.text).await.ok()
        } else {
            None
        });
    }
    let extension = hypopg::Hypopg::find(connection).await?;
    let mut trials = Vec::new();
    for candidate in &candidates {
        let Some(relation) = relations.get(candidate.table) else {
            continue;
        };
        let hypothetical = match &extension {
            // What can't be made hypothetically can't be made.
            Some(extension) => match extension.add(connection, &candidate.index).await {
                Ok(hypothetical) => Some(hypothetical),
                Err(_) => continue,
            },
            None => None,
        };
        for (position, (statement, before)) in statements.iter().zip(&before).enumerate() {
            let Some(before) = before else { continue };
            if !is_asked_for(statement, candidate, &relation.table, Engine::Postgres) {
                continue;
            }
            let after = match &hypothetical {
                Some(hypothetical) => match explain(connection, &statement.subject.text).await {
                    Ok(plan) => hypothetical.named(plan, &candidate.index.name),
                    Err(_) => None,
                },
                None => model::plan(before, statement, candidate, relation),
            };
            let Some(Plan { lines, cost }) = after else {
                continue;
            };
            let index = &candidate.index;
            trials.push(Trial {
                statement: position,
                index: index.clone(),
                table_rows: relation.table.rows,
                plan_before: before.lines.clone(),
                plan_after: lines,
                method: if hypothetical.is_some() {
                    Method::Planned
                } else {
                    Method::Modelled
                },
                factor: statement.bounded(cost / before.cost.max(f64::MIN_POSITIVE)),
                build_seconds: relation.table.build_seconds(&index.columns),
                size_bytes: relation.table.index_bytes(&index.columns),
            });
        }
        if let (Some(extension), Some(hypothetical)) = (&extension, hypothetical) {
            extension.remove(connection, &hypothetical).await?;
        }
    }
    if let Some(extension) = &extension {
        extension.reset(connection).await?;
    }
    Ok(trials)
}
