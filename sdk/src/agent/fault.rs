//! What tests do to one service's agent from inside: steps that panic, one that does not end for a while, and its death.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Agent;

static FAULTS: Mutex<BTreeMap<String, Fault>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Default)]
pub(super) struct Fault {
    /// One step in so many panics; 0 for none.
    pub(super) panic_each: u64,
    /// How long the next step takes.
    pub(super) stall: Duration,
    /// How long each tick stalls in each of [`Place`]'s ways.
    pub(super) stall_each: Duration,
    /// The stalls of `stall_each` that are over.
    pub(super) stalled: Vec<(Place, Instant, Instant)>,
    pub(super) steps: u64,
    /// How many agents more die at their next tick, with locks that they share with the host in their hands.
    pub(super) deaths: u32,
}

/// What an agent has in its hands while it stalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Nothing,
    /// A half of the first thread's own shard.
    Own,
    /// A half of a shard that threads share.
    Shared,
}

/// What is to be done to an agent, and what was done.
pub(super) fn of<T>(service: &str, look: impl FnOnce(&mut Fault) -> T) -> T {
    look(faults().entry(service.to_owned()).or_default())
}

/// Comes before each step.
pub(super) fn strike(service: &str) {
    let (stall, panics) = of(service, |fault| {
        fault.steps += 1;
        let panics = fault.panic_each > 0 && fault.steps.is_multiple_of(fault.panic_each);
        (std::mem::take(&mut fault.stall), panics)
    });
    sleep(stall);
    assert!(!panics, "struck");
}

/// Comes before each tick, and takes its time.
pub(super) fn stall(agent: &Agent) {
    let each = of(&agent.hello.service, |fault| fault.stall_each);
    if each.is_zero() {
        return;
    }
    let stall = |place| {
        let start = Instant::now();
        sleep(each);
        let stalled = (place, start, Instant::now());
        of(&agent.hello.service, |fault| fault.stalled.push(stalled));
    };
    stall(Place::Nothing);
    agent.eyes.recorder.halves(|of_shared, number| {
        if number == 0 {
            stall(if of_shared { Place::Shared } else { Place::Own });
        }
    });
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
