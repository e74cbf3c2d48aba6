//! What an operator changes of a namespace while it runs.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};

use super::super::life;
use super::super::local::Slot;
use super::super::terms::Changed;
use super::super::warm::Warm;
use super::{LONGEST, Space, beyond};

/// Functions of a namespace that can be warmed; those beyond are not.
const WARMABLES: usize = 16;

impl Space {
    /// Changes what counts instead of what the code says, if that is as `from`; returns whether it was.
    ///
    /// What is held and doesn't fit any more goes. What is held lasts no longer than the new time to live, each entry from
    /// when it came here; a longer one is of those that are loaded from now on.
    pub(in crate::cache) fn change(&self, from: Changed, to: Changed) -> bool {
        {
            let mut terms = self.terms();
            if terms.changed() != from {
                return false;
            }
            terms.change(to);
        }
        self.fit();
        if from.ttl != to.ttl {
            self.retimed.store(true, Ordering::SeqCst);
            if let Some(local) = self.local.get() {
                let jitter = f64::from(self.terms().code().jitter) / 100.0;
                local.each(|_, slot| self.shorten(&slot, 1.0 - self.draw() * jitter));
            }
        }
        true
    }

    /// Makes the map as large as the terms say; without their lock, since what goes may run the host's own code.
    pub(super) fn fit(&self) {
        let Some(local) = self.local.get() else {
            return;
        };
        loop {
            let capacity = self.terms().capacity();
            local.resize(capacity);
            // Whoever changed them meanwhile may have been faster.
            if self.terms().capacity() == capacity {
                return;
            }
        }
    }

    pub(in crate::cache) fn changed(&self) -> Changed {
        self.terms().changed()
    }

    /// Lets an entry last no longer than a part of the present time to live.
    pub(super) fn shorten(&self, slot: &Slot, part: f64) {
        let terms = self.terms();
        if let Some(ttl) = terms.ttl(None) {
            let (stale, fail_safe) = beyond(terms.code(), slot.absent);
            slot.life.shorten(life::Terms {
                ttl: Some(ttl.min(LONGEST).mul_f64(part)),
                stale,
                fail_safe,
                early: terms.code().early_refresh,
            });
        }
    }

    /// Notes what could be warmed, as long as its maker keeps it.
    pub(in crate::cache) fn warmable(&self, one: Weak<dyn Warm>) {
        let mut warmables = self
            .warmables
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        warmables.retain(|one| one.strong_count() > 0);
        if warmables.len() < WARMABLES {
            warmables.push(one);
        }
    }

    pub(in crate::cache) fn warmables(&self) -> Vec<Arc<dyn Warm>> {
        let warmables = self
            .warmables
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        warmables.iter().filter_map(Weak::upgrade).collect()
    }
}
