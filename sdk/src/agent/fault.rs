//! What tests do to one service's agent from inside: steps that panic, and one that does not end for a while.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

static FAULTS: Mutex<BTreeMap<String, Fault>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Fault {
    /// One step in so many panics; 0 for none.
    pub(super) panic_each: u64,
    /// How long the next step takes.
    pub(super) stall: Duration,
    pub(super) steps: u64,
}

/// What is to be done to an agent, and what was done.
pub(super) fn of<T>(service: &str, look: impl FnOnce(&mut Fault) -> T) -> T {
    look(faults().entry(service.to_owned()).or_default())
}

/// Comes before each step.
pub(super) fn strike(service: &str) {
    let fault = of(service, |fault| {
        fault.steps += 1;
        let due = *fault;
        fault.stall = Duration::ZERO;
        due
    });
    std::thread::sleep(fault.stall);
    assert!(
        fault.panic_each == 0 || !fault.steps.is_multiple_of(fault.panic_each),
        "struck"
    );
}

fn faults() -> MutexGuard<'static, BTreeMap<String, Fault>> {
    FAULTS.lock().unwrap_or_else(PoisonError::into_inner)
}
