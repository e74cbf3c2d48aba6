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

/// The process talks to Redis.
pub(super) fn redis(facts: &Facts) -> Option<BlindSpot> {
    let connections = facts.redis_connections.filter(|number| *number > 0)?;
    let connections = match connections {
        1 => "a connection".to_owned(),
        number => format!("{number} connections"),
    };
    Some(spot(
        "redis_not_wrapped",
        Blindness::Blind,
        "commands to Redis",
        format!("the process has {connections} to port 6379, and perfdeck does not time commands"),
        "put `#[perfdeck::monitor]` on the functions that call it",
    ))
}

/// The executable was stripped.
pub(super) fn symbols(facts: &Facts) -> Option<BlindSpot> {
    (facts.symbols == Some(false)).then(|| {
        spot(
            "no_symbols",
            Blindness::Note,
            "names of functions in backtraces, of a panic say",
            "the executable has no table of symbols: it was stripped",
            "build it with `strip = \"debuginfo\"` or `strip = false` in its profile",
        )
    })
}
