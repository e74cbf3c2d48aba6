//! Loading what nobody has asked for yet: of functions that can be called again, by keys that were used.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::Instrument as _;

use super::key::{CacheKey, Probe};
use super::load::{self, Call, Refusal};
use super::local::quick::{self, Bare};
use super::namespace::{BY_HAND, Namespace};
use super::site;
use super::values::Values;

/// Keys that are remembered of a function.
const KEYS: u64 = 1_000;
/// Loads at a time.
const AT_A_TIME: usize = 4;
/// One hit in so many is noted; each load is.
const NOTED: u64 = 16;

/// A namespace that loads what it lacks by one function; see [`Namespace::read_through`]. Cheap to clone.
pub struct ReadThrough<K, V, E> {
    inner: Arc<Inner<K, V, E>>,
}

struct Inner<K, V, E> {
    namespace: Namespace,
    load: Box<Load<K, V, E>>,
    /// The keys that were used, by their hash: the least used makes room.
    used: Bare<K>,
    asked: AtomicU64,
    /// Where it was asked first, so that what it loads by runs where it was made.
    runtime: OnceLock<Handle>,
}

type Load<K, V, E> = dyn Fn(K) -> Loaded<V, E> + Send + Sync;
type Loaded<V, E> = Pin<Box<dyn Future<Output = Result<V, E>> + Send>>;

/// What can be warmed, whatever its types.
pub(super) trait Warm: Send + Sync {
    /// How many keys it knows.
    fn keys(&self) -> usize;
    /// Loads what isn't there, where it was asked first; returns whether it could begin.
    fn begin(self: Arc<Self>, pace: Pace) -> bool;
}

/// How warming goes: who asked for it says when to rest, and is told how far it is. It ends when nobody says anything.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    pub(super) rests: watch::Receiver<bool>,
    pub(super) counts: Arc<Counts>,
}

/// How far warming is.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) keys: AtomicU64,
    /// Of these, the ones that were looked at, those that were loaded, and those whose load failed.
    pub(crate) seen: AtomicU64,
    pub(crate) loaded: AtomicU64,
    pub(crate) failed: AtomicU64,
}

/// Warming under way; dropped, it ends.
#[derive(Debug)]
pub(crate) struct Warming {
    rest: watch::Sender<bool>,
    pub(crate) counts: Arc<Counts>,
}

impl Warming {
    pub(crate) fn rest(&self, rests: bool) {
        self.rest.send_replace(rests);
    }

    /// Whether all keys were looked at, or whatever looked at them has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.rest.is_closed()
    }
}

impl Namespace {
    /// Loads what it lacks by one function, which may then be warmed: `perfdeck cache warm` loads the keys that were used,
    /// as does a `cache clear`.
    ///
    /// The function is called again at any time, as long as a clone of what this returns lives. A thousand keys are
    /// remembered, those that are used most. Four at a time are loaded, and none while callers wait for connections longer
    /// than before.
    ///
    /// # Examples
    ///
    /// ```
    /// use perfdeck::cache::{Namespace, Policy};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), String> {
    /// let names = Namespace::new("names", Policy::new())
    ///     .read_through(|id: u64| async move { Ok::<_, String>(format!("user {id}")) });
    /// // At the start, with keys that are known to be wanted.
    /// assert_eq!(names.warm([7, 8]).await, 2);
    /// assert_eq!(names.get(&7).await?, "user 7");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn read_through<K, V, E, F>(
        &self,
        load: impl Fn(K) -> F + Send + Sync + 'static,
    ) -> ReadThrough<K, V, E>
    where
        K: CacheKey + Clone + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
        E: Clone + Send + Sync + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        let inner = Arc::new(Inner {
            namespace: self.clone(),
            load: Box::new(move |key| Box::pin(load(key))),
            used: quick::part(KEYS, 0),
            asked: AtomicU64::new(0),
            runtime: OnceLock::new(),
        });
        let weak: Weak<Inner<K, V, E>> = Arc::downgrade(&inner);
        self.space.warmable(weak);
        ReadThrough { inner }
    }
}

impl<K, V, E> ReadThrough<K, V, E>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// Returns the value of a key, and loads it if it isn't there; see [`Namespace::get_or_load`].
    ///
    /// # Errors
    ///
    /// Returns what the function returned, to all who waited for it.
    pub async fn get(&self, key: &K) -> Result<V, E> {
        let inner = &self.inner;
        inner.note(key);
        inner
            .namespace
            .get_or_load(key, || (inner.load)(key.clone()))
            .await
    }

    /// Loads those of these keys that aren't there, four at a time; returns how many were loaded.
    ///
    /// It isn't counted as look-ups.
    pub async fn warm(&self, keys: impl IntoIterator<Item = K>) -> usize {
        let keys: Vec<K> = keys.into_iter().collect();
        let inner = &self.inner;
        let loads = stream::iter(keys).map(|key| async move {
            inner.note(&key);
            inner.warm(&key).await == Some(true)
        });
        let loaded = loads.buffer_unordered(AT_A_TIME);
        loaded
            .filter(|loaded| std::future::ready(*loaded))
            .count()
            .await
    }

    /// Returns the namespace, to invalidate what is in it.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.inner.namespace
    }
}

impl<K, V, E> Inner<K, V, E>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// Remembers that a key is used, now and then.
    fn note(&self, key: &K) {
        if self.runtime.get().is_none()
            && let Ok(runtime) = Handle::try_current()
        {
            let _ = self.runtime.set(runtime);
        }
        let turn = self.asked.fetch_add(1, Ordering::Relaxed);
        let written = site::written(key);
        if written.is_refused() {
            return;
        }
        let space = &self.namespace.space;
        let is_there = space
            .sure(&Probe::new(BY_HAND, &written, &space.shared.hasher))
            .is_some();
        if !is_there || turn.is_multiple_of(NOTED) {
            let hash = space.stripe(&written);
            // To be asked for is to be used.
            if self.used.get(&hash).is_none() {
                self.used.insert(hash, key.clone());
            }
        }
    }

    /// Loads a key that isn't there; `None` if it is.
    async fn warm(&self, key: &K) -> Option<bool> {
        let written = site::written(key);
        if written.is_refused() {
            return None;
        }
        let call = Call {
            space: &self.namespace.space,
            site: BY_HAND,
            key: &written,
            tags: &[],
            tables: &[],
            values: Values::new(),
            refusal: Refusal::shared(),
        };
        load::warmed(call, || (self.load)(key.clone())).await
    }
}

impl<K, V, E> Warm for Inner<K, V, E>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    fn keys(&self) -> usize {
        self.used.len()
    }

    fn begin(self: Arc<Self>, pace: Pace) -> bool {
        let Some(runtime) = self.runtime.get().cloned() else {
            return false;
        };
        let keys: Vec<K> = self.used.iter().map(|(_, key)| key).collect();
        pace.counts
            .keys
            .fetch_add(keys.len() as u64, Ordering::Relaxed);
        let warming = async move {
            let loads = stream::iter(keys).map(|key| {
                let (inner, mut pace) = (&self, pace.clone());
                async move {
                    // An error is that nobody is there any more who asked for it.
                    if pace.rests.wait_for(|rests| !rests).await.is_err() {
                        return;
                    }
                    let warmed = inner.warm(&key).await;
                    pace.counts.count(warmed);
                }
            });
            loads
                .buffer_unordered(AT_A_TIME)
                .for_each(|()| std::future::ready(()))
                .await;
        };
        drop(runtime.spawn(warming.in_current_span()));
        true
    }
}

impl Counts {
    fn count(&self, warmed: Option<bool>) {
        self.seen.fetch_add(1, Ordering::Relaxed);
        match warmed {
            Some(true) => drop(self.loaded.fetch_add(1, Ordering::Relaxed)),
            Some(false) => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
            None => {}
        }
    }
}

/// Begins to warm all of these; `None` if none of them could.
pub(super) fn begin(all: Vec<Arc<dyn Warm>>) -> Option<Warming> {
    let (rest, rests) = watch::channel(false);
    let counts = Arc::<Counts>::default();
    let pace = Pace {
        rests,
        counts: Arc::clone(&counts),
    };
    let begun = all
        .into_iter()
        .filter(|one| Arc::clone(one).begin(pace.clone()));
    let begun = begun.count();
    (begun > 0).then_some(Warming { rest, counts })
}

impl<K, V, E> Clone for ReadThrough<K, V, E> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<K, V, E> fmt::Debug for ReadThrough<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadThrough")
            .field("namespace", &self.inner.namespace)
            .finish_non_exhaustive()
    }
}
