//! The work that is the same in all rows: a request, a statement and a response.

use std::array;
use std::convert::Infallible;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;
use tracing::Level;

pub(super) const ROUTES: [&str; 8] = [
    "/",
    "/login",
    "/documents",
    "/documents/{id}",
    "/documents/{id}/comments",
    "/users/{id}",
    "/users/{id}/settings",
    "/search",
];

pub(super) const STATEMENTS: u64 = 32;

/// What sqlx tells of a statement in four words.
const SUMMARY: &str = "SELECT id, title, body …";

pub(super) fn route(number: u64) -> &'static str {
    ROUTES[number as usize % ROUTES.len()]
}

/// Returns the text of a statement, as sqlx makes one for each event, and how long it took.
pub(super) fn statement(number: u64) -> (String, Duration) {
    let text = constant(number).to_owned();
    (text, Duration::from_micros(80 + number % 1_024))
}

/// Returns the text of a statement as the service's own code has it.
pub(super) fn constant(number: u64) -> &'static str {
    static TEXTS: LazyLock<[String; STATEMENTS as usize]> = LazyLock::new(|| {
        array::from_fn(|number| {
            format!(
                "\n\nSELECT id, title, body, changed_at FROM documents_{number} WHERE workspace_id = $1 AND author_id = $2 \
                 ORDER BY changed_at DESC LIMIT $3\n"
            )
        })
    });
    &TEXTS[(number % STATEMENTS) as usize]
}

/// Runs a statement, as far as a listener to sqlx's events can tell.
pub(super) fn query(number: u64) {
    let (text, elapsed) = statement(number);
    tracing::event!(
        target: "sqlx::query",
        Level::DEBUG,
        summary = SUMMARY,
        db.statement = text,
        rows_affected = 0_u64,
        rows_returned = 1_u64,
        ?elapsed,
        elapsed_secs = elapsed.as_secs_f64(),
    );
    black_box((text, elapsed));
}

/// What a [`Caller`] calls.
pub(super) trait Answers<B>:
    Service<Request<()>, Response = Response<B>, Error = Infallible>
{
}

impl<B, S: Service<Request<()>, Response = Response<B>, Error = Infallible>> Answers<B> for S {}

/// A server's part: sends requests, and reads the responses to their end.
#[derive(Debug)]
pub(super) struct Caller<S> {
    service: S,
    uris: [Uri; ROUTES.len()],
}

impl<S> Caller<S> {
    pub(super) fn new(service: S) -> Self {
        Self {
            service,
            uris: ROUTES.map(Uri::from_static),
        }
    }

    pub(super) fn call<B: Body>(&mut self, number: u64)
    where
        S: Answers<B>,
    {
        let mut request = Request::new(());
        request
            .uri_mut()
            .clone_from(&self.uris[number as usize % ROUTES.len()]);
        let mut cx = Context::from_waker(Waker::noop());
        let answer = pin!(self.service.call(request));
        let Poll::Ready(Ok(response)) = answer.poll(&mut cx) else {
            unreachable!("the handler answers at once");
        };
        let (head, body) = response.into_parts();
        black_box(head);
        let mut body = pin!(body);
        while let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut cx) {
            black_box(frame.is_data());
        }
    }
}

/// Answers at once, after it has run a statement.
#[derive(Debug, Clone)]
pub(super) struct Handler<Q> {
    query: Q,
    number: u64,
}

impl<Q> Handler<Q> {
    pub(super) const fn new(query: Q) -> Self {
        Self { query, number: 0 }
    }
}

impl<Q: Fn(u64) + Clone> Service<Request<()>> for Handler<Q> {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Answer<Q>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Answer<Q> {
        black_box(request);
        self.number += 1;
        Answer {
            query: self.query.clone(),
            number: self.number,
        }
    }
}

/// Runs the statement where a handler would: when it is polled.
#[derive(Debug)]
pub(super) struct Answer<Q> {
    query: Q,
    number: u64,
}

impl<Q: Fn(u64)> Future for Answer<Q> {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        (self.query)(self.number);
        Poll::Ready(Ok(Response::new(Full::new(Bytes::from_static(b"answer")))))
    }
}
