//! What a shard is handed over with: a lock that is only ever tried.
//!
//! The models of the hand-over build `shard.rs` with another of these, made of loom's primitives.

use std::ops::DerefMut;

pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(super) use std::thread::yield_now;

/// Something for one thread at a time. Taking it is one atomic operation, and giving it back a plain store.
#[derive(Debug)]
pub(super) struct Single<T>(spin::mutex::SpinMutex<T>);

impl<T> Single<T> {
    pub(super) const fn new(value: T) -> Self {
        Self(spin::mutex::SpinMutex::new(value))
    }

    /// Takes it, unless another thread has it.
    #[inline]
    pub(super) fn take(&self) -> Option<impl DerefMut<Target = T> + '_> {
        self.0.try_lock()
    }
}
