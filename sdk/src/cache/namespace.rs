use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::Caches;
use super::key::{CacheKey, KeyWriter, Probe};
use super::load::{self, Call, Refusal};
use super::policy::Policy;
use super::reach::Invalidation;
use super::site;
use super::space::Space;
use super::stamp::Stripes;
use super::terms::Origin;
use super::tier::Kept;
use super::values::Values;

/// Entries that are put in by hand have this site; functions count from 1.
pub(super) const BY_HAND: u32 = 0;

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
        let mut shared = Caches::new(false).shared();
        // No pool knows of it.
        shared.tables = None;
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
        self.entry(key).get()
    }

    /// Keeps a value.
    ///
    /// What was read before an invalidation and is put in after it stays: where that can happen use
    /// [`Self::get_or_load`], which notices.
    pub fn insert<V>(&self, key: &(impl CacheKey + ?Sized), value: V)
    where
        V: Clone + Send + Sync + 'static,
    {
        self.entry(key).insert(value);
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
        self.entry(key).get_or_load(load).await
    }

    /// Names the entry of a key, to say more of it than the key: its tags, its own time to live.
    ///
    /// # Examples
    ///
    /// ```
    /// use perfdeck::cache::{Namespace, Policy};
    ///
    /// let pages = Namespace::new("pages", Policy::new());
    /// pages.entry("/orders/1").tag(&("user", 7)).tag(&("shop", 3)).insert("Order 1");
    /// pages.entry("/orders/2").tag(&("user", 8)).tag(&("shop", 3)).insert("Order 2");
    ///
    /// pages.invalidate_tag(&("user", 7));
    /// assert_eq!(pages.get::<&str>("/orders/1"), None);
    /// assert_eq!(pages.get("/orders/2"), Some("Order 2"));
    /// ```
    pub fn entry(&self, key: &(impl CacheKey + ?Sized)) -> Entry<'_> {
        Entry {
            space: &self.space,
            key: site::written(key),
            tags: Vec::new(),
            ttl: None,
        }
    }

    /// Makes all entries of the namespace unusable, at once and whatever their number.
    ///
    /// Call it after what they were made from has changed. Loads that began before are returned to their callers and
    /// not kept.
    #[expect(
        clippy::must_use_candidate,
        reason = "it has taken effect, waited for or not"
    )]
    pub fn invalidate(&self) -> Invalidation {
        self.space.invalidate().2
    }

    /// Makes the entries of a key unusable, those of functions with an equal key too.
    pub fn invalidate_key(&self, key: &(impl CacheKey + ?Sized)) -> Invalidation {
        self.invalidate_written(&site::written(key))
    }

    /// Makes all entries with the tag unusable, whatever their keys.
    pub fn invalidate_tag(&self, tag: &(impl CacheKey + ?Sized)) -> Invalidation {
        self.invalidate_written(&site::written(tag))
    }

    pub(super) fn invalidate_written(&self, key: &KeyWriter) -> Invalidation {
        // A key that is never cached has nothing to invalidate.
        if key.is_refused() {
            return Invalidation::local();
        }
        self.space.invalidate_stripe(self.space.stripe(key))
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("name", &self.space.name)
            .finish_non_exhaustive()
    }
}

/// One entry of a namespace, by its key; see [`Namespace::entry`].
#[must_use = "nothing is done until it is asked for or put in"]
pub struct Entry<'a> {
    space: &'a Arc<Space>,
    key: KeyWriter,
    tags: Vec<u64>,
    ttl: Option<Duration>,
}

impl Entry<'_> {
    /// How many tags an entry can have; with more it isn't cached.
    pub const TAGS: usize = 8;

    /// Gives it a tag, by which it can be invalidated together with others.
    pub fn tag(mut self, tag: &(impl CacheKey + ?Sized)) -> Self {
        if let Some(hash) = tag_hash(self.space, &mut self.key, self.tags.len(), tag) {
            self.tags.push(hash);
        }
        self
    }

    /// Gives it a shorter time to live than the namespace's.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Returns the value, if it is fresh.
    #[must_use]
    pub fn get<V>(self) -> Option<V>
    where
        V: Clone + Send + Sync + 'static,
    {
        if self.key.is_refused() {
            return None;
        }
        let probe = self.probe();
        let (slot, value) = self
            .space
            .fresh(&probe)
            .and_then(|slot| slot.value().map(|value| (slot, value)))
            .unzip();
        match slot {
            Some(slot) => self.space.count_hit(&slot, Some(probe.sampled_by())),
            None => {
                let stripes = Stripes::new(self.space.stripe(&self.key), &self.tags);
                let asked = (probe.sampled_by(), &stripes, self.ttl);
                self.space.count_miss(Some(asked));
                self.space.count(|meter| &meter.unloaded);
            }
        }
        value
    }

    /// Returns the value, if it is fresh; where it isn't nothing is counted, since who asks goes on asking.
    #[cfg(feature = "vector")]
    pub(super) fn peek<V>(self) -> Option<V>
    where
        V: Clone + Send + Sync + 'static,
    {
        if self.key.is_refused() {
            return None;
        }
        let probe = self.probe();
        let slot = self.space.fresh(&probe)?;
        let value = slot.value()?;
        self.space.count_hit(&slot, Some(probe.sampled_by()));
        Some(value)
    }

    /// Keeps a value; see [`Namespace::insert`].
    pub fn insert<V>(self, value: V)
    where
        V: Clone + Send + Sync + 'static,
    {
        if self.key.is_refused() {
            return;
        }
        let probe = self.probe();
        let stripes = Stripes::new(self.space.stripe(&self.key), &self.tags);
        let stamp = self.space.present(&stripes);
        let values = Values::new().ttl(self.ttl);
        let key = probe.store();
        let slot = self.space.slot(
            &key,
            value,
            stamp,
            stripes,
            &values,
            Kept::just(Duration::ZERO),
        );
        self.space.fill(key, &slot);
    }

    /// Returns the value, and loads it if it isn't there; see [`Namespace::get_or_load`].
    ///
    /// # Errors
    ///
    /// Returns what `load` returned, to all who waited for it.
    pub async fn get_or_load<V, E, F>(self, load: impl FnOnce() -> F) -> Result<V, E>
    where
        V: Clone + Send + Sync + 'static,
        E: Clone + Send + Sync + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        self.answer(Values::new(), load).await
    }

    /// Does the same with a value that instances share through Redis, where the deck has one: what one of them loads,
    /// the others take from there.
    ///
    /// The value is asked for when it isn't here. One instance loads it and the others wait for that, as callers of one
    /// instance do; each does so for itself where Redis can't be asked. Values of another type, by its fields' names and
    /// types, are never taken for this one, and none longer than 1 MiB are put down. What is sent to Redis is the value
    /// as MessagePack, and no part of its key but a hash.
    ///
    /// The type is asked once to be made of invented fields, to see which it has: its `Deserialize` has to answer what it
    /// doesn't want with an error. A panic of it counts as one, where panics unwind.
    ///
    /// # Errors
    ///
    /// Returns what `load` returned, to all who waited for it.
    #[cfg(feature = "redis")]
    pub async fn get_or_load_shared<V, E, F>(self, load: impl FnOnce() -> F) -> Result<V, E>
    where
        V: Clone + serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
        E: Clone + Send + Sync + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        self.answer(Values::new().redis(""), load).await
    }

    async fn answer<V, E, F>(self, values: Values<V>, load: impl FnOnce() -> F) -> Result<V, E>
    where
        V: Clone + Send + Sync + 'static,
        E: Clone + Send + Sync + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        if self.key.is_refused() {
            return load().await;
        }
        let call = Call {
            space: self.space,
            site: BY_HAND,
            key: &self.key,
            tags: &self.tags,
            tables: &[],
            values: values.ttl(self.ttl),
            refusal: Refusal::shared(),
        };
        load::spawned(call, load).await
    }

    fn probe(&self) -> Probe<'_> {
        Probe::new(BY_HAND, &self.key, &self.space.shared.hasher)
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("namespace", &self.space.name)
            .field("tags", &self.tags.len())
            .finish_non_exhaustive()
    }
}

/// The hash of one more tag; a tag that can't be one makes the key none.
pub(super) fn tag_hash(
    space: &Space,
    key: &mut KeyWriter,
    present: usize,
    tag: &(impl CacheKey + ?Sized),
) -> Option<u64> {
    let tag = site::written(tag);
    if tag.is_refused() || present >= Entry::TAGS {
        key.refuse();
        return None;
    }
    Some(space.stripe(&tag))
}
