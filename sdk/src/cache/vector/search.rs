//! What was found by a vector, known by its exact bits.

use std::future::Future;
use std::time::Duration;

use super::super::key::CacheKey;
use super::super::namespace::{Entry, Namespace};
use super::super::reach::Invalidation;
use super::super::site;
use super::digest::Digest;
use super::{VectorCache, not_finite};

/// What was found in one index of vectors.
///
/// Invalidate it after what is in the index has changed.
#[derive(Debug, Clone)]
pub struct Index {
    pub(super) namespace: Namespace,
    pub(super) name: String,
    pub(super) ttl: Duration,
}

/// One search: a vector, how many results, and what they are filtered by.
#[must_use = "nothing is done until it is asked for"]
#[derive(Debug)]
pub struct Search<'a> {
    pub(super) index: &'a Index,
    pub(super) vector: &'a [f32],
    /// The hash of all but the vector; none if the filter can't be a key.
    pub(super) scope: Option<[u64; 4]>,
    limit: usize,
}

impl Index {
    pub(super) fn new(namespace: Namespace, name: &str) -> Self {
        Self {
            namespace,
            name: name.to_owned(),
            ttl: VectorCache::SEARCH_TTL,
        }
    }

    /// Keeps what is found for another time than 300 s; never for longer than the namespace's policy says.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Names the search for the `limit` nearest of a vector.
    pub fn search<'a>(&'a self, vector: &'a [f32], limit: usize) -> Search<'a> {
        let search = Search {
            index: self,
            vector,
            scope: None,
            limit,
        };
        // An empty filter is a key.
        search.filter(&())
    }

    /// Makes all that was found in it unusable.
    #[expect(
        clippy::must_use_candidate,
        reason = "it has taken effect, waited for or not"
    )]
    pub fn invalidate(&self) -> Invalidation {
        self.namespace.invalidate_tag(&self.tag())
    }

    fn tag(&self) -> (&'static str, &str) {
        ("index", &self.name)
    }
}

impl Search<'_> {
    /// Says what the results are filtered by, all of it: whose they may be above all.
    pub fn filter(mut self, filter: &(impl CacheKey + ?Sized)) -> Self {
        let filter = site::written(filter);
        self.scope = (!filter.is_refused()).then(|| {
            Digest::new("search")
                .text(&self.index.name)
                .number(self.limit as u64)
                .bytes(filter.bytes())
                .finish()
        });
        self
    }

    /// Returns what was found, and searches if that isn't known.
    ///
    /// A vector that holds an infinity or what is no number, and a filter that holds a NaN, equal nothing: these search
    /// each time.
    ///
    /// # Errors
    ///
    /// Returns what `search` returned, to all who waited for it; it isn't cached.
    pub async fn get_or_search<V, E, F>(self, search: impl FnOnce() -> F) -> Result<V, E>
    where
        V: Clone + Send + Sync + 'static,
        E: Clone + Send + Sync + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        match self.identity() {
            Some(key) => self.entry(&key).get_or_load(search).await,
            None => search().await,
        }
    }

    /// What it is known by.
    pub(super) fn identity(&self) -> Option<[u64; 4]> {
        let scope = self.scope.filter(|_| not_finite(self.vector).is_none())?;
        let scoped = scope
            .iter()
            .fold(Digest::new("found"), |digest, part| digest.number(*part));
        Some(scoped.vector(self.vector).finish())
    }

    pub(super) fn entry(&self, key: &[u64; 4]) -> Entry<'_> {
        self.index.entry(key)
    }
}

impl Index {
    pub(super) fn entry(&self, key: &[u64; 4]) -> Entry<'_> {
        self.namespace
            .entry(&("found", *key))
            .tag(&self.tag())
            .ttl(self.ttl)
    }
}
