//! Tier 1: how a transaction's end reaches what waits for it.

use futures_util::future::join_all;
use sqlx::Error;
use tokio::runtime::Handle;
use tracing::Instrument as _;

use super::executor::Executing;
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

/// A statement that begins or ends a transaction, under way.
#[derive(Debug)]
pub(super) struct Begun {
    pending: Pending,
    controls: Controls,
}

impl Ending {
    pub(super) fn of_transaction() -> Self {
        Self {
            pending: Pending::open(),
            transaction: true,
        }
    }

    pub(super) fn of_connection() -> Self {
        Self {
            pending: Pending::idle(),
            transaction: false,
        }
    }

    /// Notes that something is done on the connection.
    pub(super) fn touch(&self) {
        watch::touch_pending(&self.pending);
    }

    /// Begins a statement; returns what has to be told of its end.
    pub(super) fn begin(&self, sql: &sqlx::SqlStr) -> Option<Begun> {
        let controls = controls(sql.as_str());
        if controls.others {
            self.touch();
        }
        let pending = self.pending.clone();
        (!controls.steps.is_empty()).then_some(Begun { pending, controls })
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
    /// The statement has ended.
    pub(super) fn end(self, error: Option<&Error>) {
        let several = self.controls.others || self.controls.steps.len() > 1;
        for step in &self.controls.steps {
            match (step, error) {
                (Control::Begin, None) => self.pending.begin(),
                (Control::Begin, Some(_)) => {}
                // Of a text of several statements it isn't known which of them were done.
                (_, Some(_)) if several => drop(self.pending.commit(After::Idle)),
                (Control::Commit, None) => drop(self.pending.commit(After::Idle)),
                (Control::Commit, Some(Error::Database(_))) => self.pending.roll_back(After::Idle),
                (Control::Commit, Some(_)) => drop(self.pending.commit(After::Idle)),
                (Control::RollBack, _) if several => drop(self.pending.commit(After::Idle)),
                (Control::RollBack, _) => self.pending.roll_back(After::Idle),
            }
        }
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
