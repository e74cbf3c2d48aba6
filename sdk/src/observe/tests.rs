//! What is seen where something ends otherwise than it should.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use http_body_util::Empty;
use tower_layer::Layer as _;
use tower_service::Service;

use super::Eyes;
use super::request::{HttpLayer, HttpService};
use crate::clock::Clock;
use crate::record::store::Store;

/// Answers, or panics where it is called.
#[derive(Clone)]
struct Answers {
    panics: bool,
}

impl Service<Request<()>> for Answers {
    type Response = Response<Empty<bytes::Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(!self.panics, "as a service may");
        ready(Ok(Response::new(Empty::new())))
    }
}

fn service(eyes: &'static Eyes, panics: bool) -> HttpService<Answers> {
    HttpLayer::new(Some(eyes))
        .template(|uri, _| Some(uri.path()))
        .layer(Answers { panics })
}

fn send(service: &mut HttpService<Answers>, path: &str) {
    let request = Request::builder().uri(path).body(()).unwrap();
    let mut answer = pin!(service.call(request));
    let polled = answer
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_ready());
}

#[test]
fn a_deck_that_has_stopped_sees_nothing_and_holds_nothing() {
    let eyes = Eyes::new(Clock::new());
    let mut service = service(eyes, false);
    send(&mut service, "/");
    assert!(eyes.recorder.bytes() > 0);
    eyes.close();
    for number in 0..10_000 {
        send(&mut service, &format!("/{number}"));
    }
    assert_eq!(eyes.recorder.bytes(), 0);
    assert!(eyes.open().is_none());
}

#[test]
fn a_request_whose_service_panics_where_it_is_called_is_over() {
    let eyes = Eyes::new(Clock::new());
    let mut service = service(eyes, true);
    let sent = catch_unwind(AssertUnwindSafe(|| send(&mut service, "/")));
    assert!(sent.is_err());
    let mut store = Store::new();
    store.drain(eyes.recorder, 1);
    let ended: u64 = store.requests.values().map(|route| route.cancelled).sum();
    assert_eq!((store.totals.started, ended), (1, 1));
}

/// The callers who give up are those of whom an exhausted pool is to be known.
#[cfg(feature = "sqlx-sqlite")]
#[tokio::test]
async fn a_wait_for_a_connection_is_told_of_callers_who_give_up_too() {
    use sqlx::sqlite::SqlitePoolOptions;

    let eyes = Eyes::new(Clock::new());
    let options = SqlitePoolOptions::new().max_connections(1);
    let inner = options.connect("sqlite::memory:").await.unwrap();
    let pool = super::pool::Pool::new(inner, Some(eyes), 1);
    let held = pool.acquire().await.unwrap();
    let patience = std::time::Duration::from_millis(30);
    let gave_up = tokio::time::timeout(patience, pool.acquire()).await;
    assert!(gave_up.is_err());
    drop(held);
    let mut store = Store::new();
    store.drain(eyes.recorder, 1);
    let told = store.pools.get(1).unwrap();
    assert_eq!(told.acquires, 2);
    let waited = told.timeline.minute().0;
    assert!(waited.max_seconds() >= 0.03, "{waited:?}");
}
