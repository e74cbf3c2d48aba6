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
/// let policy = Policy::new().ttl(Duration::from_secs(300)).capacity(50_000);
/// assert_eq!(policy.capacity_entries(), 50_000);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(crate) ttl: Option<Duration>,
    pub(crate) capacity: u64,
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
        }
    }

    /// Sets how long an entry is served.
    ///
    /// Each entry draws its own time between 90 % and 100 % of it, so that what was loaded together isn't loaded again
    /// together. Without one an entry is served until it is invalidated or pushed out.
    #[must_use]
    pub const fn ttl(self, ttl: Duration) -> Self {
        Self {
            ttl: Some(ttl),
            ..self
        }
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
            ..self
        }
    }

    /// Returns how long an entry is served; `None` for ever.
    #[must_use]
    pub const fn time_to_live(&self) -> Option<Duration> {
        self.ttl
    }

    /// Returns how many entries are held.
    #[must_use]
    pub const fn capacity_entries(&self) -> u64 {
        self.capacity
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}
