//! Sums that threads add to without meeting.
//!
//! A thread that records claims a stripe of its own, in every sum, until it ends. Whoever adds alone needs no locked
//! instruction: it reads and writes, and others only read. Threads that come when all are claimed share the first few.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Stripes of a sum.
pub(super) const STRIPES: usize = 32;
/// Of these, the ones in which a thread is alone; threads share those behind them.
pub(super) const ALONE: usize = 24;
/// What a thread's stripe is before it has one.
const NONE: u8 = u8::MAX;

thread_local! {
    static STRIPE: Cell<u8> = const { Cell::new(NONE) };
    static CLAIM: Claim = const { Claim(Cell::new(None)) };
}

/// A bit for each stripe that nobody has claimed.
static FREE: AtomicU32 = AtomicU32::new((1 << ALONE) - 1);

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

/// A thread's stripe, given back when the thread ends.
struct Claim(Cell<Option<u8>>);

/// Returns this thread's stripe if it is less than [`ALONE`]; else the thread shares one, or has none yet.
#[inline]
pub(super) fn alone() -> usize {
    usize::from(STRIPE.get())
}

/// Returns this thread's stripe, less than [`STRIPES`].
pub(super) fn own() -> usize {
    let own = usize::from(STRIPE.get());
    if own < STRIPES { own } else { first() }
}

/// Adds to a count that lies in a stripe; it wraps at 2^64.
#[inline]
pub(super) fn add(count: &AtomicU64, stripe: usize, more: u64) {
    if stripe >= ALONE {
        count.fetch_add(more, Ordering::Relaxed);
    } else {
        // Nobody else writes here, and who did before gave the stripe back by a release.
        let sum = count.load(Ordering::Relaxed).wrapping_add(more);
        count.store(sum, Ordering::Relaxed);
    }
}

/// Brings a value that lies in a stripe up to another.
#[inline]
pub(super) fn raise(value: &AtomicU64, stripe: usize, to: u64) {
    if stripe >= ALONE {
        value.fetch_max(to, Ordering::Relaxed);
    } else {
        value.store(to, Ordering::Relaxed);
    }
}

#[cold]
fn first() -> usize {
    let claimed = FREE.fetch_update(Ordering::Acquire, Ordering::Relaxed, |free| {
        (free != 0).then_some(free & free.wrapping_sub(1))
    });
    let own = match claimed {
        Ok(free) => {
            let own = free.trailing_zeros() as u8;
            if CLAIM.try_with(|claim| claim.0.set(Some(own))).is_ok() {
                own
            } else {
                // The thread is at its end already, and nobody would give the stripe back.
                release(own);
                shared()
            }
        }
        Err(_) => shared(),
    };
    STRIPE.set(own);
    usize::from(own)
}

/// Returns the next of the stripes that threads share.
fn shared() -> u8 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed) as usize % (STRIPES - ALONE);
    (ALONE + next) as u8
}

fn release(stripe: u8) {
    FREE.fetch_or(1 << stripe, Ordering::Release);
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(own) = self.0.take() {
            // What the thread records from here on must not be where the next one is alone.
            STRIPE.set(shared());
            release(own);
        }
    }
}

impl Striped {
    /// Adds; the sum wraps at 2^64.
    #[inline]
    pub(super) fn add(&self, count: u64) {
        let own = alone();
        if own < ALONE
            && let Some(stripe) = self.stripes.get(own)
        {
            add(&stripe.0, own, count);
        } else {
            self.add_shared(count);
        }
    }

    /// Adds for a thread that shares its stripe, or has none yet.
    #[inline(never)]
    fn add_shared(&self, count: u64) {
        let own = own();
        if let Some(stripe) = self.stripes.get(own) {
            add(&stripe.0, own, count);
        }
    }

    /// Brings the sum up to a value; a sum that is higher stays as it is.
    #[cfg(any(test, feature = "metrics"))]
    pub(super) fn lift(&self, to: u64) {
        let mut lifted = self.lifted.load(Ordering::Relaxed);
        loop {
            let missing = to.saturating_sub(self.added().wrapping_add(lifted));
            if missing == 0 {
                return;
            }
            match self.lifted.compare_exchange_weak(
                lifted,
                lifted.wrapping_add(missing),
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
