//! What a flight is waited for with.
//!
//! The models of the flights build `flight.rs` with others of these, made of loom's primitives.

pub(super) use std::sync::atomic::{AtomicUsize, Ordering};
pub(super) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(super) use tokio::sync::Notify;
