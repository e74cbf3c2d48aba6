//! Keys whose answers were lately shared with nobody: who asks for one of them next waits for no other request.
//!
//! Without it each burst on such a key would wait for its first answer in vain. The table has a fixed size and forgets:
//! a key that another pushed out costs a wait, and one that is taken for another a load more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a key is remembered.
pub(super) const LASTING: Duration = Duration::from_secs(10);
const PLACES: u64 = 1024;
/// What a place says of its time; the rest is of its key's hash.
const TIME: u64 = 0xffff_ffff;

#[derive(Debug)]
pub(super) struct Unshared(Box<[AtomicU64]>);

impl Unshared {
    pub(super) fn new() -> Self {
        Self((0..PLACES).map(|_| AtomicU64::new(0)).collect())
    }

    pub(super) fn note(&self, hash: u64, now: u64) {
        if let Some(place) = self.place(hash) {
            let until = (seconds(now) + LASTING.as_secs()) & TIME;
            place.store(hash & !TIME | until, Ordering::Relaxed);
        }
    }

    /// The key's answers are shared again.
    pub(super) fn forget(&self, hash: u64) {
        if let Some(place) = self.place(hash)
            && place.load(Ordering::Relaxed) & !TIME == hash & !TIME
        {
            place.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn has(&self, hash: u64, now: u64) -> bool {
        self.place(hash).is_some_and(|place| {
            let known = place.load(Ordering::Relaxed);
            known & !TIME == hash & !TIME && seconds(now) < known & TIME
        })
    }

    fn place(&self, hash: u64) -> Option<&AtomicU64> {
        self.0.get(usize::try_from(hash % PLACES).ok()?)
    }
}

/// A tick in seconds, of which a process lives fewer than fit.
const fn seconds(tick: u64) -> u64 {
    tick / 1_000_000_000
}
