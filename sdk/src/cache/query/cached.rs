//! sqlx's queries with a cache before the pool.

use std::any::TypeId;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::query::{Query, QueryAs, QueryScalar};
use sqlx::{Database, Error, Executor, FromRow, IntoArguments};

use super::super::key::{CacheKey, KeyWriter};
use super::super::load::{self, Call, Refusal};
use super::super::values::Values;
use super::{Bindable, Bypass, NAMESPACE, Source, seen};
use crate::Pool;
use crate::observe::executor::{Executing, Taken};

/// How long a result is fresh when neither its caller nor its namespace says so.
const TTL: Duration = Duration::from_secs(300);
/// What queries put in has this site; functions count from 1.
const SITE: u32 = u32::MAX - 1;

/// Lets sqlx's queries be answered from the cache.
///
/// The result is kept by the statement's text, its bound values with their types, the pool and the type that is asked for,
/// and goes when its time is over or when a statement through one of the deck's pools, in this instance or in one that
/// shares its Redis, has changed a table that it was read from: after it succeeded, in a transaction when that has
/// committed. Callers who miss the same result at the same time share one query. It needs `T: Clone`.
///
/// **What is not cached** goes to the database, and is counted ([`Deck::bypassed_queries`](crate::Deck::bypassed_queries)):
/// queries in a transaction, on a single connection or on another pool than the deck's; statements that aren't one plain
/// query, that lock rows, that call a function whose value changes by itself (`now()`, `random()`) or that isn't known not
/// to, or that read the server's own tables.
///
/// **What can't be seen** is a change that no statement through the deck's pools names: by other programs, by sqlx's own
/// pool, connections and `COPY`, by triggers and rules, by the cascades of foreign keys, and of a partition under its own
/// name. A view is a table of its own here: what it shows changes unseen. A function of the database that changes rows is
/// taken for one that may change anything where it is called alone (`SELECT place_order(1)`), and for one that changes
/// nothing in a query of tables. For those a short time to live, or [`cache_key`](CacheQuery::cache_key) and an invalidation
/// by hand. Tables are told apart by their names and their databases' names, without their schemas: of two that are called
/// alike a change of one counts for both. With a Redis each statement that changes something tells the other instances.
///
/// The checked macros of sqlx, `query!` say, make queries of another type, which can't be cached.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
/// use perfdeck::cache::CacheQuery as _;
///
/// #[derive(Clone, sqlx::FromRow)]
/// struct Document { id: i64, title: String }
///
/// # #[cfg(feature = "sqlx-postgres")]
/// async fn documents(
///     pool: &perfdeck::Pool<sqlx::Postgres>,
///     workspace: i64,
/// ) -> Result<Vec<Document>, sqlx::Error> {
///     sqlx::query_as::<_, Document>("SELECT id, title FROM documents WHERE workspace = $1")
///         .bind(workspace)
///         .cache(Duration::from_secs(60))
///         .fetch_all(pool)
///         .await
/// }
/// ```
pub trait CacheQuery: Sized {
    /// Answers from the cache with what is at most so old.
    fn cache(self, ttl: Duration) -> CachedQuery<Self> {
        CachedQuery::new(self).ttl(ttl)
    }

    /// Answers from the cache, and names the result for [`Namespace::invalidate_key`](crate::cache::Namespace::invalidate_key).
    ///
    /// The key is a name beside what tells results apart: two queries with the same one never get each other's result. It is
    /// at most so old as the namespace says, and five minutes if that says nothing.
    fn cache_key(self, key: impl CacheKey) -> CachedQuery<Self> {
        CachedQuery::new(self).cache_key(key)
    }
}

impl<DB: Database, A> CacheQuery for Query<'_, DB, A> {}
impl<DB: Database, O, A> CacheQuery for QueryAs<'_, DB, O, A> {}
impl<DB: Database, O, A> CacheQuery for QueryScalar<'_, DB, O, A> {}

/// A query that is answered from the cache, if it may be; made by [`CacheQuery`].
#[must_use = "a query does nothing until it is fetched"]
pub struct CachedQuery<Q> {
    query: Q,
    terms: Terms,
}

#[derive(Default)]
struct Terms {
    ttl: Option<Duration>,
    key: Option<KeyWriter>,
    namespace: Option<Cow<'static, str>>,
}

/// Where a query runs: on the deck's pools it is cached, anywhere else it goes through.
pub trait Fetch<'c>: Executor<'c, Database: Bindable> {
    /// The pool, if it is one of the deck's.
    #[doc(hidden)]
    fn pool(&self) -> Option<Pool<Self::Database>> {
        None
    }

    /// Whom to tell that it went through.
    #[doc(hidden)]
    fn source(&self) -> Option<&Source> {
        None
    }
}

/// What tells the results of one query from each other by what is asked of it.
#[derive(Clone, Copy)]
enum Asked {
    All,
    /// The first row, if there is one.
    First,
}

impl<Q> CachedQuery<Q> {
    fn new(query: Q) -> Self {
        let terms = Terms::default();
        Self { query, terms }
    }

    /// Sets how old a result may be; the namespace's own time wins where it is shorter.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.terms.ttl = Some(ttl);
        self
    }

    /// Names the result; see [`CacheQuery::cache_key`].
    pub fn cache_key(mut self, key: impl CacheKey) -> Self {
        self.terms.key = Some(KeyWriter::written(|writer| key.write(writer)));
        self
    }

    /// Keeps the result in another namespace than `queries`.
    pub fn namespace(mut self, namespace: impl Into<Cow<'static, str>>) -> Self {
        self.terms.namespace = Some(namespace.into());
        self
    }
}

impl<'q, DB: Bindable, A: Send + IntoArguments<DB> + 'q> CachedQuery<Query<'q, DB, A>>
where
    DB::Row: Sync,
{
    /// Returns all rows; they are shared with other callers, so they come as they are kept.
    ///
    /// # Errors
    ///
    /// As [`Query::fetch_all`]. Errors are not kept.
    pub async fn fetch_all<'c, E>(self, executor: E) -> Result<Arc<Vec<DB::Row>>, Error>
    where
        E: Fetch<'c, Database = DB>,
    {
        all(self.terms, Taken::from(self.query), executor, Ok).await
    }

    /// Returns the first row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Query::fetch_optional`]. Errors are not kept.
    pub async fn fetch_optional<'c, E>(self, executor: E) -> Result<Option<Arc<DB::Row>>, Error>
    where
        E: Fetch<'c, Database = DB>,
    {
        let query = Taken::from(self.query);
        first(self.terms, query, executor, |row| Ok(Arc::new(row))).await
    }

    /// Returns the first row.
    ///
    /// # Errors
    ///
    /// As [`Query::fetch_one`]. Errors are not kept, but it is remembered that there is no row.
    pub async fn fetch_one<'c, E>(self, executor: E) -> Result<Arc<DB::Row>, Error>
    where
        E: Fetch<'c, Database = DB>,
    {
        found(self.fetch_optional(executor).await)
    }
}

impl<'q, DB, O, A> CachedQuery<QueryAs<'q, DB, O, A>>
where
    DB: Bindable,
    A: Send + IntoArguments<DB> + 'q,
    O: Clone + Send + Sync + Unpin + for<'r> FromRow<'r, DB::Row> + 'static,
{
    /// Returns all rows.
    ///
    /// # Errors
    ///
    /// As [`QueryAs::fetch_all`]. Errors are not kept.
    pub async fn fetch_all<'c, E>(self, executor: E) -> Result<Vec<O>, Error>
    where
        E: Fetch<'c, Database = DB>,
    {
        let query = Taken::from(self.query);
        let read = |rows: Vec<DB::Row>| rows.iter().map(O::from_row).collect();
        let rows = all(self.terms, query, executor, read).await?;
        Ok(Arc::unwrap_or_clone(rows))
    }

    /// Returns the first row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`QueryAs::fetch_optional`]. Errors are not kept.
    pub async fn fetch_optional<'c, E>(self, executor: E) -> Result<Option<O>, Error>
    where
        E: Fetch<'c, Database = DB>,
    {
        let query = Taken::from(self.query);
        first(self.terms, query, executor, |row| O::from_row(&row)).await
    }

    /// Returns the first row.
    ///
    /// # Errors
    ///
    /// As [`QueryAs::fetch_one`]. Errors are not kept, but it is remembered that there is no row.
    pub async fn fetch_one<'c, E>(self, executor: E) -> Result<O, Error>
    where
        E: Fetch<'c, Database = DB>,
    {
        found(self.fetch_optional(executor).await)
    }
}

impl<'q, DB, O, A> CachedQuery<QueryScalar<'q, DB, O, A>>
where
    DB: Bindable,
    A: Send + IntoArguments<DB> + 'q,
    O: Clone + Send + Sync + Unpin + 'static,
    (O,): Send + Unpin + for<'r> FromRow<'r, DB::Row>,
{
    /// Returns the first column of all rows.
    ///
    /// # Errors
    ///
    /// As [`QueryScalar::fetch_all`]. Errors are not kept.
    pub async fn fetch_all<'c, E>(self, executor: E) -> Result<Vec<O>, Error>
    where
        E: Fetch<'c, Database = DB>,
    {
        let query = Taken::from(self.query);
        let read = |rows: Vec<DB::Row>| rows.iter().map(scalar::<DB, O>).collect();
        let rows = all(self.terms, query, executor, read).await?;
        Ok(Arc::unwrap_or_clone(rows))
    }

    /// Returns the first column of the first row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`QueryScalar::fetch_optional`]. Errors are not kept.
    pub async fn fetch_optional<'c, E>(self, executor: E) -> Result<Option<O>, Error>
    where
        E: Fetch<'c, Database = DB>,
    {
        let query = Taken::from(self.query);
        first(self.terms, query, executor, |row| scalar::<DB, O>(&row)).await
    }

    /// Returns the first column of the first row.
    ///
    /// # Errors
    ///
    /// As [`QueryScalar::fetch_one`]. Errors are not kept, but it is remembered that there is no row.
    pub async fn fetch_one<'c, E>(self, executor: E) -> Result<O, Error>
    where
        E: Fetch<'c, Database = DB>,
    {
        found(self.fetch_optional(executor).await)
    }
}

fn scalar<DB: Database, O>(row: &DB::Row) -> Result<O, Error>
where
    (O,): for<'r> FromRow<'r, DB::Row>,
{
    <(O,)>::from_row(row).map(|(value,)| value)
}

fn found<T>(row: Result<Option<T>, Error>) -> Result<T, Error> {
    row.and_then(|row| row.ok_or(Error::RowNotFound))
}

async fn all<'c, DB, E, T>(
    terms: Terms,
    mut query: Taken<DB>,
    executor: E,
    read: impl FnOnce(Vec<DB::Row>) -> Result<Vec<T>, Error> + Send + 'static,
) -> Result<Arc<Vec<T>>, Error>
where
    DB: Bindable,
    E: Fetch<'c, Database = DB>,
    T: Send + Sync + 'static,
{
    let Some((place, pool)) =
        Place::find::<DB, Vec<T>, E>(terms, &mut query, &executor, Asked::All)
    else {
        return executor.fetch_all(query).await.and_then(read).map(Arc::new);
    };
    let weigh = |rows: &Arc<Vec<T>>| size_of::<T>() * rows.len();
    let load = move || -> BoxFuture<'static, _> {
        Box::pin(async move { DB::all(pool, query).await.and_then(read).map(Arc::new) })
    };
    place.answer(Values::new().weigh(weigh), load).await
}

async fn first<'c, DB, E, T>(
    terms: Terms,
    mut query: Taken<DB>,
    executor: E,
    read: impl FnOnce(DB::Row) -> Result<T, Error> + Send + 'static,
) -> Result<Option<T>, Error>
where
    DB: Bindable,
    E: Fetch<'c, Database = DB>,
    T: Clone + Send + Sync + 'static,
{
    let Some((place, pool)) = Place::find::<DB, T, E>(terms, &mut query, &executor, Asked::First)
    else {
        let row = executor.fetch_optional(query).await?;
        return row.map(read).transpose();
    };
    let load = move || -> BoxFuture<'static, _> {
        Box::pin(async move { DB::optional(pool, query).await?.map(read).transpose() })
    };
    place
        .answer(Values::new().absent(Option::is_none), load)
        .await
}

/// Where a result is kept.
struct Place {
    namespace: super::super::Namespace,
    key: KeyWriter,
    tables: Vec<u16>,
    ttl: Option<Duration>,
}

impl Place {
    /// Finds where the result is kept, if it may be.
    fn find<'c, DB, T, E>(
        terms: Terms,
        query: &mut Taken<DB>,
        executor: &E,
        asked: Asked,
    ) -> Option<(Self, Pool<DB>)>
    where
        DB: Bindable,
        T: 'static,
        E: Fetch<'c, Database = DB>,
    {
        let Some(pool) = executor.pool() else {
            if let Some(source) = executor.source() {
                source.0.queries.bypass(Bypass::Executor);
            }
            return None;
        };
        let source = pool.source()?.clone();
        let statement = source.statement(query.sql());
        let tables = match &statement.relations.reads {
            Ok(tables) => source.stripes(tables),
            Err(unfit) => {
                source.0.queries.bypass((*unfit).into());
                return None;
            }
        };
        seen::note_statement(&source, &statement);
        // Behind a name that the caller gave it only tells apart.
        let own = (
            source.0.number,
            statement.number,
            asked as u8,
            source.0.queries.type_hash(TypeId::of::<T>()),
        );
        let mut key = match terms.key {
            Some(mut key) => {
                key.instance(&own);
                key
            }
            None => KeyWriter::written(|key| own.write(key)),
        };
        let written = match query.arguments() {
            Ok(Some(arguments)) => DB::write(arguments, &mut key),
            Ok(None) => true,
            Err(()) => false,
        };
        if !written || key.is_refused() {
            source.0.queries.bypass(Bypass::Values);
            return None;
        }
        let namespace = terms.namespace.as_deref().unwrap_or(NAMESPACE);
        let namespace = source.0.caches.namespace(namespace);
        let unsaid = || (!namespace.space.has_ttl()).then_some(TTL);
        let ttl = terms.ttl.or_else(unsaid);
        let place = Self {
            namespace,
            key,
            tables,
            ttl,
        };
        Some((place, pool))
    }

    async fn answer<V>(
        self,
        values: Values<V>,
        load: impl FnOnce() -> BoxFuture<'static, Result<V, Error>>,
    ) -> Result<V, Error>
    where
        V: Clone + Send + Sync + 'static,
    {
        let call = Call {
            space: &self.namespace.space,
            site: SITE,
            key: &self.key,
            tags: &[],
            tables: &self.tables,
            values: values.ttl(self.ttl),
            refusal: Refusal::alone(),
        };
        load::spawned(call, load).await
    }
}

macro_rules! fetch {
    ($database:ty, $connection:ty) => {
        impl<'c> Fetch<'c> for &'c Pool<$database> {
            fn pool(&self) -> Option<Pool<$database>> {
                Some((*self).clone())
            }

            fn source(&self) -> Option<&Source> {
                Pool::source(self)
            }
        }

        impl<'c> Fetch<'c> for &'c mut Executing<$database> {
            fn source(&self) -> Option<&Source> {
                Executing::source(self)
            }
        }

        impl<'c> Fetch<'c> for &'c sqlx::Pool<$database> {}

        impl<'c> Fetch<'c> for &'c mut $connection {}
    };
}

#[cfg(feature = "sqlx-postgres")]
fetch!(sqlx::Postgres, sqlx::PgConnection);
#[cfg(feature = "sqlx-sqlite")]
fetch!(sqlx::Sqlite, sqlx::SqliteConnection);

impl<Q> fmt::Debug for CachedQuery<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedQuery")
            .field("ttl", &self.terms.ttl)
            .field("namespace", &self.terms.namespace)
            .finish_non_exhaustive()
    }
}
