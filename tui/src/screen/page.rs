//! A screen of one list and the story of its selected row.

use perfdeck_bridge::protocol::Status;

use crate::format::printable;
use crate::keymap::Action;
use crate::list::{List, Row};
use crate::theme::{Role, Theme};
use crate::widget::table::{Column, Table};
use crate::widget::{Canvas, Piece, piece};

/// The least height at which the story has a place under the list.
pub(super) const ROOM: u16 = 20;

/// Where in such a screen the user is.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct State {
    pub(crate) list: List,
    pub(crate) open: bool,
}

/// What is drawn on such a screen.
pub(crate) struct Page<'a, R> {
    pub(crate) list: &'a List,
    /// Whether the story is open, and so has the most room.
    pub(crate) open: bool,
    pub(crate) rows: &'a [R],
    pub(crate) columns: &'a [Column],
    /// What it says where there is no row.
    pub(crate) nothing: &'a str,
    /// The host's status, where its blind spots can be why there is no row.
    pub(crate) status: Option<&'a Status>,
}

impl State {
    /// Moves, sorts, opens or goes back, and tells whether the action was one of these.
    pub(crate) fn on_action<R: Row>(&mut self, action: Action, rows: &[R]) -> bool {
        match action {
            Action::Open => self.open = self.list.row(rows).is_some(),
            Action::Back if self.open => self.open = false,
            Action::Back => self.list.filter_mut().clear(),
            _ => return self.list.on_action(action, rows),
        }
        true
    }
}

impl<R: Row> Page<'_, R> {
    /// Draws the list and the story: one under the other where there is room, else the story instead of the list while it is
    /// open.
    pub(crate) fn draw(
        &self,
        canvas: &mut Canvas<'_>,
        cells: impl FnOnce(&[&R], Theme) -> Vec<Vec<Piece>>,
        story: impl FnOnce(&R, &mut Canvas<'_>),
    ) {
        let list = self.list;
        let shown = list.shown(self.rows);
        let place = list.place(&shown);
        let Some((place, selected)) = place.and_then(|place| Some((place, *shown.get(place)?)))
        else {
            return empty(canvas, list.filter(), self.status, self.nothing);
        };
        let table = |canvas: &mut Canvas<'_>| {
            Table {
                columns: self.columns,
                rows: cells(&shown, canvas.theme()),
                selected: Some(place),
                sorted: list.order::<R>().map(|sort| sort.title),
            }
            .draw(canvas);
        };
        let height = canvas.height();
        if height < ROOM {
            if self.open {
                story(selected, canvas);
            } else {
                table(canvas);
            }
            return;
        }
        let share = if self.open { height / 3 } else { height / 2 };
        let top = (shown.len() as u16).saturating_add(1).min(share);
        table(&mut canvas.part(0, 0, u16::MAX, top));
        canvas.rule(top + 1);
        story(selected, &mut canvas.below(top + 2));
    }
}

/// Draws why a table is empty: the filter, what can't be seen, or that there was nothing.
pub(crate) fn empty(canvas: &mut Canvas<'_>, filter: &str, status: Option<&Status>, word: &str) {
    if !filter.is_empty() {
        let filter = printable(filter, 40);
        let text = format!("No row holds `{filter}`; esc clears the filter.");
        canvas.paragraph(2, 1, &text, Role::Dim, 2);
        return;
    }
    let mut y = 1 + canvas.paragraph(2, 1, word, Role::Dim, 3);
    let blind_spots = status.map(|status| status.blind_spots.as_slice());
    for blind in blind_spots.unwrap_or_default() {
        y += 1;
        let text = format!("Not seen: {}, since {}.", blind.what, blind.why);
        y += canvas.paragraph(2, y, &text, Role::Near, 3);
        y += canvas.paragraph(2, y, &blind.fix, Role::Text, 2);
    }
    if status.is_some() {
        let words = piece(" Doctor says what can be seen, and what can't.", Role::Dim);
        canvas.line(2, y + 1, &[piece("0", Role::Key), words]);
    }
}
