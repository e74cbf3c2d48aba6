//! Floor 2: cached values, one policy a namespace.
//!
//! A look-up goes to the namespace's map and compares what it finds with the namespace's present stamps; a miss boards
//! the one flight of its key, and the load's value enters the map under the stamps read before it began. An invalidation
//! only changes a stamp. So nothing invalidated is ever served again, one key has one load at a time, and a full map
//! drops what is used least.
//!
//! The attributes `#[cached]` and `#[cache_invalidate]` are written against this module through the crate's
//! `__private`; [`Namespace`] is the same by hand.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use perfdeck_bridge::histogram::Histogram;

mod census;
mod chain;
pub mod curve;
mod flight;
mod key;
mod life;
mod load;
mod local;
mod meter;
mod namespace;
#[cfg_attr(
    not(feature = "_sqlx"),
    expect(dead_code, reason = "no pool is wrapped")
)]
pub(crate) mod pending;
mod policy;
#[cfg(feature = "query-cache")]
pub mod query;
mod reach;
#[cfg(feature = "redis")]
mod remote;
#[cfg(feature = "http")]
pub mod response;
mod sampling;
pub(crate) mod site;
mod space;
mod stamp;
mod sync;
mod terms;
#[cfg(test)]
mod tests;
mod tick;
mod tier;
mod values;
#[cfg(feature = "vector")]
pub mod vector;
mod warm;
pub(crate) mod watch;

pub(crate) use key::Hashing;
pub use key::{CacheKey, KeyWriter};
pub(crate) use meter::{Aged, METERED};
pub use namespace::{Entry, Namespace};
pub(crate) use policy::Unit;
pub use policy::{Eviction, Policy};
#[cfg(feature = "query-cache")]
pub use query::CacheQuery;
pub use reach::{Invalidation, Reach, Reaching};
#[cfg(feature = "redis")]
pub(crate) use remote::{Address, Url};
pub use warm::ReadThrough;
pub(crate) use warm::Warming;

use crate::clock::Clock;
pub(crate) use sampling::{Lookup, Taken};
use space::Space;
pub(crate) use terms::Changed;
use terms::Origin;
use tick::Tick;

/// Namespaces of one registry; those beyond keep nothing.
const NAMESPACES: usize = 1_000;
/// The longest name of a namespace, in bytes, that it has whole.
const NAME: usize = 256;
/// What the namespaces beyond are called together.
pub(crate) const OTHER: &str = "<other>";
/// The namespace of tables' stamps, which holds no entries: what is read from tables hangs on it, whatever namespace it is
/// in, and an instance that only writes need not know which those are.
const TABLES: &str = "perfdeck:tables";
/// How long a clear can be undone.
pub(crate) const UNDO: Duration = Duration::from_secs(60);

/// The registry that attributes use.
static INSTALLED: OnceLock<Caches> = OnceLock::new();

/// All namespaces of a deck; cheap to clone.
#[derive(Clone)]
pub(crate) struct Caches {
    spaces: Arc<Spaces>,
    /// What those count that there is no place for; made with the first of them.
    others: Arc<OnceLock<Space>>,
    shared: Shared,
}

type Spaces = RwLock<HashMap<Arc<str>, Arc<Space>>>;

/// What all namespaces of a registry have in common.
#[derive(Clone)]
struct Shared {
    metered: bool,
    /// Every call loads for itself and nothing is kept, and invalidations go on.
    bypassed: bool,
    hasher: Hashing,
    tick: Tick,
    clock: Clock,
    flights: Arc<AtomicUsize>,
    refreshes: Arc<AtomicUsize>,
    #[cfg(feature = "redis")]
    remote: Option<Arc<remote::Remote>>,
    tables: Option<Arc<Space>>,
    #[cfg(feature = "query-cache")]
    queries: Option<Arc<query::Queries>>,
}

/// One namespace at one moment. Counts are since the start.
///
/// Without calls under way, `loads + shared_hits + joined + unloaded = misses + refreshes`.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// As what a request did names it.
    pub(crate) number: u64,
    pub(crate) name: Arc<str>,
    pub(crate) policy: Policy,
    /// Whether a function asked for a longer time to live or another capacity than the policy's.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the doctor"))]
    pub(crate) conflict: bool,
    /// Entries that a look-up could answer now.
    pub(crate) entries: u64,
    /// Of all that is kept, what an undo could bring back too.
    pub(crate) bytes: u64,
    pub(crate) hits: u64,
    /// The hits on what was past its time, by the policy's leave.
    pub(crate) stale_hits: u64,
    /// The hits that say that there is nothing.
    pub(crate) negative_hits: u64,
    /// Answers with an entry that was kept for loads that fail.
    pub(crate) fail_safe: u64,
    pub(crate) misses: u64,
    pub(crate) loads: u64,
    /// The loads that nobody waited for.
    pub(crate) refreshes: u64,
    /// Loads that returned an error or panicked.
    pub(crate) load_errors: u64,
    /// Look-ups that waited for somebody else's load.
    pub(crate) joined: u64,
    /// Misses that loaded nothing: of a plain [`Namespace::get`], or of a caller that went away before its load began.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the doctor"))]
    pub(crate) unloaded: u64,
    /// Misses that were answered from Redis.
    pub(crate) shared_hits: u64,
    /// Misses that Redis had no answer to, either.
    pub(crate) shared_misses: u64,
    /// Entries that others pushed out.
    pub(crate) evictions: u64,
    /// Entries that left since their time was over, since they were invalidated, or since a newer one took their place.
    pub(crate) left_expired: u64,
    pub(crate) left_invalidated: u64,
    pub(crate) left_replaced: u64,
    /// The shortest and the longest time that entries were fresh for; `None` in it is for ever.
    pub(crate) asked_ttl: Option<[Option<Duration>; 2]>,
    /// Whether other instances get some of its values from Redis.
    pub(crate) in_redis: bool,
    pub(crate) invalidations: u64,
    /// The loads that ended since the rows were last asked for.
    pub(crate) load_times: Histogram,
    /// Of one hit in 64 since the rows were last asked for, how old the entry was, and how often it was of which key.
    pub(crate) aged: Aged,
}

/// A clear that can be undone for a while.
#[derive(Debug, Clone)]
pub(crate) struct Cleared {
    pub(crate) namespace: Arc<str>,
    former: u64,
    since: u64,
    until: u64,
}

/// Why a clear could not be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotRestorable {
    #[error("the clear is more than a minute old")]
    TooLate,
    #[error("the namespace was invalidated or cleared since")]
    ChangedSince,
    #[error("the namespace is not known")]
    Unknown,
}

impl Caches {
    /// Makes an empty registry; only a metered one counts.
    pub(crate) fn new(metered: bool) -> Self {
        Self::with_tick(metered, Tick::Coarse)
    }

    /// Has every call load for itself, and nothing kept; what is invalidated is still, everywhere. Namespaces that were made
    /// before go on as they were.
    pub(crate) fn bypass(mut self) -> Self {
        self.shared.bypassed = true;
        self.lay_tables();
        self
    }

    /// Whether nothing is kept.
    pub(crate) const fn is_bypassed(&self) -> bool {
        self.shared.bypassed
    }

    fn with_tick(metered: bool, tick: Tick) -> Self {
        let shared = Shared {
            metered,
            bypassed: false,
            hasher: Hashing::default(),
            tick,
            clock: Clock::new(),
            flights: Arc::default(),
            refreshes: Arc::default(),
            #[cfg(feature = "redis")]
            remote: None,
            tables: None,
            #[cfg(feature = "query-cache")]
            queries: None,
        };
        let mut caches = Self {
            spaces: Arc::default(),
            others: Arc::default(),
            shared,
        };
        caches.lay_tables();
        caches
    }

    /// Makes the stamps of tables, where statements are heard of.
    #[cfg(feature = "query-cache")]
    fn lay_tables(&mut self) {
        let name: Arc<str> = TABLES.into();
        (self.shared.tables, self.shared.queries) = (None, None);
        let policy = Policy::new().capacity(0);
        let shared = self.shared();
        let space = Space::new(Arc::clone(&name), policy, Origin::Builder, shared);
        let space = Arc::new(space);
        let mut spaces = self.spaces.write().unwrap_or_else(PoisonError::into_inner);
        spaces.insert(name, Arc::clone(&space));
        drop(spaces);
        self.shared.queries = Some(Arc::new(query::Queries::new(Arc::clone(&space))));
        self.shared.tables = Some(space);
    }

    #[cfg(not(feature = "query-cache"))]
    #[expect(
        clippy::needless_pass_by_ref_mut,
        clippy::unused_self,
        reason = "another build does something"
    )]
    const fn lay_tables(&mut self) {}

    /// Shares what is invalidated with other instances; namespaces that were made before stay alone.
    #[cfg(feature = "redis")]
    ///
    /// While Redis can't be reached, so many loads of shared values run at a time.
    pub(crate) fn join(&mut self, address: Address, turns: usize) -> std::io::Result<()> {
        let remote = remote::start(&self.spaces, &self.shared, address, turns)?;
        self.shared.remote = Some(remote);
        self.lay_tables();
        Ok(())
    }

    /// How the agreement with other instances stands, where there is one.
    #[cfg(feature = "redis")]
    pub(crate) fn standing(&self) -> Option<remote::Standing> {
        self.shared.remote.as_ref().map(|remote| remote.standing())
    }

    /// How many connections to a port the caches have for themselves, at most.
    #[cfg(feature = "redis")]
    pub(crate) fn most_connections_to(&self, port: u16) -> usize {
        let remote = self.shared.remote.as_ref();
        remote.map_or(0, |remote| remote.most_connections_to(port))
    }

    /// Makes this the registry that attributes use, unless an earlier deck's is; returns whether it is this one's.
    pub(crate) fn install(&self) -> bool {
        INSTALLED.set(self.clone()).is_ok()
    }

    /// The registry of the first deck that was started.
    fn installed() -> Option<&'static Self> {
        INSTALLED.get()
    }

    /// Returns the namespace, made with the default policy if it is new.
    pub(crate) fn namespace(&self, name: &str) -> Namespace {
        Namespace {
            space: self.space(name, &Policy::new(), Origin::Default),
        }
    }

    /// Sets a namespace's policy as the builder wants it, whatever functions say.
    pub(crate) fn policy(&self, namespace: &str, policy: &Policy) {
        self.space(namespace, policy, Origin::Builder)
            .settle(policy, Origin::Builder);
    }

    /// Reads all namespaces, by name; what those beyond the bound counted is one row.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let spaces = all(&self.spaces);
        let shown = spaces.iter().filter(|space| !space.is_of_tables());
        let mut rows: Vec<_> = shown.map(|space| space.row()).collect();
        rows.extend(self.others.get().map(Space::row));
        rows.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        rows
    }

    /// Samples the look-ups of so many of a namespace's keys from now on: all, halved so often, or none.
    pub(crate) fn sample(&self, namespace: &str, halvings: Option<u32>) {
        if let Some(space) = self.known(namespace) {
            space.sampling.set(halvings);
        }
    }

    /// Takes the look-ups that were sampled, and leaves room for the next.
    pub(crate) fn sampled(&self, namespace: &str, room: Vec<Lookup>) -> Option<Taken> {
        Some(self.known(namespace)?.sampling.take(room))
    }

    /// Makes all entries of a namespace unusable until [`Self::restore`]; `None` if there is no such namespace.
    pub(crate) fn clear(&self, namespace: &str) -> Option<Cleared> {
        let space = self.known(namespace)?;
        let (former, since, _) = space.invalidate();
        let until = self.shared.tick.after(UNDO);
        Some(Cleared {
            namespace: Arc::clone(&space.name),
            former,
            since,
            until,
        })
    }

    /// Brings back what a clear took away, and drops what was loaded since.
    ///
    /// A clear changes no data, so what was valid before it still is, unless an invalidation followed: then it is
    /// refused. Keys that were invalidated since stay so.
    pub(crate) fn restore(&self, cleared: &Cleared) -> Result<(), NotRestorable> {
        let space = self
            .known(&cleared.namespace)
            .ok_or(NotRestorable::Unknown)?;
        if self.shared.tick.now() > cleared.until {
            return Err(NotRestorable::TooLate);
        }
        if space.stamps.restore(cleared.former, cleared.since) {
            Ok(())
        } else {
            Err(NotRestorable::ChangedSince)
        }
    }

    /// How many keys of a namespace could be loaded without being asked for.
    pub(crate) fn warmable(&self, namespace: &str) -> usize {
        let space = self.known(namespace);
        space.map_or(0, |space| {
            space.warmables().iter().map(|one| one.keys()).sum()
        })
    }

    /// Begins to load them; `None` if there are none, or nothing was asked for in a runtime yet.
    pub(crate) fn warm(&self, namespace: &str) -> Option<Warming> {
        warm::begin(self.known(namespace)?.warmables())
    }

    /// What was changed of a namespace by hand; `None` if there is no such namespace.
    pub(crate) fn changed(&self, namespace: &str) -> Option<Changed> {
        Some(self.known(namespace)?.changed())
    }

    /// Changes a namespace's capacity or time to live from `from` to `to`; returns whether it was as `from`.
    pub(crate) fn change(&self, namespace: &str, from: Changed, to: Changed) -> bool {
        let space = self.known(namespace);
        space.is_some_and(|space| space.change(from, to))
    }

    /// How many entries of all namespaces are over, so that nothing would bring them back.
    pub(crate) fn over(&self) -> u64 {
        all(&self.spaces)
            .iter()
            .map(|space| space.over(false))
            .sum()
    }

    /// Drops them; returns how many there were.
    pub(crate) fn sweep(&self) -> u64 {
        all(&self.spaces).iter().map(|space| space.over(true)).sum()
    }

    /// How many queries were not cached for this reason.
    #[cfg(feature = "query-cache")]
    pub(crate) fn bypassed(&self, why: query::Bypass) -> u64 {
        let queries = self.shared.queries.as_ref();
        queries.map_or(0, |queries| queries.bypassed(why))
    }

    fn shared(&self) -> Shared {
        self.shared.clone()
    }

    fn known(&self, name: &str) -> Option<Arc<Space>> {
        self.read().get(name).map(Arc::clone)
    }

    fn space(&self, name: &str, policy: &Policy, by: Origin) -> Arc<Space> {
        // It is kept, told, and sent to other instances.
        let name = &*crate::sql::name::bounded(name, NAME);
        if let Some(space) = self.known(name) {
            return space;
        }
        let mut spaces = self.spaces.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(space) = spaces.get(name) {
            return Arc::clone(space);
        }
        let name: Arc<str> = name.into();
        let full = spaces.len() >= NAMESPACES + usize::from(self.shared.tables.is_some());
        if full || *name == *OTHER {
            // Names made from data would grow without end; such a namespace loads, keeps nothing, and counts with its like.
            let policy = Policy::new().capacity(0);
            let others = self.others.get_or_init(|| {
                Space::new(OTHER.into(), policy.clone(), Origin::Builder, self.shared())
            });
            let space = Space::new(name, policy, Origin::Builder, self.shared());
            return Arc::new(space.counted_with(others));
        }
        let space = Arc::new(Space::new(
            Arc::clone(&name),
            policy.clone(),
            by,
            self.shared(),
        ));
        spaces.insert(name, Arc::clone(&space));
        space
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<Arc<str>, Arc<Space>>> {
        self.spaces.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what runs here is a cache's load.
pub(crate) fn is_loading() -> bool {
    !chain::is_empty()
}

fn all(spaces: &Spaces) -> Vec<Arc<Space>> {
    let spaces = spaces.read().unwrap_or_else(PoisonError::into_inner);
    spaces.values().map(Arc::clone).collect()
}

impl std::fmt::Debug for Caches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caches")
            .field("metered", &self.shared.metered)
            .finish_non_exhaustive()
    }
}
