//! What the attributes expand to: one site a function, bound to its namespace on the first call after a deck started.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::Caches;
use super::key::{CacheKey, KeyWriter, Probe};
use super::load::{self, Call};
use super::namespace::{Namespace, tag_hash};
use super::policy::Policy;
use super::reach::Invalidation;
use super::terms::Origin;

pub use super::load::Refusal;
pub use super::values::Values;
pub use super::watch::{Touched, Watched, watched};

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A function that caches.
#[derive(Debug)]
pub struct Site {
    namespace: &'static str,
    policy: Policy,
    id: OnceLock<u32>,
    bound: OnceLock<Namespace>,
}

/// One call of a function that caches: its namespace and its key.
#[derive(Debug)]
pub struct Lookup {
    site: u32,
    ttl: Option<Duration>,
    namespace: Held,
    key: KeyWriter,
    tags: Vec<u64>,
}

/// What the cache says to a call.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "only a miss moves it, and that is about to load"
)]
pub enum Found<V> {
    /// The answer.
    Value(V),
    /// None; what is left to do is to load.
    Not(Option<Lookup>),
}

#[derive(Debug)]
enum Held {
    /// Bound for good, so a hit counts no reference.
    Bound(&'static Namespace),
    Lent(Namespace),
}

/// A load as the attribute hands it over.
///
/// Its `kind` is [`Task`] if the load can move to a task of its own, else [`Caller`]: method resolution takes
/// [`InTask`] where its bounds hold, and [`InCaller`], one reference further, where they don't.
#[derive(Debug)]
pub struct Loader<F>(pub F);

/// Runs loads in tasks of their own.
#[derive(Debug, Clone, Copy)]
pub struct Task;

/// Runs loads in their callers.
#[derive(Debug, Clone, Copy)]
pub struct Caller;

/// Loads that can move to a task.
pub trait InTask {
    /// Returns how the load runs.
    fn kind(&self) -> Task {
        Task
    }
}

/// Loads that borrow, or can't change threads.
pub trait InCaller {
    /// Returns how the load runs.
    fn kind(&self) -> Caller {
        Caller
    }
}

/// An error's type; its `refusal` shares clones where it has them, by the same method resolution.
#[derive(Debug)]
pub struct Errors<E>(PhantomData<E>);

/// Errors that everybody who waited gets a clone of.
pub trait ByClone<E> {
    /// Returns how the error is shared.
    fn refusal(&self) -> Refusal<E>;
}

/// Errors that stay with the caller whose load brought them.
pub trait ByLoad<E> {
    /// Returns how the error is shared.
    fn refusal(&self) -> Refusal<E>;
}

/// Names the error of a `Result`, whatever alias it hides behind.
pub trait Fallible {
    /// The error.
    type Error;
}

impl<T, E> Fallible for Result<T, E> {
    type Error = E;
}

impl Site {
    /// Makes the site of a function.
    #[must_use]
    pub const fn new(namespace: &'static str, policy: Policy) -> Self {
        Self {
            namespace,
            policy,
            id: OnceLock::new(),
            bound: OnceLock::new(),
        }
    }

    /// Answers a call from the cache of the first deck that was started, or begins it; `Not(None)`, which runs the body,
    /// before any was or if the key can't be one.
    #[inline]
    pub fn look_up<V: Any + Clone>(&'static self, write: impl FnOnce(&mut KeyWriter)) -> Found<V> {
        let namespace = match self.bound.get() {
            Some(namespace) => namespace,
            None => match self.bind() {
                Some(namespace) => namespace,
                None => return Found::Not(None),
            },
        };
        let key = KeyWriter::written(write);
        match self.hit(namespace, &key) {
            Some(value) => Found::Value(value),
            None => Found::Not(self.begin(Held::Bound(namespace), key)),
        }
    }

    /// Does the same in a deck that the attribute named.
    #[inline]
    pub fn look_up_in<V: Any + Clone>(
        &'static self,
        namespace: Namespace,
        write: impl FnOnce(&mut KeyWriter),
    ) -> Found<V> {
        self.register(&namespace);
        let key = KeyWriter::written(write);
        match self.hit(&namespace, &key) {
            Some(value) => Found::Value(value),
            None => Found::Not(self.begin(Held::Lent(namespace), key)),
        }
    }

    #[inline]
    fn hit<V: Any + Clone>(&self, namespace: &Namespace, key: &KeyWriter) -> Option<V> {
        // Without a number the function was never called.
        let site = *self.id.get()?;
        if key.is_refused() {
            return None;
        }
        let space = &namespace.space;
        let probe = Probe::new(site, key, &space.shared.hasher);
        let slot = space.sure(&probe)?;
        let value = slot.value()?;
        space.count_hit(&slot, Some(probe.sampled_by()));
        Some(value)
    }

    #[cold]
    fn begin(&self, namespace: Held, key: KeyWriter) -> Option<Lookup> {
        if key.is_refused() {
            return None;
        }
        let site = *self.id.get_or_init(|| NEXT.fetch_add(1, Ordering::Relaxed));
        Some(Lookup {
            site,
            ttl: self.policy.ttl,
            namespace,
            key,
            tags: Vec::new(),
        })
    }

    #[cold]
    fn bind(&self) -> Option<&Namespace> {
        let namespace = Caches::installed()?.namespace(self.namespace);
        self.register(&namespace);
        Some(self.bound.get_or_init(|| namespace))
    }

    fn register(&self, namespace: &Namespace) {
        namespace.space.settle(&self.policy, Origin::Function);
    }
}

impl Lookup {
    /// Gives the entry a tag, by which it can be invalidated together with others.
    pub fn tag(&mut self, tag: &(impl CacheKey + ?Sized)) {
        let namespace = match &self.namespace {
            Held::Bound(namespace) => namespace,
            Held::Lent(namespace) => namespace,
        };
        let present = self.tags.len();
        if let Some(hash) = tag_hash(&namespace.space, &mut self.key, present, tag) {
            self.tags.push(hash);
        }
    }

    #[inline]
    fn call<V, E>(&self, values: Values<V>, refusal: Refusal<E>) -> Call<'_, V, E> {
        let namespace = match &self.namespace {
            Held::Bound(namespace) => namespace,
            Held::Lent(namespace) => namespace,
        };
        Call {
            space: &namespace.space,
            site: self.site,
            key: &self.key,
            tags: &self.tags,
            tables: &[],
            values: values.ttl(self.ttl),
            refusal,
        }
    }
}

impl Task {
    /// Answers the call.
    pub async fn answer<V, E, F, L>(
        self,
        lookup: Option<Lookup>,
        values: Values<V>,
        refusal: Refusal<E>,
        load: Loader<F>,
    ) -> Result<V, E>
    where
        V: Any + Clone + Send + Sync,
        E: Send + 'static,
        F: FnOnce() -> L,
        L: Future<Output = Result<V, E>> + Send + 'static,
    {
        match lookup.as_ref().filter(|lookup| !lookup.key.is_refused()) {
            Some(lookup) => load::spawned(lookup.call(values, refusal), load.0).await,
            None => (load.0)().await,
        }
    }
}

impl Caller {
    /// Answers the call.
    pub async fn answer<V, E, F, L>(
        self,
        lookup: Option<Lookup>,
        values: Values<V>,
        refusal: Refusal<E>,
        load: Loader<F>,
    ) -> Result<V, E>
    where
        V: Any + Clone + Send + Sync,
        F: FnOnce() -> L,
        L: Future<Output = Result<V, E>>,
    {
        match lookup.as_ref().filter(|lookup| !lookup.key.is_refused()) {
            Some(lookup) => load::inline(lookup.call(values, refusal), load.0).await,
            None => (load.0)().await,
        }
    }

    /// Answers the call of a function that isn't async.
    pub fn block<V, E>(
        self,
        lookup: Option<&Lookup>,
        values: Values<V>,
        refusal: Refusal<E>,
        load: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E>
    where
        V: Any + Clone + Send + Sync,
    {
        match lookup.filter(|lookup| !lookup.key.is_refused()) {
            Some(lookup) => load::blocking(&lookup.call(values, refusal), load),
            None => load(),
        }
    }
}

impl<F, L, V, E> InTask for Loader<F>
where
    F: FnOnce() -> L,
    L: Future<Output = Result<V, E>> + Send + 'static,
    V: Send + 'static,
    E: Send + 'static,
{
}

impl<F> InCaller for &Loader<F> {}

impl<E> Errors<E> {
    /// Names the type.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it is a name, not a value")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<E: Clone + Send + Sync + 'static> ByClone<E> for Errors<E> {
    fn refusal(&self) -> Refusal<E> {
        Refusal::shared()
    }
}

impl<E> ByLoad<E> for &Errors<E> {
    fn refusal(&self) -> Refusal<E> {
        Refusal::alone()
    }
}

/// Runs a load whose every answer is cached.
///
/// # Errors
///
/// Never.
pub async fn always<L: Future>(load: L) -> Result<L::Output, Infallible> {
    Ok(load.await)
}

/// Makes a namespace's entries unusable, or those of the key or the tag, when what the body did in a transaction has
/// committed.
#[expect(
    clippy::must_use_candidate,
    reason = "it has taken effect, waited for or not"
)]
pub fn invalidate(namespace: &str, key: Option<KeyWriter>, touched: &Touched) -> Invalidation {
    match Caches::installed() {
        Some(caches) => invalidate_in(&caches.namespace(namespace), key, touched),
        None => Invalidation::local(),
    }
}

/// Does the same in a deck that the attribute named.
#[expect(
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    reason = "it has taken effect, waited for or not; and attributes have no more use for a key"
)]
pub fn invalidate_in(
    namespace: &Namespace,
    key: Option<KeyWriter>,
    touched: &Touched,
) -> Invalidation {
    match namespace.what(key.as_ref()) {
        Some(what) => touched.settle(&namespace.space, what),
        // A key that is never cached has nothing to invalidate.
        None => Invalidation::local(),
    }
}

/// Writes a key before the body consumes what it is made of.
#[must_use]
pub fn written(value: &(impl CacheKey + ?Sized)) -> KeyWriter {
    KeyWriter::written(|key| value.write(key))
}
