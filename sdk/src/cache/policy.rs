use std::time::Duration;

/// How a namespace caches: one policy for all functions in it.
///
/// What the builder sets wins over the attributes of functions; else the first function that is called settles it, and
/// later ones may only shorten their own entries' time to live.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use perfdeck::cache::Policy;
///
/// let policy = Policy::new()
///     .ttl(Duration::from_secs(300))
///     .capacity(50_000)
///     .stale_while_revalidate(Duration::from_secs(60))
///     .fail_safe(Duration::from_secs(3_600));
/// let deck = perfdeck::Builder::new("checkout").cache("analytics", policy);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(crate) ttl: Option<Duration>,
    pub(crate) capacity: u64,
    pub(crate) unit: Unit,
    pub(crate) eviction: Eviction,
    pub(crate) stale: Duration,
    pub(crate) fail_safe: Duration,
    pub(crate) soft_timeout: Option<Duration>,
    pub(crate) negative_ttl: Option<Duration>,
    pub(crate) jitter: u8,
    pub(crate) early_refresh: bool,
}

/// What a capacity counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Entries,
    Bytes,
}

/// Which entry has to go when a namespace is full.
///
/// None of them is the best for all: on fifteen public traces of real services each is on some, by up to 0.27 of the
/// hit ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Eviction {
    /// quick_cache's: what was wanted once goes before what was wanted again, so a scan does little harm.
    #[default]
    Default,
    /// What was wanted least recently, by moka.
    #[cfg(feature = "moka")]
    Lru,
    /// What was wanted least often in the recent past, by moka; a newcomer has to be wanted more often than what it would
    /// push out.
    #[cfg(feature = "moka")]
    TinyLfu,
}

impl Eviction {
    /// As it is told.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            #[cfg(feature = "moka")]
            Self::Lru => "lru",
            #[cfg(feature = "moka")]
            Self::TinyLfu => "tiny_lfu",
        }
    }
}

impl Policy {
    /// How many entries a namespace holds when nothing says otherwise.
    pub const DEFAULT_CAPACITY: u64 = 10_000;

    /// Makes a policy without a time to live and with the default capacity.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ttl: None,
            capacity: Self::DEFAULT_CAPACITY,
            unit: Unit::Entries,
            eviction: Eviction::Default,
            stale: Duration::ZERO,
            fail_safe: Duration::ZERO,
            soft_timeout: None,
            negative_ttl: None,
            jitter: 10,
            early_refresh: true,
        }
    }

    /// Sets how long an entry is fresh.
    ///
    /// Each entry draws its own time between 90 % and 100 % of it (see [`Self::jitter`]), so that what was loaded together
    /// isn't loaded again together. Without one an entry is served until it is invalidated or pushed out.
    #[must_use]
    pub const fn ttl(self, ttl: Duration) -> Self {
        Self {
            ttl: Some(ttl),
            ..self
        }
    }

    /// Sets by how many per cent an entry's time may be shorter than the time to live; 10 by default, at most 50.
    #[must_use]
    pub const fn jitter(self, percent: u8) -> Self {
        let jitter = if percent > 50 { 50 } else { percent };
        Self { jitter, ..self }
    }

    /// Sets how many entries are held.
    ///
    /// A full namespace pushes out what is used least and counts an eviction. The map is cut into shards, each with
    /// its share, so single entries may go a little before the last place is taken. With 0 nothing is kept, and
    /// callers of one key at the same time still share one load.
    #[must_use]
    pub const fn capacity(self, entries: u64) -> Self {
        Self {
            capacity: entries,
            unit: Unit::Entries,
            ..self
        }
    }

    /// Sets how many bytes are held, instead of how many entries.
    ///
    /// An entry weighs its key, a hundred bytes for the place it takes, and what `weigh` of its function says its value
    /// does, which by default is only what the value's type takes itself, without what it points to. A value that weighs
    /// more than its shard's share, which is all of a capacity below 4 MiB, isn't kept.
    #[must_use]
    pub const fn capacity_bytes(self, bytes: u64) -> Self {
        Self {
            capacity: bytes,
            unit: Unit::Bytes,
            ..self
        }
    }

    /// Sets which entry has to go when the namespace is full.
    ///
    /// It holds from the namespace's first entry on, as does whether entries or bytes are counted: a policy that is set
    /// later changes the other terms, and not these.
    #[must_use]
    pub const fn eviction(self, eviction: Eviction) -> Self {
        Self { eviction, ..self }
    }

    /// Sets for how long after its time to live an entry is still served, while one load refreshes it; none by default.
    ///
    /// A load that can't run in a task of its own (see [`cached`](crate::cached)) refreshes in the one caller that begins
    /// it. What was invalidated is never served again.
    #[must_use]
    pub const fn stale_while_revalidate(self, window: Duration) -> Self {
        Self {
            stale: window,
            ..self
        }
    }

    /// Sets for how long after its time to live an entry is kept to be served if a load fails; none by default.
    ///
    /// A load that returned an error, or panicked, is tried again after a second, then after twice as long each time, up
    /// to half a minute; until then the kept entry is served.
    #[must_use]
    pub const fn fail_safe(self, window: Duration) -> Self {
        Self {
            fail_safe: window,
            ..self
        }
    }

    /// Sets how long a caller waits for a load if an entry that is kept by [`Self::fail_safe`] could be served instead.
    ///
    /// The load goes on and refreshes the entry. It holds for loads in tasks of their own, in runtimes with a timer; tokio
    /// says by a panic that there is none, which is caught, and which ends a program that is built to abort on panics.
    #[must_use]
    pub const fn soft_timeout(self, wait: Duration) -> Self {
        Self {
            soft_timeout: Some(wait),
            ..self
        }
    }

    /// Sets how long it is remembered that there is nothing: `None`, or `Ok(None)`.
    ///
    /// Without one an absent value lasts as long as others, or isn't kept where the function says `option`. Keep it short,
    /// some seconds: who has just made what was absent wants to see it.
    #[must_use]
    pub const fn negative_ttl(self, ttl: Duration) -> Self {
        Self {
            negative_ttl: Some(ttl),
            ..self
        }
    }

    /// Sets whether an entry that is often asked for may be refreshed in the background shortly before its time is over;
    /// it may by default.
    ///
    /// The chance of it grows as the end comes nearer, and with what the load took: with the load's time left it is 37 %
    /// a look-up, with five times that 0.7 %.
    #[must_use]
    pub const fn early_refresh(self, early: bool) -> Self {
        Self {
            early_refresh: early,
            ..self
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}
