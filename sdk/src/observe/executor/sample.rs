//! Takes arguments down for the planner, where the host lets them be kept.

use super::{Taken, Tap};

/// A database whose planner wants to know arguments.
pub(super) trait Sampled: sqlx::Database {
    /// Offers a call's arguments to be kept.
    fn sample(tap: &Tap, query: &mut Taken<Self>);
}

#[cfg(feature = "sqlx-postgres")]
impl Sampled for sqlx::Postgres {
    #[inline]
    fn sample(tap: &Tap, query: &mut Taken<Self>) {
        #[cfg(feature = "advisor")]
        if let Some(eyes) = tap.eyes()
            && eyes.samples.is_on()
        {
            postgres::offer(eyes, tap.pool, query);
        }
        #[cfg(not(feature = "advisor"))]
        let _ = (tap, query);
    }
}

/// SQLite plans the same for all arguments.
#[cfg(feature = "sqlx-sqlite")]
impl Sampled for sqlx::Sqlite {
    #[inline]
    fn sample(_: &Tap, _: &mut Taken<Self>) {}
}

#[cfg(all(feature = "sqlx-postgres", feature = "advisor"))]
mod postgres {
    use std::cell::Cell;

    use sqlx::encode::IsNull;
    use sqlx::error::BoxDynError;
    use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo};
    use sqlx::{Arguments as _, Encode, Postgres, Type};

    use super::Taken;
    use crate::database::argument::Arguments;
    use crate::observe::Eyes;
    use crate::observe::argument::{LARGEST, statement};

    #[cold]
    pub(super) fn offer(eyes: &Eyes, pool: u16, query: &mut Taken<Postgres>) {
        let second = eyes.clock.now().0 / 1_000_000_000;
        let statement = statement(pool, query.sql.as_str());
        let Ok(Some(arguments)) = &mut query.arguments else {
            return;
        };
        if arguments.len() == 0 {
            return;
        }
        eyes.samples.offer(statement, second, || {
            let bytes = bytes(arguments).filter(|bytes| *bytes <= LARGEST)?;
            Some((Arguments::Postgres(arguments.clone()), bytes))
        });
    }

    /// How many bytes arguments have: told by a value that is to be written behind them, and refuses.
    fn bytes(arguments: &mut PgArguments) -> Option<usize> {
        let bytes = Cell::new(None);
        let _ = arguments.add(Rule(&bytes));
        bytes.get()
    }

    struct Rule<'a>(&'a Cell<Option<usize>>);

    impl Type<Postgres> for Rule<'_> {
        fn type_info() -> PgTypeInfo {
            <i32 as Type<Postgres>>::type_info()
        }
    }

    impl Encode<'_, Postgres> for Rule<'_> {
        fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
            self.0.set(Some(buffer.len()));
            // All that was written for it is taken back.
            Err("measured".into())
        }
    }
}
