//! The headers that say what a response cost.

use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::observe::Eyes;
use crate::record::scope::Scope;

const RESPONSE_TIME: HeaderName = HeaderName::from_static("x-response-time");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CACHE: HeaderName = HeaderName::from_static("x-cache");
const DB_QUERIES: HeaderName = HeaderName::from_static("x-db-queries");
const DB_TIME: HeaderName = HeaderName::from_static("x-db-time");
const MEMORY_USAGE: HeaderName = HeaderName::from_static("x-memory-usage");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The longest incoming request id that is kept.
const MAX_REQUEST_ID: usize = 128;

/// What must be remembered of a request to write its response's headers.
#[derive(Debug)]
pub(super) struct Headers {
    request_id: Option<HeaderValue>,
}

impl Headers {
    pub(super) fn new(request: &HeaderMap) -> Self {
        Self {
            request_id: request.get(REQUEST_ID).filter(|id| is_sane(id)).cloned(),
        }
    }

    pub(super) fn write(self, response: &mut HeaderMap, nanos: u64, scope: &Scope, eyes: &Eyes) {
        let (queries, query_nanos) = scope.sum();
        let cache = match (scope.cache_hits, scope.cache_misses) {
            (0, 0) => "NONE",
            (_, 0) => "HIT",
            _ => "MISS",
        };
        let millis = |nanos: u64| nanos as f64 / 1e6;
        let megabytes = eyes.rss_bytes.load(Ordering::Relaxed) as f64 / (1024.0 * 1024.0);
        let mut timing = format!(
            "total;dur={:.2}, db;dur={:.2};desc=\"{queries} queries\"",
            millis(nanos),
            millis(query_nanos)
        );
        if scope.pool_wait_nanos > 0 {
            timing.push_str(&format!(", pool;dur={:.2}", millis(scope.pool_wait_nanos)));
        }
        if cache != "NONE" {
            timing.push_str(&format!(", cache;desc={}", cache.to_lowercase()));
        }
        let request_id = self
            .request_id
            .or_else(|| HeaderValue::from_str(&new_request_id(nanos)).ok());
        let values = [
            (RESPONSE_TIME, text(format!("{:.2}ms", millis(nanos)))),
            (REQUEST_ID, request_id),
            (CACHE, Some(HeaderValue::from_static(cache))),
            (DB_QUERIES, Some(HeaderValue::from(queries))),
            (DB_TIME, text(format!("{:.2}ms", millis(query_nanos)))),
            (MEMORY_USAGE, text(format!("{megabytes:.1}MB"))),
            (SERVER_TIMING, text(timing)),
        ];
        for (name, value) in values {
            let Some(value) = value else { continue };
            if name == CACHE && cfg!(feature = "http") && response.contains_key(&name) {
                // A response cache below has said what became of the whole response.
                continue;
            }
            if name == SERVER_TIMING {
                // The service's own timings stay.
                let _ = response.try_append(name, value);
            } else {
                let _ = response.try_insert(name, value);
            }
        }
    }
}

fn text(value: String) -> Option<HeaderValue> {
    HeaderValue::try_from(value).ok()
}

fn is_sane(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    (1..=MAX_REQUEST_ID).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte))
}

/// A 128-bit id: unlike any other, but no secret.
fn new_request_id(salt: u64) -> String {
    use std::hash::BuildHasher;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static SEED: std::sync::LazyLock<std::hash::RandomState> =
        std::sync::LazyLock::new(Default::default);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(
        "{:016x}{:016x}",
        SEED.hash_one((number, salt)),
        SEED.hash_one((salt, number, 1u8))
    )
}
