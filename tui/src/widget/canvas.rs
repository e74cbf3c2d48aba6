use perfdeck_bridge::protocol::Level;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::format::{fit, printable, width, wrap};
use crate::theme::{Mark, Role, Theme};

/// An area to draw on, with its theme.
///
/// Places are relative to the area, and what falls outside is not drawn. All text is made harmless here, so that no view
/// can forget it.
#[derive(Debug)]
pub(crate) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    theme: Theme,
}

/// Text with its role; a line is a list of pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) role: Role,
}

/// Makes a piece.
pub(crate) fn piece(text: impl Into<String>, role: Role) -> Piece {
    Piece {
        text: text.into(),
        role,
    }
}

impl<'a> Canvas<'a> {
    /// Takes the part of `area` that the buffer has.
    pub(crate) fn new(buffer: &'a mut Buffer, area: Rect, theme: Theme) -> Self {
        let area = area.intersection(buffer.area);
        Self {
            buffer,
            area,
            theme,
        }
    }

    pub(crate) const fn theme(&self) -> Theme {
        self.theme
    }

    pub(crate) const fn width(&self) -> u16 {
        self.area.width
    }

    pub(crate) const fn height(&self) -> u16 {
        self.area.height
    }

    /// Returns the part at a place; its places begin at zero again.
    pub(crate) fn part(&mut self, x: u16, y: u16, width: u16, height: u16) -> Canvas<'_> {
        let (x, y) = (x.min(self.area.width), y.min(self.area.height));
        let area = Rect {
            x: self.area.x + x,
            y: self.area.y + y,
            width: width.min(self.area.width - x),
            height: height.min(self.area.height - y),
        };
        Canvas {
            buffer: self.buffer,
            area,
            theme: self.theme,
        }
    }

    /// Returns the lines from `y` on.
    pub(crate) fn below(&mut self, y: u16) -> Canvas<'_> {
        self.part(0, y, u16::MAX, u16::MAX)
    }

    /// Draws text and returns the place after it; a text that is too wide ends in `…`.
    pub(crate) fn put(&mut self, x: u16, y: u16, text: &str, role: Role) -> u16 {
        let room = self.area.width.saturating_sub(x);
        if room == 0 || y >= self.area.height {
            return x;
        }
        let shown: String = printable(text, usize::from(room))
            .chars()
            .map(|char| self.theme.glyph(char))
            .collect();
        self.buffer.set_stringn(
            self.area.x + x,
            self.area.y + y,
            &shown,
            usize::from(room),
            self.theme.style(role),
        );
        x.saturating_add(width(&shown) as u16)
    }

    /// Draws text so that it ends before `end`.
    pub(crate) fn put_before(&mut self, end: u16, y: u16, text: &str, role: Role) {
        let text = printable(text, usize::from(end.min(self.area.width)));
        self.put(end.saturating_sub(width(&text) as u16), y, &text, role);
    }

    /// Draws pieces one after the other and returns the place after them.
    pub(crate) fn line(&mut self, x: u16, y: u16, pieces: &[Piece]) -> u16 {
        pieces
            .iter()
            .fold(x, |x, piece| self.put(x, y, &piece.text, piece.role))
    }

    /// Draws as many of the pieces as fit whole, with a gap between them, and returns the place after them.
    pub(crate) fn whole(&mut self, x: u16, y: u16, gap: u16, pieces: &[Piece]) -> u16 {
        let mut end = x;
        for piece in pieces {
            let start = if end == x { x } else { end + gap };
            let text = printable(&piece.text, usize::from(u16::MAX));
            if usize::from(start) + width(&text) > usize::from(self.area.width) {
                break;
            }
            end = self.put(start, y, &text, piece.role);
        }
        end
    }

    /// Draws text over at most `lines` lines and returns how many it took.
    pub(crate) fn paragraph(&mut self, x: u16, y: u16, text: &str, role: Role, lines: u16) -> u16 {
        let room = usize::from(self.area.width.saturating_sub(x));
        let lines = lines.min(self.area.height.saturating_sub(y));
        let wrapped = paragraph_lines(text, room, usize::from(lines));
        for (line, text) in (y..).zip(&wrapped) {
            self.put(x, line, text, role);
        }
        wrapped.len() as u16
    }

    /// Draws a rule over the whole width.
    pub(crate) fn rule(&mut self, y: u16) {
        let stroke = self
            .theme
            .mark(Mark::Rule)
            .repeat(usize::from(self.area.width));
        self.put(0, y, &stroke, Role::Rule);
    }

    /// Draws a level's mark.
    pub(crate) fn mark(&mut self, x: u16, y: u16, level: Level) {
        self.put(x, y, self.theme.level_mark(level), Role::from(level));
    }

    /// Empties the area.
    pub(crate) fn clear(&mut self) {
        for y in self.area.top()..self.area.bottom() {
            for x in self.area.left()..self.area.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                }
            }
        }
    }
}

/// Breaks foreign text into harmless lines, keeping its own breaks.
pub(crate) fn paragraph_lines(text: &str, room: usize, lines: usize) -> Vec<String> {
    let mut broken: Vec<String> = Vec::new();
    // What can't be shown need not be made harmless.
    let limit = room.saturating_mul(lines.saturating_add(1));
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let left = lines.saturating_sub(broken.len());
        if left == 0 {
            if let Some(last) = broken.last_mut() {
                *last = fit(&format!("{last} …"), room);
            }
            break;
        }
        broken.extend(wrap(&printable(line, limit), room, left));
    }
    broken
}
