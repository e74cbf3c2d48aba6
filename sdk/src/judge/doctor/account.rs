//! The deck's own account: what it did not keep, and by which clock it tells.

use perfdeck_bridge::protocol::{BlindSpot, Blindness, BudgetLevel};

use super::{Facts, MOST_DEATHS, spot};
use crate::record::table::MAX_KEYS;

/// The deck's own agent died, or steps of its panicked.
pub(crate) fn agent(deaths: u32, panics: u64) -> Option<BlindSpot> {
    let report = "report it with what the service logged about it";
    match deaths {
        0 if panics == 0 => None,
        0 => Some(spot(
            "agent_panicked",
            Blindness::Partly,
            "what the deck was about to tell",
            format!("{panics} steps of its agent panicked; the agent went on"),
            report,
        )),
        deaths if deaths < MOST_DEATHS => Some(spot(
            "agent_died",
            Blindness::Partly,
            "what was before the deck's agent died",
            "it was started anew, once, and knows nothing of before",
            report,
        )),
        deaths => Some(spot(
            "agent_dead",
            Blindness::Blind,
            "anything",
            format!("the deck's agent died {deaths} times, and is not started again"),
            "restart the service to observe it, and report it with what the service logged about it",
        )),
    }
}

/// Recordings were dropped.
pub(super) fn recordings(facts: &Facts) -> Option<BlindSpot> {
    let dropped = facts.dropped.recordings.saturating_sub(facts.refused);
    (dropped > 0).then(|| {
        spot(
            "recordings_dropped",
            Blindness::Partly,
            format!("{dropped} recordings, which no total has"),
            "their threads were ending, or found the deck's place for them taken",
            "none is needed while the number stands still; report it if it grows",
        )
    })
}

/// Recordings were kept in part.
pub(super) fn refused(facts: &Facts) -> Option<BlindSpot> {
    let refused = facts.refused;
    (refused > 0).then(|| {
        spot(
            "recordings_refused",
            Blindness::Partly,
            format!("the durations of {refused} recordings, or which function they were"),
            "more was recorded within a second than there is memory for between the service's threads and the deck's",
            "fewer distinct routes, statements and functions at a time take less",
        )
    })
}

/// There were more keys than are kept apart.
pub(super) fn overflowed(facts: &Facts) -> Option<BlindSpot> {
    let overflowed = facts.dropped.overflowed;
    (overflowed > 0).then(|| {
        spot(
            "keys_overflowed",
            Blindness::Partly,
            format!(
                "the names of {overflowed} recordings, which are in `<other>` and in the totals"
            ),
            format!("there were more than {MAX_KEYS} routes, statements or functions at once"),
            "pass values as parameters, and give paths of one kind one template",
        )
    })
}

/// The deck gives something up to stay within its budget.
pub(super) fn budget(facts: &Facts) -> Option<BlindSpot> {
    let (blindness, what) = match facts.level {
        BudgetLevel::Full | BudgetLevel::Other => return None,
        BudgetLevel::CoarseHistory => (
            Blindness::Note,
            "percentiles of history by the minute, which are up to 7 % off",
        ),
        BudgetLevel::NoExemplars => (
            Blindness::Partly,
            "single requests: none is kept whole any more",
        ),
        BudgetLevel::ShortHistory => (
            Blindness::Partly,
            "single requests, history by the second of more than two minutes, and at last the names of the least busy keys",
        ),
    };
    Some(spot(
        "budget_level",
        blindness,
        what,
        format!(
            "the deck stepped down to stay within its budget: {}",
            facts.over_budget
        ),
        "fewer distinct routes and statements cost less; or raise `Builder::memory_limit` or `Builder::cpu_limit`",
    ))
}

/// The wall clock was set.
pub(super) fn jump(facts: &Facts) -> Option<BlindSpot> {
    let jump = facts.jump?;
    let (seconds, way) = if jump.seconds < 0.0 {
        (-jump.seconds, "back")
    } else {
        (jump.seconds, "forward")
    };
    let minutes = jump.age_seconds / 60;
    let ago = match minutes {
        0 => "less than a minute".to_owned(),
        1 => "a minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    };
    Some(spot(
        "clock_jump",
        Blindness::Note,
        "the time of day of what the screens tell",
        format!(
            "the clock went {seconds:.0} s {way} {ago} ago, or the machine slept; times are told by \
             the clock at the service's start"
        ),
        "restart the service where the time of day matters; durations and rates are right",
    ))
}

/// The flight recorder can't write.
pub(super) fn recorder(facts: &Facts) -> Option<BlindSpot> {
    let recording = facts.recording.as_ref()?;
    let error = recording.error.as_ref()?;
    Some(spot(
        "recording_failed",
        Blindness::Partly,
        "the present, in the flight recorder's file",
        format!("{} can't be written: {error}", recording.path),
        "make room or give the folder to the service's user; each second tries again",
    ))
}
