//! Tier 1: how a transaction's end reaches what waits for it.

use futures_util::future::join_all;
use sqlx::pool::PoolConnection;
use sqlx::{Database, Error, SqlStr};
use tokio::runtime::Handle;
use tracing::Instrument as _;

use super::executor::{Executing, Tap};
use super::pool::quietly;
use crate::cache::pending::{After, Pending};
use crate::cache::{CacheKey, Invalidation, Namespace, watch};
use crate::sql::control::{Control, Controls, controls};

/// The invalidations that wait on a held connection, and whose end they wait for.
#[derive(Debug)]
pub(super) struct Ending {
    pending: Pending,
    /// Whether it is a transaction's, which is rolled back when it is dropped.
    transaction: bool,
}

/// A statement under way that begins or ends a transaction, or that changes tables.
#[derive(Debug)]
pub(super) struct Begun {
    pending: Pending,
    controls: Controls,
    /// How much waited before it.
    before: usize,
}

impl Ending {
    pub(super) fn of_transaction() -> Self {
        Self {
            pending: Pending::open(),
            transaction: true,
        }
    }

    /// Makes that of a connection which is held by itself.
    pub(super) fn of_connection(pending: Pending) -> Self {
        Self {
            pending,
            transaction: false,
        }
    }

    /// Notes that something is done on the connection.
    pub(super) fn touch(&self) {
        watch::touch_pending(&self.pending);
    }

    /// Begins a statement; returns what has to be told of its end.
    pub(super) fn begin(&self, tap: &Tap, sql: &SqlStr) -> Option<Begun> {
        let controls = controls(sql.as_str());
        if controls.others {
            self.touch();
        }
        tap.note(sql, Some(&self.pending));
        let before = self.pending.len();
        let changes = tap.effect(sql);
        if let Some(changes) = &changes {
            changes.owe(&self.pending);
        }
        // In a transaction changes wait for its end.
        let waits = changes.is_some() && !self.pending.is_open();
        (waits || !controls.steps.is_empty()).then(|| Begun {
            pending: self.pending.clone(),
            controls,
            before,
        })
    }

    /// Commits, and then lets take effect what waits; returns how far that has come.
    ///
    /// Where something waits it is done in a task of its own: a caller that goes away in the middle leaves it open whether
    /// the server has committed, and would take the invalidations along.
    pub(super) async fn commit(
        self,
        commit: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) -> Result<Vec<Invalidation>, Error> {
        let pending = self.pending.clone();
        let ending = async move {
            let committed = quietly(commit).await;
            let waited = self.end(committed.as_ref().err());
            committed.map(|()| waited)
        };
        if pending.is_empty() {
            return ending.await;
        }
        let Ok(runtime) = Handle::try_current() else {
            return ending.await;
        };
        match runtime.spawn(ending.in_current_span()).await {
            Ok(ended) => ended,
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            // The runtime is going down, and this caller with it.
            Err(_) => std::future::pending().await,
        }
    }

    fn end(self, error: Option<&Error>) -> Vec<Invalidation> {
        if matches!(error, Some(Error::Database(_))) {
            self.pending.roll_back(After::End);
            return Vec::new();
        }
        // Where the connection broke nobody knows; an invalidation too many does no harm.
        self.pending.commit(After::End)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.pending.is_open() {
            return;
        }
        if self.transaction {
            self.pending.roll_back(After::End);
        } else {
            // Begun by a statement and not ended: whoever has the connection next may commit it.
            self.pending.commit(After::End);
        }
    }
}

impl Begun {
    /// Makes that of a statement on a pool.
    pub(super) fn on_pool(pending: &Pending, sql: &SqlStr) -> Self {
        Self {
            pending: pending.clone(),
            controls: controls(sql.as_str()),
            before: 0,
        }
    }

    /// The statement has ended.
    pub(super) fn end(self, error: Option<&Error>) {
        let Self {
            pending,
            controls: Controls { steps, several, .. },
            before,
        } = self;
        for step in &steps {
            match (step, error) {
                (Control::Begin, None) => pending.begin(),
                (Control::Begin, Some(_)) => {}
                // Of a text of several statements it isn't known which of them were done.
                (_, Some(_)) if several => drop(pending.commit(After::Idle)),
                (Control::Commit, Some(Error::Database(_))) => pending.roll_back(After::Idle),
                // Where the connection broke nobody knows, either.
                (Control::Commit, _) => drop(pending.commit(After::Idle)),
                (Control::RollBack, _) if several => drop(pending.commit(After::Idle)),
                (Control::RollBack, _) => pending.roll_back(After::Idle),
            }
        }
        if !steps.is_empty() || pending.is_open() {
            return;
        }
        match error {
            // What the database refuses was not done.
            Some(Error::Database(_)) if !several => pending.truncate(before),
            _ => drop(pending.commit(After::Idle)),
        }
    }
}

/// A connection of a pool, with what waits for it to be ready again.
///
/// A statement that its caller gave up may still be done by the server, at any time until the connection answers; what it
/// changed is invalidated then.
pub(super) struct Lent<DB: Database> {
    connection: PoolConnection<DB>,
    pending: Option<Pending>,
}

impl<DB: Database> Lent<DB> {
    pub(super) const fn new(connection: PoolConnection<DB>, pending: Option<Pending>) -> Self {
        Self {
            connection,
            pending,
        }
    }

    pub(super) fn connection(&mut self) -> &mut DB::Connection {
        &mut self.connection
    }
}

impl<DB: Database> Drop for Lent<DB> {
    fn drop(&mut self) {
        let Some(pending) = self.pending.take().filter(|pending| !pending.is_empty()) else {
            return;
        };
        // Now, for whoever asks before the connection answers, and then again.
        let again = pending.clone_due();
        pending.commit(After::Idle);
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let returned = self.connection.return_to_pool();
        runtime.spawn(async move {
            returned.await;
            again.commit(After::End);
        });
    }
}

impl Tap {
    /// What a statement changes, if it does and there is somebody to tell.
    #[cfg(feature = "query-cache")]
    fn effect(&self, sql: &SqlStr) -> Option<crate::cache::query::Effect> {
        self.source.as_ref()?.effect(sql.as_str())
    }

    #[cfg(not(feature = "query-cache"))]
    #[expect(clippy::unused_self, reason = "another build reads statements")]
    const fn effect(&self, _: &SqlStr) -> Option<Effect> {
        None
    }

    /// Tells who watches what is read.
    pub(super) fn note(&self, sql: &SqlStr, pending: Option<&Pending>) {
        #[cfg(feature = "query-cache")]
        if let Some(source) = &self.source {
            crate::cache::query::note(source, sql.as_str(), pending);
        }
        #[cfg(not(feature = "query-cache"))]
        let _ = (sql, pending);
    }

    /// What waits for the end of a statement that a pool runs, if it changes anything.
    pub(super) fn owed(&self, sql: &SqlStr) -> Option<Pending> {
        let changes = self.effect(sql)?;
        let pending = Pending::idle();
        changes.owe(&pending);
        Some(pending)
    }
}

/// What no build without a parser can tell.
#[cfg(not(feature = "query-cache"))]
enum Effect {}

#[cfg(not(feature = "query-cache"))]
impl Effect {
    const fn owe(&self, _: &Pending) {
        match *self {}
    }
}

/// Waits until other instances have been told of what was invalidated, or can't be.
pub(super) async fn told(invalidations: Vec<Invalidation>) {
    if !invalidations.is_empty() {
        join_all(invalidations.into_iter().map(IntoFuture::into_future)).await;
    }
}

/// What is invalidated once the transaction has committed, and never if it is rolled back or dropped; at once on a
/// connection without one.
///
/// A function with [`cache_invalidate`](crate::cache_invalidate) needs none of it: it knows the transactions that its
/// body used.
impl<DB: sqlx::Database> Executing<DB> {
    /// Makes all entries of a namespace unusable.
    pub fn invalidate(&self, namespace: &Namespace) {
        namespace.invalidate_after(&self.ending.pending, None);
    }

    /// Makes the entries of a key unusable.
    pub fn invalidate_key(&self, namespace: &Namespace, key: &(impl CacheKey + ?Sized)) {
        let key = crate::cache::site::written(key);
        namespace.invalidate_after(&self.ending.pending, Some(&key));
    }

    /// Makes all entries with the tag unusable, whatever their keys.
    pub fn invalidate_tag(&self, namespace: &Namespace, tag: &(impl CacheKey + ?Sized)) {
        self.invalidate_key(namespace, tag);
    }
}
