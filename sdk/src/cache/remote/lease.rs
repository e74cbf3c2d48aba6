//! The right of one instance to put a key's value down.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::place::Place;
use super::values::{Stamp, Token};
use super::{Remote, envelope};

/// How long Redis keeps a value that has no end.
const LONGEST_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The right to put a value down; dropped without, it is given back.
pub(in crate::cache) struct Lease {
    remote: Weak<Remote>,
    place: Place,
    token: Token,
    stamp: Stamp,
    open: bool,
}

impl Lease {
    pub(super) fn new(remote: &Arc<Remote>, place: Place, token: Token, stamp: Stamp) -> Self {
        Self {
            remote: Arc::downgrade(remote),
            place,
            token,
            stamp,
            open: true,
        }
    }

    /// Puts down what was loaded, beside whatever its caller does next.
    pub(in crate::cache) fn fill(
        mut self,
        payload: Option<Vec<u8>>,
        fresh: Option<Duration>,
        spare: Duration,
        cost: Duration,
    ) {
        let kept = fresh.map_or(LONGEST_KEPT, |fresh| {
            // Redis keeps nothing for no time.
            fresh
                .saturating_add(spare)
                .clamp(Duration::from_millis(1), LONGEST_KEPT)
        });
        let header = envelope::Header {
            token: self.token,
            fingerprint: self.place.fingerprint,
            check: self.place.check,
            stamp: self.stamp,
            fresh,
            kept,
            cost,
        };
        self.open = false;
        let sealed = payload.and_then(|payload| header.sealed(&payload));
        if sealed.is_none()
            && let Some(remote) = self.remote.upgrade()
        {
            remote.tally.not_stored();
        }
        self.end(sealed, kept);
    }

    /// Gives the lease back, with what is to be put down.
    fn end(&self, value: Option<Vec<u8>>, kept: Duration) {
        let Some(remote) = self.remote.upgrade().filter(|remote| remote.is_here()) else {
            return;
        };
        let Ok(turn) = Arc::clone(&remote.store.fills).try_acquire_owned() else {
            // The lease ends by itself.
            if value.is_some() {
                remote.tally.not_stored();
            }
            return;
        };
        let (place, lease) = (self.place.clone(), [self.token, self.stamp].concat());
        let runtime = remote.store.runtime.clone();
        drop(runtime.spawn(async move {
            let bytes = value.as_deref().unwrap_or_default();
            let filled = remote.store.fill(&place, &lease, bytes, kept).await;
            if value.is_some() && !matches!(filled, Ok(true)) {
                remote.tally.not_stored();
            }
            drop(turn);
        }));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.open {
            self.end(None, Duration::ZERO);
        }
    }
}
