//! The service in a few numbers, the deck's own cost, and what can't be seen.

use std::sync::atomic::Ordering;

use perfdeck_bridge::protocol::{
    AlertState, BlindSpot, CurrentMetrics, DeckCost, Dropped, OptimizationSummary, Severity, Status,
};

use crate::agent::Agent;
use crate::judge::finding::is_open;
use crate::observe::layer::Installed;

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
    let (store, custom) = (&agent.store, &agent.eyes.custom);
    let held = [
        store.bytes(),
        agent.vitals.bytes(),
        agent.metrics.bytes(),
        custom.bytes(),
    ];
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
            memory_bytes: held.iter().sum::<usize>() as u64,
            dropped: Dropped {
                recordings: agent.eyes.recorder.lost() + custom.dropped(),
                overflowed: store.totals.overflowed + custom.overflowed(),
                updates: agent.board.missed(),
            },
            viewers: agent.stats.viewers.load(Ordering::Relaxed) as u32,
        },
        blind_spots: blind_spots(agent),
        alerts_firing: firing.count() as u32,
    }
}

/// What can't be seen, why, and the one-line fix.
fn blind_spots(agent: &Agent) -> Vec<BlindSpot> {
    let store = &agent.store;
    let heard = Installed::load(&agent.eyes.layer);
    let mut spots = Vec::new();
    let mut say = |kind: &str, what: &str, why: &str, fix: &str| {
        spots.push(BlindSpot {
            kind: kind.into(),
            what: what.into(),
            why: why.into(),
            fix: fix.into(),
        });
    };
    if heard == Installed::SlowOnly
        && tracing::level_filters::STATIC_MAX_LEVEL < tracing::Level::DEBUG
    {
        say(
            "debug_compiled_out",
            "statements, but for those that sqlx warns of as slow",
            "the service is built with tracing's `release_max_level_*`, which leaves DEBUG events out",
            "drop that feature of `tracing`, or use `deck.pool(name, pool)`",
        );
    } else if heard == Installed::SlowOnly {
        say(
            "sqlx_events_filtered",
            "statements, but for those that sqlx warns of as slow",
            "a filter over the whole subscriber hides `sqlx::query` from every layer",
            "move the filter to the layer it is for (`fmt::layer().with_filter(..)`), add \
             `sqlx::query=debug` to it, or use `deck.pool(name, pool)`",
        );
    }
    if heard == Installed::All && store.totals.calls == 0 && store.totals.requests > 0 {
        say(
            "no_statements",
            "statements",
            "none was heard of: the service runs none, or its connections have statement logging off",
            "leave `log_statements` of the connect options as it is, or use `deck.pool(name, pool)`",
        );
    }
    let unnamed = agent.pools.all().len() == 1;
    if heard == Installed::No && unnamed {
        say(
            "statements_not_observed",
            "statements",
            "neither the layer nor a pool is in place",
            "wrap the pool: `let pool = deck.pool(\"primary\", pool)`",
        );
    } else if unnamed {
        say(
            "pool_not_named",
            "errors of statements, waits for connections, and advice on indexes",
            "no pool was given to the deck",
            "wrap the pool: `let pool = deck.pool(\"primary\", pool)`",
        );
    }
    if store.totals.started > 0
        && store
            .requests
            .keys()
            .all(|route| route.ends_with("<unmatched>"))
    {
        say(
            "no_route_template",
            "routes",
            "the HTTP layer sits where no template is known",
            "add it with `Router::layer` after the routes, with perfdeck's feature `axum`",
        );
    }
    if store.totals.unattributed > 0
        && store.totals.unattributed * 2 > store.totals.calls
        && store.totals.requests > 0
    {
        say(
            "statements_unattributed",
            "which request most statements belong to",
            "they run on other threads or tasks, outside any request's span",
            "use `deck.pool(name, pool)`, and spawn with `.in_current_span()`",
        );
    }
    if !agent.first_deck {
        say(
            "second_deck",
            "functions and caches under perfdeck's attributes",
            "another deck was started before in this process, and the attributes use that one",
            "start one deck a process",
        );
    }
    for (pool, error) in &agent.verified.failures {
        say(
            "database_not_asked",
            &format!("advice on the indexes of `{pool}`"),
            error,
            "see that the service's role may read the catalog",
        );
    }
    spots
}
