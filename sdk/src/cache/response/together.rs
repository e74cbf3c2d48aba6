//! Who goes to the service: one for all who wait, each for itself, or one beside an answer.

use std::sync::{Arc, Mutex, PoisonError};

use http::Response;
use http_body::Body;

use super::body::CachedBody;
use super::fetch::{Fetch, Unkept};
use super::place::{Held, Place, SITE};
use super::reply::{Mark, agrees, conditioned, not_stored, reply};
use super::service::{Answer, Exchange, Forward, Inner};
use super::stored::{Stored, Use};
use crate::cache::key::{KeyWriter, hashed};
use crate::cache::load::{self, Call, Refusal};
use crate::cache::stamp::Stripes;

impl Exchange {
    /// Loads, or waits for who does; `None` if what comes is no answer to this request.
    pub(super) async fn together<S, B>(
        &self,
        waiting: &mut Option<Forward<S, B>>,
        place: Place,
    ) -> Option<Answer<S, B>>
    where
        S: Inner<B>,
        B: Send + 'static,
    {
        let began = self.now();
        if let Some(held) = &place.held {
            // From here on those who miss it wait together; it lives on in the load that validates it.
            self.cache.remove(&place.key, held);
        }
        let call = Call {
            space: &self.cache.space,
            site: SITE,
            key: &place.key,
            tags: &[],
            tables: &[],
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
            return Some(self.unkept::<S, B>(&place.key, unkept));
        }
        let now = self.now();
        let asked = waiting.is_none();
        match loaded {
            Ok(stored) if asked && self.ask.matches(&stored) => {
                Some(Ok(self.own(&place.key, &stored, began)))
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
    pub(super) async fn alone<S, B>(
        self,
        waiting: Option<Forward<S, B>>,
        place: Option<Place>,
    ) -> Answer<S, B>
    where
        S: Inner<B>,
        B: Send + 'static,
    {
        let (Some(forward), Some(place)) = (waiting, place) else {
            return Ok(not_stored());
        };
        if self.ask.head {
            self.unloaded();
            let cache = Arc::clone(&self.cache);
            let response = self.pass(Some(forward), Mark::Miss).await?;
            if let Some(held) = &place.held
                && !agrees(&held.stored, &response)
            {
                cache.remove(&place.key, held);
            }
            return Ok(response);
        }
        if !self.counted {
            let stripes = Stripes::new(self.cache.space.stripe(&place.key), &[]);
            let hash = self.cache.probe(&place.key).sampled_by();
            let held = place.held.as_ref();
            let fresh_for = held.map_or(self.ask.route.ttl, |held| held.stored.fresh_for());
            let asked = (hash, &stripes, Some(fresh_for));
            self.cache.space.count_miss(Some(asked));
            self.cache.space.count(|meter| &meter.loads);
        }
        let began = self.now();
        let stamp = self.stamp(&place.key);
        let held = place.held.clone();
        match self.fetch(forward, place.held).run().await {
            Ok(stored) => {
                self.cache.fill(&place.key, &stored, stamp, &self.values());
                Ok(self.own(&place.key, &stored, began))
            }
            Err(unkept) => {
                // The service has just answered otherwise.
                if let Some(held) = &held
                    && is_word(&unkept)
                {
                    self.cache.remove(&place.key, held);
                }
                self.unkept::<S, B>(&place.key, unkept)
            }
        }
    }

    /// Loads beside the answer, unless somebody does already.
    pub(super) fn refresh<S, B>(&self, forward: Forward<S, B>, place: &Place, held: &Held)
    where
        S: Inner<B>,
        B: Send + 'static,
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
                        beside.cache.space.remove(&stored_key, &held.slot);
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

    /// What this request's own answer makes of it: that answer, or what stands in for it.
    fn own<R: Body>(
        &self,
        key: &KeyWriter,
        stored: &Stored,
        began: u64,
    ) -> Response<CachedBody<R>> {
        let now = self.now();
        let mark = if stored.received < began {
            Mark::Stale
        } else {
            self.learn(key, stored.answers_others(now));
            Mark::Miss
        };
        reply(stored, &self.ask, now, mark)
    }

    fn unkept<S, B>(&self, key: &KeyWriter, unkept: Unkept<S::Reply, S::Error>) -> Answer<S, B>
    where
        S: Inner<B>,
    {
        if is_word(&unkept) {
            self.learn(key, false);
        }
        match unkept {
            Unkept::Error(error) => Err(error),
            Unkept::Response(mut response) => {
                Mark::Miss.write(response.headers_mut());
                Ok(conditioned(*response, &self.ask))
            }
        }
    }

    /// Whether who asks had better not wait for another's answer.
    pub(super) fn is_unshared(&self, key: &KeyWriter) -> bool {
        self.cache.unshared.has(self.answers(key), self.now())
    }

    fn learn(&self, key: &KeyWriter, shared: bool) {
        let answers = self.answers(key);
        if shared {
            self.cache.unshared.forget(answers);
        } else {
            self.cache.unshared.note(answers, self.now());
        }
    }

    /// What tells apart whose answers may be shared and whose not.
    fn answers(&self, key: &KeyWriter) -> u64 {
        let hash = hashed(key.bytes(), &self.cache.space.shared.hasher);
        hash.wrapping_add(u64::from(self.ask.credentials))
    }
}

/// Whether the service has spoken of the resource, and not of its own trouble.
fn is_word<R: Body, E>(unkept: &Unkept<R, E>) -> bool {
    matches!(unkept, Unkept::Response(response) if !response.status().is_server_error())
}
