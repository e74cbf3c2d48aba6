//! What is valid in a namespace, and what makes it invalid.

use super::super::key::{KeyWriter, hashed};
use super::super::reach::{Invalidation, What};
use super::super::stamp::{Stamp, Stripes};
use super::Space;

impl Space {
    /// The present stamp of what hangs on these stripes.
    #[inline]
    pub(in crate::cache) fn present(&self, stripes: &Stripes) -> Stamp {
        let mut stamp = self.stamps.read(stripes);
        if !stripes.tables().is_empty()
            && let Some(tables) = &self.shared.tables
        {
            let tables = tables.stamps.read_tables(stripes);
            stamp.stripes = stamp.stripes.wrapping_add(tables);
        }
        stamp
    }

    /// Makes all entries unusable; returns the stamp before and the one since.
    pub(in crate::cache) fn invalidate(&self) -> (u64, u64, Invalidation) {
        self.count(|meter| &meter.invalidations);
        let reach = self.tell(What::All);
        let (former, since) = self.bump();
        (former, since, reach)
    }

    /// Makes the entries of a key or of a tag unusable, by its hash.
    pub(in crate::cache) fn invalidate_stripe(&self, hash: u64) -> Invalidation {
        self.count(|meter| &meter.invalidations);
        let reach = self.tell(What::Stripe(hash));
        self.stamps.bump_stripe(hash);
        reach
    }

    /// Makes unusable what it is about.
    pub(in crate::cache) fn take_effect(&self, what: What) -> Invalidation {
        match what {
            What::All => self.invalidate().2,
            What::Stripe(hash) => self.invalidate_stripe(hash),
        }
    }

    /// Tells other instances of an invalidation, before it takes effect here: whoever looks up after it asks Redis for a
    /// value only when that has heard of it.
    fn tell(&self, what: What) -> Invalidation {
        #[cfg(feature = "redis")]
        if let Some(remote) = &self.shared.remote {
            return remote.invalidate(&self.name, what);
        }
        let _ = what;
        Invalidation::local()
    }

    /// The hash that a key's or a tag's stripe follows from: the same in all instances where there are several.
    pub(in crate::cache) fn stripe(&self, key: &KeyWriter) -> u64 {
        #[cfg(feature = "redis")]
        if self.shared.remote.is_some() {
            return crate::cache::remote::stable(key.proper());
        }
        hashed(key.proper(), &self.shared.hasher)
    }

    /// Makes all entries unusable, since another instance has, or may have.
    #[cfg(feature = "redis")]
    pub(in crate::cache) fn forget(&self) {
        self.bump();
    }

    fn bump(&self) -> (u64, u64) {
        // Entries of other namespaces hang on the stripes of tables alone.
        if self.is_of_tables() {
            self.stamps.bump_stripes();
        }
        self.stamps.bump()
    }

    /// Whether it holds no entries but the stamps of tables.
    pub(in crate::cache) fn is_of_tables(&self) -> bool {
        *self.name == *crate::cache::TABLES
    }
}
