//! Where statements are called from, as a viewer is told: this file's own functions and lines.
//!
//! It is a crate of its own, as hosts are: frames of perfdeck's are not told.

#![cfg(all(feature = "enabled", feature = "sqlx-sqlite"))]

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body_util::Empty;
use perfdeck::{Builder, Deck, Guard};
use perfdeck_bridge::protocol::{Answer, CallSite, Question, State, Topic};
use perfdeck_tests::folder::Folder;
use tower_layer::Layer as _;
use tower_service::Service;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The lines at which these functions wait, once they have.
static READ: AtomicU32 = AtomicU32::new(0);
static ONE: AtomicU32 = AtomicU32::new(0);
static TWO: AtomicU32 = AtomicU32::new(0);

#[derive(Clone)]
struct Desk(perfdeck::Pool<sqlx::Sqlite>);

async fn read(desk: &Desk) -> sqlx::Result<i64> {
    let query = sqlx::query_scalar("SELECT 1 AS from_two_routes");
    READ.store(line!() + 1, Ordering::Relaxed);
    query.fetch_one(&desk.0).await
}

async fn one(desk: Desk) -> bool {
    ONE.store(line!() + 1, Ordering::Relaxed);
    read(&desk).await.is_ok()
}

async fn two(desk: Desk) -> bool {
    let boxed: Pin<Box<dyn Future<Output = sqlx::Result<i64>> + Send>> = Box::pin(read(&desk));
    TWO.store(line!() + 1, Ordering::Relaxed);
    boxed.await.is_ok()
}

impl Service<Request<()>> for Desk {
    type Response = Response<Empty<bytes::Bytes>>;
    type Error = Infallible;
    type Future =
        Pin<Box<dyn Future<Output = std::result::Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let desk = self.clone();
        Box::pin(async move {
            let done = match request.uri().path() {
                "/one" => one(desk).await,
                _ => two(desk).await,
            };
            let mut response = Response::new(Empty::new());
            if !done {
                *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            }
            Ok(response)
        })
    }
}

fn start(folder: &Folder) -> Result<(Guard, Deck)> {
    let socket = folder.path().join("deck.sock");
    let builder = Builder::new("call-sites").call_sites(true);
    Ok(builder.socket(socket).start()?)
}

/// The call sites of the one statement whose text has `marker`, as they are told now.
async fn told(deck: &Deck, marker: &str) -> Result<Vec<CallSite>> {
    let source = deck.source().ok_or("the deck is off")?;
    let Answer::Now(update) = source.ask(Question::Now(Topic::Queries)).await? else {
        return Err("no statements".into());
    };
    let State::Queries(queries) = &update.state else {
        return Err("no statements".into());
    };
    let mut rows = queries.queries.iter();
    let Some(row) = rows.find(|row| row.text.as_str().contains(marker)) else {
        return Ok(Vec::new());
    };
    match source.ask(Question::Query(row.id.clone())).await? {
        Answer::Query(detail) => Ok(detail.call_sites),
        other => Err(format!("{other:?}").into()),
    }
}

fn in_time(begun: Instant) -> Result<()> {
    if begun.elapsed() > Duration::from_secs(60) {
        return Err("not told in a minute".into());
    }
    Ok(())
}

/// Expects a function of this file's that waits at a line.
///
/// Debug information of lines alone, which tests have unless they are told otherwise, has no name for it.
fn check(site: &CallSite, place: usize, function: &str, line: u32) {
    let frame = &site.frames[place];
    if let Some(name) = &frame.function {
        assert_eq!(*name, format!("call_sites::{function}"), "{site:?}");
    }
    let file = frame.file.as_deref().unwrap_or_default();
    assert!(file.ends_with("tests/call_sites.rs"), "{site:?}");
    assert_eq!(frame.line, Some(line), "{site:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_routes_that_share_a_function_are_told_apart_by_its_callers() -> Result<()> {
    let folder = Folder::new()?;
    let (guard, deck) = start(&folder)?;
    let desk = Desk(deck.pool(
        "primary",
        sqlx::SqlitePool::connect("sqlite::memory:").await?,
    ));
    let mut service = deck
        .http_layer()
        .template(|uri, _| Some(uri.path()))
        .layer(desk);
    let begun = Instant::now();
    let sites = loop {
        for path in ["/one", "/two"] {
            // A task of its own, as a server's connections are: nothing of the test is below it.
            let answer = service.call(Request::builder().uri(path).body(())?);
            let response = tokio::spawn(answer).await??;
            assert_eq!(response.status(), 200);
        }
        let sites = told(&deck, "from_two_routes").await?;
        if sites.len() == 2 {
            break sites;
        }
        in_time(begun)?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for (route, caller, line) in [("GET /one", "one", &ONE), ("GET /two", "two", &TWO)] {
        let site = sites.iter().find(|site| site.route == route);
        let site = site.ok_or_else(|| format!("{route} is not among {sites:?}"))?;
        check(site, 0, "read", READ.load(Ordering::Relaxed));
        check(site, 1, caller, line.load(Ordering::Relaxed));
    }
    guard.stop();
    Ok(())
}

#[tokio::test]
async fn a_statement_names_this_very_test() -> Result<()> {
    const TEST: &str = "a_statement_names_this_very_test";
    let folder = Folder::new()?;
    let (guard, deck) = start(&folder)?;
    let pool = deck.pool(
        "primary",
        sqlx::SqlitePool::connect("sqlite::memory:").await?,
    );
    let begun = Instant::now();
    // By a connection and by a stream of the pool's: each is polled in its own way.
    let mut connection = pool.acquire().await?;
    let mut lines = (0, 0);
    let (held, many) = loop {
        let query = sqlx::query("SELECT 2 AS of_a_connection");
        lines.0 = line!() + 1;
        query.execute(&mut *connection).await?;
        let query = sqlx::query("SELECT 3 AS of_many");
        lines.1 = line!() + 1;
        query.fetch_all(&pool).await?;
        let held = told(&deck, "of_a_connection").await?;
        let many = told(&deck, "of_many").await?;
        if let (Some(held), Some(many)) = (held.first(), many.first()) {
            break (held.clone(), many.clone());
        }
        in_time(begun)?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((&*held.route, &*many.route), ("background", "background"));
    check(&held, 0, TEST, lines.0);
    check(&many, 0, TEST, lines.1);
    guard.stop();
    Ok(())
}

/// PostgreSQL's driver tells of its statements on the caller's thread, so the layer sees their callers, too.
#[cfg(feature = "sqlx-postgres")]
#[tokio::test]
async fn a_statement_that_the_layer_hears_of_names_this_very_test() -> Result<()> {
    use perfdeck_tests::postgres::Server;
    use perfdeck_tests::process::is_alone;
    use tracing_subscriber::layer::SubscriberExt as _;

    const TEST: &str = "a_statement_that_the_layer_hears_of_names_this_very_test";
    // Beside the other tests, tracing can decide that nobody hears of statements before this one listens.
    if !is_alone(TEST, Duration::from_secs(120)).map_err(|error| error.to_string())? {
        return Ok(());
    }
    let server = Server::shared().map_err(|error| error.to_string())?;
    let url = server
        .database("call_sites")
        .map_err(|error| error.to_string())?;
    let folder = Folder::new()?;
    let (guard, deck) = start(&folder)?;
    let heard = tracing_subscriber::registry().with(deck.layer());
    let _heard = tracing::subscriber::set_default(heard);
    let pool = sqlx::PgPool::connect(&url).await?;
    let begun = Instant::now();
    let mut line;
    let site = loop {
        let query = sqlx::query("SELECT 4 AS by_the_layer");
        line = line!() + 1;
        query.fetch_all(&pool).await?;
        if let Some(site) = told(&deck, "by_the_layer").await?.first() {
            break site.clone();
        }
        in_time(begun)?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    check(&site, 0, TEST, line);
    guard.stop();
    Ok(())
}
