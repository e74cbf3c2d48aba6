//! What the planner says it would do, in lines that are safe to show.

use super::{Error, Handle};
use crate::sql::fingerprint::{is_single_statement, redact};

/// Asks whether the statement's plan names the index.
///
/// # Errors
///
/// When the statement can't be planned.
pub(crate) async fn plan_uses(
    handle: &Handle,
    text: &str,
    index_name: &str,
) -> Result<bool, Error> {
    const OPERATION: &str = "plan a statement";
    if !is_single_statement(text) {
        return Err(Error::refused(
            OPERATION,
            "it is more than one, or can't be read",
        ));
    }
    let lines = match handle {
        #[cfg(feature = "sqlx-postgres")]
        Handle::Postgres(pool) => {
            let mut connection = super::postgres::connect(pool).await?;
            let plan = super::postgres::explain(&mut connection, text).await;
            super::postgres::close(connection).await;
            plan.map_err(|error| Error::failed(OPERATION, &error))?
                .lines
        }
        #[cfg(feature = "sqlx-sqlite")]
        Handle::Sqlite(pool) => {
            let mut side = super::sqlite::Side::open(pool, super::sqlite::Access::Read).await?;
            let plan = super::sqlite::explain(&mut side, text).await;
            side.close().await;
            plan.map_err(|error| Error::failed(OPERATION, &error))?
        }
    };
    Ok(names(&lines, index_name))
}

/// Returns whether a line has the name as a word.
pub(super) fn names(lines: &[String], index_name: &str) -> bool {
    let inside = |letter: char| letter.is_alphanumeric() || letter == '_';
    lines.iter().any(|line| {
        line.split(|letter| !inside(letter))
            .any(|word| word == index_name)
    })
}

/// Takes the literals out of a plan's lines. They are joined first, since a literal may go on in the next line.
pub(super) fn without_literals(lines: &[String]) -> Vec<String> {
    const HIDDEN: &str = "(a plan whose literals can't be told apart)";
    let Some(joined) = redact(&lines.join("\n"), false) else {
        return vec![HIDDEN.into()];
    };
    let safe = |line: &str| {
        // Numbers are costs in a step's own line and may be values in the lines under it.
        if line.contains("(cost=") {
            Some(line.to_owned())
        } else {
            redact(line, true)
        }
    };
    joined
        .lines()
        .map(|line| safe(line).unwrap_or_else(|| HIDDEN.into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_told_without_its_literals() {
        let lines = [
            "Seq Scan on t  (cost=0.00..35.50 rows=10 width=4)",
            "  Filter: ((a > 4711) AND (b = 'secret",
            "(cost=secret'::text))",
        ]
        .map(str::to_owned);
        assert_eq!(
            without_literals(&lines),
            [
                "Seq Scan on t  (cost=0.00..35.50 rows=10 width=4)",
                "  Filter: ((a > ?) AND (b = ?::text))",
            ]
        );
    }

    #[test]
    fn an_index_is_known_by_its_whole_name() {
        let lines = ["Index Scan using perfdeck_a_b on a".to_owned()];
        assert!(names(&lines, "perfdeck_a_b"));
        assert!(!names(&lines, "perfdeck_a"));
    }
}
