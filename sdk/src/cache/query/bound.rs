//! Bound values as part of a key: each with its type, and told from its neighbours.
//!
//! sqlx keeps them encoded and tells little of them, so they are read by two doors. What they print names the types. Of
//! PostgreSQL's the bytes come from a value of our own that is added to them: it sees the buffer that it is to be
//! written to, takes it down, and refuses. SQLite's print themselves as typed literals.

use std::fmt::{self, Write};

use futures_util::future::BoxFuture;
use sqlx::{Executor as _, Result};

use super::super::key::{CacheKey, KeyWriter};
use crate::Pool;
use crate::observe::executor::Taken;
#[cfg(feature = "sqlx-postgres")]
use crate::observe::executor::values::postgres::Witness;

/// A database whose bound values can be part of a key.
pub trait Bindable: sqlx::Database {
    /// Writes them; returns whether it could.
    #[doc(hidden)]
    fn write(arguments: &mut Self::Arguments, key: &mut KeyWriter) -> bool;

    /// Fetches all rows.
    #[doc(hidden)]
    fn all(pool: Pool<Self>, query: Taken<Self>) -> BoxFuture<'static, Result<Vec<Self::Row>>>;

    /// Fetches the first row.
    #[doc(hidden)]
    fn optional(
        pool: Pool<Self>,
        query: Taken<Self>,
    ) -> BoxFuture<'static, Result<Option<Self::Row>>>;
}

macro_rules! fetches {
    () => {
        fn all(pool: Pool<Self>, query: Taken<Self>) -> BoxFuture<'static, Result<Vec<Self::Row>>> {
            Box::pin(async move { pool.fetch_all(query).await })
        }

        fn optional(
            pool: Pool<Self>,
            query: Taken<Self>,
        ) -> BoxFuture<'static, Result<Option<Self::Row>>> {
            Box::pin(async move { pool.fetch_optional(query).await })
        }
    };
}

#[cfg(feature = "sqlx-postgres")]
impl Bindable for sqlx::Postgres {
    fn write(arguments: &mut Self::Arguments, key: &mut KeyWriter) -> bool {
        use sqlx::Arguments as _;
        let mut types = postgres::Types::default();
        // An error is its wish to see no more.
        let _ = write!(types, "{arguments:?}");
        let values = std::cell::RefCell::new(None);
        let take_down = |seen: &[u8]| *values.borrow_mut() = Some(seen.to_vec());
        let refused = arguments.add(Witness(&take_down)).is_err();
        let Some(values) = values.into_inner().filter(|_| refused) else {
            return false;
        };
        key.tuple(3);
        CacheKey::write(&arguments.len(), key);
        CacheKey::write(types.text(), key);
        key.opaque(&values);
        true
    }

    fetches!();
}

#[cfg(feature = "sqlx-sqlite")]
impl Bindable for sqlx::Sqlite {
    fn write(arguments: &mut Self::Arguments, key: &mut KeyWriter) -> bool {
        let mut text = Text::default();
        let whole = write!(text, "{arguments:?}").is_ok();
        text.0.write(key);
        whole
    }

    fetches!();
}

/// A text that stops to grow where no key can follow.
#[derive(Default)]
struct Text(String);

/// More than any key has.
const LONGEST: usize = 64 << 10;

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(text);
        if self.0.len() > LONGEST {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

#[cfg(feature = "sqlx-postgres")]
mod postgres {
    use super::{Text, Write, fmt};

    /// What arguments print of their types.
    #[derive(Default)]
    pub(super) struct Types(Text);

    impl Types {
        pub(super) fn text(&self) -> &str {
            &self.0.0
        }
    }

    impl Write for Types {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let so_far = &self.0.0;
            // The bytes follow, which are taken down by themselves; and behind them the types of parts whose numbers the
            // server has still to tell, which only values of types with such a name have.
            if text == "buffer"
                && so_far.starts_with("PgArguments { types: [")
                && !so_far.contains("Declare")
                && !so_far.contains("Custom")
            {
                return Err(fmt::Error);
            }
            self.0.write_str(text)
        }
    }
}
