//! A `GET` that is asked for again and again: whether a shared cache could have answered it, and with what.

use bytes::Buf;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};

use crate::observe::Eyes;
use crate::observe::repeat::digest::Digest;
use crate::observe::repeat::{Asked, Subject};

/// What of a request an answer may depend on by its `Vary`; of all else nobody knows.
const VARIES: [HeaderName; 4] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::ORIGIN,
];
/// What asks for more than a cache's answer, or is one person's.
const OWN: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::RANGE,
    header::PROXY_AUTHORIZATION,
];
/// Directives of a response that no shared cache may keep, or not without asking.
const KEPT_BY_NONE: [&str; 3] = ["no-store", "private", "no-cache"];
/// What a cache before the route says.
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// One request in the sample.
#[derive(Debug)]
pub(super) struct Exchange {
    asked: Asked,
    /// A hash of the fields of [`VARIES`].
    fields: u64,
}

impl Exchange {
    /// Notes a request of a route that is watched, if anybody could get what it gets.
    #[inline]
    pub(super) fn begin<B>(
        eyes: &'static Eyes,
        route: u64,
        request: &Request<B>,
    ) -> Option<Box<Self>> {
        if !eyes.repeats.any() || request.method() != Method::GET {
            return None;
        }
        Self::noted(eyes, route, request)
    }

    #[cold]
    fn noted<B>(eyes: &'static Eyes, route: u64, request: &Request<B>) -> Option<Box<Self>> {
        let watch = eyes.watch(Subject::Route(route))?;
        let uri = request.uri();
        let hash = watch.hash((uri.path(), uri.query()));
        // Most of what a busy route is asked is not in the sample, and nothing else is looked at of it.
        watch.sampled(hash)?;
        let headers = request.headers();
        if OWN.iter().any(|own| headers.contains_key(own)) {
            watch.unfit();
            return None;
        }
        // The upper bits choose the sample, which is of a resource on whichever host.
        let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
        let asked = watch.told(hash ^ (watch.hash(host) >> 32))?;
        let mut fields = Digest::default();
        for name in &VARIES {
            fields.value(headers.get(name).map(HeaderValue::as_bytes));
        }
        let fields = fields.finish().map_or(0, u64::from) << 32;
        Some(Box::new(Self { asked, fields }))
    }

    /// Looks at the response's head; `None` if no shared cache would keep it, or one stands before it.
    pub(super) fn head<R>(mut self: Box<Self>, response: &Response<R>) -> Option<Box<Self>> {
        let headers = response.headers();
        let is_kept = response.status() == StatusCode::OK
            && !headers.contains_key(header::SET_COOKIE)
            && !headers.contains_key(X_CACHE)
            && !headers.contains_key(header::AGE)
            && !is_forbidden(headers);
        if !is_kept {
            return None;
        }
        if headers.contains_key(header::VARY) {
            if !varies_by_known(headers) {
                return None;
            }
            self.asked.vary(self.fields);
        }
        Some(self)
    }

    /// Looks at a piece of the body; returns whether the next is to be looked at, too.
    pub(super) fn piece(&mut self, data: &impl Buf) -> bool {
        let piece = data.chunk();
        self.asked.digest.add(piece);
        // What is not in one piece could only be looked at by taking it away.
        piece.len() == data.remaining() && !self.asked.digest.is_too_long()
    }

    /// The whole response has left.
    pub(super) fn answered(self, nanos: u64) {
        self.asked.answered(nanos);
    }
}

fn is_forbidden(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::CACHE_CONTROL).iter();
    lines.any(|line| {
        let Ok(line) = line.to_str() else {
            return true;
        };
        let names = line.split(',').map(|directive| {
            let name = directive.split('=').next().unwrap_or_default();
            name.trim().to_ascii_lowercase()
        });
        names.into_iter().any(|name| KEPT_BY_NONE.contains(&&*name))
    })
}

fn varies_by_known(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::VARY).iter();
    lines.all(|line| {
        let names = line.to_str().unwrap_or("*").split(',').map(str::trim);
        names.filter(|name| !name.is_empty()).all(|name| {
            VARIES
                .iter()
                .any(|known| known.as_str().eq_ignore_ascii_case(name))
        })
    })
}
