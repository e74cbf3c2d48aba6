//! The service under an `HttpCache`: each request is looked up, and goes on if nothing stored answers it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::Cache;
use super::ask::Ask;
use super::body::CachedBody;
use super::place::Held;
use super::reply::{Mark, not_stored, reply};
use super::stored::Use;
use super::writes::Writes;
use crate::cache::key::KeyWriter;

/// A request that waited for somebody else's answer, and can't use it, looks once more before it asks for itself.
const ROUNDS: usize = 2;

/// A service under an [`HttpCache`](super::HttpCache).
#[derive(Debug, Clone)]
pub struct HttpCacheService<S> {
    pub(super) inner: S,
    pub(super) cache: Arc<Cache>,
}

impl<S, B, R> Service<Request<B>> for HttpCacheService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Body + Send + 'static,
    R: Body + Send + 'static,
    R::Error: Send,
{
    type Response = Response<CachedBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<CachedBody<R>>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that said it is ready is the one that is called.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let route = self.cache.routes.find(request.uri().path());
        let ask = route.and_then(|route| Ask::new(&self.cache, route, &request));
        let Some(ask) = ask else {
            let writes = Writes::new(&self.cache, &request);
            let listed = route.is_some();
            let answer = inner.call(request);
            return Box::pin(async move {
                let mut response = answer.await?.map(CachedBody::through);
                if let Some(writes) = writes {
                    writes.done(&response);
                }
                if listed {
                    Mark::Bypass.write(response.headers_mut());
                }
                Ok(response)
            });
        };
        let exchange = Exchange {
            cache: Arc::clone(&self.cache),
            ask: Arc::new(ask),
            counted: false,
        };
        Box::pin(exchange.answer(Forward { inner, request }))
    }
}

/// A service whose call may go on in a task of its own.
pub(super) trait Inner<B>:
    Service<Request<B>, Response = Response<<Self as Inner<B>>::Reply>, Error: Send, Future: Send>
    + Send
    + 'static
{
    type Reply: Body<Error: Send> + Send + 'static;
}

impl<S, B, R> Inner<B> for S
where
    S: Service<Request<B>, Response = Response<R>> + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    R: Body + Send + 'static,
    R::Error: Send,
{
    type Reply = R;
}

/// What a client gets from the cache over a service.
pub(super) type Answer<S, B> =
    Result<Response<CachedBody<<S as Inner<B>>::Reply>>, <S as Service<Request<B>>>::Error>;

/// One request that the cache may answer.
pub(super) struct Exchange {
    pub(super) cache: Arc<Cache>,
    pub(super) ask: Arc<Ask>,
    pub(super) counted: bool,
}

/// What goes to the service, once at most.
pub(super) struct Forward<S, B> {
    pub(super) inner: S,
    pub(super) request: Request<B>,
}

impl Exchange {
    async fn answer<S, B>(mut self, forward: Forward<S, B>) -> Answer<S, B>
    where
        S: Inner<B>,
        B: Send + 'static,
    {
        let mut waiting = Some(forward);
        for _ in 0..ROUNDS {
            let Some(place) = self.place() else { break };
            let now = self.now();
            let used = place
                .held
                .as_ref()
                .map(|held| held.stored.usage(&self.ask, now));
            match (used, &place.held) {
                (Some(Use::Fresh), Some(held)) => {
                    self.hit(&place.key, held, false);
                    return Ok(reply(&held.stored, &self.ask, now, Mark::Hit));
                }
                (Some(used @ (Use::Behind | Use::Stale)), Some(held)) => {
                    self.hit(&place.key, held, true);
                    if used == Use::Behind
                        && let Some(forward) = waiting.take()
                    {
                        self.refresh(forward, &place, held);
                    }
                    return Ok(reply(&held.stored, &self.ask, now, Mark::Stale));
                }
                _ if self.ask.only_if_cached => {
                    self.unloaded();
                    return Ok(not_stored());
                }
                (Some(Use::Ask), _) => return self.alone(waiting, Some(place)).await,
                _ if place.taken => return self.alone(waiting, Some(place)).await,
                // It has waited once and was counted; each request is one look-up.
                _ if self.counted => return self.alone(waiting, Some(place)).await,
                // The answer to a HEAD is no answer to a GET.
                _ if self.ask.head => break,
                _ if self.is_unshared(&place.key) => {
                    return self.alone(waiting, Some(place)).await;
                }
                _ => {}
            }
            match self.together(&mut waiting, place).await {
                Some(answer) => return answer,
                None => self.counted = true,
            }
        }
        if self.ask.head {
            self.unloaded();
            return self.pass(waiting, Mark::Miss).await;
        }
        match self.place() {
            Some(place) => self.alone(waiting, Some(place)).await,
            None => self.pass(waiting, Mark::Bypass).await,
        }
    }

    /// Asks the service, without a place to keep what it says.
    pub(super) async fn pass<S, B>(self, waiting: Option<Forward<S, B>>, mark: Mark) -> Answer<S, B>
    where
        S: Inner<B>,
        B: Send + 'static,
    {
        let Some(mut forward) = waiting else {
            return Ok(not_stored());
        };
        let mut response = forward
            .inner
            .call(forward.request)
            .await?
            .map(CachedBody::through);
        mark.write(response.headers_mut());
        Ok(response)
    }

    fn hit(&self, key: &KeyWriter, held: &Held, stale: bool) {
        if !self.counted {
            let hash = self.cache.probe(key).sampled_by();
            let fresh_for = || Some(held.stored.fresh_for());
            self.cache
                .space
                .count_hit_of(&held.slot, Some(hash), fresh_for);
            if stale {
                self.cache.space.count(|meter| &meter.stale_hits);
            }
        }
    }

    pub(super) fn unloaded(&self) {
        if !self.counted {
            self.cache.space.count_miss(None);
            self.cache.space.count(|meter| &meter.unloaded);
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.cache.space.shared.tick.now()
    }
}
