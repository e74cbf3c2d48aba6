//! Bound values that a host's own call had, for the planner of the same server.

use std::fmt;

/// A call's arguments; they are never decoded and never printed.
#[derive(Clone)]
pub(crate) enum Arguments {
    #[cfg(feature = "sqlx-postgres")]
    Postgres(sqlx::postgres::PgArguments),
}

impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arguments(..)")
    }
}
