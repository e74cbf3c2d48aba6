//! Requests, through a tower layer: to the response's head, and to the end of its body.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Buf as _;
use http::{Extensions, Method, Request, Response, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use self::header::Headers;
use super::Eyes;
use crate::clock::Moment;
use crate::record::recorder::{BodyEnd, Head, Route};
use crate::record::scope::{self, Scope};

mod header;

/// Observes each request of the routes that it is laid over.
///
/// With axum, use `Router::layer` after the routes were added: the layer then knows each request's template
/// (`/documents/{id}`). Laid where no template can be known, all requests of a method are one key, `<unmatched>`.
///
/// A request whose response is never made, or whose body is given up by the client, counts as cancelled; one that is
/// answered with a 5xx, or whose body fails, as an error.
#[derive(Clone)]
pub struct HttpLayer {
    eyes: Option<Arc<Eyes>>,
    headers: bool,
    template: Template,
}

/// Finds a request's route template.
type Template = for<'a> fn(&'a Uri, &'a Extensions) -> Option<&'a str>;

impl HttpLayer {
    pub(crate) const fn new(eyes: Option<Arc<Eyes>>) -> Self {
        Self {
            eyes,
            headers: false,
            template: matched_path,
        }
    }

    /// Says where a request's route template is found; without it, in axum's `MatchedPath`.
    #[must_use]
    pub fn template(
        mut self,
        template: for<'a> fn(&'a Uri, &'a Extensions) -> Option<&'a str>,
    ) -> Self {
        self.template = template;
        self
    }

    /// Sets whether responses say what they cost.
    ///
    /// The headers are `X-Response-Time` (`12.34ms`), `X-Request-ID` (the request's own, if it is at most 128 characters
    /// of letters, digits and `-_.:/+=@`, else a new one), `X-Cache` (`HIT`, `MISS`, or `NONE` without a look-up),
    /// `X-DB-Queries` (`12`), `X-DB-Time` (`5.67ms`), `X-Memory-Usage` (the process's, `41.2MB`) and the standard
    /// `Server-Timing`. They hold what was known when the head was made. Off by default, since they tell strangers
    /// about the inside of the service.
    #[must_use]
    pub const fn headers(mut self, headers: bool) -> Self {
        self.headers = headers;
        self
    }
}

impl fmt::Debug for HttpLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpLayer")
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for HttpLayer {
    type Service = HttpService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpService {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service under an [`HttpLayer`].
#[derive(Debug, Clone)]
pub struct HttpService<S> {
    inner: S,
    layer: HttpLayer,
}

impl<S, B, R> Service<Request<B>> for HttpService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<ObservedBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let unit = self.layer.eyes.as_ref().map(|eyes| {
            let headers = self.layer.headers.then(|| Headers::new(request.headers()));
            Unit::start(
                eyes,
                eyes.recorder.route(
                    request.method(),
                    (self.layer.template)(request.uri(), request.extensions()),
                ),
                request.method() == Method::HEAD,
                headers,
            )
        });
        ResponseFuture {
            inner: Some(self.inner.call(request)),
            unit,
        }
    }
}

/// The template of the route that axum matched.
#[cfg(feature = "axum")]
fn matched_path<'a>(_: &'a Uri, extensions: &'a Extensions) -> Option<&'a str> {
    extensions
        .get::<axum::extract::MatchedPath>()
        .map(axum::extract::MatchedPath::as_str)
}

#[cfg(not(feature = "axum"))]
fn matched_path<'a>(_: &'a Uri, _: &'a Extensions) -> Option<&'a str> {
    None
}

pin_project! {
    /// The response to come.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        unit: Option<Unit>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(unit) = this.unit {
                // What the service was at when it was given up is the request's.
                let _lent = scope::lend(&mut unit.scope);
                this.inner.set(None);
            }
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<ObservedBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // It is there until this is dropped.
        let Some(inner) = this.inner.as_pin_mut() else {
            return Poll::Pending;
        };
        let polled = match this.unit {
            Some(unit) => {
                let _lent = scope::lend(&mut unit.scope);
                inner.poll(cx)
            }
            None => inner.poll(cx),
        };
        let mut unit = None;
        let response = match ready!(polled) {
            Ok(mut response) => {
                if let Some(mut answered) = this.unit.take() {
                    answered.head(&mut response);
                    unit = Some(answered);
                }
                response
            }
            Err(error) => {
                // A service that fails makes no response: its server closes the connection.
                if let Some(mut failed) = this.unit.take() {
                    failed.answered(true);
                    failed.end(None);
                }
                return Poll::Ready(Err(error));
            }
        };
        let due = unit.as_ref().and_then(|unit| unit.due(&response));
        Poll::Ready(Ok(response.map(|inner| ObservedBody { inner, unit, due })))
    }
}

pin_project! {
    /// A response's body that tells how it ended.
    #[derive(Debug)]
    pub struct ObservedBody<B>
    where
        B: Body,
    {
        #[pin]
        inner: B,
        unit: Option<Unit>,
        due: Option<u64>,
    }

    impl<B: Body> PinnedDrop for ObservedBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(unit) = this.unit {
                // A server need not poll a body that says it has ended, or whose last byte it has.
                let whole = this.inner.is_end_stream() || *this.due == Some(0);
                let nanos = unit.nanos();
                unit.end(Some(if whole { BodyEnd::Whole { nanos } } else { BodyEnd::Cancelled }));
            }
        }
    }
}

impl<B: Body> Body for ObservedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let polled = match this.unit {
            Some(unit) => {
                let _lent = scope::lend(&mut unit.scope);
                this.inner.poll_frame(cx)
            }
            None => this.inner.poll_frame(cx),
        };
        let frame = ready!(polled);
        let end = match &frame {
            None => this.unit.as_ref().map(|unit| BodyEnd::Whole {
                nanos: unit.nanos(),
            }),
            Some(Err(_)) => Some(BodyEnd::Failed),
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                *this.due = this.due.map(|due| due.saturating_sub(bytes));
                None
            }
        };
        if let Some(end) = end
            && let Some(mut unit) = this.unit.take()
        {
            unit.end(Some(end));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// One request on its way.
#[derive(Debug)]
struct Unit {
    eyes: Arc<Eyes>,
    route: Route,
    start: Moment,
    scope: Option<Box<Scope>>,
    headers: Option<Headers>,
    /// Whether it asks for the head only.
    head: bool,
    /// Whether its head told of an error.
    failed: bool,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Answered,
    Ended,
}

impl Unit {
    fn start(eyes: &Arc<Eyes>, route: Route, head: bool, headers: Option<Headers>) -> Self {
        eyes.recorder.request_started(&route);
        Self {
            eyes: Arc::clone(eyes),
            route,
            start: eyes.clock.now(),
            scope: Some(Box::default()),
            headers,
            head,
            failed: false,
            stage: Stage::Waiting,
        }
    }

    fn nanos(&self) -> u64 {
        self.eyes.clock.now().nanos_since(self.start)
    }

    fn head<R>(&mut self, response: &mut Response<R>) {
        let nanos = self.answered(response.status().is_server_error());
        if let (Some(headers), Some(scope)) = (self.headers.take(), &self.scope) {
            headers.write(response.headers_mut(), nanos, scope, &self.eyes);
        }
    }

    /// The bytes that a server will ask the body for, where they are known.
    fn due<R>(&self, response: &Response<R>) -> Option<u64> {
        let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
        if self.head || bodiless.contains(&response.status()) {
            return Some(0);
        }
        let length = response.headers().get(http::header::CONTENT_LENGTH)?;
        length.to_str().ok()?.parse().ok()
    }

    fn answered(&mut self, failed: bool) -> u64 {
        let nanos = self.nanos();
        self.stage = Stage::Answered;
        self.failed = failed;
        self.eyes
            .recorder
            .request_head(&self.route, Head::Answered { failed }, nanos);
        nanos
    }

    fn end(&mut self, body: Option<BodyEnd>) {
        if self.stage == Stage::Ended {
            return;
        }
        self.stage = Stage::Ended;
        // One request is one error at most.
        let body = body.filter(|end| !self.failed || !matches!(end, BodyEnd::Failed));
        let scope = self.scope.take().unwrap_or_default();
        self.eyes.recorder.request_end(&self.route, body, &scope);
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        if self.stage == Stage::Waiting {
            let nanos = self.nanos();
            self.eyes
                .recorder
                .request_head(&self.route, Head::Cancelled, nanos);
            self.end(None);
        }
    }
}
