//! How many entries of a namespace a look-up could answer now, and the sweep of those that none ever will.

use std::time::Duration;

use super::space::Space;
use crate::clock::Moment;

/// The last count of a namespace.
#[derive(Default)]
pub(super) struct Census {
    entries: u64,
    /// The namespace's stamp at the last count.
    stamp: u64,
    taken: Option<(Moment, Duration)>,
}

/// A count may take one part in this many of the time, unless it is short.
const SHARE: u32 = 100;
const SHORT: Duration = Duration::from_millis(1);

impl Census {
    /// Counts, unless the last count was so long that its share of the time isn't over.
    ///
    /// After an invalidation of the namespace a count is always due, since the last one is then wrong by everything.
    pub(super) fn entries(&mut self, space: &Space) -> u64 {
        let now = space.shared.clock.now();
        let stamp = space.stamps.namespace();
        let due = match self.taken {
            Some((at, cost)) => {
                stamp != self.stamp || cost < SHORT || now.since(at) >= cost * SHARE
            }
            None => true,
        };
        if due {
            self.entries = count(space);
            self.stamp = stamp;
            self.taken = Some((now, space.shared.clock.now().since(now)));
        }
        self.entries
    }
}

fn count(space: &Space) -> u64 {
    let tick = space.shared.tick.now();
    let local = space.local();
    let mut entries = 0;
    local.each(|key, slot| {
        if slot.expires <= tick {
            // Nothing brings an expired entry back; one under an old stamp may return with an undo.
            local.remove(&key, &slot);
        } else if slot.stamp == space.stamps.read(key.probe().stripe()) {
            entries += 1;
        }
    });
    entries
}
