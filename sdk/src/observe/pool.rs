//! Tier 1: a pool that knows its name, and the connections and transactions it hands out.

use std::fmt;
use std::ops::Deref;
use std::pin::pin;

use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::{Acquire, Database, Error};

use super::Eyes;
use super::executor::{Executing, Held, Lent, Tap};
use super::layer::{counted, request_elsewhere};
use crate::clock::Start;

/// A [`sqlx::Pool`] whose statements and waits are observed.
///
/// `&Pool` is a [`sqlx::Executor`], as `&sqlx::Pool` is, so queries stay as they are. What is not here is the inner
/// pool's, by deref; statements on a connection from the inner pool are not observed by this tier.
pub struct Pool<DB: Database> {
    pub(super) inner: sqlx::Pool<DB>,
    pub(super) tap: Tap,
}

impl<DB: Database> Pool<DB> {
    pub(crate) fn new(inner: sqlx::Pool<DB>, eyes: Option<&'static Eyes>, number: u16) -> Self {
        let on_other_thread = DB::NAME == "SQLite";
        Self {
            inner,
            tap: Tap {
                eyes,
                pool: number,
                #[cfg(feature = "query-cache")]
                source: None,
                on_other_thread,
            },
        }
    }

    /// Tells a deck's caches of its statements.
    #[cfg(feature = "query-cache")]
    pub(crate) fn told_to(mut self, caches: &crate::cache::Caches) -> Self {
        self.tap.source = crate::cache::query::Source::new(caches, &self.inner);
        self
    }

    #[cfg(feature = "query-cache")]
    pub(crate) const fn source(&self) -> Option<&crate::cache::query::Source> {
        self.tap.source.as_ref()
    }

    /// Returns the pool that sqlx made; what is done through it is not observed by this tier.
    #[must_use]
    pub const fn inner(&self) -> &sqlx::Pool<DB> {
        &self.inner
    }

    /// Takes a connection from the pool; the wait is recorded.
    ///
    /// # Errors
    ///
    /// As [`sqlx::Pool::acquire`].
    pub async fn acquire(&self) -> Result<Connection<DB>, Error> {
        let held = self.tap.acquired(pin!(self.inner.acquire())).await?;
        #[cfg(feature = "cache")]
        let pending = crate::cache::pending::Pending::idle();
        #[cfg(feature = "cache")]
        let owed = Some(pending.clone());
        #[cfg(not(feature = "cache"))]
        let owed = None;
        Ok(Connection(Executing {
            held: Held::Connection(Lent::new(held, owed)),
            tap: self.tap.clone(),
            #[cfg(feature = "cache")]
            ending: super::ending::Ending::of_connection(pending),
        }))
    }

    /// Takes a connection and begins a transaction; the wait and the `BEGIN` are recorded.
    ///
    /// # Errors
    ///
    /// As [`sqlx::Pool::begin`].
    pub async fn begin(&self) -> Result<Transaction<DB>, Error> {
        let connection = self.tap.acquired(pin!(self.inner.acquire())).await?;
        let begin = sqlx::Transaction::begin(connection, None);
        let held = self.tap.statement("BEGIN", begin).await?;
        Ok(Transaction(Executing {
            held: Held::Transaction(held),
            tap: self.tap.clone(),
            #[cfg(feature = "cache")]
            ending: super::ending::Ending::of_transaction(),
        }))
    }
}

/// A connection of a [`Pool`]; `&mut *connection` is a [`sqlx::Executor`].
#[derive(Debug)]
pub struct Connection<DB: Database>(Executing<DB>);

/// A transaction of a [`Pool`]; `&mut *transaction` is a [`sqlx::Executor`].
///
/// Dropped without [`Self::commit`] it is rolled back, as sqlx's own.
#[derive(Debug)]
pub struct Transaction<DB: Database>(Executing<DB>);

impl<DB: Database> Transaction<DB> {
    /// Commits; the `COMMIT` is recorded.
    ///
    /// What was to be invalidated then is so when it returns, and other instances have been told; see
    /// [`Executing::invalidate`].
    ///
    /// # Errors
    ///
    /// As [`sqlx::Transaction::commit`].
    pub async fn commit(self) -> Result<(), Error> {
        let Executing { held, tap, .. } = self.0;
        match held {
            #[cfg(feature = "cache")]
            Held::Transaction(transaction) => {
                let commit = self.0.ending.commit(transaction.commit());
                super::ending::told(tap.statement("COMMIT", commit).await?).await;
                Ok(())
            }
            #[cfg(not(feature = "cache"))]
            Held::Transaction(transaction) => tap.statement("COMMIT", transaction.commit()).await,
            Held::Connection(_) => Ok(()),
        }
    }

    /// Rolls back; the `ROLLBACK` is recorded.
    ///
    /// # Errors
    ///
    /// As [`sqlx::Transaction::rollback`].
    pub async fn rollback(self) -> Result<(), Error> {
        let Executing { held, tap, .. } = self.0;
        match held {
            Held::Transaction(transaction) => {
                tap.statement("ROLLBACK", transaction.rollback()).await
            }
            Held::Connection(_) => Ok(()),
        }
    }
}

macro_rules! deref {
    ($($type:ident),*) => { $(
        impl<DB: Database> Deref for $type<DB> {
            type Target = Executing<DB>;
            fn deref(&self) -> &Executing<DB> {
                &self.0
            }
        }

        impl<DB: Database> std::ops::DerefMut for $type<DB> {
            fn deref_mut(&mut self) -> &mut Executing<DB> {
                &mut self.0
            }
        }
    )* };
}

deref!(Connection, Transaction);

impl<DB: Database> Clone for Pool<DB> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            tap: self.tap.clone(),
        }
    }
}

impl<DB: Database> fmt::Debug for Pool<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.inner).finish()
    }
}

impl<DB: Database> Deref for Pool<DB> {
    type Target = sqlx::Pool<DB>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

/// For what takes any way to a connection, migrations say; it is not observed by this tier.
impl<'a, DB: Database> Acquire<'a> for &'_ Pool<DB>
where
    for<'c> &'c mut DB::Connection: sqlx::Executor<'c, Database = DB>,
{
    type Database = DB;
    type Connection = PoolConnection<DB>;

    fn acquire(self) -> BoxFuture<'a, Result<Self::Connection, Error>> {
        Box::pin(self.inner.acquire())
    }

    fn begin(self) -> BoxFuture<'a, Result<sqlx::Transaction<'a, DB>, Error>> {
        let pool = self.inner.clone();
        Box::pin(async move { pool.begin().await })
    }
}

impl Tap {
    /// Waits for a connection and records the wait.
    pub(super) async fn acquired<T>(
        &self,
        acquire: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Some(eyes) = self.eyes() else {
            return acquire.await;
        };
        let mut wait = Wait {
            tap: self,
            eyes,
            start: eyes.clock.start(),
            timed_out: false,
        };
        let acquired = quietly(acquire).await;
        wait.timed_out = matches!(acquired, Err(Error::PoolTimedOut));
        acquired
    }
}

/// A wait for a connection; recorded however it ends, since callers lose patience just when a pool is exhausted.
struct Wait<'t> {
    tap: &'t Tap,
    eyes: &'static Eyes,
    start: Start,
    timed_out: bool,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let (eyes, pool) = (self.eyes, self.tap.pool);
        let nanos = eyes.clock.nanos_since(self.start);
        eyes.recorder.acquire(pool, nanos, self.timed_out);
        if let Some(request) = request_elsewhere(eyes) {
            request.pool_wait(pool, nanos);
        }
    }
}

/// Polls a future with sqlx's own events of it counted already.
pub(super) async fn quietly<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| counted(|| future.as_mut().poll(cx))).await
}
