//! A query taken apart.

use std::fmt;

use sqlx::error::BoxDynError;
use sqlx::{Database, Execute, SqlStr};

/// A query taken apart, so that its text can be read and it can still be executed.
#[cfg_attr(
    not(feature = "query-cache"),
    expect(unreachable_pub, reason = "another build names it in a trait")
)]
pub struct Taken<DB: Database> {
    pub(super) sql: SqlStr,
    statement: Option<DB::Statement>,
    pub(super) arguments: Result<Option<DB::Arguments>, Option<BoxDynError>>,
    persistent: bool,
}

impl<DB: Database> Taken<DB> {
    #[cfg(feature = "query-cache")]
    pub(crate) fn sql(&self) -> &str {
        self.sql.as_str()
    }

    /// Its bound values, if there are any and they could be encoded.
    #[cfg(feature = "query-cache")]
    pub(crate) fn arguments(&mut self) -> Result<Option<&mut DB::Arguments>, ()> {
        match &mut self.arguments {
            Ok(arguments) => Ok(arguments.as_mut()),
            Err(_) => Err(()),
        }
    }

    /// Its bound values, if there are any.
    pub(super) fn bound(&mut self) -> Option<&mut DB::Arguments> {
        self.arguments.as_mut().ok()?.as_mut()
    }

    pub(crate) fn from<'q>(mut query: impl Execute<'q, DB>) -> Self {
        let arguments = query.take_arguments().map_err(Some);
        Self {
            arguments,
            statement: query.statement().cloned(),
            persistent: query.persistent(),
            sql: query.sql(),
        }
    }
}

impl<DB: Database> fmt::Debug for Taken<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is bound is nobody's business.
        f.debug_struct("Taken").finish_non_exhaustive()
    }
}

impl<'q, DB: Database> Execute<'q, DB> for Taken<DB> {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&DB::Statement> {
        self.statement.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<DB::Arguments>, BoxDynError> {
        match &mut self.arguments {
            Ok(arguments) => Ok(arguments.take()),
            Err(error) => match error.take() {
                Some(error) => Err(error),
                None => Ok(None),
            },
        }
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}
