//! From a stored response to an answer: conditions (RFC 9110 13), `HEAD`, `Age`, `X-Cache`; and the way back, when a
//! stored response is validated.

use std::hash::{BuildHasher, Hasher};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::Body;

use super::ask::Ask;
use super::body::CachedBody;
use super::rules;
use super::stored::Stored;

pub(crate) const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
/// The conditions that a cache answers itself.
const CONDITIONS: [HeaderName; 2] = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];
/// What RFC 9110 15.4.5 wants in a 304, and what says how it came about.
const IN_NOT_MODIFIED: [HeaderName; 9] = [
    header::AGE,
    header::CACHE_CONTROL,
    header::CONTENT_LOCATION,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::VARY,
    X_CACHE,
];
/// Headers of a connection, not of a response (RFC 9110 7.6.1, RFC 9111 3.1).
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What `X-Cache` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// From the cache, fresh.
    Hit,
    /// The service was asked.
    Miss,
    /// From the cache, past its time.
    Stale,
    /// The cache had no part in it.
    Bypass,
}

impl Mark {
    pub(super) fn write(self, headers: &mut HeaderMap) {
        let value = match self {
            Self::Hit => "HIT",
            Self::Miss => "MISS",
            Self::Stale => "STALE",
            Self::Bypass => "BYPASS",
        };
        insert(headers, X_CACHE, HeaderValue::from_static(value));
    }
}

/// Answers a request with a stored response.
pub(super) fn reply<R: Body>(
    stored: &Stored,
    ask: &Ask,
    now: u64,
    mark: Mark,
) -> Response<CachedBody<R>> {
    let mut headers = stored.headers.clone();
    if mark != Mark::Miss || headers.contains_key(header::AGE) {
        insert(
            &mut headers,
            header::AGE,
            HeaderValue::from(stored.age(now).as_secs()),
        );
    }
    mark.write(&mut headers);
    if ask.head && !headers.contains_key(header::CONTENT_LENGTH) {
        insert(
            &mut headers,
            header::CONTENT_LENGTH,
            HeaderValue::from(stored.body.len()),
        );
    }
    let mut response = if stored.status == StatusCode::OK && is_not_modified(&ask.headers, &headers)
    {
        not_modified(&mut headers);
        let mut response = Response::new(CachedBody::whole(Bytes::new()));
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let body = if ask.head {
            Bytes::new()
        } else {
            stored.body.clone()
        };
        let mut response = Response::new(CachedBody::whole(body));
        *response.status_mut() = stored.status;
        response
    };
    *response.headers_mut() = headers;
    response
}

/// RFC 9111 5.2.1.7: the answer to a request that wants nothing else than what is stored.
pub(super) fn not_stored<R: Body>() -> Response<CachedBody<R>> {
    let mut response = Response::new(CachedBody::whole(Bytes::new()));
    *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    Mark::Miss.write(response.headers_mut());
    response
}

/// Applies the client's conditions, which the service didn't see, to an answer that isn't kept.
pub(super) fn conditioned<R: Body>(
    response: Response<CachedBody<R>>,
    ask: &Ask,
) -> Response<CachedBody<R>> {
    let (mut parts, mut body) = response.into_parts();
    if parts.status == StatusCode::OK && is_not_modified(&ask.headers, &parts.headers) {
        parts.status = StatusCode::NOT_MODIFIED;
        for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
            parts.headers.remove(name);
        }
        body = CachedBody::whole(Bytes::new());
    }
    Response::from_parts(parts, body)
}

/// RFC 9110 13.2.2, of the two conditions that a cache evaluates.
fn is_not_modified(request: &HeaderMap, response: &HeaderMap) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        let etag = response.get(header::ETAG).map(HeaderValue::as_bytes);
        return request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .any(|line| lists(line.as_bytes(), etag));
    }
    let since = request.get(header::IF_MODIFIED_SINCE).and_then(rules::date);
    let modified = response
        .get(header::LAST_MODIFIED)
        .or_else(|| response.get(header::DATE));
    match (since, modified.and_then(rules::date)) {
        (Some(since), Some(modified)) => modified <= since,
        (_, _) => false,
    }
}

/// Whether a list of entity tags has this one, or is a star; tags are compared weakly.
fn lists(mut list: &[u8], etag: Option<&[u8]>) -> bool {
    if list.trim_ascii() == b"*" {
        return true;
    }
    let opaque = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_vec();
    let Some(etag) = etag.map(opaque) else {
        return false;
    };
    // A comma may be part of a tag, a quote may not.
    loop {
        list = list.trim_ascii_start();
        list = list.strip_prefix(b"W/").unwrap_or(list);
        let Some(inner) = list.strip_prefix(b"\"") else {
            match list.iter().position(|byte| *byte == b',') {
                Some(comma) => {
                    list = list.get(comma + 1..).unwrap_or_default();
                    continue;
                }
                None => return false,
            }
        };
        let Some(end) = inner.iter().position(|byte| *byte == b'"') else {
            return false;
        };
        if list.get(..end + 2) == Some(&etag) {
            return true;
        }
        list = inner.get(end + 1..).unwrap_or_default();
    }
}

fn not_modified(headers: &mut HeaderMap) {
    let mut kept = HeaderMap::new();
    for name in IN_NOT_MODIFIED {
        for value in headers.get_all(&name) {
            let _ = kept.try_append(name.clone(), value.clone());
        }
    }
    *headers = kept;
}

/// Makes a request that fills the cache: for the whole response, or for the word that a stored one is still good.
///
/// Returns whether it asks for that word.
pub(super) fn validate(headers: &mut HeaderMap, former: Option<&Stored>) -> bool {
    for condition in CONDITIONS {
        headers.remove(condition);
    }
    let Some(former) = former else {
        return false;
    };
    let etag = former
        .headers
        .get(header::ETAG)
        .filter(|_| !former.made_etag);
    let modified = former.headers.get(header::LAST_MODIFIED);
    for (name, value) in [
        (header::IF_NONE_MATCH, etag),
        (header::IF_MODIFIED_SINCE, modified),
    ] {
        if let Some(value) = value {
            insert(headers, name, value.clone());
        }
    }
    etag.is_some() || modified.is_some()
}

/// The headers of a stored response after a 304 (RFC 9111 3.2); `None` if the 304 is about another one (4.3.4).
pub(super) fn freshened(former: &Stored, news: &HeaderMap) -> Option<HeaderMap> {
    let opaque = |tag: &HeaderValue| {
        let tag = tag.as_bytes();
        tag.strip_prefix(b"W/").unwrap_or(tag).to_vec()
    };
    if let Some(etag) = news.get(header::ETAG) {
        let same = former
            .headers
            .get(header::ETAG)
            .is_some_and(|own| opaque(own) == opaque(etag));
        if !same {
            return None;
        }
    }
    let mut headers = former.headers.clone();
    // It is the age of the response as it was then.
    headers.remove(header::AGE);
    headers.remove(header::DATE);
    for name in news.keys() {
        let about_the_body = [
            header::CONTENT_LENGTH,
            header::CONTENT_ENCODING,
            header::CONTENT_TYPE,
            header::CONTENT_RANGE,
        ];
        if about_the_body.contains(name) {
            continue;
        }
        headers.remove(name);
        for value in news.get_all(name) {
            let _ = headers.try_append(name.clone(), value.clone());
        }
    }
    Some(headers)
}

/// Whether the answer to a `HEAD` speaks of the stored response, or is none that tells (RFC 9111 4.3.5).
pub(super) fn agrees<R>(stored: &Stored, head: &Response<R>) -> bool {
    let news = head.headers();
    let same = |name: HeaderName| {
        news.get(&name)
            .is_none_or(|new| stored.headers.get(&name) == Some(new))
    };
    let length = news.get(header::CONTENT_LENGTH).is_none_or(|length| {
        let length = length.to_str().ok().and_then(|length| length.parse().ok());
        length == Some(stored.body.len())
    });
    head.status() != StatusCode::OK || same(header::ETAG) && same(header::LAST_MODIFIED) && length
}

/// Takes out what belongs to the connection that a response came by.
pub(super) fn end_to_end(headers: &mut HeaderMap) {
    let named: Vec<_> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    for name in named.into_iter().chain(HOP_BY_HOP).chain([X_CACHE]) {
        headers.remove(name);
    }
}

/// A strong entity tag of a body: the same in every process.
pub(super) fn etag(headers: &HeaderMap, body: &[u8]) -> Option<HeaderValue> {
    let digest = |seed: u64| {
        let mut state = foldhash::quality::FixedState::with_seed(seed).build_hasher();
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING] {
            state.write(
                headers
                    .get(name)
                    .map_or(b"".as_slice(), HeaderValue::as_bytes),
            );
            state.write_u8(0);
        }
        state.write(body);
        state.finish()
    };
    let (high, low) = (digest(0x243f_6a88_85a3_08d3), digest(0x1319_8a2e_0370_7344));
    HeaderValue::try_from(format!("\"{high:016x}{low:016x}\"")).ok()
}

/// Sets a header, unless there are more than a map can hold.
pub(super) fn insert(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    let _ = headers.try_insert(name, value);
}
