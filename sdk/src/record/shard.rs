//! One thread's tables, aggregated in place.
//!
//! A shard has two halves. Its thread writes to the first that is free, and the agent drains one at a time, so a writer
//! always finds the other: it never waits, and nothing is lost between a drain and the next write.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

use super::table::Tables;

#[derive(Debug, Default)]
pub(crate) struct Shard {
    halves: [Mutex<Tables>; 2],
    taken: AtomicBool,
}

impl Shard {
    /// Lends the tables to `write`; returns whether a half was free.
    pub(crate) fn write(&self, write: impl FnOnce(&mut Tables)) -> bool {
        let Some(mut tables) = self.halves.iter().find_map(free) else {
            return false;
        };
        write(&mut tables);
        true
    }

    /// Lends each half's tables to `drain` in turn.
    pub(crate) fn drain(&self, mut drain: impl FnMut(&mut Tables)) {
        for half in &self.halves {
            drain(
                &mut half
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner),
            );
        }
    }

    /// Takes the shard for a thread; returns whether it was free.
    pub(crate) fn take(&self) -> bool {
        !self.taken.swap(true, Ordering::AcqRel)
    }

    /// Gives the shard back; what it holds is drained as ever, and the next thread goes on in it.
    pub(crate) fn retire(&self) {
        self.taken.store(false, Ordering::Release);
    }
}

/// Tables are sums, whole after each addition, so a panic in a write leaves nothing to repair.
fn free(half: &Mutex<Tables>) -> Option<MutexGuard<'_, Tables>> {
    match half.try_lock() {
        Ok(tables) => Some(tables),
        Err(TryLockError::Poisoned(tables)) => Some(tables.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
