//! How far an invalidation has come, for those who want to know.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// What an invalidation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    All,
    /// A key or a tag, by its hash; where there are several instances one that is the same in all of them.
    Stripe(u64),
}

/// How far an invalidation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// To this process, which is all there is: its caches aren't shared.
    Local,
    /// To Redis: every instance follows within the published bound.
    Applied,
    /// To this process; Redis can't be reached, and gets it when it can.
    Deferred,
}

/// An invalidation that has taken effect in this process.
///
/// It needs no waiting for. Who awaits it learns whether the other instances will follow; that takes a round trip to
/// Redis, or half a second if Redis doesn't answer.
///
/// # Examples
///
/// ```
/// # use perfdeck::cache::{Namespace, Policy, Reach};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let users = Namespace::new("users", Policy::new());
/// users.invalidate();
/// assert_eq!(users.invalidate_key(&7).await, Reach::Local);
/// # }
/// ```
#[derive(Debug)]
pub struct Invalidation {
    told: Option<oneshot::Receiver<()>>,
}

/// The wait for what an [`Invalidation`] has reached.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Reaching(Invalidation);

impl Invalidation {
    pub(super) const fn local() -> Self {
        Self { told: None }
    }

    /// Applied when told so, deferred when nobody will tell.
    #[cfg_attr(
        not(feature = "redis"),
        expect(dead_code, reason = "nobody is told of")
    )]
    pub(super) const fn told(told: oneshot::Receiver<()>) -> Self {
        Self { told: Some(told) }
    }
}

// Not a future itself, which would have to be awaited.
impl IntoFuture for Invalidation {
    type Output = Reach;
    type IntoFuture = Reaching;

    fn into_future(self) -> Reaching {
        Reaching(self)
    }
}

impl Future for Reaching {
    type Output = Reach;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Reach> {
        let Some(told) = &mut self.0.told else {
            return Poll::Ready(Reach::Local);
        };
        Pin::new(told).poll(context).map(|told| match told {
            Ok(()) => Reach::Applied,
            Err(_) => Reach::Deferred,
        })
    }
}
