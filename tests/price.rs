//! What the off switch leaves, in instructions, which are the same on every machine and at every load.
//!
//! This build is not optimised: the limit is what perfdeck's own code may take in it, and keeps it from growing. `cargo bench
//! -p perfdeck-peers` counts the same in a build that is.

use std::convert::Infallible;
use std::future::Future as _;
use std::pin::pin;
use std::process::Command;
use std::task::{Context as Polling, Waker};

use anyhow::{Context, Result, bail, ensure};
use axum::http::{Method, Request, Response};
use perfdeck_tests::folder::Folder;
use tower_layer::Layer as _;
use tower_service::Service;
use tracing::Subscriber;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, fmt};

use crate::flood::Runs;

/// Set in the child, to what it measures.
const CHILD: &str = "PERFDECK_TEST_CHILD";
const THIS: &str =
    "price::promise_14_switched_off_a_request_and_its_statement_take_few_instructions_more";
const REQUESTS: u64 = 2_000;
/// Instructions that a deck which is off adds to a request and its statement, at most; it is 583.
const MOST: u64 = 700;

#[test]
fn promise_14_switched_off_a_request_and_its_statement_take_few_instructions_more() -> Result<()> {
    if let Ok(what) = std::env::var(CHILD) {
        return child(&what);
    }
    let [bare, off, on] = [counted("bare")?, counted("off")?, counted("on")?];
    ensure!(
        on > bare && bare > REQUESTS,
        "{bare}, {off}, {on}: nothing was counted"
    );
    let [bare, off, on] = [bare, off, on].map(|all| all / REQUESTS);
    // Shows that the count would see more than there may be.
    ensure!(on > bare + MOST, "{on} switched on, {bare} bare");
    ensure!(
        off <= bare + MOST,
        "instructions a request: {bare} bare, {off} off, {on} on"
    );
    Ok(())
}

/// Counts the instructions of [`measured`], on the thread that runs it.
fn counted(what: &str) -> Result<u64> {
    let folder = Folder::new()?;
    let out = folder.path().join("out");
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--quiet",
            "--toggle-collect=perfdeck::price::measured*",
        ])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .args([THIS, "--exact", "--nocapture"])
        .env(CHILD, what)
        .env("PERFDECK", if what == "off" { "off" } else { "on" })
        .env("PERFDECK_RUNTIME_DIR", folder.path())
        .output()
        .context("valgrind can't be run: `tests/run --install` installs it")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}", output.status);
    let text = std::fs::read_to_string(&out)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals:"));
    Ok(total.context("callgrind gives no total")?.trim().parse()?)
}

fn child(what: &str) -> Result<()> {
    let subscriber = tracing_subscriber::registry();
    if what == "bare" {
        tracing::subscriber::set_global_default(subscriber.with(prints()))?;
        let mut service = Runs;
        measure(|| send(&mut service));
        return Ok(());
    }
    let (guard, deck) = perfdeck::Builder::new("price").start()?;
    if deck.is_on() != (what == "on") {
        bail!("{what} is not what it says");
    }
    tracing::subscriber::set_global_default(subscriber.with(deck.layer()).with(prints()))?;
    let layer = deck.http_layer().template(|uri, _| Some(uri.path()));
    let mut service = layer.layer(Runs);
    measure(|| send(&mut service));
    guard.stop();
    Ok(())
}

/// The host's own log: without a deck nothing below INFO is made.
fn prints<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    fmt::layer()
        .with_writer(std::io::sink)
        .with_filter(LevelFilter::INFO)
}

fn measure(mut request: impl FnMut()) {
    // What is done once is done.
    (0..100).for_each(|_| request());
    measured(&mut request);
}

/// A closure in here would have this name in its own, and turn the counting off again.
#[inline(never)]
fn measured(request: &mut dyn FnMut()) {
    for _ in 0..REQUESTS {
        request();
    }
}

/// One request with one statement, to its end.
fn send<B>(
    service: &mut impl Service<Request<String>, Response = Response<B>, Error = Infallible>,
) {
    let mut request = Request::new("SELECT body FROM notes WHERE ticket = 'a'".to_owned());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = axum::http::Uri::from_static("/notes");
    let mut answering = pin!(service.call(request));
    let mut polling = Polling::from_waker(Waker::noop());
    // Its body is empty, so it is over when it is dropped.
    drop(answering.as_mut().poll(&mut polling));
}
