//! The memory that shards may take, all together.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What is granted at a time.
const GRANT: usize = 16 * 1024;
/// The part of a budget that is to be left, so that there is room for what begins.
const SHORT: usize = 4;

/// What may be held, and the part of it that nobody does.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: usize,
    left: AtomicUsize,
}

/// What one half of a shard was granted of the budget, and has used of it.
#[derive(Debug)]
pub(crate) struct Room {
    budget: &'static Budget,
    granted: usize,
    used: usize,
    refused: u64,
}

impl Budget {
    pub(crate) const fn new(bytes: usize) -> Self {
        Self {
            bytes,
            left: AtomicUsize::new(bytes),
        }
    }

    /// What is held of it.
    pub(crate) fn held(&self) -> usize {
        self.bytes - self.left.load(Ordering::Relaxed)
    }

    /// Whether so little is left that what rests has to make room.
    fn is_short(&self) -> bool {
        self.left.load(Ordering::Relaxed) < self.bytes / SHORT
    }

    fn take(&self, bytes: usize) -> bool {
        let take = |left: usize| left.checked_sub(bytes);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }
}

impl Room {
    pub(crate) const fn new(budget: &'static Budget) -> Self {
        Self {
            budget,
            granted: 0,
            used: 0,
            refused: 0,
        }
    }

    /// Counts something that was not kept for want of room.
    pub(crate) const fn refuse(&mut self) {
        self.refused += 1;
    }

    /// Whether there is little left of the budget for anybody.
    pub(crate) fn is_short(&self) -> bool {
        self.budget.is_short()
    }

    /// Takes so many bytes, if they are to be had.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        while self.used + bytes > self.granted {
            if !self.budget.take(GRANT) {
                return false;
            }
            self.granted += GRANT;
        }
        self.used += bytes;
        true
    }

    /// Returns what was not kept since this was last asked.
    pub(crate) const fn take_refused(&mut self) -> u64 {
        std::mem::replace(&mut self.refused, 0)
    }

    /// Sets what is used, after some was given back, and returns what is no longer needed.
    pub(crate) fn settle(&mut self, used: usize) {
        self.used = used;
        while self.granted >= used + GRANT {
            self.granted -= GRANT;
            self.budget.left.fetch_add(GRANT, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_together_never_exceed_their_budget() {
        let budget: &'static Budget = Box::leak(Box::new(Budget::new(10 * GRANT)));
        let mut rooms = [(); 8].map(|()| Room::new(budget));
        let mut taken = 0;
        for turn in 0..10_000 {
            let room = &mut rooms[turn % 8];
            taken += if room.take(100) { 100 } else { 0 };
            let granted: usize = rooms.iter().map(|room| room.granted).sum();
            assert_eq!(granted, budget.held());
            assert!(granted <= 10 * GRANT);
        }
        assert!(taken > 9 * GRANT && taken <= 10 * GRANT, "{taken}");
        rooms.iter_mut().for_each(|room| room.settle(0));
        assert_eq!(budget.held(), 0);
    }
}
