//! The lines of a selected row's story: labels at the left, and what they are of.

use crate::format::printable;
use crate::theme::Role;
use crate::widget::{Canvas, Piece, piece};

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

/// Where the text of a line with a label begins on a wide screen.
pub(crate) const fn text_at(canvas: &Canvas<'_>) -> u16 {
    if canvas.width() < 60 { 1 } else { 2 + LABEL }
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
