//! Look-ups on their way from the hit path to whoever predicts from them: those of some keys, by the hash that is there.
//!
//! A look-up that isn't in the sample pays a load and a comparison. One that is goes into a bounded buffer, unless another
//! thread is at it: then it is dropped and counted. Once the buffer is full nothing is in the sample until that is taken.
//! Nobody waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::stamp::Stamp;
use super::tick::Tick;

/// Look-ups that the buffer holds.
pub(super) const ROOM: usize = 4_096;

/// One look-up of a key in the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lookup {
    pub(crate) hash: u64,
    /// In ticks.
    pub(crate) at: u64,
    /// Differs from the key's last look-up's, but once in four billion, if the key was invalidated in between.
    pub(crate) stamp: u32,
    /// How long its entry is fresh by itself, in milliseconds; `u32::MAX` where nobody says.
    pub(crate) own_ttl: u32,
}

/// The sample of one namespace.
#[derive(Default)]
pub(super) struct Sampling {
    /// Hashes below are in it; none while nobody wants them, and none while the buffer is full.
    bound: AtomicU64,
    /// What the bound is while there is room.
    wanted: AtomicU64,
    kept: Mutex<Vec<Lookup>>,
    /// Look-ups that came while another thread was at the buffer.
    dropped: AtomicU64,
}

/// What came since the sample was last taken.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) lookups: Vec<Lookup>,
    pub(crate) dropped: u64,
    /// Whether there may have been more: from then on nobody counted.
    pub(crate) full: bool,
}

impl Lookup {
    /// What that room takes.
    pub(crate) const ROOM_BYTES: usize = ROOM * size_of::<Self>();

    /// How long its entry is fresh by itself, if that is known.
    pub(crate) fn own_ttl(&self) -> Option<Duration> {
        (self.own_ttl < u32::MAX).then(|| Duration::from_millis(self.own_ttl.into()))
    }

    /// Makes room for as many as the buffer holds.
    pub(crate) fn room() -> Vec<Self> {
        Vec::with_capacity(ROOM)
    }
}

impl Sampling {
    #[inline]
    pub(super) fn wants(&self, hash: u64) -> bool {
        hash < self.bound.load(Ordering::Relaxed)
    }

    #[cold]
    pub(super) fn keep(&self, hash: u64, tick: &Tick, stamp: Stamp, own_ttl: Option<Duration>) {
        let Ok(mut kept) = self.kept.try_lock() else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        // Its room was made when the sample began, so that no look-up waits for memory.
        if kept.len() < kept.capacity() {
            let (at, stamp) = (tick.now(), stamp.folded());
            let own_ttl = own_ttl.and_then(|ttl| u32::try_from(ttl.as_millis()).ok());
            kept.push(Lookup {
                hash,
                at,
                stamp,
                own_ttl: own_ttl.unwrap_or(u32::MAX),
            });
        }
        if kept.len() == kept.capacity() {
            // While the buffer is held: whoever takes it opens the sample again.
            self.bound.store(0, Ordering::Relaxed);
        }
    }

    /// Takes all keys halved so often from now on; `None` takes none, and frees the room.
    pub(super) fn set(&self, halvings: Option<u32>) {
        let bound = halvings.map_or(0, |halvings| u64::MAX.checked_shr(halvings).unwrap_or(0));
        let room = if bound > 0 {
            Lookup::room()
        } else {
            Vec::new()
        };
        let mut kept = self.lock();
        let former = std::mem::replace(&mut *kept, room);
        self.wanted.store(bound, Ordering::Relaxed);
        self.bound.store(bound, Ordering::Relaxed);
        self.dropped.store(0, Ordering::Relaxed);
        drop(kept);
        drop(former);
    }

    /// Takes what was kept, and leaves `room` in its place.
    pub(super) fn take(&self, room: Vec<Lookup>) -> Taken {
        let mut kept = self.lock();
        let lookups = std::mem::replace(&mut *kept, room);
        let bound = self.wanted.load(Ordering::Relaxed);
        self.bound.store(bound, Ordering::Relaxed);
        Taken {
            full: !lookups.is_empty() && lookups.len() == lookups.capacity(),
            lookups,
            dropped: self.dropped.swap(0, Ordering::Relaxed),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Lookup>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
