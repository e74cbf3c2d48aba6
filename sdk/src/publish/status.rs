//! The service in a few numbers, the deck's own cost, and what can't be seen.

use std::sync::atomic::Ordering;

use perfdeck_bridge::protocol::{
    AlertState, CurrentMetrics, DeckCost, Dropped, OptimizationSummary, Severity, Status,
};
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};

use crate::agent::Agent;
#[cfg(feature = "redis")]
use crate::agent::sight::REDIS;
use crate::judge::doctor::{self, Advice, Facts, Pool, Statements};
use crate::judge::finding::is_open;
use crate::observe::layer::Installed;
use crate::pools::Named;
use crate::record::recorder::UNMATCHED;
use crate::record::table::OTHER;

pub(super) fn status(agent: &Agent) -> Status {
    let window = &agent.window;
    let open = || {
        agent
            .verdicts
            .findings
            .iter()
            .filter(|finding| is_open(finding))
    };
    let critical = open()
        .filter(|finding| finding.severity == Severity::Critical)
        .count();
    let firing = agent
        .verdicts
        .alerts
        .iter()
        .filter(|alert| alert.state == AlertState::Firing);
    let (store, recorder, custom) = (&agent.store, agent.eyes.recorder, &agent.eyes.custom);
    let dropped = Dropped {
        recordings: recorder.lost() + store.totals.refused + custom.dropped(),
        overflowed: store.totals.overflowed + custom.overflowed(),
        updates: agent.board.missed(),
        exemplars: store.totals.missed,
    };
    let facts = facts(agent, dropped);
    Status {
        current_metrics: CurrentMetrics {
            cpu_percent: agent.host.cpu_ratio.map(|ratio| ratio * 100.0),
            memory_percent: agent.host.memory_ratio.map(|ratio| ratio * 100.0),
            response_time_p95: (window.requests > 0).then_some(window.p95_seconds),
            error_rate: window.error_ratio(),
            requests_per_second: window.requests_per_second,
        },
        optimization_summary: OptimizationSummary {
            performance_score: agent.verdicts.score.value,
            total_recommendations: open().count() as u32,
            high_priority_issues: critical as u32,
        },
        deck: DeckCost {
            cpu_percent: agent.cpu.percent(),
            memory_bytes: agent.held_bytes() as u64,
            dropped,
            viewers: agent.stats.viewers.load(Ordering::Relaxed) as u32,
            agent_deaths: agent.deaths,
            agent_panics: agent.panics,
            level: agent.budget.level(),
            memory_limit_bytes: agent.budget.limits.memory_bytes as u64,
            cpu_limit_percent: agent.budget.limits.cpu_percent,
        },
        blind_spots: doctor::examine(&facts),
        seen: doctor::seen(&facts),
        alerts_firing: firing.count() as u32,
        recording: facts.recording,
    }
}

/// Gathers what the doctor's rules go by.
fn facts(agent: &Agent, dropped: Dropped) -> Facts {
    let store = &agent.store;
    let mut heard = Statements::default();
    let mut wrapped = Statements::default();
    let mut astray = 0;
    for record in store.queries.values() {
        // One statement can go both ways.
        let (calls, unattributed) = record.wrapped;
        wrapped.calls += calls;
        wrapped.unattributed += unattributed;
        heard.calls += record.calls.saturating_sub(calls);
        heard.unattributed += record.unattributed.saturating_sub(unattributed);
        if unattributed < calls {
            astray += unattributed;
        }
    }
    // The first place is for pools that are not known.
    let pools = agent.pools.all().into_iter().skip(1);
    let templates = store
        .requests
        .keys()
        .filter(|route| !route.ends_with(UNMATCHED) && ***route != *OTHER);
    let unmatched = store
        .requests
        .iter()
        .filter(|(route, _)| route.ends_with(UNMATCHED))
        .map(|(_, record)| record.requests);
    let commands = store
        .commands
        .iter()
        .filter(|(command, _)| !command.word.is_round_trip());
    Facts {
        layer: Installed::load(&agent.eyes.layer),
        debug_compiled_out: STATIC_MAX_LEVEL < LevelFilter::DEBUG,
        requests: store.totals.started,
        templates: templates.count(),
        unmatched: unmatched.sum(),
        knows_templates: cfg!(feature = "axum"),
        heard,
        wrapped,
        astray,
        acquires: store.pools.iter().skip(1).map(|pool| pool.acquires).sum(),
        pools: pools.map(|pool| told(agent, pool)).collect(),
        functions: store.functions.len(),
        #[cfg(feature = "cache")]
        namespaces: agent.cache_rows.len(),
        #[cfg(feature = "cache")]
        caches_bypassed: agent.caches.is_bypassed(),
        #[cfg(not(feature = "cache"))]
        caches_bypassed: false,
        #[cfg(not(feature = "cache"))]
        namespaces: 0,
        host: agent.host.cpu_ratio.is_some() && agent.host.memory_ratio.is_some(),
        first_deck: agent.first_deck,
        redis_connections: agent.sight.redis_connections,
        own_redis_connections: own_connections(agent),
        redis: agent.eyes.recorder.names().connections(),
        commands: commands.map(|(_, record)| record.calls).sum(),
        elsewhere: store.totals.elsewhere,
        // What stacks have told is surer than the executable's list of sections: names can come from a file beside it.
        symbols: agent.store.sites.names_functions().or(agent.sight.symbols),
        agent_deaths: agent.deaths,
        agent_panics: agent.panics,
        dropped,
        refused: store.totals.refused,
        level: agent.budget.level(),
        over_budget: agent.budget.why.clone(),
        jump: agent.sight.jump(agent.second),
        #[cfg(feature = "recording")]
        recording: agent
            .recording
            .as_ref()
            .map(|(_, progress)| progress.state()),
        #[cfg(not(feature = "recording"))]
        recording: None,
    }
}

/// Connections to Redis that the caches have for themselves, at most.
#[cfg(feature = "redis")]
fn own_connections(agent: &Agent) -> usize {
    agent.caches.most_connections_to(REDIS)
}

#[cfg(not(feature = "redis"))]
const fn own_connections(_: &Agent) -> usize {
    0
}

fn told(agent: &Agent, pool: Named) -> Pool {
    let failure = agent
        .verified
        .failures
        .iter()
        .find(|(name, _)| *name == pool.name);
    let indexes = agent.verified.indexes.iter();
    let mut planned = indexes
        .filter(|fact| fact.pool == pool.name)
        .map(|fact| fact.planned)
        .peekable();
    let advice = match failure {
        Some((_, error)) => Advice::Failed(error.clone()),
        None if !can_advise(&pool) => Advice::None,
        None if planned.peek().is_none() => Advice::Open,
        None if planned.all(|planned| planned) => Advice::Planned,
        None => Advice::Modelled,
    };
    Pool {
        name: pool.name,
        database: pool.database,
        advice,
    }
}

/// Tells whether a pool's database is asked about indexes.
#[cfg(all(feature = "advisor", feature = "_sqlx"))]
fn can_advise(pool: &Named) -> bool {
    pool.handle.is_some()
}

#[cfg(not(all(feature = "advisor", feature = "_sqlx")))]
fn can_advise(_: &Named) -> bool {
    false
}
