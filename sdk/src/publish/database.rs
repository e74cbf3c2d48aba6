//! Pools, and what the databases behind them said.

use perfdeck_bridge::protocol::{BudgetLevel, Database};

use super::host;
use crate::agent::Agent;

pub(super) fn database(agent: &Agent) -> Database {
    let level = agent.budget.level();
    let paused = (level != BudgetLevel::Full)
        .then(|| format!("the deck stays within its budget, at the level: {level}"));
    Database {
        pools: host::pools(agent),
        databases: agent.facts.databases.clone(),
        more_databases: more(agent),
        paused,
    }
}

#[cfg(feature = "_sqlx")]
const fn more(agent: &Agent) -> u64 {
    agent.health.left_out
}

#[cfg(not(feature = "_sqlx"))]
const fn more(_: &Agent) -> u64 {
    0
}
