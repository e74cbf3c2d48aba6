//! The service under an `HttpCache`: look up, and load once for all who miss together.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::Cache;
use super::ask::Ask;
use super::body::CachedBody;
use super::fetch::{Fetch, Unkept};
use super::reply::{Mark, conditioned, not_stored, reply};
use super::rules::LONGEST_WINDOW;
use super::stored::{Stored, Use};
use super::writes::Writes;
use crate::cache::key::{KeyWriter, Probe, StoredKey};
use crate::cache::load::{self, Call, Refusal};
use crate::cache::local::Slot;
use crate::cache::stamp::{Stamp, Stripes};
use crate::cache::tier::Kept;
use crate::cache::values::Values;

/// Stored responses have this site; functions count from 1 and what is put in by hand has 0.
const SITE: u32 = u32::MAX;
/// A request that waited for somebody else's answer, and can't use it, looks once more before it asks for itself.
const ROUNDS: usize = 2;

/// A service under an [`HttpCache`](super::HttpCache).
#[derive(Debug, Clone)]
pub struct HttpCacheService<S> {
    pub(super) inner: S,
    pub(super) cache: Arc<Cache>,
}

type Answer<R, E> = Result<Response<CachedBody<R>>, E>;

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
    type Future = Pin<Box<dyn Future<Output = Answer<R, S::Error>> + Send>>;

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

/// One request that the cache may answer.
struct Exchange {
    cache: Arc<Cache>,
    ask: Arc<Ask>,
    counted: bool,
}

/// What goes to the service, once at most.
struct Forward<S, B> {
    inner: S,
    request: Request<B>,
}

/// Where a response is, or would be, kept.
struct Place {
    key: KeyWriter,
    held: Option<Held>,
    /// Something else is kept there that answers others.
    taken: bool,
}

/// A stored response in its place.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) slot: Arc<Slot>,
    pub(super) stored: Arc<Stored>,
}

impl Exchange {
    async fn answer<S, B, R>(mut self, forward: Forward<S, B>) -> Answer<R, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>> + Send + 'static,
        S::Future: Send,
        S::Error: Send,
        B: Body + Send + 'static,
        R: Body + Send + 'static,
        R::Error: Send,
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
                    self.hit(held, false);
                    return Ok(reply(&held.stored, &self.ask, now, Mark::Hit));
                }
                (Some(used @ (Use::Behind | Use::Stale)), Some(held)) => {
                    self.hit(held, true);
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

    /// Loads, or waits for who does; `None` if what comes is no answer to this request.
    async fn together<S, B, R>(
        &self,
        waiting: &mut Option<Forward<S, B>>,
        place: Place,
    ) -> Option<Answer<R, S::Error>>
    where
        S: Service<Request<B>, Response = Response<R>> + Send + 'static,
        S::Future: Send,
        S::Error: Send,
        B: Body + Send + 'static,
        R: Body + Send + 'static,
        R::Error: Send,
    {
        let began = self.now();
        if let Some(held) = &place.held {
            // From here on those who miss it wait together; it lives on in the load that validates it.
            let probe = self.cache.probe(&place.key);
            self.cache.space.local().remove(&probe.store(), &held.slot);
        }
        let call = Call {
            space: &self.cache.space,
            site: SITE,
            key: &place.key,
            tags: &[],
            values: self.values(),
            refusal: Refusal::<()>::alone(),
        };
        let unkept = Arc::new(Mutex::new(None));
        let load = || {
            let fetch = waiting
                .take()
                .map(|forward| self.fetch(forward, place.held.clone()));
            let unkept = Arc::clone(&unkept);
            async move {
                match fetch.ok_or(())?.run().await {
                    Ok(stored) => Ok(stored),
                    Err(answer) => {
                        *unkept.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                        Err(())
                    }
                }
            }
        };
        let loaded = load::spawned(call, load).await;
        let unkept = unkept.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(unkept) = unkept {
            return Some(self.unkept(unkept));
        }
        let now = self.now();
        let asked = waiting.is_none();
        match loaded {
            // Its own request's answer, or what stands in for it.
            Ok(stored) if asked && self.ask.matches(&stored) => {
                let mark = if stored.received < began {
                    Mark::Stale
                } else {
                    Mark::Miss
                };
                Some(Ok(reply(&stored, &self.ask, now, mark)))
            }
            // Not one's own answer, and no request left to send: a policy of the host's that has no place here.
            _ if asked => Some(Ok(not_stored())),
            Ok(stored) if self.ask.matches(&stored) => match stored.usage(&self.ask, now) {
                Use::Fresh => Some(Ok(reply(&stored, &self.ask, now, Mark::Miss))),
                Use::Behind | Use::Stale => Some(Ok(reply(&stored, &self.ask, now, Mark::Stale))),
                Use::Ask | Use::Expired => None,
            },
            _ => None,
        }
    }

    /// Asks the service for this request only, and keeps what may be kept.
    async fn alone<S, B, R>(
        self,
        waiting: Option<Forward<S, B>>,
        place: Option<Place>,
    ) -> Answer<R, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>>,
        R: Body,
    {
        let (Some(forward), Some(place)) = (waiting, place) else {
            return Ok(not_stored());
        };
        if self.ask.head {
            self.unloaded();
            return self.pass(Some(forward), Mark::Miss).await;
        }
        if !self.counted {
            self.cache.space.count_miss(None);
            self.cache.space.count(|meter| &meter.loads);
        }
        let began = self.now();
        let stamp = self.stamp(&place.key);
        let held = place.held.clone();
        match self.fetch(forward, place.held).run().await {
            Ok(stored) => {
                self.cache.fill(&place.key, &stored, stamp, &self.values());
                let mark = if stored.received < began {
                    Mark::Stale
                } else {
                    Mark::Miss
                };
                Ok(reply(&stored, &self.ask, self.now(), mark))
            }
            Err(unkept) => {
                self.outdated(&place.key, held.as_ref(), &unkept);
                self.unkept(unkept)
            }
        }
    }

    /// Asks the service, without a place to keep what it says.
    async fn pass<S, B, R>(self, waiting: Option<Forward<S, B>>, mark: Mark) -> Answer<R, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>>,
        R: Body,
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

    /// Loads beside the answer, unless somebody does already.
    fn refresh<S, B, R>(&self, forward: Forward<S, B>, place: &Place, held: &Held)
    where
        S: Service<Request<B>, Response = Response<R>> + Send + 'static,
        S::Future: Send,
        S::Error: Send,
        B: Body + Send + 'static,
        R: Body + Send + 'static,
        R::Error: Send,
    {
        let space = &self.cache.space;
        let (Some(room), Some(turn)) = (space.refreshing(), held.stored.refreshing()) else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        space.count(|meter| &meter.loads);
        space.count(|meter| &meter.refreshes);
        let stamp = self.stamp(&place.key);
        let fetch = self.fetch(forward, Some(held.clone()));
        let beside = Self {
            cache: Arc::clone(&self.cache),
            ask: Arc::clone(&self.ask),
            counted: true,
        };
        let (stored_key, held) = (self.cache.probe(&place.key).store(), held.clone());
        let stripes = Stripes::new(self.cache.space.stripe(&place.key), &[]);
        drop(runtime.spawn(async move {
            match fetch.run().await {
                Ok(stored) => {
                    let values = beside.values();
                    beside
                        .cache
                        .fill_stored(stored_key, stripes, &stored, stamp, &values);
                }
                Err(unkept) => {
                    beside.cache.space.count(|meter| &meter.load_errors);
                    if is_word(&unkept) {
                        beside.cache.space.local().remove(&stored_key, &held.slot);
                    }
                }
            }
            drop((room, turn));
        }));
    }

    fn fetch<S, B>(&self, forward: Forward<S, B>, former: Option<Held>) -> Fetch<S, B> {
        Fetch {
            cache: Arc::clone(&self.cache),
            inner: forward.inner,
            request: forward.request,
            ask: Arc::clone(&self.ask),
            former,
        }
    }

    /// Finds where the response to this request is kept; `None` if its key is too long.
    fn place(&self) -> Option<Place> {
        let primary = self.ask.primary(&self.cache);
        if primary.is_refused() {
            return None;
        }
        let Some(first) = self.cache.held(&primary) else {
            return Some(Place {
                key: primary,
                held: None,
                taken: false,
            });
        };
        if self.ask.matches(&first.stored) {
            return Some(Place {
                key: primary,
                held: Some(first),
                taken: false,
            });
        }
        let key = self.ask.secondary(&self.cache, &first.stored.vary);
        if key.is_refused() {
            return None;
        }
        Some(match self.cache.held(&key) {
            // The service has changed what it varies by.
            Some(held) if !self.ask.matches(&held.stored) => Place {
                key: primary,
                held: None,
                taken: true,
            },
            held => Place {
                key,
                held,
                taken: false,
            },
        })
    }

    fn unkept<R: Body, E>(&self, unkept: Unkept<R, E>) -> Answer<R, E> {
        match unkept {
            Unkept::Error(error) => Err(error),
            Unkept::Response(mut response) => {
                Mark::Miss.write(response.headers_mut());
                Ok(conditioned(*response, &self.ask))
            }
        }
    }

    /// Takes away what the service has just answered otherwise.
    fn outdated<R: Body, E>(&self, key: &KeyWriter, held: Option<&Held>, unkept: &Unkept<R, E>) {
        if let Some(held) = held
            && is_word(unkept)
        {
            self.cache
                .space
                .local()
                .remove(&self.cache.probe(key).store(), &held.slot);
        }
    }

    fn hit(&self, held: &Held, stale: bool) {
        if !self.counted {
            self.cache.space.count_hit(&held.slot, None);
            if stale {
                self.cache.space.count(|meter| &meter.stale_hits);
            }
        }
    }

    fn unloaded(&self) {
        if !self.counted {
            self.cache.space.count_miss(None);
            self.cache.space.count(|meter| &meter.unloaded);
        }
    }

    fn stamp(&self, key: &KeyWriter) -> Stamp {
        let stripes = Stripes::new(self.cache.space.stripe(key), &[]);
        self.cache.space.stamps.read(&stripes)
    }

    /// What is stale can still be validated for a day, or be served by the leave of RFC 5861.
    fn values(&self) -> Values<Arc<Stored>> {
        let ttl = self.ask.route.ttl.saturating_add(LONGEST_WINDOW);
        Values::new()
            .ttl(Some(ttl))
            .weigh(|stored: &Arc<Stored>| stored.bytes())
    }

    fn now(&self) -> u64 {
        self.cache.space.shared.tick.now()
    }
}

/// Whether the service has spoken of the resource, and not of its own trouble.
fn is_word<R: Body, E>(unkept: &Unkept<R, E>) -> bool {
    matches!(unkept, Unkept::Response(response) if !response.status().is_server_error())
}

impl Cache {
    fn probe<'a>(&self, key: &'a KeyWriter) -> Probe<'a> {
        Probe::new(SITE, key, &self.space.shared.hasher)
    }

    fn held(&self, key: &KeyWriter) -> Option<Held> {
        let slot = self.space.fresh(&self.probe(key))?;
        let stored = slot.value()?;
        Some(Held { slot, stored })
    }

    fn fill(
        &self,
        key: &KeyWriter,
        stored: &Arc<Stored>,
        stamp: Stamp,
        values: &Values<Arc<Stored>>,
    ) {
        let stripes = Stripes::new(self.space.stripe(key), &[]);
        self.fill_stored(self.probe(key).store(), stripes, stored, stamp, values);
    }

    fn fill_stored(
        &self,
        key: StoredKey,
        stripes: Stripes,
        stored: &Arc<Stored>,
        stamp: Stamp,
        values: &Values<Arc<Stored>>,
    ) {
        let value = Arc::clone(stored);
        let slot = self.space.slot(
            &key,
            value,
            stamp,
            stripes,
            values,
            Kept::just(Duration::ZERO),
        );
        self.space.fill(key, &slot);
    }
}
