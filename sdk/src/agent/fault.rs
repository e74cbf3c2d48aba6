//! What tests do to one service's agent from inside: steps that panic, one that does not end for a while, and its death.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Agent;

static FAULTS: Mutex<BTreeMap<String, Fault>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Fault {
    /// One step in so many panics; 0 for none.
    pub(super) panic_each: u64,
    /// How long the next step takes.
    pub(super) stall: Duration,
    pub(super) steps: u64,
    /// How many agents more die at their next tick, with locks that they share with the host in their hands.
    pub(super) deaths: u32,
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

/// Comes before each tick, where nobody catches what panics.
pub(super) fn kill(agent: &Agent) {
    let due = of(&agent.hello.service, |fault| {
        let due = fault.deaths > 0;
        fault.deaths = fault.deaths.saturating_sub(1);
        due
    });
    if due {
        let _pools = agent.pools.hold();
        let _names = agent.eyes.custom.hold();
        panic!("killed");
    }
}

fn faults() -> MutexGuard<'static, BTreeMap<String, Fault>> {
    FAULTS.lock().unwrap_or_else(PoisonError::into_inner)
}
