//! RFC 9111 for a shared cache: whether a response may be kept, and for how long it is fresh.
//!
//! The `http-cache-semantics` crate decides what is storable and computes the freshness lifetime. It gets the fields
//! that matter rewritten in their one plain form, since as of 3.0.0 it knows directives in lower case only, takes a
//! comma inside quotes for the next directive, reads one of the three forms of a date and overflows on a huge `Age`.
//! What it is too lenient or too strict in for a shared cache is decided here: `Set-Cookie` beside `public`,
//! `proxy-revalidate`, `no-cache`, a request's `max-stale`, and the `Date`'s share in the age.

use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_cache_semantics::{CacheOptions, CachePolicy};

use super::ask::Ask;
use super::directive::{Directives, Seconds, number};

/// Windows in which something stale is served are cut at this.
pub(super) const LONGEST_WINDOW: Duration = Duration::from_secs(86_400);
/// The statuses that a route's time to live is enough for.
const LASTING: [u16; 7] = [200, 203, 204, 300, 301, 308, 410];
/// The most names that a `Vary` may list.
const MOST_NAMES: usize = 16;

/// What a stored response's own headers say of its use.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    /// How old it was when it came.
    pub(super) age: Duration,
    pub(super) fresh_for: Duration,
    pub(super) stale_while_revalidate: Duration,
    pub(super) stale_if_error: Duration,
    /// It is never used without the service's word.
    pub(super) no_cache: bool,
    /// It is never used when it is stale.
    pub(super) must_revalidate: bool,
    pub(super) s_maxage: bool,
    /// Whether those who bring credentials may have it, and others what those got.
    pub(super) shared: bool,
}

/// When a request went to the service and its answer came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) wall: SystemTime,
    /// From the request to the response.
    pub(super) delay: Duration,
}

impl Terms {
    /// The terms of a response that may be kept.
    pub(super) fn new(
        ask: &Ask,
        status: StatusCode,
        headers: &HeaderMap,
        times: Times,
    ) -> Option<Self> {
        let said = Directives::read(headers);
        let s_maxage = said.seconds("s-maxage");
        let shared = said.has("public") || !matches!(s_maxage, Seconds::Unsaid);
        let forbidden = said.is_broken()
            || said.has("no-store")
            || said.has("private")
            || headers.contains_key(header::SET_COOKIE)
            || headers.contains_key("set-cookie2")
            || headers.contains_key(header::CONTENT_RANGE)
            || (ask.credentials && !shared)
            || is_for_one_origin(headers)
            || is_stream(headers);
        if forbidden {
            return None;
        }
        let explicit = s_maxage != Seconds::Unsaid
            || said.seconds("max-age") != Seconds::Unsaid
            || headers.contains_key(header::EXPIRES);
        let policy = policy(ask, status, headers, &said, times.wall);
        if !policy.is_storable() {
            return None;
        }
        let fresh_for = if explicit {
            policy.time_to_live(times.wall).min(ask.route.ttl)
        } else if LASTING.contains(&status.as_u16()) {
            ask.route.ttl
        } else {
            return None;
        };
        let terms = Self {
            age: initial_age(headers, times),
            fresh_for,
            stale_while_revalidate: said.window("stale-while-revalidate").min(LONGEST_WINDOW),
            stale_if_error: said.window("stale-if-error").min(LONGEST_WINDOW),
            no_cache: said.has("no-cache"),
            must_revalidate: said.has("must-revalidate") || said.has("proxy-revalidate"),
            s_maxage: s_maxage != Seconds::Unsaid,
            shared,
        };
        // What is never fresh and can't be validated would only take up room.
        let validated =
            headers.contains_key(header::ETAG) || headers.contains_key(header::LAST_MODIFIED);
        let useful =
            !terms.no_cache && terms.age < fresh_for.saturating_add(terms.stale_while_revalidate);
        (useful || validated).then_some(terms)
    }
}

/// The names that a response's `Vary` lists; `None` if it may depend on anything.
pub(super) fn vary(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for line in headers.get_all(header::VARY) {
        for name in line
            .to_str()
            .ok()?
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            // A star is no name.
            names.push(
                HeaderName::from_bytes(name.as_bytes())
                    .ok()
                    .filter(|name| name.as_str() != "*")?,
            );
        }
    }
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    (names.len() <= MOST_NAMES).then_some(names)
}

/// Asks the crate, in words that it can't misread.
fn policy(
    ask: &Ask,
    status: StatusCode,
    headers: &HeaderMap,
    said: &Directives,
    wall: SystemTime,
) -> CachePolicy {
    let mut request = Request::new(());
    if ask.credentials {
        let somebody = HeaderValue::from_static("somebody");
        request
            .headers_mut()
            .insert(header::AUTHORIZATION, somebody);
    }
    let mut response = Response::new(());
    *response.status_mut() = status;
    let plain = response.headers_mut();
    for name in ["s-maxage", "max-age"] {
        let seconds = match said.seconds(name) {
            Seconds::Unsaid => continue,
            Seconds::Said(time) => time.as_secs(),
            // RFC 9111 4.2.1: what is said wrongly is stale.
            Seconds::Bare | Seconds::Invalid => 0,
        };
        if let Ok(value) = HeaderValue::try_from(format!("{name}={seconds}")) {
            plain.append(header::CACHE_CONTROL, value);
        }
    }
    if said.has("public") {
        plain.append(header::CACHE_CONTROL, HeaderValue::from_static("public"));
    }
    if let Some(expires) = headers.get(header::EXPIRES) {
        // RFC 9111 5.3: what is no date, `0` say, and what is two, is in the past.
        let only = headers
            .get_all(header::EXPIRES)
            .iter()
            .all(|other| other == expires);
        let expires = date(expires)
            .filter(|_| only)
            .unwrap_or(SystemTime::UNIX_EPOCH);
        insert_date(plain, header::EXPIRES, expires);
    }
    if let Some(date) = headers.get(header::DATE).and_then(date) {
        insert_date(plain, header::DATE, date);
    }
    let options = CacheOptions {
        shared: true,
        cache_heuristic: 0.0,
        immutable_min_time_to_live: Duration::ZERO,
        ignore_cargo_cult: false,
    };
    CachePolicy::new_options(&request, &response, wall, options)
}

/// RFC 9111 4.2.3.
fn initial_age(headers: &HeaderMap, times: Times) -> Duration {
    let apparent = headers
        .get(header::DATE)
        .and_then(date)
        .and_then(|date| times.wall.duration_since(date).ok())
        // A header counts whole seconds, and what is less than one of them tells no age.
        .map(|age| Duration::from_secs(age.as_secs()));
    let corrected = said_age(headers)
        .unwrap_or_default()
        .saturating_add(times.delay);
    corrected.max(apparent.unwrap_or_default())
}

/// RFC 9111 5.1: of several ages the first counts, and what is no number is no age.
fn said_age(headers: &HeaderMap) -> Option<Duration> {
    let first = headers.get(header::AGE)?.to_str().ok()?.split(',').next()?;
    number(first.trim())
}

/// Whether it is allowed to one origin's scripts without saying that it depends on who asked.
fn is_for_one_origin(headers: &HeaderMap) -> bool {
    let mut allowed = headers.get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN).iter();
    let names = || vary(headers).is_some_and(|names| names.contains(&header::ORIGIN));
    allowed.any(|origin| origin.as_bytes() != b"*") && !names()
}

fn is_stream(headers: &HeaderMap) -> bool {
    let of = |kind: &HeaderValue| {
        let kind = kind.as_bytes().to_ascii_lowercase();
        [
            b"text/event-stream".as_slice(),
            b"multipart/",
            b"application/grpc",
        ]
        .iter()
        .any(|stream| kind.starts_with(stream))
    };
    headers.get_all(header::CONTENT_TYPE).iter().any(of)
}

/// A date in any of the three forms of RFC 9110 5.6.7, in any case (RFC 9111 4.2).
pub(super) fn date(value: &HeaderValue) -> Option<SystemTime> {
    let text = value.to_str().ok()?;
    httpdate::parse_http_date(text)
        .or_else(|_| httpdate::parse_http_date(&capitalised(text)))
        .ok()
}

/// The names of days, months and the zone as dates write them.
fn capitalised(date: &str) -> String {
    let mut first = true;
    let letter = |letter: char| {
        let inside = !std::mem::replace(&mut first, !letter.is_ascii_alphabetic());
        if inside {
            letter.to_ascii_lowercase()
        } else {
            letter.to_ascii_uppercase()
        }
    };
    date.chars()
        .map(letter)
        .collect::<String>()
        .replace(" Gmt", " GMT")
}

pub(super) fn insert_date(headers: &mut HeaderMap, name: HeaderName, date: SystemTime) {
    // It writes the years up to 9999, and the clock may be set to anything.
    let known = Duration::from_secs(253_402_300_799);
    let since = date
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .min(known);
    let text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since);
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}
