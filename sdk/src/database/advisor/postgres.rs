//! The what-if of PostgreSQL.
use super::{Statement, Trial};
use crate::database::Error;
use sqlx::PgPool;
pub(super) async fn trials(
    pool: &PgPool,
    statements: &[Statement<'_>],
) -> Result<Vec<Trial>, Error> {
    let _ = (pool, statements);
    Ok(Vec::new())
}
