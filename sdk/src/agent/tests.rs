//! The host's side of an agent in trouble: it notices nothing.

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body_util::Empty;
use perfdeck_bridge::protocol::{Answer, Question, State, Topic};
use perfdeck_tests::folder::Folder;
use tower_layer::Layer as _;
use tower_service::Service;

use super::fault;
use crate::builder::Builder;
use crate::deck::{Deck, Guard};

#[derive(Clone)]
struct Answers;

impl Service<Request<()>> for Answers {
    type Response = Response<Empty<bytes::Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        std::future::ready(Ok(Response::new(Empty::new())))
    }
}

/// Sends requests until `done`; returns how many, all of which were answered.
fn load(deck: &Deck, mut done: impl FnMut() -> bool) -> u64 {
    let mut service = deck.http_layer().template(|_, _| Some("/")).layer(Answers);
    let mut sent = 0;
    while !done() {
        for _ in 0..1_000 {
            let mut answering = pin!(service.call(Request::new(())));
            let polled = answering
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Ready(Ok(_))));
            sent += 1;
        }
    }
    sent
}

/// What a viewer is told of requests, once the agent answers and counts no more.
fn told(deck: &Deck) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let source = deck.source().unwrap();
        let mut last = u64::MAX;
        loop {
            tokio::time::sleep(Duration::from_millis(2_500)).await;
            let question = Question::Now(Topic::Requests);
            // An answer that a panic ate is asked for again.
            let Ok(Answer::Now(update)) = source.ask(question).await else {
                continue;
            };
            let State::Requests(requests) = &update.state else {
                panic!("{update:?}")
            };
            if requests.requests == last {
                return last;
            }
            last = requests.requests;
        }
    })
}

fn start(service: &str, folder: &Folder) -> (Guard, Deck) {
    let socket = folder.path().join("deck.sock");
    Builder::new(service).socket(socket).start().unwrap()
}

#[test]
fn promise_1_an_agent_whose_steps_panic_goes_on_and_no_request_fails() {
    let folder = Folder::new().unwrap();
    let (guard, deck) = start("panics", &folder);
    fault::of("panics", |fault| fault.panic_each = 5);
    let until = Instant::now() + Duration::from_secs(6);
    let sent = load(&deck, || Instant::now() > until);
    assert_eq!(told(&deck), sent, "what was merged before a panic stays");
    assert!(fault::of("panics", |fault| fault.steps) > 50);
    fault::of("panics", |fault| fault.panic_each = 0);
    assert_eq!(told(&deck), sent);
    guard.stop();
}

#[test]
fn promise_3_an_agent_that_stalls_for_ten_seconds_slows_nobody_and_loses_nothing() {
    let folder = Folder::new().unwrap();
    let (guard, deck) = start("stalls", &folder);
    fault::of("stalls", |fault| fault.stall = Duration::from_secs(10));
    while !fault::of("stalls", |fault| fault.stall.is_zero()) {
        std::thread::yield_now();
    }
    let stalled_at = Instant::now();
    let mut rounds = 0;
    let sent = load(&deck, || {
        rounds += 1;
        rounds > 200
    });
    let took = stalled_at.elapsed();
    assert!(took < Duration::from_secs(10), "the host waited: {took:?}");
    assert_eq!((sent, told(&deck)), (200_000, 200_000));
    guard.stop();
}
