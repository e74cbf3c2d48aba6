//! What a function's values are like.

use std::fmt;
use std::time::Duration;

#[cfg(feature = "redis")]
use super::remote::codec::Codec;

/// What the cache has to know of the values it keeps for a function.
pub struct Values<V> {
    /// The longest time that the function wants to see them served.
    pub(super) ttl: Option<Duration>,
    /// How long they are fresh, where `ttl` is for how long they are kept.
    pub(super) fresh: Option<Duration>,
    absent: Option<fn(&V) -> bool>,
    drops_absent: bool,
    weigh: Option<fn(&V) -> usize>,
    /// They follow from the tables that their load reads, and go with them.
    #[cfg(feature = "query-cache")]
    pub(super) on_tables: bool,
    /// How they are shared with other instances.
    #[cfg(feature = "redis")]
    pub(super) codec: Option<Codec<V>>,
}

impl<V> Values<V> {
    /// Makes values that are all alike.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ttl: None,
            fresh: None,
            absent: None,
            drops_absent: false,
            weigh: None,
            #[cfg(feature = "query-cache")]
            on_tables: false,
            #[cfg(feature = "redis")]
            codec: None,
        }
    }

    /// Sets how long they are fresh, where the cache itself says when they are not.
    #[cfg(feature = "http")]
    #[must_use]
    pub(super) const fn fresh(self, fresh: Duration) -> Self {
        Self {
            fresh: Some(fresh),
            ..self
        }
    }

    /// Sets what it means that there is no value.
    #[must_use]
    pub const fn absent(self, absent: fn(&V) -> bool) -> Self {
        Self {
            absent: Some(absent),
            ..self
        }
    }

    /// Keeps absent values only where the policy has a negative time to live.
    #[must_use]
    pub const fn drop_absent(self) -> Self {
        Self {
            drops_absent: true,
            ..self
        }
    }

    /// Sets how many bytes a value takes.
    #[must_use]
    pub const fn weigh(self, weigh: fn(&V) -> usize) -> Self {
        Self {
            weigh: Some(weigh),
            ..self
        }
    }

    /// Lets them go when a table changes that their load reads.
    #[cfg(feature = "query-cache")]
    #[must_use]
    pub const fn on_tables(self) -> Self {
        Self {
            on_tables: true,
            ..self
        }
    }

    /// Shares them with other instances, where the deck has a Redis; `path` tells the function from others.
    #[cfg(feature = "redis")]
    #[must_use]
    pub const fn redis(self, path: &'static str) -> Self
    where
        V: serde::Serialize + serde::de::DeserializeOwned + 'static,
    {
        Self {
            codec: Some(Codec::new(path)),
            ..self
        }
    }

    /// Sets the version of what shared values mean, for when that changes and their type doesn't.
    #[cfg(feature = "redis")]
    #[must_use]
    pub const fn schema(self, schema: u32) -> Self {
        Self {
            codec: match self.codec {
                Some(codec) => Some(codec.schema(schema)),
                None => None,
            },
            ..self
        }
    }

    pub(super) const fn ttl(self, ttl: Option<Duration>) -> Self {
        Self { ttl, ..self }
    }

    pub(super) const fn drops_absent(&self) -> bool {
        self.drops_absent
    }

    pub(super) fn is_absent(&self, value: &V) -> bool {
        self.absent.is_some_and(|absent| absent(value))
    }

    pub(super) fn bytes(&self, value: &V) -> usize {
        self.weigh
            .map_or_else(|| size_of::<V>(), |weigh| weigh(value))
    }
}

impl<V> Copy for Values<V> {}

impl<V> Clone for Values<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Default for Values<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> fmt::Debug for Values<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").finish_non_exhaustive()
    }
}
