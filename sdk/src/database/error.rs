//! Why something could not be done with a database.

use std::fmt;

/// What went wrong, in words of our own.
///
/// A server's message may quote a value of the statement, so it is not kept: only the code and what the code means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    operation: String,
    cause: Cause,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The server said no.
    Server { code: String },
    /// There was no answer.
    Unreachable,
    /// It took longer than it may.
    TimedOut,
    /// Something that perfdeck does not do.
    Refused(String),
}

impl Error {
    pub(crate) fn refused(operation: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            operation: operation.into(),
            cause: Cause::Refused(why.into()),
        }
    }

    pub(crate) fn timed_out(operation: impl Into<String>) -> Self {
        Self {
            operation: operation.into(),
            cause: Cause::TimedOut,
        }
    }

    /// Makes the error of a failed call; `operation` is what could not be done, "create the index x" say.
    pub(crate) fn failed(operation: impl Into<String>, error: &sqlx::Error) -> Self {
        let cause = match error {
            sqlx::Error::Database(error) => Cause::Server {
                code: error
                    .code()
                    .map_or_else(|| "?".into(), |code| code.into_owned()),
            },
            sqlx::Error::PoolTimedOut => Cause::TimedOut,
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Cause::Unreachable,
            _ => Cause::Server { code: "?".into() },
        };
        Self {
            operation: operation.into(),
            cause,
        }
    }

    /// Returns the server's code, an SQLSTATE or SQLite's result code.
    pub(crate) fn code(&self) -> Option<&str> {
        match &self.cause {
            Cause::Server { code } => Some(code),
            Cause::Unreachable | Cause::TimedOut | Cause::Refused(_) => None,
        }
    }

    /// Returns whether it may well succeed a little later.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.cause, Cause::TimedOut)
            || matches!(
                self.code(),
                Some("55P03" | "57014" | "40P01" | "5" | "6" | "261" | "262" | "517")
            )
    }

    /// Returns whether perfdeck itself declined.
    pub(crate) const fn is_refused(&self) -> bool {
        matches!(self.cause, Cause::Refused(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}: ", self.operation)?;
        match &self.cause {
            Cause::Server { code } => match meaning(code) {
                Some(meaning) => write!(f, "{meaning} (code {code})"),
                None => write!(f, "the database answered with code {code}"),
            },
            Cause::Unreachable => f.write_str("the database can't be reached"),
            Cause::TimedOut => f.write_str("it took too long"),
            Cause::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

fn meaning(code: &str) -> Option<&'static str> {
    Some(match code {
        "5" | "6" | "261" | "262" | "517" => "the database is locked",
        "8" | "264" | "520" | "776" | "1032" | "1288" | "1544" => "the database is read-only",
        "13" => "the disk is full",
        "14" => "the database file can't be opened",
        "53100" => "the server's disk is full",
        "53300" => "the server has no free connection",
        "55P03" => "a lock was not free in time",
        "57014" => "the server cancelled it, for time or on request",
        "57P01" | "57P02" | "57P03" => "the server is shutting down or starting",
        "40P01" => "it was in a deadlock",
        "42501" => "the role may not do that",
        "42P01" => "the table does not exist",
        "42P07" => "that name is taken",
        "42703" => "a column does not exist",
        "25006" => "the server is read-only, a replica perhaps",
        "28000" | "28P01" => "the server refused the login",
        "3D000" => "the database does not exist",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_and_why_but_quotes_no_server() {
        let error = Error::failed(
            "explain a statement",
            &sqlx::Error::Protocol("secret 4711".into()),
        );
        assert_eq!(
            error.to_string(),
            "could not explain a statement: the database answered with code ?"
        );
        let error = Error {
            operation: "create the index x".into(),
            cause: Cause::Server {
                code: "55P03".into(),
            },
        };
        assert_eq!(
            error.to_string(),
            "could not create the index x: a lock was not free in time (code 55P03)"
        );
        assert!(error.is_busy());
    }
}
