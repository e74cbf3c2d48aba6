//! Looks at the databases beside the tick: at who is connected often, at tables and indexes now and then.
//!
//! Never while the advisor's rounds ask them, nor the other way round; and after a look there is a rest of many times as
//! long as it took.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use perfdeck_bridge::protocol::{BudgetLevel, DatabaseHealth, SessionRow};

use super::{Agent, Event};
use crate::database::Handle;
use crate::database::health::{Look, look};

/// Seconds between two looks at who is connected, and at everything.
const SESSIONS_EVERY: u64 = 10;
const ALL_EVERY: u64 = 60;
/// How many times as long as a look took there is none.
const RESTS: f64 = 20.0;
/// Databases that are looked at.
const MAX_DATABASES: usize = 8;

/// What is known of the databases, and when they are looked at again.
#[derive(Debug, Default)]
pub(crate) struct Health {
    looking: Looking,
    /// When who is connected may be looked at, and when everything.
    sessions_at: u64,
    all_at: u64,
    /// Databases beyond those that are looked at.
    pub(crate) left_out: u64,
}

/// Whether a look is under way, which ends when its task does, in whatever way.
#[derive(Debug, Default)]
struct Looking(Arc<AtomicBool>);

/// What a look found.
#[derive(Debug)]
pub(crate) struct Looked {
    databases: Vec<DatabaseHealth>,
    took: Duration,
}

/// A database, with the pools that lead to it.
struct Asked {
    pools: Vec<String>,
    engine: &'static str,
    handle: Handle,
}

impl Health {
    pub(super) fn is_looking(&self) -> bool {
        self.looking.0.load(Ordering::Relaxed)
    }

    fn look(&self) -> Looking {
        self.looking.0.store(true, Ordering::Relaxed);
        Looking(Arc::clone(&self.looking.0))
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Agent {
    /// Starts a look where none runs and one is due; with anything given up there is none.
    pub(super) fn look_at_databases(&mut self) {
        if self.budget.level() != BudgetLevel::Full {
            self.facts.databases.clear();
            self.health.all_at = 0;
            return;
        }
        let due = self.second >= self.health.sessions_at;
        if !due || self.health.is_looking() || self.verifying {
            return;
        }
        let mut databases = databases(&self.pools.all());
        self.health.left_out = databases.len().saturating_sub(MAX_DATABASES) as u64;
        databases.truncate(MAX_DATABASES);
        if databases.is_empty() {
            self.facts.databases.clear();
            return;
        }
        let what = if self.second >= self.health.all_at {
            Look::All
        } else {
            Look::Sessions
        };
        let looking = self.health.look();
        self.health.sessions_at = self.second + SESSIONS_EVERY;
        if what == Look::All {
            self.health.all_at = self.second + ALL_EVERY;
        }
        let known = self.facts.databases.clone();
        let (events, clock) = (self.events.clone(), self.clock.clone());
        tokio::spawn(async move {
            let _looking = looking;
            let began = clock.now();
            let mut looked = Vec::new();
            for asked in databases {
                let known = known.iter().find(|known| known.pools == asked.pools);
                // One that is new is looked at whole.
                // What failed is asked again whole.
                let what = known
                    .filter(|known| known.failure.is_none())
                    .map_or(Look::All, |_| what);
                let known = known.cloned().unwrap_or_else(|| DatabaseHealth {
                    pools: asked.pools,
                    engine: asked.engine.into(),
                    ..DatabaseHealth::default()
                });
                let now = clock.timestamp(clock.now());
                looked.push(look(&asked.handle, what, known, now).await);
            }
            let looked = Looked {
                databases: looked,
                took: clock.now().since(began),
            };
            let _ = events.send(Event::Looked(looked)).await;
        });
    }

    /// Takes in what a look found.
    pub(super) fn looked(&mut self, looked: Looked) {
        let rested_at = self.second + (looked.took.as_secs_f64() * RESTS) as u64;
        self.health.sessions_at = self.health.sessions_at.max(rested_at);
        if self.budget.level() != BudgetLevel::Full {
            return;
        }
        let mut databases = looked.databases;
        let runners = crate::publish::query::runners(self);
        let attribute = |session: &mut SessionRow| {
            let id = session.query.as_ref();
            let id = id.and_then(|id| u64::from_str_radix(&id.0, 16).ok());
            let known = id.filter(|id| self.store.queries.contains_key(id));
            session.route = known.and_then(|id| Some(runners.get(&id)?.0.to_owned()));
            session.query = session.query.take().filter(|_| known.is_some());
        };
        for health in &mut databases {
            let blocked = health.blocked.iter_mut();
            let blocked = blocked.flat_map(|row| [&mut row.waiting, &mut row.blocker]);
            health
                .sessions
                .iter_mut()
                .chain(blocked)
                .for_each(attribute);
        }
        self.facts.databases = databases;
    }
}

/// The databases behind the pools, each with all the pools that lead to it.
fn databases(pools: &[crate::pools::Named]) -> Vec<Asked> {
    let mut databases: Vec<Asked> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for pool in pools {
        let Some(handle) = &pool.handle else {
            continue;
        };
        if !handle.has_others() {
            continue;
        }
        let place = *places.entry(handle.address()).or_insert(databases.len());
        match databases.get_mut(place) {
            Some(known) => known.pools.push(pool.name.clone()),
            None => databases.push(Asked {
                pools: vec![pool.name.clone()],
                engine: pool.database,
                handle: handle.clone(),
            }),
        }
    }
    databases
}
