//! The process: what else it does, and what it is built of.

use perfdeck_bridge::protocol::{BlindSpot, Blindness};

use super::{Facts, spot};

/// Another deck was started before in this process.
pub(super) fn second_deck(facts: &Facts) -> Option<BlindSpot> {
    (!facts.first_deck).then(|| {
        spot(
            "second_deck",
            Blindness::Partly,
            "functions and caches under perfdeck's attributes",
            "another deck was started before in this process, and the attributes use that one",
            "start one deck a process",
        )
    })
}

/// The caches keep nothing.
pub(super) fn bypass(facts: &Facts) -> Option<BlindSpot> {
    facts.caches_bypassed.then(|| {
        spot(
            "caches_bypassed",
            Blindness::Partly,
            "what the caches would answer and save",
            "PERFDECK_CACHE=bypass: every call loads for itself, and invalidations go on",
            "start the service without PERFDECK_CACHE",
        )
    })
}

/// The process talks to Redis, and the deck was given no connection.
pub(super) fn redis(facts: &Facts) -> Option<BlindSpot> {
    let (all, own) = (facts.redis_connections?, facts.own_redis_connections);
    // Those that perfdeck's caches have can't be told from the others, and may not all be made.
    let least = all.checked_sub(own).filter(|number| *number > 0)?;
    // Which of them are wrapped the kernel doesn't tell.
    if !facts.redis.is_empty() {
        return None;
    }
    let connections = match (least, all) {
        (1, 1) => "a connection to port 6379".to_owned(),
        (least, all) if least == all => format!("{all} connections to port 6379"),
        (least, all) => format!("{least} to {all} connections to port 6379 beside its caches'"),
    };
    Some(spot(
        "redis_not_wrapped",
        Blindness::Blind,
        "commands to Redis",
        format!("the process has {connections}, and the deck was given none"),
        "wrap it: `deck.redis(\"cache\", connection)`, with the feature `redis`",
    ))
}

/// The executable was stripped, by its own list of sections or by the stacks that were taken.
pub(super) fn symbols(facts: &Facts) -> Option<BlindSpot> {
    (facts.symbols == Some(false)).then(|| {
        spot(
            "no_symbols",
            Blindness::Note,
            "call sites of statements, and the functions in any backtrace",
            "call sites are unknown: the binary has no symbols",
            "put `strip = false` and `debug = \"limited\"` under `[profile.release]`",
        )
    })
}
