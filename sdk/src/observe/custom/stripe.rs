//! Sums that threads add to without meeting: each thread has a stripe, and sixteen of them share none.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Stripes of a sum; more threads than that share them.
pub(super) const STRIPES: usize = 16;

/// What a thread's stripe is before it has one.
const NONE: u8 = u8::MAX;

thread_local! {
    static STRIPE: Cell<u8> = const { Cell::new(NONE) };
}

/// A sum in stripes.
#[derive(Debug, Default)]
pub(super) struct Striped {
    stripes: [Stripe; STRIPES],
    /// What [`Self::lift`] added.
    lifted: AtomicU64,
}

/// Two lines wide, since processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

/// Returns this thread's stripe, less than [`STRIPES`].
pub(super) fn own() -> usize {
    let own = STRIPE.get();
    if own == NONE {
        return first();
    }
    usize::from(own) % STRIPES
}

#[cold]
fn first() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let own = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
    STRIPE.set(own as u8);
    own
}

impl Striped {
    /// Adds; the sum wraps at 2^64.
    pub(super) fn add(&self, count: u64) {
        if let Some(stripe) = self.stripes.get(own()) {
            stripe.0.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Brings the sum up to a value; a sum that is higher stays as it is.
    pub(super) fn lift(&self, to: u64) {
        let mut lifted = self.lifted.load(Ordering::Relaxed);
        loop {
            let missing = to.saturating_sub(self.added().wrapping_add(lifted));
            if missing == 0 {
                return;
            }
            match self.lifted.compare_exchange_weak(
                lifted,
                lifted + missing,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => lifted = now,
            }
        }
    }

    pub(super) fn sum(&self) -> u64 {
        self.added()
            .wrapping_add(self.lifted.load(Ordering::Relaxed))
    }

    fn added(&self) -> u64 {
        let stripes = self.stripes.iter();
        let counts = stripes.map(|stripe| stripe.0.load(Ordering::Relaxed));
        counts.fold(0, u64::wrapping_add)
    }
}
