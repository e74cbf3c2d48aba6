//! Which keys the present thread or task is loading, so that a load that needs its own key runs instead of waiting for
//! itself for ever.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::key::{Probe, StoredKey};
use crate::record::scope::{self, Remote, Scope};

thread_local! {
    static CHAIN: RefCell<Chain> = const { RefCell::new(None) };
}

/// The loads that led to here, innermost first.
pub(super) type Chain = Option<Arc<Link>>;

pub(super) struct Link {
    /// The namespace's address.
    space: usize,
    key: StoredKey,
    outer: Chain,
}

pin_project! {
    /// A load as a future: polled inside its chain, its panic caught.
    pub(super) struct Load<F> {
        #[pin]
        future: F,
        chain: Chain,
        charge: Option<Charge>,
    }
}

/// The request that a load in a task of its own is done for.
pub(super) struct Charge {
    scope: Option<Box<Scope>>,
    request: Arc<Remote>,
    /// The number of the namespace that is loaded for.
    space: u64,
}

/// What a panic carries.
pub(super) type Panic = Box<dyn Any + Send>;

/// Returns whether the present load is for this key, directly or through others.
pub(super) fn contains(space: usize, probe: &Probe<'_>) -> bool {
    CHAIN
        .try_with(|chain| {
            let chain = chain.borrow();
            let mut link = chain.as_ref();
            while let Some(present) = link {
                if present.space == space
                    && quick_cache::Equivalent::equivalent(probe, &present.key)
                {
                    return true;
                }
                link = present.outer.as_ref();
            }
            false
        })
        .unwrap_or(false)
}

/// Whether the present thread or task is loading anything.
pub(super) fn is_empty() -> bool {
    CHAIN
        .try_with(|chain| chain.borrow().is_none())
        .unwrap_or(true)
}

/// The present chain with one more load.
pub(super) fn extended(space: usize, key: StoredKey) -> Chain {
    let outer = CHAIN
        .try_with(|chain| chain.borrow().clone())
        .ok()
        .flatten();
    Some(Arc::new(Link { space, key, outer }))
}

/// Runs a blocking load inside `chain`.
pub(super) fn within<T>(mut chain: Chain, load: impl FnOnce() -> T) -> T {
    let _entered = Entered::new(&mut chain);
    load()
}

impl Charge {
    /// Charges what follows to the present request, if there is one.
    pub(super) fn present(space: u64) -> Option<Self> {
        let (scope, request) = scope::child()?;
        Some(Self {
            scope: Some(scope),
            request,
            space,
        })
    }
}

impl<F: Future> Load<F> {
    pub(super) const fn new(future: F, chain: Chain, charge: Option<Charge>) -> Self {
        Self {
            future,
            chain,
            charge,
        }
    }
}

impl<F: Future> Future for Load<F> {
    type Output = Result<F::Output, Panic>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _entered = Entered::new(this.chain);
        let lent = this
            .charge
            .as_mut()
            .map(|charge| scope::lend(&mut charge.scope));
        let polled = catch_unwind(AssertUnwindSafe(|| this.future.poll(context)));
        drop(lent);
        let output = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => Err(panic),
        };
        // Before anybody is woken, so that the request's sums are whole when its answer leaves.
        if let Some(charge) = this.charge.take()
            && let Some(mut scope) = charge.scope
        {
            scope.loaded(charge.space);
            charge.request.add(&scope);
            scope.done();
        }
        Poll::Ready(output)
    }
}

/// Swaps a chain in until dropped.
struct Entered<'a>(&'a mut Chain);

impl<'a> Entered<'a> {
    fn new(chain: &'a mut Chain) -> Self {
        swap(chain);
        Self(chain)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        swap(self.0);
    }
}

fn swap(chain: &mut Chain) {
    let _ = CHAIN.try_with(|present| std::mem::swap(&mut *present.borrow_mut(), chain));
}
