//! One rule a test, named by where it is written.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use tower_layer::Layer as _;
use tower_service::Service;

use super::{HttpCache, HttpCacheService, Route};
use crate::cache::tests::{manual, pass, row};
use crate::cache::{Caches, Policy, Row};

mod bodies;
mod conditions;
mod credentials;
mod fields;
mod forecast;
mod freshness;
mod keys;
mod sockets;
mod stale;
mod storing;
mod together;
mod variants;
mod writes;

type Body = BoxBody<Bytes, String>;
type Reply = Result<Response<Body>, &'static str>;
/// What a service says to its n-th request.
type Script = dyn Fn(&Request<Empty<Bytes>>, usize) -> Reply + Send + Sync;

/// A cache over a service that says what a test wants.
struct Bench {
    caches: Caches,
    hand: Arc<AtomicU64>,
    origin: Origin,
    service: HttpCacheService<Origin>,
}

#[derive(Clone)]
struct Origin {
    script: Arc<Script>,
    /// What it was asked, in order.
    seen: Arc<Mutex<Vec<HeaderMap>>>,
}

/// What a client got.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Got {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Bench {
    /// Caches `/a` for a hundred seconds.
    fn new(
        script: impl Fn(&Request<Empty<Bytes>>, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::with(|cache| cache.route("/a", Duration::from_secs(100)), script)
    }

    fn with(
        cache: impl FnOnce(HttpCache) -> HttpCache,
        script: impl Fn(&Request<Empty<Bytes>>, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let (caches, hand) = manual(true);
        let origin = Origin {
            script: Arc::new(script),
            seen: Arc::default(),
        };
        let cache = cache(HttpCache::new(&caches));
        Self {
            service: cache.layer(origin.clone()),
            caches,
            hand,
            origin,
        }
    }

    /// Each answer says how many there were, with these headers.
    fn saying(headers: &'static [(&'static str, &'static str)]) -> Self {
        Self::new(move |_, n| Ok(answer(200, headers, format!("{n}"))))
    }

    async fn get(&self, headers: &[(&str, &str)]) -> Got {
        self.send("GET", "/a", headers).await
    }

    async fn send(&self, method: &str, uri: &str, headers: &[(&str, &str)]) -> Got {
        self.try_send(method, uri, headers).await.unwrap()
    }

    async fn try_send(
        &self,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
    ) -> Result<Got, &'static str> {
        let mut service = self.service.clone();
        let response = service.call(request(method, uri, headers)).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Ok(Got {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        })
    }

    fn pass(&self, seconds: u64) {
        pass(&self.hand, Duration::from_secs(seconds));
    }

    fn calls(&self) -> usize {
        self.origin.seen.lock().unwrap().len()
    }

    fn seen(&self, call: usize) -> HeaderMap {
        self.origin.seen.lock().unwrap()[call].clone()
    }

    fn row(&self) -> Row {
        row(&self.caches, "http")
    }

    /// Waits until the tasks in the background have run.
    async fn settled(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
}

impl Service<Request<Empty<Bytes>>> for Origin {
    type Response = Response<Body>;
    type Error = &'static str;
    type Future = Ready<Reply>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        let number = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(request.headers().clone());
            seen.len()
        };
        ready((self.script)(&request, number))
    }
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// What `X-Cache` says.
    fn mark(&self) -> &str {
        self.header("x-cache")
    }
}

fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request<Empty<Bytes>> {
    let mut request = Request::builder()
        .method(Method::try_from(method).unwrap())
        .uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).unwrap()
}

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<String>) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(full(body.into())).unwrap()
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into())
        .map_err(|never: Infallible| match never {})
        .boxed()
}

/// Whether the second of two equal requests is answered from the cache.
async fn reuses(bench: &Bench, headers: &[(&str, &str)]) -> bool {
    bench.get(headers).await;
    bench.get(headers).await;
    bench.calls() == 1
}

/// Checks that a response with these headers is fresh for so many seconds, and no longer.
async fn fresh_for(headers: &'static [(&'static str, &'static str)], seconds: u64) {
    let bench = Bench::saying(headers);
    bench.get(&[]).await;
    if seconds > 0 {
        bench.pass(seconds - 1);
        assert_eq!(
            bench.get(&[]).await.mark(),
            "HIT",
            "{headers:?} before {seconds}"
        );
        bench.pass(1);
    }
    assert_eq!(
        bench.get(&[]).await.mark(),
        "MISS",
        "{headers:?} after {seconds}"
    );
}
