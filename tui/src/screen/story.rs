//! How a screen is shared between its list and the selected row's story.

use crate::format::printable;
use crate::theme::Role;
use crate::widget::{Canvas, Piece, piece};

/// The least height at which the story has a place under the list.
const ROOM: u16 = 20;

/// Draws the list and the story: one under the other where there is room, else the story instead of the list while it is
/// open.
pub(crate) fn split(
    canvas: &mut Canvas<'_>,
    rows: usize,
    open: bool,
    list: impl FnOnce(&mut Canvas<'_>),
    story: impl FnOnce(&mut Canvas<'_>),
) {
    let height = canvas.height();
    if height < ROOM || rows == 0 {
        if open && rows > 0 {
            story(&mut canvas.part(0, 0, u16::MAX, height));
        } else {
            list(canvas);
        }
        return;
    }
    let share = if open { height / 3 } else { height / 2 };
    let top = (rows as u16).saturating_add(1).min(share);
    list(&mut canvas.part(0, 0, u16::MAX, top));
    canvas.rule(top + 1);
    story(&mut canvas.below(top + 2));
}

/// The width of the labels at the left of a story.
const LABEL: u16 = 13;

/// Draws a label and its text over at most `lines` lines, and returns the next free line.
pub(crate) fn told(
    canvas: &mut Canvas<'_>,
    y: u16,
    label: &str,
    text: &str,
    role: Role,
    lines: u16,
) -> u16 {
    let x = label_at(canvas, y, label);
    y + canvas.paragraph(x, y, text, role, lines).max(1)
}

/// Draws a label and one line of pieces, of which those that don't fit are left out, and returns the next line.
pub(crate) fn listed(canvas: &mut Canvas<'_>, y: u16, label: &str, pieces: &[Piece]) -> u16 {
    let x = label_at(canvas, y, label);
    canvas.whole(x, y, 3, pieces);
    y + 1
}

/// Draws a label and lines as they are, each cut to the width, and returns the next line.
pub(crate) fn verbatim(
    canvas: &mut Canvas<'_>,
    y: u16,
    label: &str,
    lines: &[impl AsRef<str>],
) -> u16 {
    let x = label_at(canvas, y, label);
    for (y, line) in (y..).zip(lines) {
        canvas.put(x, y, line.as_ref(), Role::Text);
    }
    y.saturating_add((lines.len() as u16).max(1))
}

/// Makes a piece of a number and what it is.
pub(crate) fn number(name: &str, value: impl AsRef<str>) -> Piece {
    piece(
        printable(&format!("{name} {}", value.as_ref()), 256),
        Role::Text,
    )
}

fn label_at(canvas: &mut Canvas<'_>, y: u16, label: &str) -> u16 {
    // On a narrow screen a label stands before its text rather than in a column of its own.
    if canvas.width() < 60 {
        let x = canvas.put(1, y, label, Role::Dim);
        if label.is_empty() { 1 } else { x + 1 }
    } else {
        canvas.put(2, y, label, Role::Dim);
        2 + LABEL
    }
}
