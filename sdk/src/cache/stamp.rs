//! What makes an entry valid: the namespace's stamp and its key's stripe, compared for equality and never by time.
//!
//! Stamps are read before a load begins and travel with its value. An invalidation changes a stamp first and then
//! returns, so whoever looks up after it returned can't be answered with what was loaded before, however late that
//! load ends.

use std::sync::atomic::{AtomicU64, Ordering};

/// Keys share this many stripes; invalidating a key costs its neighbours on the stripe a miss.
const STRIPES: usize = 1024;

/// The present stamps of a namespace.
pub(super) struct Stamps {
    namespace: AtomicU64,
    /// The next value that the namespace's stamp never had.
    fresh: AtomicU64,
    keys: Box<[AtomicU64; STRIPES]>,
}

/// The stamps that an entry or a flight was begun under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    pub(super) namespace: u64,
    pub(super) key: u64,
}

impl Stamps {
    pub(super) fn new() -> Self {
        Self {
            namespace: AtomicU64::new(0),
            fresh: AtomicU64::new(1),
            keys: Box::new([const { AtomicU64::new(0) }; STRIPES]),
        }
    }

    pub(super) fn read(&self, key_hash: u64) -> Stamp {
        let key = self
            .stripe(key_hash)
            .map_or(0, |stripe| stripe.load(Ordering::Acquire));
        Stamp {
            namespace: self.namespace(),
            key,
        }
    }

    pub(super) fn namespace(&self) -> u64 {
        self.namespace.load(Ordering::Acquire)
    }

    /// Makes all entries invalid; returns the stamp before and the one since.
    pub(super) fn bump(&self) -> (u64, u64) {
        let fresh = self.fresh.fetch_add(1, Ordering::Relaxed);
        (self.namespace.swap(fresh, Ordering::AcqRel), fresh)
    }

    /// Makes a key's entries invalid, whichever function they are of.
    pub(super) fn bump_key(&self, key_hash: u64) {
        if let Some(stripe) = self.stripe(key_hash) {
            stripe.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Puts the stamp `former` back if nothing has followed `since`; returns whether it did.
    pub(super) fn restore(&self, former: u64, since: u64) -> bool {
        self.namespace
            .compare_exchange(since, former, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    fn stripe(&self, key_hash: u64) -> Option<&AtomicU64> {
        // The map takes its shard and slot from other bits.
        self.keys.get((key_hash >> 20) as usize % STRIPES)
    }
}
