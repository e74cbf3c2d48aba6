//! Whole HTTP responses, kept by a tower layer as RFC 9111 has it for a shared cache.
//!
//! A request to a path that is listed is answered with the stored response, if it may be; else it goes to the service,
//! once for all who miss it together, and what comes back is kept if it may be. In every doubtful case a response is
//! somebody's own: it is neither kept nor passed to those who waited, and each of them asks for itself. Stored
//! responses are entries of one namespace, so its capacity, counts and invalidations are theirs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::HeaderName;
use tower_layer::Layer;

use self::route::Routes;
use self::unshared::Unshared;
use super::Caches;
use super::namespace::Namespace;
use super::policy::Policy;
use super::space::Space;
use super::terms::Origin;

mod ask;
mod body;
mod directive;
mod fetch;
mod place;
mod reply;
mod route;
mod rules;
mod service;
mod stored;
#[cfg(test)]
mod tests;
mod together;
mod unshared;
mod writes;

pub use body::CachedBody;
pub use route::Route;
pub use service::HttpCacheService;

/// The namespace of stored responses.
const NAMESPACE: &str = "http";
/// What the namespace holds when the builder doesn't say.
const CAPACITY: u64 = 64 << 20;

/// Caches made so far: what two of them store never meets.
static CACHES: AtomicU64 = AtomicU64::new(0);

/// Answers requests with stored responses; made by [`Deck::http_cache`](crate::Deck::http_cache).
///
/// Lay it over the routes that it lists, inside of whatever changes responses for one client (sessions, compression
/// without `Vary`) and outside of what is to be saved. It serves `GET` and `HEAD` of the listed paths and lets all else
/// pass.
///
/// **What is kept.** A response that a shared cache may keep: no `private`, `no-store`, `Set-Cookie` or `Vary: *`, a
/// whole body of at most 1 MiB that ends within a second, without trailers. It is fresh for as long as it says, and at
/// most for its route's time to live; one that says nothing is fresh for that time. `ETag` and `Last-Modified` are used
/// to validate what is stale, `stale-while-revalidate` and `stale-if-error` (RFC 5861) do what the response wants, for
/// a day at most. `CDN-Cache-Control` (RFC 9213) is for the caches of CDNs and passes unread.
///
/// **For whom.** Requests with `Authorization`, `Cookie`, `Proxy-Authorization`, `X-Api-Key` or `X-Auth-Token` bypass
/// the cache, unless the route's [`credentials`](Route::credentials) says otherwise and the response is `public` or has
/// an `s-maxage`; name other such headers with [`Self::credential`]. The host, the query, the `X-Forwarded-*` headers
/// that services make links of, and what `Vary` lists tell responses apart.
///
/// **Who asks.** One request a key goes to the service; others wait for its answer, and go themselves if it may not be
/// shared; for ten seconds after such an answer nobody waits for that key. What was stored is validated, so clients' conditions don't reach the service: the cache answers them itself.
/// A successful `POST`, `PUT`, `PATCH`, `DELETE` makes what is stored of its URI unusable, all variants of it, and of
/// the `Location` and `Content-Location` that it names.
///
/// Responses of listed paths say `X-Cache: HIT`, `MISS` (the service was asked), `STALE` or `BYPASS`, and those from the
/// cache their `Age`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use perfdeck::cache::response::{HttpCache, Route};
///
/// fn cache(deck: &perfdeck::Deck) -> HttpCache {
///     deck.http_cache()
///         .route("/documents", Duration::from_secs(300))
///         .route("/documents/{id}", Route::new().ttl(Duration::from_secs(60)).etag(true))
///         .host("docs.example.com")
/// }
/// // With axum: `Router::new().route("/documents", get(documents)).layer(cache(&deck))`.
/// ```
#[derive(Clone)]
pub struct HttpCache(Arc<Cache>);

/// What all clones of a cache share.
#[derive(Clone)]
struct Cache {
    caches: Caches,
    space: Arc<Space>,
    routes: Routes,
    hosts: Vec<String>,
    credentials: Vec<HeaderName>,
    unshared: Arc<Unshared>,
    number: u64,
}

impl HttpCache {
    pub(crate) fn new(caches: &Caches) -> Self {
        Self(Arc::new(Cache {
            caches: caches.clone(),
            space: space(caches, NAMESPACE),
            routes: Routes::default(),
            hosts: Vec::new(),
            credentials: ask::CREDENTIALS.to_vec(),
            unshared: Arc::new(Unshared::new()),
            number: CACHES.fetch_add(1, Ordering::Relaxed),
        }))
    }

    /// Caches a path, for so long or on the terms of a [`Route`].
    ///
    /// `{id}` stands for one part of a path and `{*rest}`, at its end, for all that follows, as in axum; where two
    /// match, a literal part comes before either. It is compared with the path as the client wrote it. Paths that
    /// aren't listed are not cached, whatever their responses say.
    #[must_use]
    pub fn route(mut self, path: &str, route: impl Into<Route>) -> Self {
        Arc::make_mut(&mut self.0).routes.add(path, route.into());
        self
    }

    /// Caches this host's responses, and those of no host that isn't listed.
    ///
    /// It is compared with the `Host` header, or with the authority of the URI, port and all. Without a list each host
    /// has entries of its own, and whoever sends requests for hosts of his invention fills the namespace with them.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        Arc::make_mut(&mut self.0)
            .hosts
            .push(host.to_ascii_lowercase());
        self
    }

    /// Names one more header by which the service knows who asks; requests with it are one person's.
    #[must_use]
    pub fn credential(mut self, header: HeaderName) -> Self {
        Arc::make_mut(&mut self.0).credentials.push(header);
        self
    }

    /// Keeps responses in another namespace; `http` by default.
    ///
    /// Its policy is the builder's, [`Builder::cache`](crate::Builder::cache); else it holds 64 MiB. An entry's key is
    /// the pair of its host, in lower case, and its path with the query:
    /// `deck.cache("http").invalidate_key(&("docs.example.com", "/documents?page=2"))`.
    #[must_use]
    pub fn namespace(mut self, name: &str) -> Self {
        let cache = Arc::make_mut(&mut self.0);
        cache.space = space(&cache.caches, name);
        self
    }
}

impl Cache {
    fn namespace(&self) -> Namespace {
        Namespace {
            space: Arc::clone(&self.space),
        }
    }
}

fn space(caches: &Caches, name: &str) -> Arc<Space> {
    let policy = Policy::new().capacity_bytes(CAPACITY);
    caches.space(name, &policy, Origin::Function)
}

impl<S> Layer<S> for HttpCache {
    type Service = HttpCacheService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpCacheService {
            inner,
            cache: Arc::clone(&self.0),
        }
    }
}

impl fmt::Debug for HttpCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCache")
            .field("namespace", &self.space.name)
            .field("routes", &self.routes)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}
