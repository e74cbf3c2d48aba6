//! What is left of a service that dies by itself or is killed, with a request under way that never ends.

use std::future::pending;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::routing::get;
use perfdeck_bridge::protocol::{RequestRow, State, Timestamp};
use perfdeck_bridge::recording::Recording;
use perfdeck_tests::folder::Folder;
use perfdeck_tests::host::perfdeck;
use perfdeck_tests::http;
use perfdeck_tests::process::Process;
use perfdeck_tests::wait::{Seen, within};
use rustix::process::Signal;
use serde_json::Value;

use crate::desk;

/// Set in the child, which is the service: the folder that it works in.
const CHILD: &str = "PERFDECK_TEST_CHILD";
const THIS: &str = "crash::promise_28_the_request_that_hung_is_told_by_route_and_age";
const HANGS: &str = "GET /hangs/{id}";
const START: Duration = Duration::from_secs(60);
/// How a service ends: from outside, as the system's killer does it, or by what a request does.
const ENDS: [(&str, Signal); 5] = [
    ("killed", Signal::KILL),
    ("abort", Signal::ABORT),
    ("overflow", Signal::ABORT),
    ("panic", Signal::ABORT),
    ("memory", Signal::ABORT),
];
/// A tick is a second, and the machine may be busy.
const NEWEST: Duration = Duration::from_millis(1_500);

#[test]
fn promise_28_the_request_that_hung_is_told_by_route_and_age() -> Result<()> {
    if let Some(folder) = std::env::var_os(CHILD) {
        return desk::runtime()?.block_on(service(Path::new(&folder)));
    }
    for (how, signal) in ENDS {
        ended(how, signal).with_context(|| format!("ended by {how}"))?;
    }
    Ok(())
}

fn ended(how: &str, signal: Signal) -> Result<()> {
    let folder = Folder::new()?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args([THIS, "--exact", "--nocapture"])
        .env(CHILD, folder.path())
        .env_remove("PERFDECK");
    let mut process = Process::start(command)?;
    let written = within(START, "address", || {
        Ok(
            match std::fs::read_to_string(folder.path().join("address")) {
                Ok(address) => Seen::Yes(address),
                Err(_) => Seen::NotYet(process.stderr()),
            },
        )
    })?;
    let address: SocketAddr = written.parse()?;
    let began = Timestamp::from(SystemTime::now());
    // Both end with the service at the latest.
    thread::Builder::new().spawn(move || http::get(address, "/hangs/7"))?;
    thread::Builder::new().spawn(move || while http::get(address, "/quick").is_ok() {})?;
    let flight = folder.path().join("flight");
    within(START, "recorded request under way", || {
        // Its first block may not be there yet.
        let row = last(&flight).ok().and_then(|(_, row)| row);
        let age = row.as_ref().and_then(|row| row.oldest_in_flight_seconds);
        Ok(match age {
            Some(age) if age > 2.0 => Seen::Yes(()),
            _ => Seen::NotYet(format!("{row:?}")),
        })
    })?;
    if how == "killed" {
        process.signal(signal)?;
    } else {
        // Nobody answers.
        let _ = http::get(address, &format!("/ends/{how}"));
    }
    let status = process.end(START)?;
    let killed = Timestamp::from(SystemTime::now());
    ensure!(
        status.signal() == Some(signal.as_raw()),
        "{status}: {}",
        process.stderr()
    );

    let (at, row) = last(&flight)?;
    let row = row.with_context(|| format!("no {HANGS}"))?;
    ensure!(killed.since(at) <= NEWEST, "{:?} old", killed.since(at));
    ensure!(row.in_flight == 1 && row.requests == 0, "{row:?}");
    let age = row.oldest_in_flight_seconds.context("no age")?;
    let expected = at.since(began).as_secs_f64();
    ensure!((age - expected).abs() < 0.5, "{age} s, not {expected} s");

    let flight = flight.to_string_lossy();
    let said = perfdeck(
        folder.path(),
        &["requests", "--json", "--recording", &flight],
    )?;
    let told: Value = serde_json::from_slice(&said.stdout)?;
    let mut rows = told["routes"].as_array().context("no routes")?.iter();
    let hangs = rows.find(|row| row["route"] == HANGS);
    ensure!(
        hangs.is_some_and(|row| row["in_flight"] == 1 && row["oldest_in_flight_seconds"] == age),
        "{told:#}"
    );
    Ok(())
}

/// The last tick that tells of requests, and the route that hangs in it.
fn last(file: &Path) -> Result<(Timestamp, Option<RequestRow>)> {
    let recording = Recording::open(file)?;
    let block = recording.len().checked_sub(1);
    let Some(block) = block else {
        return Ok((Timestamp::default(), None));
    };
    let at = recording.at(block).context("a tick without a time")?;
    for update in recording.states(block)? {
        if let State::Requests(requests) = &update.state {
            let mut routes = requests.routes.iter();
            return Ok((at, routes.find(|row| row.route == HANGS).cloned()));
        }
    }
    Ok((at, None))
}

async fn service(folder: &Path) -> Result<()> {
    let (_guard, deck) = perfdeck::Builder::new("ends")
        .socket(folder.join("deck.sock"))
        .record_to(folder.join("flight"), 4 << 20)
        .start()?;
    let routes = Router::new()
        .route("/quick", get(|| async { "quick" }))
        .route("/hangs/{id}", get(pending::<&str>))
        .route(
            "/ends/abort",
            get(|| async { std::process::abort() as &str }),
        )
        .route("/ends/overflow", get(|| async { format!("{}", deep(1)) }))
        .route("/ends/panic", get(|| async { format!("{}", panics()) }))
        .route("/ends/memory", get(|| async { format!("{}", starved()) }))
        .layer(deck.http_layer());
    let address = desk::serve(routes).await?;
    // Whole or not at all.
    let name = folder.join("address");
    std::fs::write(name.with_extension("new"), address.to_string())?;
    std::fs::rename(name.with_extension("new"), name)?;
    pending().await
}

/// Takes all of the thread's stack.
#[expect(unconditional_recursion, reason = "that is what it does")]
fn deep(level: u64) -> u64 {
    let room = std::hint::black_box([level; 512]);
    deep(level + 1) + room[3]
}

/// Ends as every panic does where panics abort: behind the hook, without unwinding.
#[expect(clippy::panic, reason = "that is what it does")]
extern "C" fn panics() -> u64 {
    panic!("nobody may unwind from here")
}

/// Asks for more than there are addresses.
fn starved() -> usize {
    std::hint::black_box(Vec::<u8>::with_capacity(1 << 48)).capacity()
}
