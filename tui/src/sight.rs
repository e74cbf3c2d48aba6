//! What can't be seen, in words: for the Doctor's screen and its command.

use perfdeck_bridge::protocol::{BlindSpot, Blindness, Dropped, Seen};

use crate::format::{self, plural};

/// Blind spots that the verdict names.
const NAMED: usize = 3;

/// Says in one sentence whether all can be seen.
pub(crate) fn verdict(spots: &[BlindSpot], seen: &[Seen]) -> String {
    let notes = spots
        .iter()
        .filter(|spot| spot.blindness == Blindness::Note)
        .count();
    let unseen = spots.len() - notes;
    let named: Vec<&str> = spots
        .iter()
        .take(NAMED)
        .map(|spot| spot.what.as_str())
        .collect();
    let named = named.join("; ");
    let more = match spots.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; {more} more"),
    };
    let things = |number| plural(number, "thing", "things");
    match (unseen, notes) {
        // A clean bill without evidence would be silence.
        (0, 0) if seen.is_empty() => {
            "Nothing stands in the way, and nothing was seen yet.".to_owned()
        }
        (0, 0) => "Everything perfdeck looks for can be seen.".to_owned(),
        (0, notes) => format!(
            "Everything perfdeck looks for can be seen, with {} to know: {named}{more}.",
            things(notes)
        ),
        (unseen, 0) => format!("{} can't be seen: {named}{more}.", things(unseen)),
        (unseen, notes) => format!(
            "{} can't be seen, with {} to know: {named}{more}.",
            things(unseen),
            things(notes)
        ),
    }
}

/// Returns the word for how much can't be seen.
pub(crate) const fn word(blindness: Blindness) -> &'static str {
    match blindness {
        Blindness::Blind => "blind",
        Blindness::Partly => "partly",
        Blindness::Note => "note",
    }
}

/// Says that a list is not whole.
pub(crate) fn left_out(rows: u64) -> String {
    let rows = match rows {
        1 => "1 row".to_owned(),
        rows => format!("{} rows", format::count(rows)),
    };
    format!("{rows} left out")
}

/// Says what the deck did not keep, and what that means.
pub(crate) fn dropped(dropped: &Dropped) -> String {
    let parts = [
        (dropped.recordings, "recordings that no total has"),
        (dropped.overflowed, "filed under <other>"),
        (
            dropped.updates,
            "updates that a slow viewer skipped for newer ones",
        ),
        (dropped.exemplars, "requests not kept whole"),
    ];
    let told: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", format::count(*number)))
        .collect();
    if told.is_empty() {
        "nothing".to_owned()
    } else {
        told.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_names_the_worst_and_counts_the_rest() {
        let check = |kinds: &[Blindness], expected: &str| {
            let spots: Vec<BlindSpot> = ('a'..)
                .zip(kinds)
                .map(|(name, blindness)| BlindSpot {
                    kind: "x".into(),
                    blindness: *blindness,
                    what: name.into(),
                    why: "y".into(),
                    fix: "z".into(),
                })
                .collect();
            let seen = Seen {
                what: "requests".into(),
                how: "9".into(),
            };
            assert_eq!(verdict(&spots, &[seen]), expected);
        };
        use Blindness::{Blind, Note, Partly};
        check(&[], "Everything perfdeck looks for can be seen.");
        assert_eq!(
            verdict(&[], &[]),
            "Nothing stands in the way, and nothing was seen yet."
        );
        check(
            &[Note],
            "Everything perfdeck looks for can be seen, with 1 thing to know: a.",
        );
        check(&[Blind], "1 thing can't be seen: a.");
        check(
            &[Blind, Partly, Partly, Note, Note],
            "3 things can't be seen, with 2 things to know: a; b; c; 2 more.",
        );
    }

    #[test]
    fn each_kind_of_drop_says_what_it_means() {
        let check = |[recordings, overflowed, updates, exemplars]: [u64; 4], expected: &str| {
            let drops = Dropped {
                recordings,
                overflowed,
                updates,
                exemplars,
            };
            assert_eq!(dropped(&drops), expected);
        };
        check([0, 0, 0, 0], "nothing");
        check([0, 7, 0, 0], "7 filed under <other>");
        check([0, 0, 0, 3], "3 requests not kept whole");
        check(
            [1, 0, 2, 0],
            "1 recordings that no total has, 2 updates that a slow viewer skipped for newer ones",
        );
    }
}
