//! How many entries of a namespace a look-up could answer now, and the sweep of those that none ever will.

use std::time::Duration;

use super::space::Space;
use crate::clock::Moment;

/// What a namespace holds.
#[derive(Default, Clone, Copy)]
pub(super) struct Held {
    pub(super) entries: u64,
    /// Of all entries, those too that no look-up could answer.
    pub(super) bytes: u64,
}

/// The last count of a namespace.
#[derive(Default)]
pub(super) struct Census {
    held: Held,
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
    pub(super) fn held(&mut self, space: &Space) -> Held {
        let now = space.shared.clock.now();
        let stamp = space.stamps.namespace();
        let due = match self.taken {
            Some((at, cost)) => {
                stamp != self.stamp || cost < SHORT || now.since(at) >= cost * SHARE
            }
            None => true,
        };
        if due {
            self.held = count(space);
            self.stamp = stamp;
            self.taken = Some((now, space.shared.clock.now().since(now)));
        }
        self.held
    }
}

fn count(space: &Space) -> Held {
    let tick = space.shared.tick.now();
    let local = space.local();
    let mut held = Held::default();
    local.each(|key, slot| {
        if slot.life.is_over(tick) {
            // Nothing brings it back; one under an old stamp may return with an undo.
            space.remove(&key, &slot);
            return;
        }
        held.bytes += u64::from(slot.bytes);
        if slot.life.answers(tick) && slot.stamp == space.present(&slot.stripes) {
            held.entries += 1;
        }
    });
    held
}
