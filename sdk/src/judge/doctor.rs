//! What can't be seen, why, and the one-line fix; and what is seen, so that a clean bill is evidence and not silence.
//!
//! Each rule is a function of the [`Facts`] alone: it reads no clock and asks nobody. Whoever publishes gathers the facts.

mod account;
mod database;
mod evidence;
mod process;
mod route;
mod statement;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use perfdeck_bridge::protocol::{BlindSpot, Blindness, BudgetLevel, Dropped, RecordingState};

pub(crate) use self::account::agent;
pub(crate) use self::evidence::seen;
use crate::observe::layer::Installed;

/// Deaths after which the agent is not started again.
pub(crate) const MOST_DEATHS: u32 = 2;

/// What the rules know.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// How the layer stands in the host's subscriber.
    pub(crate) layer: Installed,
    /// Whether the service is built without DEBUG events.
    pub(crate) debug_compiled_out: bool,
    /// Requests that began.
    pub(crate) requests: u64,
    /// Routes with a template.
    pub(crate) templates: usize,
    /// Requests that matched none.
    pub(crate) unmatched: u64,
    /// Whether route templates can be known at all: feature `axum`.
    pub(crate) knows_templates: bool,
    /// Statements that the layer heard of.
    pub(crate) heard: Statements,
    /// Statements that went through a pool of the deck's.
    pub(crate) wrapped: Statements,
    /// Of these, the ones that ran outside any request though others of their text ran in one: no background work.
    pub(crate) astray: u64,
    /// Connections that pools of the deck's gave out.
    pub(crate) acquires: u64,
    /// The pools that the deck was given.
    pub(crate) pools: Vec<Pool>,
    /// Functions under `#[perfdeck::monitor]` that were called.
    pub(crate) functions: usize,
    /// Cache namespaces.
    pub(crate) namespaces: usize,
    /// Whether they keep nothing, by the environment's wish.
    pub(crate) caches_bypassed: bool,
    /// Whether processor and memory are read.
    pub(crate) host: bool,
    /// Whether this is the first deck of its process.
    pub(crate) first_deck: bool,
    /// Connections to Redis's usual port; `None` where nobody can tell.
    pub(crate) redis_connections: Option<usize>,
    /// How many of them perfdeck's own caches have, at most.
    pub(crate) own_redis_connections: usize,
    /// Connections to Redis that the deck was given.
    pub(crate) redis: Vec<Arc<str>>,
    /// Commands that went through them.
    pub(crate) commands: u64,
    /// Statements that the layer heard of on a driver's own thread, and that had no request's span there.
    pub(crate) elsewhere: u64,
    /// Whether the executable can name its functions; `None` where nobody can tell.
    pub(crate) symbols: Option<bool>,
    /// How often the deck's agent died.
    pub(crate) agent_deaths: u32,
    /// How often a step of its panicked.
    pub(crate) agent_panics: u64,
    /// What was not kept.
    pub(crate) dropped: Dropped,
    /// Of the recordings among it, those of which a part found no memory: the duration, or the function's name.
    pub(crate) refused: u64,
    /// What the deck gives up to stay within its budget.
    pub(crate) level: BudgetLevel,
    /// Why it does.
    pub(crate) over_budget: String,
    /// The last jump of the wall clock.
    pub(crate) jump: Option<Jump>,
    /// The flight recorder, where the host has one.
    pub(crate) recording: Option<RecordingState>,
}

/// Statements that one tier saw.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Statements {
    pub(crate) calls: u64,
    /// Of those, the ones that belong to no request as far as is known.
    pub(crate) unattributed: u64,
}

/// A pool of the deck's.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    pub(crate) name: String,
    pub(crate) database: &'static str,
    /// What its database says to questions about indexes.
    pub(crate) advice: Advice,
}

/// How advice on a pool's indexes is founded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Advice {
    /// There is none: without the feature `advisor`, or for a database that perfdeck does not know.
    None,
    /// It was not asked yet.
    Open,
    /// The database's own planner is asked.
    Planned,
    /// It is worked out from statistics.
    Modelled,
    /// The database could not be asked, and why.
    Failed(String),
}

/// A jump of the wall clock beside the monotonic one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Jump {
    /// Seconds forwards, or backwards where it is negative.
    pub(crate) seconds: f64,
    /// Seconds since it was noticed.
    pub(crate) age_seconds: u64,
}

/// Finds what can't be seen, the worst first.
pub(crate) fn examine(facts: &Facts) -> Vec<BlindSpot> {
    let alone = [
        statement::hidden(facts),
        statement::none(facts),
        statement::unwrapped(facts),
        statement::unattributed(facts),
        route::no_template(facts),
        process::second_deck(facts),
        process::bypass(facts),
        process::redis(facts),
        account::agent(facts.agent_deaths, facts.agent_panics),
        account::recordings(facts),
        account::refused(facts),
        account::overflowed(facts),
        account::budget(facts),
        account::jump(facts),
        account::recorder(facts),
        process::symbols(facts),
    ];
    let pools = facts.pools.iter().filter_map(database::advice);
    let mut spots: Vec<BlindSpot> = alone.into_iter().flatten().chain(pools).collect();
    spots.sort_by_key(|spot| spot.blindness);
    spots
}

fn spot(
    kind: &str,
    blindness: Blindness,
    what: impl Into<String>,
    why: impl Into<String>,
    fix: impl Into<String>,
) -> BlindSpot {
    BlindSpot {
        kind: kind.into(),
        blindness,
        what: what.into(),
        why: why.into(),
        fix: fix.into(),
    }
}
