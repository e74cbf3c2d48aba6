//! What the planner says it would do.

use super::{Error, Handle};
use crate::sql::fingerprint::is_single_statement;

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
    let named = match handle {
        #[cfg(feature = "sqlx-postgres")]
        Handle::Postgres(pool) => {
            let mut connection = super::postgres::connect(pool).await?;
            let plan = super::postgres::explain(&mut connection, text).await;
            super::postgres::close(connection).await;
            let plan = plan.map_err(|error| Error::failed(OPERATION, &error))?;
            names(&plan.lines, index_name)
        }
        #[cfg(feature = "sqlx-sqlite")]
        Handle::Sqlite(pool) => {
            let mut side = super::sqlite::Side::open(pool, super::sqlite::Access::Read).await?;
            let plan = super::sqlite::explain(&mut side, text).await;
            side.close().await;
            let lines = plan.map_err(|error| Error::failed(OPERATION, &error))?;
            names(&lines, index_name)
        }
    };
    Ok(named)
}

/// Returns whether a line has the name as a word.
pub(super) fn names(lines: &[impl AsRef<str>], index_name: &str) -> bool {
    let inside = |letter: char| letter.is_alphanumeric() || letter == '_';
    lines.iter().any(|line| {
        line.as_ref()
            .split(|letter| !inside(letter))
            .any(|word| word == index_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_known_by_its_whole_name() {
        let lines = ["Index Scan using perfdeck_a_b on a".to_owned()];
        assert!(names(&lines, "perfdeck_a_b"));
        assert!(!names(&lines, "perfdeck_a"));
    }
}
