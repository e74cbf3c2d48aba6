//! A flood of keys that clients choose: the deck's memory stays in its budget, totals stay right, and real routes keep
//! their names.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::process::Command;
use std::task::{Context as Polling, Poll, Waker};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::body::Body;
use axum::http::{Method, Request, Response};
use perfdeck::{Deck, HttpService};
use perfdeck_bridge::protocol::{Queries, Requests, State, Topic};
use perfdeck_tests::folder::Folder;
use tower_layer::Layer as _;
use tower_service::Service;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::desk;

const CHILD: &str = "PERFDECK_TESTS_FLOOD";
/// What the deck may take over the bare process: its budget and a tenth.
const MOST_KIB: u64 = 32 * 1024 * 11 / 10;

const THREADS: usize = 64;
const EACH: usize = 1_000_000 / THREADS;
const SHORT_LIVED: usize = 500;
const EACH_SHORT: usize = 400;
const REAL: usize = 50;

#[test]
fn promise_4_a_million_of_each_key_stay_in_the_budget_and_promise_5_real_routes_keep_their_names()
-> Result<()> {
    if std::env::var_os(CHILD).is_some() {
        return flooded();
    }
    let bare = run("off")?;
    let with = run("on")?;
    let over = with.saturating_sub(bare);
    ensure!(
        over <= MOST_KIB,
        "{over} KiB over the bare process's {bare} KiB"
    );
    Ok(())
}

/// Runs the flood in a process of its own; returns the most memory that it held, in KiB.
fn run(switch: &str) -> Result<u64> {
    let folder = Folder::new()?;
    let output = Command::new(std::env::current_exe()?)
        .args([
            "flood::promise_4_a_million_of_each_key_stay_in_the_budget_and_promise_5_real_routes_keep_their_names",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .env("PERFDECK", switch)
        .env("PERFDECK_RUNTIME_DIR", folder.path())
        // As many heaps as there are processors; what else glibc would add is its own, with and without a deck.
        .env("MALLOC_ARENA_MAX", "2")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}", output.status);
    let most = said
        .lines()
        .find_map(|line| line.strip_prefix("most kib: "));
    Ok(most
        .with_context(|| format!("no memory in {said}"))?
        .parse()?)
}

#[expect(
    clippy::print_stderr,
    reason = "the child tells its parent what it saw"
)]
fn flooded() -> Result<()> {
    let (guard, deck) = perfdeck::Builder::new("flood").start()?;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(deck.layer()))?;
    thread::scope(|scope| {
        for number in 0..THREADS {
            let deck = &deck;
            scope.spawn(move || junk(deck, number, EACH));
        }
    });
    for wave in 0..SHORT_LIVED / 50 {
        thread::scope(|scope| {
            for number in 0..50 {
                let deck = &deck;
                scope.spawn(move || junk(deck, 1_000 + wave * 50 + number, EACH_SHORT));
            }
        });
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let most = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
    eprintln!("\nmost kib: {}", most.context("a high-water mark")?);
    if deck.is_on() {
        desk::runtime()?.block_on(told(&deck))?;
    }
    guard.stop();
    Ok(())
}

/// What a viewer is told: each event is in the totals, and the routes that follow the junk are told by name.
async fn told(deck: &Deck) -> Result<()> {
    let client = desk::viewer(deck, true).await?;
    let junk = (THREADS * EACH + SHORT_LIVED * EACH_SHORT) as u64;
    let mut sent = 0;
    for _ in 0..60 {
        real(deck);
        sent += 20 * REAL as u64;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let State::Requests(requests) = desk::now(&client, Topic::Requests).await? else {
            continue;
        };
        if named(&requests) == REAL && requests.requests == junk + sent {
            let State::Queries(queries) = desk::now(&client, Topic::Queries).await? else {
                continue;
            };
            return conserved(&queries, junk + sent);
        }
    }
    let State::Requests(requests) = desk::now(&client, Topic::Requests).await? else {
        anyhow::bail!("no requests are told");
    };
    anyhow::bail!(
        "after a minute {} of {REAL} real routes have a name, {} of {} requests are counted",
        named(&requests),
        requests.requests,
        junk + sent
    )
}

fn named(requests: &Requests) -> usize {
    let real = |name: &str| name.starts_with("GET /real/");
    let routes = requests.routes.iter();
    routes.filter(|row| real(&row.route)).count()
}

fn conserved(queries: &Queries, calls: u64) -> Result<()> {
    ensure!(queries.calls == calls, "{} of {calls} calls", queries.calls);
    Ok(())
}

/// Requests, methods, statements and namespaces that never come again.
fn junk(deck: &Deck, thread: usize, count: usize) {
    let mut service = layered(deck);
    for number in 0..count {
        let key = format!("{thread}_{number}");
        let method = Method::from_bytes(format!("M{key}").as_bytes());
        request(
            &mut service,
            method.unwrap_or_default(),
            &format!("/junk/{key}"),
            format!("SELECT c{key} FROM t{key}"),
        );
        let _ = deck.cache(&key).get::<u8>("key");
    }
}

/// A second's worth of routes that matter.
fn real(deck: &Deck) {
    let mut service = layered(deck);
    for number in 0..20 * REAL {
        let number = number % REAL;
        request(
            &mut service,
            Method::GET,
            &format!("/real/{number}"),
            format!("SELECT body FROM real_{number}"),
        );
    }
}

fn layered(deck: &Deck) -> HttpService<Runs> {
    deck.http_layer()
        .template(|uri, _| Some(uri.path()))
        .layer(Runs)
}

/// A service whose requests run the statement that they bring.
#[derive(Clone)]
pub(crate) struct Runs;

impl Service<Request<String>> for Runs {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Running;

    fn poll_ready(&mut self, _: &mut Polling<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Running {
        Running(request.into_body())
    }
}

/// A statement under way; sqlx tells of it when it has run.
pub(crate) struct Running(String);

impl Future for Running {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Polling<'_>) -> Poll<Self::Output> {
        tracing::debug!(
            target: "sqlx::query",
            summary = "SELECT …",
            db.statement = format!("\n\n{}\n", self.0),
            rows_affected = 0u64,
            rows_returned = 1u64,
            elapsed_secs = 0.001,
        );
        Poll::Ready(Ok(Response::new(Body::empty())))
    }
}

/// One request, to its end.
fn request(service: &mut HttpService<Runs>, method: Method, path: &str, sql: String) {
    let mut request = Request::new(sql);
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap_or_default();
    let mut answering = pin!(service.call(request));
    let mut polling = Polling::from_waker(Waker::noop());
    // Its body is empty, so it is over when it is dropped.
    drop(answering.as_mut().poll(&mut polling));
}
