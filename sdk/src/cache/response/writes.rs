//! Unsafe methods: what they have changed is not served again (RFC 9111 4.4).

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, Uri};

use super::Cache;
use super::ask::Target;

/// A request that may change what is stored.
pub(super) struct Writes {
    cache: Arc<Cache>,
    uri: Uri,
    headers: HeaderMap,
}

impl Writes {
    pub(super) fn new<B>(cache: &Arc<Cache>, request: &Request<B>) -> Option<Self> {
        let safe = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE];
        if safe.contains(request.method()) || *request.method() == Method::CONNECT {
            return None;
        }
        let mut headers = HeaderMap::new();
        for host in request.headers().get_all(header::HOST) {
            headers.append(header::HOST, host.clone());
        }
        Some(Self {
            cache: Arc::clone(cache),
            uri: request.uri().clone(),
            headers,
        })
    }

    /// Makes what was stored of its target unusable, and of what its answer names on the same host.
    pub(super) fn done<B>(self, response: &Response<B>) {
        if !response.status().is_success() && !response.status().is_redirection() {
            return;
        }
        let Some(own) = self.target(&self.uri) else {
            return;
        };
        self.invalidate(&own);
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            let named = response
                .headers()
                .get(name)
                .and_then(|value| self.resolved(value));
            if let Some(other) = named.and_then(|uri| self.target(&uri))
                && other.host == own.host
                && other != own
            {
                self.invalidate(&other);
            }
        }
    }

    fn target(&self, uri: &Uri) -> Option<Target> {
        // Where nothing is kept nothing need be invalidated, but the host has to be known for what is named.
        let default = super::Route::new();
        let route = self.cache.routes.find(uri.path()).unwrap_or(&default);
        self.cache.target(route, uri, &self.headers)
    }

    fn invalidate(&self, target: &Target) {
        let path = target.path_and_query.split('?').next().unwrap_or_default();
        if self.cache.routes.find(path).is_some() {
            self.cache.namespace().invalidate_written(&target.key());
        }
    }

    /// A reference as the URI that it means; those with dots in their path are left alone.
    fn resolved(&self, value: &HeaderValue) -> Option<Uri> {
        let text = value.to_str().ok()?.split('#').next()?;
        if text.contains("://") || text.starts_with('/') && !text.starts_with("//") {
            return text.parse().ok();
        }
        if let Some(rest) = text.strip_prefix("//") {
            return format!("http://{rest}").parse().ok();
        }
        let (folder, _) = self.uri.path().rsplit_once('/')?;
        format!("{folder}/{text}").parse().ok()
    }
}
