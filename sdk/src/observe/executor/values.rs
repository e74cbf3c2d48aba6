//! Tier 1: whether a statement's bound values are the same as before.
//!
//! Only a hash is made of them, and only of statements that a request runs again: it tells a loop over rows from one that
//! asks the same again. sqlx keeps values encoded and tells little of them, so they are read by two doors. Of PostgreSQL's
//! the bytes come from a value of our own that is added to them: it sees the buffer that it is to be written to, and
//! refuses. SQLite's print themselves.

use std::fmt::{self, Write};
use std::hash::Hasher;

use foldhash::fast::FixedState;

/// Bytes of values that are looked at: what differs only behind them counts as the same.
const LOOKED_AT: usize = 4 << 10;

/// A database whose bound values can be told apart.
pub(crate) trait Values: sqlx::Database {
    /// A hash of the values; `None` where there are none or they can't be read.
    fn hashed(arguments: &mut Self::Arguments) -> Option<u64>;
}

#[cfg(feature = "sqlx-postgres")]
impl Values for sqlx::Postgres {
    fn hashed(arguments: &mut Self::Arguments) -> Option<u64> {
        use sqlx::Arguments as _;

        if arguments.len() == 0 {
            return None;
        }
        let hash = std::cell::Cell::new(None);
        let see = |values: &[u8]| {
            let mut hasher = Looking::new();
            hasher.look(values);
            hash.set(Some(hasher.finish()));
        };
        // What was written for it is taken back, since it refuses.
        let refused = arguments.add(postgres::Witness(&see)).is_err();
        hash.get().filter(|_| refused)
    }
}

#[cfg(feature = "sqlx-sqlite")]
impl Values for sqlx::Sqlite {
    fn hashed(arguments: &mut Self::Arguments) -> Option<u64> {
        use sqlx::Arguments as _;

        if arguments.len() == 0 {
            return None;
        }
        let mut hasher = Looking::new();
        // An error is its wish to see no more.
        let _ = write!(hasher, "{arguments:?}");
        Some(hasher.finish())
    }
}

/// Hashes the first bytes that it is shown.
struct Looking {
    hasher: foldhash::fast::FoldHasher<'static>,
    left: usize,
}

impl Looking {
    fn new() -> Self {
        use std::hash::BuildHasher as _;

        Self {
            hasher: FixedState::default().build_hasher(),
            left: LOOKED_AT,
        }
    }

    fn look(&mut self, bytes: &[u8]) {
        let looked_at = bytes.get(..self.left).unwrap_or(bytes);
        self.hasher.write(looked_at);
        self.left -= looked_at.len();
    }

    fn finish(&self) -> u64 {
        self.hasher.finish()
    }
}

impl Write for Looking {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.look(text.as_bytes());
        if self.left == 0 {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

#[cfg(feature = "sqlx-postgres")]
pub(crate) mod postgres {
    use sqlx::encode::IsNull;
    use sqlx::error::BoxDynError;
    use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo};
    use sqlx::{Encode, Postgres, Type};

    /// The length of a value, which stands before it.
    const PREFIX: usize = 4;

    /// Is shown the values before it, and refuses to be one.
    pub(crate) struct Witness<'a>(pub(crate) &'a dyn Fn(&[u8]));

    impl Type<Postgres> for Witness<'_> {
        fn type_info() -> PgTypeInfo {
            <i32 as Type<Postgres>>::type_info()
        }
    }

    impl Encode<'_, Postgres> for Witness<'_> {
        fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
            let before = buffer.len().checked_sub(PREFIX);
            if let Some(values) = before.and_then(|before| buffer.get(..before)) {
                (self.0)(values);
            }
            Err("read".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Arguments as _;

    use super::*;

    #[cfg(feature = "sqlx-postgres")]
    #[test]
    fn postgres_values_are_told_apart_and_stay_as_they_are() {
        let bound = |number: i64, text: &str| {
            let mut arguments = sqlx::postgres::PgArguments::default();
            arguments.add(number).unwrap();
            arguments.add(text).unwrap();
            let hash = <sqlx::Postgres as Values>::hashed(&mut arguments);
            assert_eq!(arguments.len(), 2);
            assert_eq!(<sqlx::Postgres as Values>::hashed(&mut arguments), hash);
            hash.unwrap()
        };
        assert_eq!(bound(7, "seven"), bound(7, "seven"));
        assert_ne!(bound(7, "seven"), bound(8, "seven"));
        assert_ne!(bound(7, "seven"), bound(7, "Seven"));
        let mut none = sqlx::postgres::PgArguments::default();
        assert_eq!(<sqlx::Postgres as Values>::hashed(&mut none), None);
    }

    #[cfg(feature = "sqlx-sqlite")]
    #[test]
    fn sqlite_values_are_told_apart_as_far_as_they_are_looked_at() {
        let bound = |number: i64, text: String| {
            let mut arguments = sqlx::sqlite::SqliteArguments::default();
            arguments.add(number).unwrap();
            arguments.add(text).unwrap();
            <sqlx::Sqlite as Values>::hashed(&mut arguments).unwrap()
        };
        assert_eq!(bound(7, "seven".into()), bound(7, "seven".into()));
        assert_ne!(bound(7, "seven".into()), bound(8, "seven".into()));
        let long = |end: &str| "x".repeat(1 << 20) + end;
        assert_eq!(bound(7, long("a")), bound(7, long("b")));
    }
}
