//! What the user is about to ask of the host, once it is said how much.

use perfdeck_bridge::protocol::{CacheCapacity, CacheRow, Intent};

use crate::{amount, format};

/// A change of a cache that wants a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    Capacity {
        namespace: String,
        in_bytes: bool,
        now: String,
    },
    Ttl {
        namespace: String,
        now: String,
    },
}

impl Wish {
    pub(crate) fn capacity(row: &CacheRow) -> Self {
        Self::Capacity {
            namespace: row.namespace.clone(),
            in_bytes: row.capacity_in_bytes,
            now: format::capacity(row),
        }
    }

    pub(crate) fn ttl(row: &CacheRow) -> Self {
        Self::Ttl {
            namespace: row.namespace.clone(),
            now: format::ttl(row),
        }
    }

    /// What is asked of the user, and what it is at present.
    pub(crate) fn question(&self) -> String {
        match self {
            Self::Capacity {
                namespace,
                in_bytes,
                now,
            } => {
                let unit = if *in_bytes { "as 64MiB" } else { "in entries" };
                format!("How much may cache {namespace} hold, {unit}? Now {now}.")
            }
            Self::Ttl { namespace, now } => {
                format!("How long are entries of cache {namespace} fresh, as 90s or 5m? Now {now}.")
            }
        }
    }

    /// What to ask of the host, if what was typed is an amount.
    pub(crate) fn intent(&self, typed: &str) -> Result<Intent, String> {
        match self {
            Self::Capacity {
                namespace,
                in_bytes,
                ..
            } => {
                let capacity = if *in_bytes {
                    amount::bytes(typed).map(CacheCapacity::Bytes)
                } else {
                    amount::entries(typed).map(CacheCapacity::Entries)
                };
                Ok(Intent::ResizeCache {
                    namespace: namespace.clone(),
                    capacity: capacity?,
                })
            }
            Self::Ttl { namespace, .. } => Ok(Intent::SetCacheTtl {
                namespace: namespace.clone(),
                ttl_seconds: amount::ttl(typed)?,
            }),
        }
    }
}
