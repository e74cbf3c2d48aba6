//! What makes an entry valid: the namespace's stamp and those of its stripes, compared for equality and never by time.
//!
//! Stamps are read before a load begins and travel with its value. An invalidation changes a stamp first and then
//! returns, so whoever looks up after it returned can't be answered with what was loaded before, however late that
//! load ends.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Keys and tags share this many stripes; invalidating one costs its neighbours on the stripe a miss.
const STRIPES: usize = 1024;

/// The present stamps of a namespace.
pub(super) struct Stamps {
    namespace: AtomicU64,
    /// The next value that the namespace's stamp never had.
    fresh: AtomicU64,
    /// All of them 0 until one is invalidated, which in many namespaces never happens.
    stripes: OnceLock<Box<[AtomicU64; STRIPES]>>,
}

/// The stamps that an entry or a flight was begun under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    pub(super) namespace: u64,
    /// The sum over the stripes: each only ever grows, so equal sums are equal stamps.
    pub(super) stripes: u64,
}

/// The stripes that an entry hangs on: its key's and its tags', and those of the tables that it was read from, which all
/// namespaces have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stripes {
    key: u16,
    tags: Box<[u16]>,
    tables: Box<[u16]>,
}

impl Stamp {
    /// A short form, which differs for nearly all stamps that differ.
    pub(super) const fn folded(self) -> u32 {
        let mixed = self
            .namespace
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(self.stripes.wrapping_mul(0xbf58_476d_1ce4_e5b9));
        (mixed >> 32) as u32
    }
}

impl Stamps {
    pub(super) fn new() -> Self {
        Self {
            namespace: AtomicU64::new(0),
            fresh: AtomicU64::new(1),
            stripes: OnceLock::new(),
        }
    }

    fn stripes(&self) -> &[AtomicU64; STRIPES] {
        let zeros = || Box::new([const { AtomicU64::new(0) }; STRIPES]);
        self.stripes.get_or_init(zeros)
    }

    #[inline]
    pub(super) fn read(&self, stripes: &Stripes) -> Stamp {
        let tags = stripes.tags.iter().map(|tag| self.stripe(*tag));
        Stamp {
            stripes: tags.fold(self.stripe(stripes.key), u64::wrapping_add),
            namespace: self.namespace(),
        }
    }

    /// The sum over the stripes of tables, whose stamps these are.
    pub(super) fn read_tables(&self, stripes: &Stripes) -> u64 {
        let tables = stripes.tables.iter().map(|table| self.stripe(*table));
        tables.fold(0, u64::wrapping_add)
    }

    #[inline]
    pub(super) fn namespace(&self) -> u64 {
        self.namespace.load(Ordering::Acquire)
    }

    /// Makes all entries invalid; returns the stamp before and the one since.
    pub(super) fn bump(&self) -> (u64, u64) {
        let fresh = self.fresh.fetch_add(1, Ordering::Relaxed);
        (self.namespace.swap(fresh, Ordering::AcqRel), fresh)
    }

    /// Makes the entries of a key or a tag invalid, whichever function they are of.
    pub(super) fn bump_stripe(&self, hash: u64) {
        if let Some(stripe) = self.stripes().get(usize::from(stripe(hash))) {
            stripe.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Makes invalid what hangs on any stripe.
    pub(super) fn bump_stripes(&self) {
        for stripe in self.stripes() {
            stripe.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Makes invalid what hangs on a stripe, by the stripe's number, which may be one of a multiple of the stripes here.
    #[cfg(feature = "redis")]
    pub(super) fn bump_number(&self, number: u64) {
        if let Some(stripe) = self.stripes().get(number as usize % STRIPES) {
            stripe.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Puts the stamp `former` back if nothing has followed `since`; returns whether it did.
    pub(super) fn restore(&self, former: u64, since: u64) -> bool {
        self.namespace
            .compare_exchange(since, former, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    #[inline]
    pub(super) fn stripe(&self, number: u16) -> u64 {
        let stripes = self.stripes.get();
        stripes
            .and_then(|stripes| stripes.get(usize::from(number)))
            .map_or(0, |stripe| stripe.load(Ordering::Acquire))
    }
}

impl Stripes {
    pub(super) fn new(key_hash: u64, tag_hashes: &[u64]) -> Self {
        Self {
            key: stripe(key_hash),
            tags: tag_hashes.iter().map(|hash| stripe(*hash)).collect(),
            tables: Box::default(),
        }
    }

    /// Hangs it on tables, too, by their stripes.
    pub(super) fn on_tables(self, tables: &[u16]) -> Self {
        Self {
            tables: tables.into(),
            ..self
        }
    }

    pub(super) const fn tables(&self) -> &[u16] {
        &self.tables
    }
}

pub(super) fn stripe(hash: u64) -> u16 {
    // The map takes its shard and slot from other bits.
    ((hash >> 20) as usize % STRIPES) as u16
}
