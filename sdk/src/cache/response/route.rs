//! Which paths are cached, and on what terms.

use std::time::Duration;

/// How the responses of a path are cached; see [`HttpCache::route`](super::HttpCache::route).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use perfdeck::cache::response::Route;
///
/// let articles = Route::new()
///     .ttl(Duration::from_secs(60))
///     .ignore_query(["utm_source", "utm_medium"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub(super) ttl: Duration,
    pub(super) credentials: bool,
    pub(super) etag: bool,
    pub(super) ignored: Vec<String>,
}

impl Route {
    /// How long a response is fresh if neither it nor the route says: five minutes.
    pub const DEFAULT_TTL: Duration = Duration::from_secs(300);

    /// Makes a route with the default time to live.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ttl: Self::DEFAULT_TTL,
            credentials: false,
            etag: false,
            ignored: Vec::new(),
        }
    }

    /// Sets how long a response is fresh that doesn't say so itself.
    ///
    /// One that does is never fresh for longer than this: `max-age`, `s-maxage` and `Expires` count where they are
    /// stricter. Without any of them only the statuses 200, 203, 204, 300, 301, 308 and 410 are kept.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets whether requests with credentials are answered from the cache, with responses that are `public` or have an
    /// `s-maxage`; not by default.
    ///
    /// Turn it on only where such a response is the same for everybody who may see it: the cache asks the service for
    /// nobody's rights.
    #[must_use]
    pub const fn credentials(mut self, shared: bool) -> Self {
        self.credentials = shared;
        self
    }

    /// Sets whether a response without an `ETag` gets one, made from its body; not by default.
    ///
    /// It is a strong one of 128 bits, and every instance makes the same, so a client that has the body is told
    /// `304 Not Modified`. The hash is fast and not cryptographic.
    #[must_use]
    pub const fn etag(mut self, etag: bool) -> Self {
        self.etag = etag;
        self
    }

    /// Names parameters of the query that the response doesn't depend on; all others tell responses apart.
    #[must_use]
    pub fn ignore_query(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.ignored.extend(names.into_iter().map(Into::into));
        self
    }

    /// The query without what is ignored, else as it was asked.
    pub(super) fn query(&self, query: &str) -> String {
        let kept = |parameter: &&str| {
            let name = parameter.split('=').next().unwrap_or_default();
            !self.ignored.iter().any(|ignored| ignored == name)
        };
        query.split('&').filter(kept).collect::<Vec<_>>().join("&")
    }
}

impl Default for Route {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Duration> for Route {
    fn from(ttl: Duration) -> Self {
        Self::new().ttl(ttl)
    }
}

/// The routes of a cache by their paths.
#[derive(Debug, Clone, Default)]
pub(super) struct Routes(Vec<(Vec<Segment>, Route)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Any,
    Rest,
}

impl Routes {
    pub(super) fn add(&mut self, path: &str, route: Route) {
        let segment = |part: &str| match part {
            part if part.starts_with("{*") && part.ends_with('}') => Segment::Rest,
            part if part.starts_with('{') && part.ends_with('}') => Segment::Any,
            part => Segment::Literal(part.to_owned()),
        };
        let segments: Vec<_> = path.split('/').map(segment).collect();
        self.0.retain(|(known, _)| *known != segments);
        self.0.push((segments, route));
        // Where two match, the one with the earlier literal is meant.
        self.0.sort_by_key(|(segments, _)| ranks(segments));
    }

    pub(super) fn find(&self, path: &str) -> Option<&Route> {
        let found = self.0.iter().find(|(segments, _)| matches(segments, path));
        found.map(|(_, route)| route)
    }
}

fn ranks(segments: &[Segment]) -> Vec<u8> {
    let rank = |segment: &Segment| match segment {
        Segment::Literal(_) => 0,
        Segment::Any => 1,
        Segment::Rest => 2,
    };
    segments.iter().map(rank).collect()
}

fn matches(segments: &[Segment], path: &str) -> bool {
    let mut parts = path.split('/');
    for segment in segments {
        match (segment, parts.next()) {
            (Segment::Rest, Some(part)) => return !part.is_empty() || parts.next().is_some(),
            (Segment::Literal(literal), Some(part)) if literal == part => {}
            (Segment::Any, Some(part)) if !part.is_empty() => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}
