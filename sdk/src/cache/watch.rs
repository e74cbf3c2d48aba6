//! What the statements ran on that a function's body ran: how an invalidation finds the transaction that it has to wait
//! for.
//!
//! A body is watched while it is polled. The connections and transactions of wrapped pools note themselves with the
//! thread that runs a statement on them, so whatever way a body came by its transaction (an argument, a field, a generic
//! executor), it is known.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::pending::{Pending, Put};
#[cfg(feature = "query-cache")]
use super::query::seen::Seen;
use super::reach::{Invalidation, What};
use super::space::Space;

thread_local! {
    static WATCHED: RefCell<Option<Touched>> = const { RefCell::new(None) };
}

/// What a body ran statements on.
#[derive(Debug, Default)]
pub struct Touched {
    /// A pool or a connection without a transaction, so that something may be done for good.
    direct: bool,
    transactions: Vec<Pending>,
    /// What it read, if that is asked for.
    #[cfg(feature = "query-cache")]
    seen: Option<Box<Seen>>,
}

pin_project! {
    /// A body that is watched while it is polled.
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct Watched<F> {
        #[pin]
        body: F,
        touched: Option<Touched>,
    }
}

/// Watches what a body runs statements on.
pub const fn watched<F: Future>(body: F) -> Watched<F> {
    Watched {
        body,
        touched: None,
    }
}

/// Watches what a load reads, too.
#[cfg(feature = "query-cache")]
pub(super) fn reading<F: Future>(body: F) -> Watched<F> {
    let touched = Touched {
        seen: Some(Box::default()),
        ..Touched::default()
    };
    Watched {
        body,
        touched: Some(touched),
    }
}

/// Notes what is read, if anybody asks for that.
#[cfg(feature = "query-cache")]
pub(super) fn seen(note: impl FnOnce(&mut Seen)) {
    noted(|touched| {
        if let Some(seen) = &mut touched.seen {
            note(seen);
        }
    });
}

/// Notes a statement outside of any transaction.
#[cfg(feature = "_sqlx")]
pub(crate) fn touch() {
    noted(|touched| touched.direct = true);
}

/// Notes a statement on what may be a transaction.
#[cfg(feature = "_sqlx")]
pub(crate) fn touch_pending(pending: &Pending) {
    noted(|touched| {
        if pending.is_open() {
            touched.add(pending);
        } else {
            touched.direct = true;
        }
    });
}

#[cfg(feature = "_sqlx")]
fn noted(note: impl FnOnce(&mut Touched)) {
    let _ = WATCHED.try_with(|watched| {
        if let Some(touched) = &mut *watched.borrow_mut() {
            note(touched);
        }
    });
}

impl Touched {
    /// Asks for what is read where whoever watches around it does.
    #[cfg(feature = "query-cache")]
    fn ask_as_outer(touched: &mut Option<Self>) {
        let asks = WATCHED.try_with(|watched| {
            let watched = watched.borrow();
            watched.as_ref().is_some_and(|outer| outer.seen.is_some())
        });
        if let (Ok(true), Some(touched)) = (asks, touched) {
            touched.seen.get_or_insert_default();
        }
    }

    fn add(&mut self, pending: &Pending) {
        if !self.transactions.iter().any(|known| known.is(pending)) {
            // A body may have many transactions, one after another: those that are over are no more than their outcome.
            self.transactions.retain(|known| {
                self.direct |= known.is_committed();
                known.is_open()
            });
            self.transactions.push(pending.clone());
        }
    }

    fn join(&mut self, inner: &Self) {
        self.direct |= inner.direct;
        inner
            .transactions
            .iter()
            .for_each(|pending| self.add(pending));
        #[cfg(feature = "query-cache")]
        if let (Some(outer), Some(inner)) = (&mut self.seen, &inner.seen) {
            outer.join(inner);
        }
    }

    /// What it read, if that was asked for.
    #[cfg(feature = "query-cache")]
    pub(super) fn read(self) -> Seen {
        self.seen.map(|seen| *seen).unwrap_or_default()
    }

    /// Invalidates when all that the body did is done: at once, unless it was in a transaction that is still open, and
    /// not at all if all of it was rolled back.
    pub(super) fn settle(&self, space: &Arc<Space>, what: What) -> Invalidation {
        let mut now = self.direct || self.transactions.is_empty();
        for pending in &self.transactions {
            now |= pending.put(space, what) == Put::Now;
        }
        if now {
            space.take_effect(what)
        } else {
            Invalidation::local()
        }
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = (F::Output, Touched);

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.touched.get_or_insert_default();
        let entered = Entered::new(this.touched);
        let polled = this.body.poll(context);
        drop(entered);
        polled.map(|output| (output, this.touched.take().unwrap_or_default()))
    }
}

/// Watches until dropped; what was seen then is seen by whoever watched before, too.
struct Entered<'a>(&'a mut Option<Touched>);

impl<'a> Entered<'a> {
    fn new(touched: &'a mut Option<Touched>) -> Self {
        #[cfg(feature = "query-cache")]
        Touched::ask_as_outer(touched);
        swap(touched);
        Self(touched)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        swap(self.0);
        let _ = WATCHED.try_with(|watched| {
            if let (Some(outer), Some(inner)) = (&mut *watched.borrow_mut(), &self.0) {
                outer.join(inner);
            }
        });
    }
}

fn swap(touched: &mut Option<Touched>) {
    let _ = WATCHED.try_with(|watched| std::mem::swap(&mut *watched.borrow_mut(), touched));
}
