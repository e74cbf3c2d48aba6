use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::Caches;
use super::key::{CacheKey, KeyWriter, Probe};
use super::load::{self, Call, Refusal};
use super::policy::Policy;
use super::site;
use super::space::{Origin, Space};

/// Entries that are put in by hand have this site; functions count from 1.
const BY_HAND: u32 = 0;

/// A handle to one namespace of cached values; cheap to clone.
///
/// Values are cloned out, so large ones are best kept as `Arc`. A key belongs to one type of value: asked for another,
/// it is a miss. Entries made here and those of `#[cached]` functions never meet, but an invalidation reaches both.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use perfdeck::cache::{Namespace, Policy};
///
/// let users = Namespace::new("users", Policy::new().ttl(Duration::from_secs(60)));
/// users.insert(&7, "Ada".to_owned());
/// assert_eq!(users.get(&7), Some("Ada".to_owned()));
///
/// users.invalidate_key(&7);
/// assert_eq!(users.get::<String>(&7), None);
/// ```
#[derive(Clone)]
pub struct Namespace {
    pub(super) space: Arc<Space>,
}

impl Namespace {
    /// Makes a namespace that belongs to no deck: it caches, and nothing is counted.
    #[must_use]
    pub fn new(name: &str, policy: Policy) -> Self {
        let shared = Caches::new(false).shared();
        Self {
            space: Arc::new(Space::new(name.into(), policy, Origin::Builder, shared)),
        }
    }

    /// Returns the namespace's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.space.name
    }

    /// Returns the value of a key, if it is fresh.
    #[must_use]
    pub fn get<V>(&self, key: &(impl CacheKey + ?Sized)) -> Option<V>
    where
        V: Clone + Send + Sync + 'static,
    {
        let key = written(key)?;
        let found = self.space.lookup(&self.probe(&key)).ok();
        if found.is_some() {
            self.space.count_hit();
        } else {
            self.space.count_miss();
            self.space.count(|meter| &meter.unloaded);
        }
        found
    }

    /// Keeps a value.
    ///
    /// What was read before an invalidation and is put in after it stays: where that can happen use
    /// [`Self::get_or_load`], which notices.
    pub fn insert<V>(&self, key: &(impl CacheKey + ?Sized), value: V)
    where
        V: Clone + Send + Sync + 'static,
    {
        let Some(key) = written(key) else { return };
        let probe = self.probe(&key);
        let stamp = self.space.stamps.read(probe.stripe());
        self.space
            .fill(probe.store(), &self.space.slot(value, stamp, None));
    }

    /// Returns the value of a key, and loads it if it isn't there.
    ///
    /// Callers who miss the same key at the same time share one load. It runs in a task of its own, so a caller that
    /// goes away doesn't stop it. A value whose key or namespace was invalidated meanwhile is returned and not kept.
    ///
    /// # Errors
    ///
    /// Returns what `load` returned, to all who waited for it; errors are not cached. An error that isn't `Clone` is
    /// wrapped in an `Arc` first.
    ///
    /// # Examples
    ///
    /// ```
    /// # use perfdeck::cache::{Namespace, Policy};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::num::ParseIntError> {
    /// let numbers = Namespace::new("numbers", Policy::new());
    /// let number = numbers.get_or_load("seven", || async { "7".parse::<u32>() }).await?;
    /// assert_eq!(number, 7);
    /// assert_eq!(numbers.get_or_load("seven", || async { "eight".parse::<u32>() }).await, Ok(7));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get_or_load<V, E, F>(
        &self,
        key: &(impl CacheKey + ?Sized),
        load: impl FnOnce() -> F,
    ) -> Result<V, E>
    where
        V: Clone + Send + Sync + 'static,
        E: Clone + Send + Sync + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        let Some(key) = written(key) else {
            return load().await;
        };
        let refusal = Refusal::shared();
        let call = Call {
            space: &self.space,
            site: BY_HAND,
            key: &key,
            ttl: None,
            refusal,
        };
        load::spawned(call, load).await
    }

    /// Makes all entries of the namespace unusable, at once and whatever their number.
    ///
    /// Call it after what they were made from has changed. Loads that began before are returned to their callers and
    /// not kept.
    pub fn invalidate(&self) {
        self.space.invalidate();
    }

    /// Makes the entries of a key unusable, those of functions with an equal key too.
    pub fn invalidate_key(&self, key: &(impl CacheKey + ?Sized)) {
        self.invalidate_written(&site::written(key));
    }

    pub(super) fn invalidate_written(&self, key: &KeyWriter) {
        // A key that is never cached has nothing to invalidate.
        if !key.is_refused() {
            self.space.invalidate_key(&self.probe(key));
        }
    }

    fn probe<'a>(&self, key: &'a KeyWriter) -> Probe<'a> {
        Probe::new(BY_HAND, key, &self.space.shared.hasher)
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("name", &self.space.name)
            .finish_non_exhaustive()
    }
}

fn written(key: &(impl CacheKey + ?Sized)) -> Option<KeyWriter> {
    let key = site::written(key);
    (!key.is_refused()).then_some(key)
}
