//! Statements: whether they are heard of, and whose they are.

use perfdeck_bridge::protocol::{BlindSpot, Blindness};

use super::{Facts, spot};
use crate::observe::layer::{Installed, QUERY};

/// The layer is in and hears only of slow statements.
pub(super) fn hidden(facts: &Facts) -> Option<BlindSpot> {
    if facts.layer != Installed::SlowOnly {
        return None;
    }
    // A pool of the deck's sees its statements whatever the subscriber hides.
    let (blindness, what) = if facts.pools.is_empty() {
        (
            Blindness::Blind,
            "statements, but for those that sqlx warns of as slow",
        )
    } else {
        (
            Blindness::Partly,
            "statements that do not go through a pool of the deck's, but for slow ones",
        )
    };
    Some(if facts.debug_compiled_out {
        spot(
            "debug_compiled_out",
            blindness,
            what,
            "the service is built with tracing's `max_level_*` or `release_max_level_*`, which leaves DEBUG events out",
            "drop that feature of `tracing`, or use `deck.pool(name, pool)`",
        )
    } else {
        spot(
            "sqlx_events_filtered",
            blindness,
            what,
            format!("a filter over the whole subscriber hides `{QUERY}` from every layer"),
            format!(
                "move the filter to the layer it is for (`fmt::layer().with_filter(..)`), add \
                 `{QUERY}=debug` to it, or use `deck.pool(name, pool)`"
            ),
        )
    })
}

/// The layer would hear of statements, and there are none.
pub(super) fn none(facts: &Facts) -> Option<BlindSpot> {
    let calls = facts.heard.calls + facts.wrapped.calls;
    if facts.layer != Installed::All || calls > 0 || facts.requests == 0 {
        return None;
    }
    let (blindness, why) = if facts.acquires > 0 {
        (
            Blindness::Blind,
            "connections are taken and no statement is heard of: they run past the deck's pools, \
             with statement logging off",
        )
    } else {
        (
            Blindness::Partly,
            "none was heard of: the service runs none, or its connections have statement logging off",
        )
    };
    Some(spot(
        "no_statements",
        blindness,
        "statements",
        why,
        "leave `log_statements` of the connect options as it is, or use `deck.pool(name, pool)`",
    ))
}

/// No pool was given to the deck.
pub(super) fn unwrapped(facts: &Facts) -> Option<BlindSpot> {
    if !facts.pools.is_empty() {
        return None;
    }
    let fix = "wrap the pool: `let pool = deck.pool(\"primary\", pool)`";
    Some(if facts.layer == Installed::No {
        spot(
            "statements_not_observed",
            Blindness::Blind,
            "statements",
            "neither the layer nor a pool is in place",
            fix,
        )
    } else {
        spot(
            "pool_not_named",
            Blindness::Partly,
            "errors of statements, waits for connections, and advice on indexes",
            "no pool was given to the deck",
            fix,
        )
    })
}

/// Statements out of which one without a request is told of.
const SOME: u64 = 100;

/// Statements belong to no request: what the layer heard of and has none, and what went through a pool of the deck's while
/// other calls of the same text were a request's.
///
/// The deck's pools take the request on the caller's side: a text that never has one there is background work.
pub(super) fn unattributed(facts: &Facts) -> Option<BlindSpot> {
    let heard = facts.heard;
    let calls = heard.calls + facts.wrapped.calls;
    let unattributed = heard.unattributed + facts.astray;
    // Where nothing is requested there is nothing to belong to.
    if facts.requests == 0 || unattributed == 0 || unattributed.saturating_mul(SOME) < calls {
        return None;
    }
    let blindness = if unattributed == calls {
        Blindness::Partly
    } else {
        Blindness::Note
    };
    const DRIVER: &str =
        "SQLite's driver told of them on a thread of its own, in no span of a request's";
    const NOBODY: &str = "in no request's task or span: in background work, or in tasks that were \
         spawned without `.in_current_span()`";
    let why = match facts.elsewhere {
        0 => format!("they ran {NOBODY}"),
        elsewhere if elsewhere >= unattributed => DRIVER.to_owned(),
        elsewhere => format!("{elsewhere} of them: {DRIVER}; the others ran {NOBODY}"),
    };
    Some(spot(
        "statements_unattributed",
        blindness,
        format!("which request {unattributed} of {calls} statements belong to"),
        why,
        if heard.unattributed == 0 {
            "spawn with `.in_current_span()`; nothing, if it is background work"
        } else {
            "use `deck.pool(name, pool)`, or open a span in each request and spawn with `.in_current_span()`; \
             nothing, if it is background work"
        },
    ))
}
