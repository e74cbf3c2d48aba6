//! Where responses are kept: under their target's key, or under one that has what `Vary` lists.

use std::sync::Arc;
use std::time::Duration;

use super::Cache;
use super::rules::LONGEST_WINDOW;
use super::service::Exchange;
use super::stored::Stored;
use crate::cache::key::{KeyWriter, Probe, StoredKey};
use crate::cache::local::Slot;
use crate::cache::stamp::{Stamp, Stripes};
use crate::cache::tier::Kept;
use crate::cache::values::Values;

/// Stored responses have this site; functions count from 1 and what is put in by hand has 0.
pub(super) const SITE: u32 = u32::MAX;

/// Where a response is, or would be, kept.
pub(super) struct Place {
    pub(super) key: KeyWriter,
    pub(super) held: Option<Held>,
    /// Something else is kept there that answers others.
    pub(super) taken: bool,
}

/// A stored response in its place.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) slot: Arc<Slot>,
    pub(super) stored: Arc<Stored>,
}

impl Exchange {
    /// Finds where the response to this request is kept; `None` if its key is too long.
    pub(super) fn place(&self) -> Option<Place> {
        let primary = self.ask.primary(&self.cache);
        if primary.is_refused() {
            return None;
        }
        let Some(first) = self.cache.held(&primary) else {
            return Some(Place {
                key: primary,
                held: None,
                taken: false,
            });
        };
        if self.ask.matches(&first.stored) {
            return Some(Place {
                key: primary,
                held: Some(first),
                taken: false,
            });
        }
        let key = self.ask.secondary(&self.cache, &first.stored.vary);
        if key.is_refused() {
            return None;
        }
        Some(match self.cache.held(&key) {
            // The service has changed what it varies by.
            Some(held) if !self.ask.matches(&held.stored) => Place {
                key: primary,
                held: None,
                taken: true,
            },
            held => Place {
                key,
                held,
                taken: false,
            },
        })
    }

    pub(super) fn stamp(&self, key: &KeyWriter) -> Stamp {
        let stripes = Stripes::new(self.cache.space.stripe(key), &[]);
        self.cache.space.present(&stripes)
    }

    /// What is stale can still be validated for a day, or be served by the leave of RFC 5861.
    pub(super) fn values(&self) -> Values<Arc<Stored>> {
        let ttl = self.ask.route.ttl.saturating_add(LONGEST_WINDOW);
        Values::new()
            .ttl(Some(ttl))
            .fresh(self.ask.route.ttl)
            .weigh(|stored: &Arc<Stored>| stored.bytes())
    }
}

impl Cache {
    pub(super) fn probe<'a>(&self, key: &'a KeyWriter) -> Probe<'a> {
        Probe::new(SITE, key, &self.space.shared.hasher)
    }

    fn held(&self, key: &KeyWriter) -> Option<Held> {
        let slot = self.space.fresh(&self.probe(key))?;
        let stored = slot.value()?;
        Some(Held { slot, stored })
    }

    /// Takes a stored response away, unless there is another one by now.
    pub(super) fn remove(&self, key: &KeyWriter, held: &Held) {
        let key = self.probe(key).store();
        self.space.remove(&key, &held.slot);
    }

    pub(super) fn fill(
        &self,
        key: &KeyWriter,
        stored: &Arc<Stored>,
        stamp: Stamp,
        values: &Values<Arc<Stored>>,
    ) {
        let stripes = Stripes::new(self.space.stripe(key), &[]);
        self.fill_stored(self.probe(key).store(), stripes, stored, stamp, values);
    }

    pub(super) fn fill_stored(
        &self,
        key: StoredKey,
        stripes: Stripes,
        stored: &Arc<Stored>,
        stamp: Stamp,
        values: &Values<Arc<Stored>>,
    ) {
        let value = Arc::clone(stored);
        let slot = self.space.slot(
            &key,
            value,
            stamp,
            stripes,
            values,
            Kept::just(Duration::ZERO),
        );
        self.space.fill(key, &slot);
    }
}
