use perfdeck_bridge::protocol::{BlindSpot, Blindness, Level, Status};

use crate::format::{self, plural};
use crate::screen::page::{Page, ROOM, State};
use crate::screen::story;
use crate::screen::view::host;
use crate::screen::{Verdict, View};
use crate::sight;
use crate::theme::{Role, Theme};
use crate::widget::table::Column;
use crate::widget::{Canvas, piece};

pub(crate) fn verdict(view: &View<'_>, _: &State) -> Verdict {
    let Some(status) = view.data.status() else {
        return Verdict::waiting();
    };
    let level = if unseen(status) == 0 {
        Level::Good
    } else {
        Level::Near
    };
    Verdict::new(level, sight::verdict(&status.blind_spots, &status.seen))
}

/// Returns how much can't be seen, wholly or partly.
pub(crate) fn unseen(status: &Status) -> usize {
    status
        .blind_spots
        .iter()
        .filter(|spot| spot.blindness != Blindness::Note)
        .count()
}

const COLUMNS: [Column; 3] = [
    Column::left("", 0),
    Column::left("sight", 1),
    Column::fill("what can't be seen", 24),
];

pub(crate) fn draw(view: &View<'_>, state: &State, canvas: &mut Canvas<'_>) {
    let Some(status) = view.data.status() else {
        return;
    };
    if status.blind_spots.is_empty() {
        return evidence(status, canvas);
    }
    let page = Page {
        list: &state.list,
        open: state.open,
        rows: &status.blind_spots,
        columns: &COLUMNS,
        nothing: "",
        status: None,
    };
    let cells = |shown: &[&BlindSpot], theme: Theme| {
        let rows = shown.iter().map(|spot| {
            let level = level(spot.blindness);
            vec![
                piece(theme.level_mark(level), Role::from(level)),
                piece(sight::word(spot.blindness), Role::from(level)),
                host(&spot.what, Role::Text),
            ]
        });
        rows.collect()
    };
    let told = |spot: &BlindSpot, canvas: &mut Canvas<'_>| {
        let mut y = story::told(canvas, 0, "what", &spot.what, Role::Strong, 2);
        y = story::told(canvas, y, "why", &spot.why, Role::Text, 4);
        y = story::told(canvas, y, "fix", &spot.fix, Role::Good, 4);
        evidence(status, &mut canvas.below(y + 1));
    };
    page.draw(canvas, cells, told);
    let rows = state.list.shown(&status.blind_spots).len() as u16;
    // Where the story has no place under the list, there may be one for the evidence.
    if canvas.height() < ROOM && !state.open && rows > 0 {
        evidence(status, &mut canvas.below(rows + 2));
    }
}

/// Draws what is seen, what the deck costs, and what it did not keep.
fn evidence(status: &Status, canvas: &mut Canvas<'_>) {
    let mut y = 0;
    for (place, seen) in status.seen.iter().enumerate() {
        let label = if place == 0 { "seen" } else { "" };
        let text = format!("{}: {}", seen.what, seen.how);
        y = story::told(canvas, y, label, &text, Role::Text, 2);
    }
    let deck = &status.deck;
    let cost = format!(
        "{} of a core, {}, {}",
        format::share(deck.cpu_percent / 100.0),
        format::bytes(deck.memory_bytes as f64),
        plural(deck.viewers as usize, "viewer", "viewers"),
    );
    y = story::told(canvas, y, "the deck", &cost, Role::Text, 1);
    let role = if deck.dropped.recordings + deck.dropped.overflowed == 0 {
        Role::Text
    } else {
        Role::Near
    };
    story::told(
        canvas,
        y,
        "dropped",
        &sight::dropped(&deck.dropped),
        role,
        2,
    );
}

const fn level(blindness: Blindness) -> Level {
    match blindness {
        Blindness::Blind | Blindness::Partly => Level::Near,
        Blindness::Note => Level::Good,
    }
}
