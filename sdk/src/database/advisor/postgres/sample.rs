//! What statements are planned with: the arguments of real calls where the host lets them be kept, else values from the
//! planner's own statistics, a rare one and a common one. Neither leaves the way to their own server.

use sqlx::postgres::{PgArguments, PgConnection};

use crate::database::advisor::catalog::{Column, Table};
use crate::database::advisor::{Arguments, Statement};
use crate::database::postgres::command;
use crate::sql::access::{Condition, Subject, Test};

/// What our prepared statements are called, before a number: no other's is ever touched.
pub(super) const NAME: &str = "perfdeck_statement_";
/// Samples that one statement is planned with.
const SAMPLES: usize = 4;

/// What one call is planned with.
#[derive(Debug, Clone)]
pub(super) enum Bound {
    /// A real call's.
    Arguments(PgArguments),
    /// A list of literals.
    Values(String),
    /// It has no parameters.
    Without,
    /// The generic plan.
    Nothing,
}

/// Finds what each statement is to be planned with.
pub(super) async fn bounds(
    connection: &mut PgConnection,
    statements: &[Statement<'_>],
    tables: &[Table],
) -> Result<Vec<Vec<Bound>>, sqlx::Error> {
    let mut bounds = Vec::with_capacity(statements.len());
    for (place, statement) in statements.iter().enumerate() {
        let kept: Vec<Bound> = statement
            .subject
            .arguments
            .iter()
            .map(|Arguments::Postgres(arguments)| Bound::Arguments(arguments.clone()))
            .collect();
        bounds.push(if kept.is_empty() {
            stand_ins(connection, place, statement, tables).await?
        } else {
            spread(kept)
        });
    }
    Ok(bounds)
}

/// Takes some from all over what was kept.
fn spread(kept: Vec<Bound>) -> Vec<Bound> {
    let step = kept.len().div_ceil(SAMPLES).max(1);
    kept.into_iter().step_by(step).take(SAMPLES).collect()
}

async fn stand_ins(
    connection: &mut PgConnection,
    place: usize,
    statement: &Statement<'_>,
    tables: &[Table],
) -> Result<Vec<Bound>, sqlx::Error> {
    if !statement.may_be_planned() {
        return Ok(Vec::new());
    }
    let name = format!("{NAME}{place}");
    let prepared = format!("PREPARE {name} AS {}", statement.subject.text);
    if command(connection, prepared).await.is_err() {
        return Ok(Vec::new());
    }
    let types = sqlx::query_scalar::<_, Vec<String>>(
        "SELECT coalesce(parameter_types::text[], '{}') FROM pg_prepared_statements WHERE name = $1",
    );
    let types = types.bind(&name).fetch_one(&mut *connection).await?;
    if types.is_empty() {
        return Ok(vec![Bound::Without]);
    }
    let mut bounds = Vec::new();
    for sample in 0..3 {
        let values: Option<Vec<String>> = (1..=types.len())
            .zip(&types)
            .map(|(parameter, kind)| value(statement, tables, parameter, kind, sample))
            .collect();
        if let Some(values) = values {
            let values = Bound::Values(values.join(", "));
            bounds.push(values);
        }
    }
    Ok(if bounds.is_empty() {
        vec![Bound::Nothing]
    } else {
        bounds
    })
}

/// A literal for a parameter; `None` where nothing is known that would be like a real one.
fn value(
    statement: &Statement<'_>,
    tables: &[Table],
    parameter: usize,
    kind: &str,
    sample: usize,
) -> Option<String> {
    if statement.limits.contains(&parameter) {
        return Some("'20'".into());
    }
    let mut compared = false;
    for (access, table) in statement.accesses.iter().zip(&statement.tables) {
        for condition in access.conditions.iter().chain(&access.alternatives) {
            let Some(place) = condition
                .parameters
                .iter()
                .position(|own| *own == parameter)
            else {
                continue;
            };
            compared = true;
            let Some(table) = table.and_then(|table| tables.get(table)) else {
                continue;
            };
            if let Some(value) = like(condition, table, place, sample) {
                let value = if kind.ends_with("[]") {
                    format!(
                        "{{\"{}\"}}",
                        value.replace('\\', "\\\\").replace('"', "\\\"")
                    )
                } else {
                    value
                };
                return Some(format!("'{}'", value.replace('\'', "''")));
            }
        }
    }
    // What is only written or returned makes no difference to the plan.
    (!compared && !is_joined(statement)).then(|| "NULL".to_owned())
}

/// Whether a parameter may be compared in a way that conditions don't tell.
fn is_joined(statement: &Statement<'_>) -> bool {
    statement
        .accesses
        .iter()
        .any(|access| access.residual && access.write.is_none())
}

fn like(condition: &Condition, table: &Table, place: usize, sample: usize) -> Option<String> {
    let column = match &condition.on {
        Subject::Column(name) => table.column(name)?,
        Subject::Expression(_) => return Some("perfdeck".into()),
        Subject::Nothing => return None,
    };
    match condition.test {
        Test::Equal | Test::OneOf => pick(column, sample),
        // Two bounds are a tenth of the values apart.
        Test::Range if condition.parameters.len() > 1 => quantile(column, 4 + 2 * sample + place),
        Test::Range => quantile(column, if sample == 1 { 5 } else { 9 }),
        Test::Like | Test::Match => {
            let text = pick(column, sample)?;
            let start: String = text.chars().take(4).collect();
            Some(format!("{}%", start.replace(['%', '_', '\\'], "")))
        }
        Test::Contains(_) | Test::Flag | Test::NotNull | Test::Other => None,
    }
}

/// A rare value, then the commonest, then one between; `values` are the commonest two and then quantiles.
fn pick(column: &Column, sample: usize) -> Option<String> {
    let common = column.values.len().saturating_sub(QUANTILES);
    let place = match (sample, common) {
        (0, 0) => 5,
        (1, 0) => 2,
        (_, 0) => 8,
        (0, _) if column.values.len() > common => common + 5,
        (0, _) => common - 1,
        (1, _) => 0,
        _ => 1,
    };
    column
        .values
        .get(place)
        .or_else(|| column.values.last())
        .cloned()
}

fn quantile(column: &Column, tenth: usize) -> Option<String> {
    let first = column.values.len().checked_sub(QUANTILES);
    let value = first.and_then(|first| column.values.get(first + tenth.min(QUANTILES - 1)));
    value
        .or_else(|| column.values.get(tenth))
        .or_else(|| column.values.last())
        .cloned()
}

/// Quantiles of a column's values that are kept behind its commonest.
pub(super) const QUANTILES: usize = 11;
