//! Tier 1: the executor that times each statement on the caller's side.
//!
//! It sees what sqlx's events don't: errors, the pool, and the wait for a connection apart from the statement. While it
//! runs a statement, tier 0 is told not to count it again: by a flag on this thread, and for drivers that run statements
//! on a thread of their own by a span that they carry there.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use either::Either;
use futures_core::Stream;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use sqlx::{Database, Describe, Error, Execute, Executor, SqlStr};

mod rows;
mod sample;
mod taken;
pub(crate) mod values;

use rows::Rows;
use sample::Sampled as _;
pub(crate) use taken::Taken;
use values::Values;

use super::Eyes;
#[cfg(feature = "cache")]
pub(super) use super::ending::Lent;
use super::layer::{COUNTED, Installed, counted, request_elsewhere};
#[cfg(not(feature = "cache"))]
pub(super) use super::lent::Lent;
use super::pool::{Pool, quietly};
use crate::clock::Start;
#[cfg(feature = "query-cache")]
use crate::observe::repeat::Asked;
use crate::record::scope::{self, Remote};
use crate::record::table::Ran;

/// Where the statements of one pool are recorded.
#[derive(Debug, Clone)]
pub(super) struct Tap {
    pub(super) eyes: Option<&'static Eyes>,
    pub(super) pool: u16,
    /// What its statements are to caches.
    #[cfg(feature = "query-cache")]
    pub(super) source: Option<crate::cache::query::Source>,
    /// Whether the driver runs statements on a thread of its own.
    pub(super) on_other_thread: bool,
}

/// A held connection; `&mut Executing` is a [`sqlx::Executor`] whose statements are observed.
pub struct Executing<DB: Database> {
    pub(super) held: Held<DB>,
    pub(super) tap: Tap,
    #[cfg(feature = "cache")]
    pub(super) ending: super::ending::Ending,
}

pub(super) enum Held<DB: Database> {
    Connection(Lent<DB>),
    Transaction(sqlx::Transaction<'static, DB>),
}

impl<DB: Database> Executing<DB> {
    /// Returns sqlx's connection; what is done through it is not observed by this tier.
    pub fn inner(&mut self) -> &mut DB::Connection {
        // Whoever does something through it wants the same invalidations to wait.
        #[cfg(feature = "cache")]
        self.ending.touch();
        self.connection()
    }

    #[cfg(feature = "query-cache")]
    pub(crate) const fn source(&self) -> Option<&crate::cache::query::Source> {
        self.tap.source.as_ref()
    }

    fn connection(&mut self) -> &mut DB::Connection {
        match &mut self.held {
            Held::Connection(lent) => lent.connection(),
            Held::Transaction(transaction) => transaction,
        }
    }
}

impl<DB: Database> fmt::Debug for Executing<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executing")
            .field("pool", &self.tap.pool)
            .finish_non_exhaustive()
    }
}

/// One implementation a database, and none for all: a generic one would ask of every reference to an [`Executing`] whether
/// its database's connection is an executor, and in a host's generic code that question has no end.
macro_rules! executor {
    ($database:ty) => {
        impl<'p> Executor<'p> for &'p Pool<$database> {
            type Database = $database;

            fn fetch_many<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxStream<
                'e,
                Result<
                    Either<<$database as Database>::QueryResult, <$database as Database>::Row>,
                    Error,
                >,
            >
            where
                'p: 'e,
                E: 'q + Execute<'q, $database>,
            {
                let mut query = Taken::from(query);
                <$database>::sample(&self.tap, &mut query);
                let values = self.tap.values(&mut query);
                let owed = self.tap.touched(&query.sql);
                #[cfg(feature = "query-cache")]
                let asked = self.tap.repeated(&mut query, false);
                async_stream::try_stream! {
                    let connection = self.tap.acquired(pin!(self.inner.acquire())).await?;
                    let mut lent = Lent::new(connection, owed.clone());
                    let observed = self.tap.begin(query.sql.clone(), values).owing(owed.as_ref());
                    #[cfg(feature = "query-cache")]
                    let observed = observed.repeated(asked);
                    let mut rows = observed.over(lent.connection().fetch_many(query));
                    while let Some(row) = rows.try_next().await? {
                        yield row;
                    }
                }
                .boxed()
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, Result<Option<<$database as Database>::Row>, Error>>
            where
                'p: 'e,
                E: 'q + Execute<'q, $database>,
            {
                let mut query = Taken::from(query);
                <$database>::sample(&self.tap, &mut query);
                let values = self.tap.values(&mut query);
                let owed = self.tap.touched(&query.sql);
                #[cfg(feature = "query-cache")]
                let asked = self.tap.repeated(&mut query, true);
                Box::pin(async move {
                    let connection = self.tap.acquired(pin!(self.inner.acquire())).await?;
                    let mut lent = Lent::new(connection, owed.clone());
                    let observed = self
                        .tap
                        .begin(query.sql.clone(), values)
                        .owing(owed.as_ref());
                    #[cfg(feature = "query-cache")]
                    let observed = observed.repeated(asked);
                    observed.first(query, lent.connection()).await
                })
            }

            fn prepare_with<'e>(
                self,
                sql: SqlStr,
                parameters: &'e [<$database as Database>::TypeInfo],
            ) -> BoxFuture<'e, Result<<$database as Database>::Statement, Error>>
            where
                'p: 'e,
            {
                Box::pin(async move {
                    let mut connection = self.tap.acquired(pin!(self.inner.acquire())).await?;
                    connection.prepare_with(sql, parameters).await
                })
            }

            fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<$database>, Error>>
            where
                'p: 'e,
            {
                Box::pin(async move {
                    let mut connection = self.tap.acquired(pin!(self.inner.acquire())).await?;
                    connection.describe(sql).await
                })
            }
        }

        impl<'h> Executor<'h> for &'h mut Executing<$database> {
            type Database = $database;

            fn fetch_many<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxStream<
                'e,
                Result<
                    Either<<$database as Database>::QueryResult, <$database as Database>::Row>,
                    Error,
                >,
            >
            where
                'h: 'e,
                E: 'q + Execute<'q, $database>,
            {
                let mut query = Taken::from(query);
                <$database>::sample(&self.tap, &mut query);
                let values = self.tap.values(&mut query);
                let observed = self.tap.begin(query.sql.clone(), values);
                #[cfg(feature = "cache")]
                let observed = observed.ending(self.ending.begin(&self.tap, &query.sql));
                observed.over(self.connection().fetch_many(query)).boxed()
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, Result<Option<<$database as Database>::Row>, Error>>
            where
                'h: 'e,
                E: 'q + Execute<'q, $database>,
            {
                let mut query = Taken::from(query);
                <$database>::sample(&self.tap, &mut query);
                let values = self.tap.values(&mut query);
                let observed = self.tap.begin(query.sql.clone(), values);
                #[cfg(feature = "cache")]
                let observed = observed.ending(self.ending.begin(&self.tap, &query.sql));
                Box::pin(async move { observed.first(query, self.connection()).await })
            }

            fn prepare_with<'e>(
                self,
                sql: SqlStr,
                parameters: &'e [<$database as Database>::TypeInfo],
            ) -> BoxFuture<'e, Result<<$database as Database>::Statement, Error>>
            where
                'h: 'e,
            {
                self.connection().prepare_with(sql, parameters)
            }

            fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<$database>, Error>>
            where
                'h: 'e,
            {
                self.connection().describe(sql)
            }
        }
    };
}

#[cfg(feature = "sqlx-postgres")]
executor!(sqlx::Postgres);
#[cfg(feature = "sqlx-sqlite")]
executor!(sqlx::Sqlite);

impl Tap {
    /// The deck's eyes, while it runs.
    #[inline]
    pub(super) fn eyes(&self) -> Option<&'static Eyes> {
        self.eyes.and_then(Eyes::open)
    }

    /// Notes a statement that a pool runs; returns what waits for its end.
    #[cfg(feature = "cache")]
    fn touched(&self, sql: &SqlStr) -> Option<crate::cache::pending::Pending> {
        crate::cache::watch::touch();
        self.note(sql, None);
        self.owed(sql)
    }

    #[cfg(not(feature = "cache"))]
    #[expect(clippy::unused_self, reason = "another build notes it")]
    const fn touched(&self, _: &SqlStr) -> Option<()> {
        None
    }

    /// Notes a query that is asked for again and again, if that is watched.
    #[cfg(feature = "query-cache")]
    fn repeated<DB: crate::cache::query::Bindable>(
        &self,
        query: &mut Taken<DB>,
        first: bool,
    ) -> Option<Box<Asked>> {
        let eyes = self.eyes().filter(|eyes| eyes.repeats.any())?;
        self.source.as_ref()?.repeated(eyes, query, first)
    }

    /// A hash of the values of a statement that its request has run before.
    #[inline]
    fn values<DB: Values>(&self, query: &mut Taken<DB>) -> Option<u64> {
        self.eyes()?;
        if scope::is_again(query.sql.as_str()) {
            DB::hashed(query.bound()?)
        } else {
            None
        }
    }

    /// Begins to time a statement; `values` is a hash of what is bound, where that is known.
    fn begin(&self, sql: SqlStr, values: Option<u64>) -> Observed {
        let running = self.eyes().map(|eyes| Running {
            eyes,
            start: eyes.clock.start(),
            span: self.span(eyes),
            request: request_elsewhere(eyes),
        });
        Observed {
            running,
            sql,
            values,
            pool: self.pool,
            rows: 0,
            failed: false,
            #[cfg(feature = "cache")]
            ending: None,
            #[cfg(feature = "query-cache")]
            asked: None,
        }
    }

    /// Runs a statement that sqlx makes itself, `COMMIT` say.
    pub(super) async fn statement<T>(
        &self,
        sql: &'static str,
        run: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut observed = self.begin(SqlStr::from_static(sql), None);
        let ran = quietly(run).inspect_err(|_| observed.failed = true).await;
        drop(observed);
        ran
    }

    fn span(&self, eyes: &Eyes) -> tracing::Span {
        if self.on_other_thread && Installed::load(&eyes.layer) != Installed::No {
            tracing::debug_span!(target: COUNTED, "query")
        } else {
            tracing::Span::none()
        }
    }
}

/// One statement under way; recorded when it is dropped, so also when its caller gives up.
struct Observed {
    running: Option<Running>,
    sql: SqlStr,
    values: Option<u64>,
    pool: u16,
    rows: u64,
    failed: bool,
    /// What its end means for the connection that it runs on.
    #[cfg(feature = "cache")]
    ending: Option<super::ending::Begun>,
    /// Where what it returns is looked at.
    #[cfg(feature = "query-cache")]
    asked: Option<Box<Asked>>,
}

struct Running {
    eyes: &'static Eyes,
    start: Start,
    span: tracing::Span,
    request: Option<Arc<Remote>>,
}

impl Observed {
    /// Has what waits for a statement on a pool take effect at its end.
    #[cfg(feature = "cache")]
    fn owing(self, owed: Option<&crate::cache::pending::Pending>) -> Self {
        let begun = owed.map(|owed| super::ending::Begun::on_pool(owed, &self.sql));
        self.ending(begun)
    }

    #[cfg(not(feature = "cache"))]
    const fn owing(self, _: Option<&()>) -> Self {
        self
    }

    #[cfg(feature = "cache")]
    fn ending(mut self, ending: Option<super::ending::Begun>) -> Self {
        self.ending = ending;
        self
    }

    /// Has what it returns looked at.
    #[cfg(feature = "query-cache")]
    fn repeated(mut self, asked: Option<Box<Asked>>) -> Self {
        self.asked = asked;
        self
    }

    #[cfg(feature = "query-cache")]
    fn see(&mut self, row: &impl Rows) {
        if let Some(asked) = &mut self.asked
            && !asked.digest.is_too_long()
        {
            row.add_to(&mut asked.digest);
        }
    }

    #[cfg(not(feature = "query-cache"))]
    #[expect(clippy::unused_self, reason = "another build looks at it")]
    const fn see(&mut self, _: &impl Rows) {}

    /// All that it returns was seen.
    #[cfg(feature = "query-cache")]
    fn seen(&mut self) {
        if let (Some(asked), Some(running)) = (self.asked.take(), &self.running) {
            asked.answered(running.eyes.clock.nanos_since(running.start));
        }
    }

    #[cfg(not(feature = "query-cache"))]
    #[expect(clippy::unused_self, reason = "another build looks at it")]
    const fn seen(&mut self) {}

    /// Fetches the first row; of a statement whose end is waited for, by running it to its end: that it was committed is
    /// sure only then.
    async fn first<'c, DB: Database, C>(
        self,
        query: Taken<DB>,
        connection: C,
    ) -> Result<Option<DB::Row>, Error>
    where
        C: Executor<'c, Database = DB>,
        DB::Row: Rows,
    {
        #[cfg(feature = "cache")]
        if self.ending.is_some() {
            let mut first = None;
            let mut rows = self.over(connection.fetch_many(query));
            while let Some(step) = rows.try_next().await? {
                if let Either::Right(row) = step {
                    first.get_or_insert(row);
                }
            }
            return Ok(first);
        }
        self.one(query, connection).await
    }

    async fn one<'c, DB: Database, C>(
        self,
        query: Taken<DB>,
        connection: C,
    ) -> Result<Option<DB::Row>, Error>
    where
        C: Executor<'c, Database = DB>,
        DB::Row: Rows,
    {
        let mut watched = self.over(connection.fetch_optional(query));
        let fetched = std::future::poll_fn(|cx| watched.poll_whole(cx)).await;
        watched.observed.rows = u64::from(matches!(fetched, Ok(Some(_))));
        watched.observed.failed = fetched.is_err();
        if let Ok(first) = &fetched {
            first.iter().for_each(|row| watched.observed.see(row));
            watched.observed.seen();
        }
        fetched
    }

    /// Notes that the statement has come to its end.
    #[cfg(feature = "cache")]
    fn end(&mut self, error: Option<&Error>) {
        if let Some(ending) = self.ending.take() {
            ending.end(error);
        }
    }

    fn over<W>(self, work: W) -> Watched<W> {
        Watched {
            work: Some(work),
            observed: self,
        }
    }

    fn entered<T>(&self, poll: impl FnOnce() -> T) -> T {
        match &self.running {
            Some(running) => running.span.in_scope(|| counted(poll)),
            None => poll(),
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if let Some(Running {
            eyes,
            start,
            request,
            ..
        }) = &self.running
        {
            let request = request.as_deref();
            let ran = Ran {
                nanos: eyes.clock.nanos_since(*start),
                rows: self.rows,
                failed: self.failed,
                pool: Some(self.pool),
                attributed: request.is_some() || scope::is_present(),
                elsewhere: false,
                values: self.values,
            };
            eyes.recorder.query_of(request, self.sql.as_str(), &ran);
        }
    }
}

/// What a statement is at: its rows, or the one that was asked for.
struct Watched<W> {
    work: Option<W>,
    observed: Observed,
}

impl<S, Q, R> Stream for Watched<S>
where
    S: Stream<Item = Result<Either<Q, R>, Error>> + Unpin,
    R: Rows,
{
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(rows) = &mut this.work else {
            return Poll::Ready(None);
        };
        let item = ready!(this.observed.entered(|| rows.poll_next_unpin(cx)));
        match &item {
            Some(Ok(Either::Right(row))) => {
                this.observed.rows += 1;
                this.observed.see(row);
            }
            Some(Ok(Either::Left(_))) => {}
            Some(Err(error)) => {
                this.observed.failed = true;
                #[cfg(feature = "cache")]
                this.observed.end(Some(error));
                #[cfg(not(feature = "cache"))]
                let _ = error;
            }
            None => {
                this.finish();
                if !this.observed.failed {
                    this.observed.seen();
                }
                #[cfg(feature = "cache")]
                this.observed.end(None);
            }
        }
        Poll::Ready(item)
    }
}

impl<F: Future + Unpin> Watched<F> {
    fn poll_whole(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let output = ready!(self.observed.entered(|| work.poll_unpin(cx)));
        self.finish();
        Poll::Ready(output)
    }
}

impl<W> Watched<W> {
    /// sqlx tells of the statement when this is dropped, also by a caller that gives up.
    fn finish(&mut self) {
        let work = &mut self.work;
        self.observed.entered(|| *work = None);
    }
}

impl<W> Drop for Watched<W> {
    fn drop(&mut self) {
        self.finish();
    }
}
