//! A service that forks under load, for `fork.rs`: `fork_node SOCKET TIMES`.
//!
//! Each child goes on with what its parent does, requests on the thread that was forked and on one of its own, and ends well
//! if its deck is inert. `forked TIMES SENT TOLD` are at last the requests of the parent, and those that a viewer is told of.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it answers there"
)]

use std::convert::Infallible;
use std::future::{Future as _, Ready, ready};
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context as Polling, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use axum::body::Body;
use axum::http::{Request, Response};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use perfdeck::{Deck, Guard, HttpService};
use perfdeck_bridge::protocol::{Answer, Question, State, Topic};
use perfdeck_tests::footprint::Footprint;
use tower_layer::Layer as _;
use tower_service::Service;

/// How long a child may take.
const LIMIT: Duration = Duration::from_secs(10);
/// Requests of a child on each of its threads.
const REQUESTS: u64 = 200;
/// How long the parent's last requests may take to be told.
const TOLD: Duration = Duration::from_secs(20);

/// Requests of this process.
static SENT: AtomicU64 = AtomicU64::new(0);
static DONE: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [socket, times] = arguments.as_slice() else {
        bail!("fork_node SOCKET TIMES");
    };
    let times: u32 = times.parse()?;
    let (guard, deck) = perfdeck::Builder::new("fork").socket(socket).start()?;
    let mut guard = Some(guard);
    let mut service = deck
        .http_layer()
        .template(|uri, _| Some(uri.path()))
        .layer(Answers);
    let sent = thread::scope(|scope| {
        for name in ["left", "right"] {
            let (deck, service) = (&deck, service.clone());
            // Others hold whatever there is to hold at the moment of a fork.
            scope.spawn(move || busy(deck, service, name));
        }
        let forked = (0..times).try_for_each(|_| {
            work(&mut service, "/known");
            one(&deck, &mut guard, &mut service)
        });
        DONE.store(true, Ordering::Relaxed);
        forked
    });
    sent?;
    ensure!(
        deck.is_on() && Path::new(socket).exists(),
        "the parent's deck is gone"
    );
    let sent = SENT.load(Ordering::Relaxed);
    println!("forked {times} {sent} {}", told(&deck, sent)?);
    Ok(())
}

fn busy(deck: &Deck, mut service: HttpService<Answers>, name: &str) {
    for number in 0_u32.. {
        if DONE.load(Ordering::Relaxed) {
            break;
        }
        work(&mut service, &format!("/{name}/{}", number % 2_000));
        deck.counter(&format!("{name}.{}", number % 100)).add(1);
    }
}

/// Forks, and waits for the child's good end.
#[expect(
    unsafe_code,
    clippy::exit,
    reason = "there is no other way to fork, and a child has nothing to come back to"
)]
fn one(deck: &Deck, guard: &mut Option<Guard>, service: &mut HttpService<Answers>) -> Result<()> {
    // SAFETY: the child goes on with what a service's child goes on with. That this is more than what is safe for whatever
    // code is what is tested: here nothing of it waits for a lock that another thread may have held but the allocator's,
    // which glibc sees to.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let code = match child(deck, guard, service) {
                Ok(()) => 0,
                Err(error) => {
                    eprintln!("in the child: {error:?}");
                    1
                }
            };
            std::process::exit(code)
        }
        ForkResult::Parent { child } => ended(child),
    }
}

fn child(deck: &Deck, guard: &mut Option<Guard>, service: &mut HttpService<Answers>) -> Result<()> {
    let before = Footprint::of_this_process()?;
    ensure!(before.threads.len() == 1, "{before:?}");
    ensure!(!deck.is_on() && deck.socket().is_none() && deck.source().is_none());
    let mut own = service.clone();
    let other = thread::Builder::new().spawn(move || {
        for number in 0..REQUESTS {
            work(&mut own, &format!("/other/{number}"));
        }
    });
    for number in 0..REQUESTS {
        work(service, "/known");
        work(service, &format!("/child/{number}"));
    }
    ensure!(other?.join().is_ok(), "the child's thread panicked");
    deck.counter("child").add(1);
    // It is the parent's to stop.
    drop(guard.take());
    let after = Footprint::of_this_process()?;
    ensure!(after == before, "{before:?} became {after:?}");
    Ok(())
}

fn ended(child: Pid) -> Result<()> {
    let start = Instant::now();
    loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::StillAlive if start.elapsed() < LIMIT => {
                thread::sleep(Duration::from_millis(1));
            }
            WaitStatus::StillAlive => {
                kill(child, Signal::SIGKILL)?;
                waitpid(child, None)?;
                bail!("a child hangs");
            }
            WaitStatus::Exited(_, 0) => return Ok(()),
            other => bail!("a child ended with {other:?}"),
        }
    }
}

/// What a viewer is told of requests, once it is all of them or the time is over.
fn told(deck: &Deck, sent: u64) -> Result<u64> {
    let source = deck.source().context("the deck is on")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let start = Instant::now();
    runtime.block_on(async {
        loop {
            let Answer::Now(update) = source.ask(Question::Now(Topic::Requests)).await? else {
                bail!("no state");
            };
            let State::Requests(requests) = &update.state else {
                bail!("no requests");
            };
            if requests.requests >= sent || start.elapsed() > TOLD {
                return Ok(requests.requests);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
}

/// One request, to its end, with a call of a monitored function.
fn work(service: &mut HttpService<Answers>, path: &str) {
    let mut request = Request::new(());
    *request.uri_mut() = path.parse().unwrap_or_default();
    SENT.fetch_add(1, Ordering::Relaxed);
    let mut answering = pin!(service.call(request));
    let mut polling = Polling::from_waker(Waker::noop());
    // Its body is empty, so it is over when it is dropped.
    drop(answering.as_mut().poll(&mut polling));
    monitored();
}

#[perfdeck::monitor]
fn monitored() {}

#[derive(Clone)]
struct Answers;

impl Service<Request<()>> for Answers {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Polling<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Body::empty())))
    }
}
