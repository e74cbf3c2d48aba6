//! A request as the cache sees it: what it is for, on whose behalf, and what it accepts.

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Request, Uri};
use http_body::Body;

use super::directive::{Directives, Seconds};
use super::route::Route;
use super::{Cache, stored::Stored};
use crate::cache::key::KeyWriter;
use crate::cache::site;

/// Headers that say who asks; answers to them are one person's.
pub(super) const CREDENTIALS: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-auth-token"),
];
/// Headers of which services make their links and redirects; who can send one must not choose what others get.
const FORWARDED: [HeaderName; 5] = [
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-scheme"),
];
/// What makes a request another one than its first line says, or asks for another answer than the whole one.
const BYPASSING: [HeaderName; 13] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_UNMODIFIED_SINCE,
    header::UPGRADE,
    header::EXPECT,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-middleware-subrequest"),
];

/// What is looked for.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) route: Route,
    pub(super) target: Target,
    pub(super) head: bool,
    pub(super) credentials: bool,
    pub(super) headers: HeaderMap,
    pub(super) no_cache: bool,
    pub(super) only_if_cached: bool,
    pub(super) max_age: Option<Duration>,
    pub(super) min_fresh: Duration,
    /// By how much an answer may be stale.
    pub(super) max_stale: Duration,
    pub(super) stale_if_error: Duration,
}

/// What a request is for, without its header: an invalidation means all that is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) path_and_query: String,
}

impl Ask {
    /// Reads a request to a path that is cached; `None` if this one is none of the cache's business.
    pub(super) fn new<B: Body>(cache: &Cache, route: &Route, request: &Request<B>) -> Option<Self> {
        let headers = request.headers();
        let head = *request.method() == Method::HEAD;
        let cacheable = head || *request.method() == Method::GET;
        if !cacheable
            || !request.body().is_end_stream()
            || BYPASSING.iter().any(|name| headers.contains_key(name))
        {
            return None;
        }
        let target = cache.target(route, request.uri(), headers)?;
        let credentials = cache
            .credentials
            .iter()
            .any(|name| headers.contains_key(name));
        let directives = Directives::read(headers);
        if directives.is_broken() || directives.has("no-store") || credentials && !route.credentials
        {
            return None;
        }
        let max_age = match directives.seconds("max-age") {
            Seconds::Unsaid => None,
            Seconds::Said(age) => Some(age),
            Seconds::Bare | Seconds::Invalid => Some(Duration::ZERO),
        };
        let max_stale = match directives.seconds("max-stale") {
            Seconds::Bare => Duration::MAX,
            Seconds::Said(time) => time,
            Seconds::Unsaid | Seconds::Invalid => Duration::ZERO,
        };
        Some(Self {
            route: route.clone(),
            target,
            head,
            credentials,
            headers: headers.clone(),
            no_cache: directives.has("no-cache"),
            only_if_cached: directives.has("only-if-cached"),
            max_age,
            min_fresh: directives.window("min-fresh"),
            max_stale,
            stale_if_error: directives.window("stale-if-error"),
        })
    }

    /// The key under which the first response of a target is kept.
    pub(super) fn primary(&self, cache: &Cache) -> KeyWriter {
        let mut key = self.target.key();
        key.instance(&(cache.number, self.values(&FORWARDED)));
        key
    }

    /// The key of a response that depends on more headers.
    pub(super) fn secondary(&self, cache: &Cache, vary: &[HeaderName]) -> KeyWriter {
        let names: Vec<_> = vary.iter().map(HeaderName::as_str).collect();
        let mut key = self.target.key();
        key.instance(&(cache.number, self.values(&FORWARDED)));
        key.instance(&(names, self.values(vary)));
        key
    }

    /// What the request says in these headers.
    pub(super) fn values(&self, names: &[HeaderName]) -> Vec<Option<String>> {
        names
            .iter()
            .map(|name| value(&self.headers, name))
            .collect()
    }

    /// Whether a stored response was selected by the same headers.
    pub(super) fn matches(&self, stored: &Stored) -> bool {
        stored.selected_by == self.values(&stored.vary)
    }
}

impl Target {
    /// How it is known to `invalidate_key`.
    pub(super) fn key(&self) -> KeyWriter {
        site::written(&(self.host.as_str(), self.path_and_query.as_str()))
    }
}

impl Cache {
    /// What a request is for; `None` where the host isn't one that is cached.
    pub(super) fn target(&self, route: &Route, uri: &Uri, headers: &HeaderMap) -> Option<Target> {
        let host = match uri.authority() {
            Some(authority) => authority.as_str(),
            None => {
                let mut hosts = headers.get_all(header::HOST).iter();
                let host = hosts
                    .next()
                    .map_or(Ok(""), http::HeaderValue::to_str)
                    .ok()?;
                if hosts.next().is_some() {
                    return None;
                }
                host
            }
        };
        let host = host.to_ascii_lowercase();
        if !self.hosts.is_empty() && !self.hosts.contains(&host) {
            return None;
        }
        let path_and_query = match uri.query() {
            Some(query) => format!("{}?{}", uri.path(), route.query(query)),
            None => uri.path().to_owned(),
        };
        Some(Target {
            host,
            path_and_query,
        })
    }
}

/// All lines of a header as one text: its bytes, each as the character of that number, so that no two are alike.
fn value(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut lines = headers.get_all(name).iter();
    let text = |line: &http::HeaderValue| -> String {
        line.as_bytes()
            .trim_ascii()
            .iter()
            .map(|byte| char::from(*byte))
            .collect()
    };
    let mut value = text(lines.next()?);
    for line in lines {
        value.push_str(", ");
        value.push_str(&text(line));
    }
    Some(value)
}
