//! Requests, through a tower layer: to the response's head, and to the end of its body.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf as _;
use http::{Extensions, Method, Request, Response, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use self::header::Headers;
use super::Eyes;
use crate::record::scope::{self, Progress, Scope, Stage};
use crate::record::table::{Body as BodyEnd, Head};

#[cfg(feature = "cache")]
mod exchange;
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
    eyes: Option<&'static Eyes>,
    headers: bool,
    template: Template,
}

/// Finds the template of the route that a request was matched to.
type Template = for<'r> fn(&'r Uri, &'r Extensions) -> Option<&'r str>;

impl HttpLayer {
    pub(crate) const fn new(eyes: Option<&'static Eyes>) -> Self {
        Self {
            eyes,
            headers: false,
            template: matched_path,
        }
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

    /// Sets where a request's route template is found, for services that are not axum's.
    ///
    /// What it returns becomes a key, so it must not hold ids or anything else that clients choose: a router leaves what
    /// matched in the extensions. A gRPC method's path is a template as it is, but only where there is such a method, since
    /// clients choose paths: `.template(|uri, _| METHODS.iter().copied().find(|method| *method == uri.path()))`. Where it
    /// returns `None` the request is filed under `<unmatched>`. Keys are bounded in number and of each the first 256 bytes
    /// are kept, so invented ones take no more memory; but they may take the places of real ones. Defaults to axum's
    /// `MatchedPath`, with the feature `axum`.
    #[must_use]
    pub const fn template(
        mut self,
        template: for<'r> fn(&'r Uri, &'r Extensions) -> Option<&'r str>,
    ) -> Self {
        self.template = template;
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
        let unit = self.layer.eyes.and_then(Eyes::open).map(|eyes| {
            let template = (self.layer.template)(request.uri(), request.extensions());
            Unit::start(eyes, &request, template)
        });
        let headers = (self.layer.headers && unit.is_some())
            .then(|| Box::new(Headers::new(request.headers())));
        let mut begun = Begun(unit);
        ResponseFuture {
            inner: Some(self.inner.call(request)),
            unit: begun.0.take(),
            headers,
        }
    }
}

#[cfg(feature = "axum")]
fn matched_path<'r>(_: &'r Uri, extensions: &'r Extensions) -> Option<&'r str> {
    extensions
        .get::<axum::extract::MatchedPath>()
        .map(axum::extract::MatchedPath::as_str)
}

#[cfg(not(feature = "axum"))]
const fn matched_path<'r>(_: &'r Uri, _: &'r Extensions) -> Option<&'r str> {
    None
}

pin_project! {
    /// The response to come.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        unit: Option<Unit>,
        headers: Option<Box<Headers>>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(unit) = this.unit {
                {
                    // What the service was at when it was given up is the request's.
                    let _lent = scope::lend(&mut unit.scope);
                    this.inner.set(None);
                }
                unit.end(None);
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
        let answer = ready!(polled);
        let mut unit = this.unit.take();
        match answer {
            Ok(mut response) => {
                if let Some(unit) = &mut unit {
                    unit.look(&response);
                    unit.head(&mut response, this.headers.take());
                }
                Poll::Ready(Ok(response.map(|inner| ObservedBody { inner, unit })))
            }
            Err(error) => {
                // A service that fails makes no response: its server closes the connection.
                if let Some(unit) = &mut unit {
                    unit.answered(true, false);
                    unit.end(None);
                }
                Poll::Ready(Err(error))
            }
        }
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
    }

    impl<B: Body> PinnedDrop for ObservedBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(unit) = this.unit {
                // A server need not poll a body that says it has ended, or whose last byte it has.
                let whole = this.inner.is_end_stream() || unit.due() == Some(0);
                unit.end(Some(if whole { unit.whole() } else { BodyEnd::Cancelled }));
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
        let mut this = self.project();
        let polled = match this.unit {
            Some(unit) => {
                let _lent = scope::lend(&mut unit.scope);
                this.inner.as_mut().poll_frame(cx)
            }
            None => this.inner.as_mut().poll_frame(cx),
        };
        let Some(unit) = this.unit else {
            return polled;
        };
        let Poll::Ready(frame) = polled else {
            unit.sent(0);
            return Poll::Pending;
        };
        if let Some(Ok(sent)) = &frame {
            unit.piece(sent);
        }
        let end = match &frame {
            Some(Err(_)) => Some(BodyEnd::Failed),
            // A server need not ask again where a body says that it has ended.
            Some(Ok(sent)) if !this.inner.is_end_stream() => {
                unit.sent(sent.data_ref().map_or(0, |data| data.remaining() as u64));
                None
            }
            Some(Ok(_)) | None => Some(unit.whole()),
        };
        if end.is_some() {
            unit.end(end);
            *this.unit = None;
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

/// The longest body whose head may wait for its end to be filed with it.
const SHORT: u64 = 16 * 1024;

/// One request on its way; its scope is on loan while it is polled, and gone once it is over.
///
/// Its end is told by whoever holds it: a destructor here would run at each move from the response to the body.
#[derive(Debug)]
struct Unit {
    eyes: &'static Eyes,
    scope: Option<Box<Scope>>,
    /// Where a cache could have answered.
    #[cfg(feature = "cache")]
    exchange: Option<Box<exchange::Exchange>>,
}

/// A request before there is a future to hold it: a service may panic while it is called.
struct Begun(Option<Unit>);

impl Drop for Begun {
    #[inline]
    fn drop(&mut self) {
        if let Some(unit) = &mut self.0 {
            unit.end(None);
        }
    }
}

impl Unit {
    #[inline]
    fn start<B>(eyes: &'static Eyes, request: &Request<B>, template: Option<&str>) -> Self {
        let method = request.method();
        let route = eyes.recorder.route(method, template);
        eyes.recorder.request_started(&route);
        let mut scope = Scope::fresh();
        let progress = Progress {
            route: route.hash,
            start: eyes.clock.start(),
            stage: Stage::Waiting,
            head_only: method == Method::HEAD,
            due: None,
            waited: false,
            status: 0,
        };
        scope.begin(progress, &eyes.clock);
        Self {
            eyes,
            scope: Some(scope),
            #[cfg(feature = "cache")]
            exchange: exchange::Exchange::begin(eyes, route.hash, request),
        }
    }

    /// Looks at the response's head, before anything is added to it.
    #[cfg(feature = "cache")]
    #[inline]
    fn look<R>(&mut self, response: &Response<R>) {
        let exchange = self.exchange.take();
        self.exchange = exchange.and_then(|exchange| exchange.head(response));
    }

    #[cfg(not(feature = "cache"))]
    #[expect(clippy::unused_self, reason = "another build looks at it")]
    const fn look<R>(&mut self, _: &Response<R>) {}

    /// Looks at a piece of the response's body.
    #[cfg(feature = "cache")]
    #[inline]
    fn piece<D: bytes::Buf>(&mut self, sent: &Frame<D>) {
        if let (Some(exchange), Some(data)) = (&mut self.exchange, sent.data_ref())
            && !exchange.piece(data)
        {
            self.exchange = None;
        }
    }

    #[cfg(not(feature = "cache"))]
    #[expect(clippy::unused_self, reason = "another build looks at it")]
    const fn piece<D>(&mut self, _: &Frame<D>) {}

    #[inline]
    fn nanos(&self) -> u64 {
        let since = |scope: &Scope| self.eyes.clock.nanos_since(scope.progress.start);
        self.scope.as_deref().map_or(0, since)
    }

    #[inline]
    fn due(&self) -> Option<u64> {
        self.scope.as_ref().and_then(|scope| scope.progress.due)
    }

    /// Notes that so many bytes of its body were there, and not yet all.
    #[inline]
    fn sent(&mut self, bytes: u64) {
        if let Some(scope) = &mut self.scope {
            let progress = &mut scope.progress;
            progress.due = progress.due.map(|due| due.saturating_sub(bytes));
            progress.waited = true;
        }
    }

    /// The end of its body; with its head, if all of it was there when it was first asked for.
    #[inline]
    fn whole(&self) -> BodyEnd {
        let nanos = match self.scope.as_deref().map(|scope| &scope.progress) {
            Some(Progress {
                waited: false,
                stage: Stage::Answered { nanos, .. },
                ..
            }) => *nanos,
            _ => self.nanos(),
        };
        BodyEnd::Whole { nanos }
    }

    #[inline]
    fn head<R: Body>(&mut self, response: &mut Response<R>, headers: Option<Box<Headers>>) {
        let size = response.body().size_hint();
        // A short body ends soon, and one visit to the tables is cheaper than two.
        let long = size.upper().is_none_or(|most| most > SHORT);
        let nanos = self.answered(response.status().is_server_error(), long);
        let Some(scope) = &mut self.scope else { return };
        scope.progress.status = response.status().as_u16();
        scope.progress.due = if scope.progress.head_only || is_bodiless(response.status()) {
            Some(0)
        } else {
            size.exact().or_else(|| declared(response))
        };
        if let Some(headers) = headers {
            headers.write(response.headers_mut(), nanos, scope, self.eyes);
        }
    }

    /// Notes that there is a response, and files its head if it is to be told of now.
    #[inline]
    fn answered(&mut self, failed: bool, told: bool) -> u64 {
        let nanos = self.nanos();
        if let Some(scope) = &mut self.scope {
            if told {
                let head = Head::Answered { failed, nanos };
                self.eyes.recorder.request_head(scope.progress.route, &head);
            }
            scope.progress.stage = Stage::Answered {
                failed,
                nanos,
                told,
            };
        }
        nanos
    }

    /// Files its end; `body` is how its body ended, `None` where there was none.
    #[inline]
    fn end(&mut self, body: Option<BodyEnd>) {
        let Some(scope) = self.scope.take() else {
            return;
        };
        #[cfg(feature = "cache")]
        if let (Some(exchange), Some(BodyEnd::Whole { nanos })) = (self.exchange.take(), &body) {
            exchange.answered(*nanos);
        }
        let (head, body) = match scope.progress.stage {
            Stage::Waiting => (Some(Head::Cancelled), None),
            Stage::Answered {
                failed,
                nanos,
                told,
            } => {
                // One request is one error at most.
                let body = body.filter(|end| !failed || !matches!(end, BodyEnd::Failed));
                ((!told).then_some(Head::Answered { failed, nanos }), body)
            }
        };
        self.eyes.recorder.request_end(head.as_ref(), body, &scope);
        scope.done();
    }
}

#[inline]
fn is_bodiless(status: StatusCode) -> bool {
    [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
}

/// The length that a response's head declares.
fn declared<R>(response: &Response<R>) -> Option<u64> {
    let length = response.headers().get(http::header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}
