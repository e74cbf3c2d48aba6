//! Without the feature `enabled` every call is there, nothing is observed or served, and caches go on.

#![cfg(all(
    not(feature = "enabled"),
    feature = "axum",
    feature = "http",
    feature = "metrics",
    feature = "recording",
    feature = "redis",
    feature = "sqlx-sqlite"
))]

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use perfdeck::cache::Policy;
use perfdeck_tests::folder::Folder;
use perfdeck_tests::footprint::Footprint;
use tower_layer::Layer as _;
use tower_service::Service;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;

static LOADS: AtomicU32 = AtomicU32::new(0);

#[perfdeck::cached(ttl = "1m", namespace = "squares")]
async fn square(number: u32) -> u32 {
    LOADS.fetch_add(1, Ordering::Relaxed);
    number * number
}

#[perfdeck::cache_invalidate("squares")]
async fn forget() {}

#[perfdeck::monitor]
async fn monitored() -> u32 {
    7
}

/// A service that says hello to everybody.
#[derive(Clone)]
struct Hello;

impl Service<Request<Full<Bytes>>> for Hello {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        ready(Ok(Response::new(Full::new(Bytes::from_static(b"hello")))))
    }
}

#[tokio::test]
async fn promise_14_without_the_feature_nothing_is_observed_and_caches_go_on()
-> Result<(), Box<dyn Error>> {
    let folder = Folder::new()?;
    // What the database takes is the host's.
    let pool = sqlx::sqlite::SqlitePoolOptions::new()
        .max_connections(1)
        .connect("sqlite::memory:")
        .await?;
    let before = Footprint::of_this_process()?;
    let socket = folder.path().join("deck.sock");
    let (guard, deck) = perfdeck::Builder::new("disabled")
        .socket(&socket)
        .ledger(folder.path().join("ledger"))
        .record_to(folder.path().join("flight"), 1 << 20)
        .call_sites(true)
        .cache("squares", Policy::new())
        .start()?;
    assert!(!deck.is_on());
    assert!(deck.socket().is_none());
    let began = Footprint::of_this_process()?.since(&before);
    assert!(began.is_empty(), "{began:?}");

    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::sink)
        .with_filter(LevelFilter::INFO);
    let _host = tracing::subscriber::set_default(
        tracing_subscriber::registry().with(deck.layer()).with(log),
    );
    assert_eq!(LevelFilter::current(), LevelFilter::INFO);
    assert!(!tracing::enabled!(target: "sqlx::query", tracing::Level::DEBUG));
    let pool = deck.pool("primary", pool);
    let one: i64 = sqlx::query_scalar("SELECT 1").fetch_one(&pool).await?;
    assert_eq!((one, monitored().await), (1, 7));
    deck.counter("calls").add(1);
    deck.gauge("waiting").set(1.0);
    deck.histogram("sizes").record(1.0);
    deck.set_threshold(perfdeck::Rule::CpuPercent, 90.0)?;
    assert!(
        deck.set_threshold(perfdeck::Rule::CpuPercent, -1.0)
            .is_err()
    );
    assert_eq!(deck.clear_alerts().await, 0);
    metrics::with_local_recorder(&deck.metrics_recorder(), || {
        metrics::counter!("jobs", "queue" => "mail").increment(1);
    });

    assert_eq!((square(3).await, square(3).await), (9, 9));
    assert_eq!(LOADS.load(Ordering::Relaxed), 1);
    forget().await;
    assert_eq!(square(3).await, 9);
    assert_eq!(LOADS.load(Ordering::Relaxed), 2);

    let cache = deck.http_cache().route("/hello", Duration::from_secs(60));
    let mut service = cache.layer(deck.http_layer().headers(true).layer(Hello));
    for expected in ["MISS", "HIT"] {
        let request = Request::builder()
            .uri("http://a/hello")
            .body(Full::default())?;
        let answer = service.call(request).await?;
        assert_eq!(answer.headers()["x-cache"], expected);
        assert!(answer.headers().get("x-response-time").is_none());
        assert_eq!(answer.into_body().collect().await?.to_bytes(), "hello");
    }

    let served = Footprint::of_this_process()?.since(&before);
    assert!(served.is_empty(), "{served:?}");
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
    guard.stop();
    Ok(())
}
