use super::{Canvas, Piece};
use crate::format::{fit_route, width};
use crate::theme::{Mark, Role};

/// On which side a column's cells meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) align: Align,
    /// When it is dropped as room runs out: the largest first, 0 never.
    pub(crate) drop: u8,
    /// For the one column that takes what is left: the least it wants.
    pub(crate) fill: Option<u16>,
    /// How its cells are cut where there is no room for them, if not at their end.
    pub(crate) fit: Option<fn(&str, usize) -> String>,
}

impl Column {
    pub(crate) const fn left(title: &'static str, drop: u8) -> Self {
        Self {
            title,
            align: Align::Left,
            drop,
            fill: None,
            fit: None,
        }
    }

    pub(crate) const fn right(title: &'static str, drop: u8) -> Self {
        Self {
            title,
            align: Align::Right,
            drop,
            fill: None,
            fit: None,
        }
    }

    pub(crate) const fn fill(title: &'static str, least: u16) -> Self {
        Self {
            title,
            align: Align::Left,
            drop: 0,
            fill: Some(least),
            fit: None,
        }
    }

    /// A column of routes that takes what is left.
    pub(crate) const fn routes(title: &'static str, least: u16) -> Self {
        Self {
            fit: Some(fit_route),
            ..Self::fill(title, least)
        }
    }
}

/// A table ready to draw: cells of text, one list a row.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    pub(crate) columns: &'a [Column],
    pub(crate) rows: Vec<Vec<Piece>>,
    pub(crate) selected: Option<usize>,
    /// The column that the rows are sorted by.
    pub(crate) sorted: Option<&'a str>,
}

const GAP: u16 = 2;
const MARGIN: u16 = 2;

impl Table<'_> {
    /// Draws the header and as many rows as fit, those around the selected one.
    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>) {
        let widths = self.widths(canvas.width());
        let places = self.places(&widths);
        for (column, (x, room)) in self.columns.iter().zip(&places) {
            let Some(room) = room else { continue };
            let role = if self.sorted == Some(column.title) {
                Role::Strong
            } else {
                Role::Dim
            };
            let title = Column {
                fit: None,
                ..*column
            };
            cell(canvas, (*x, 0, *room), &title, column.title, role);
        }
        let height = usize::from(canvas.height().saturating_sub(1));
        let first = first_row(self.selected, self.rows.len(), height);
        let shown = self.rows.iter().enumerate().skip(first).take(height);
        for (y, (index, row)) in (1..).zip(shown) {
            let selected = self.selected == Some(index);
            if selected {
                let mark = canvas.theme().mark(Mark::Selected);
                canvas.put(0, y, mark, Role::Selected);
            }
            for ((column, piece), (x, room)) in self.columns.iter().zip(row).zip(&places) {
                let Some(room) = room else { continue };
                let role = match piece.role {
                    Role::Text | Role::Strong | Role::Dim if selected => Role::Selected,
                    role => role,
                };
                cell(canvas, (*x, y, *room), column, &piece.text, role);
            }
        }
    }

    /// Chooses the columns' widths; `None` for those without room.
    fn widths(&self, width_: u16) -> Vec<Option<u16>> {
        let natural: Vec<u16> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let cells = self.rows.iter().filter_map(|row| row.get(index));
                let cells = cells.map(|piece| width(&piece.text).min(4_096));
                cells.chain([width(column.title)]).max().unwrap_or(0) as u16
            })
            .collect();
        let mut kept: Vec<bool> = natural.iter().map(|width| *width > 0).collect();
        loop {
            let needed = |index: usize| {
                let natural = natural.get(index).copied().unwrap_or(0);
                let column = self.columns.get(index);
                column
                    .and_then(|column| column.fill)
                    .map_or(natural, |least| least.min(natural))
            };
            let used: u32 = (0..kept.len())
                .filter(|index| kept.get(*index) == Some(&true))
                .map(|index| u32::from(needed(index)) + u32::from(GAP))
                .sum();
            let total = u32::from(MARGIN) + used.saturating_sub(u32::from(GAP));
            let last = (0..kept.len())
                .filter(|index| kept.get(*index) == Some(&true))
                .max_by_key(|index| self.columns.get(*index).map_or(0, |column| column.drop))
                .filter(|index| {
                    self.columns
                        .get(*index)
                        .is_some_and(|column| column.drop > 0)
                });
            match last {
                Some(last) if total > u32::from(width_) => {
                    if let Some(kept) = kept.get_mut(last) {
                        *kept = false;
                    }
                }
                _ => return self.rooms(&natural, &kept, i64::from(width_) - i64::from(total)),
            }
        }
    }

    /// Gives the kept columns their widths, and what is left over, or missing, to the one that fills.
    fn rooms(&self, natural: &[u16], kept: &[bool], spare: i64) -> Vec<Option<u16>> {
        let rooms = self.columns.iter().zip(natural).zip(kept);
        rooms
            .map(|((column, natural), kept)| {
                let room = column.fill.map_or(i64::from(*natural), |least| {
                    (i64::from(least.min(*natural)) + spare).clamp(0, i64::from(*natural))
                });
                kept.then_some(room as u16)
            })
            .collect()
    }

    fn places(&self, widths: &[Option<u16>]) -> Vec<(u16, Option<u16>)> {
        let mut x = MARGIN;
        widths
            .iter()
            .map(|room| {
                let place = (x, *room);
                if let Some(room) = room {
                    x = x.saturating_add(*room).saturating_add(GAP);
                }
                place
            })
            .collect()
    }
}

/// Returns the first row to show so that the selected one is in the middle where it can be.
pub(crate) fn first_row(selected: Option<usize>, rows: usize, height: usize) -> usize {
    selected
        .unwrap_or(0)
        .saturating_sub(height / 2)
        .min(rows.saturating_sub(height))
}

fn cell(canvas: &mut Canvas<'_>, place: (u16, u16, u16), column: &Column, text: &str, role: Role) {
    let (x, y, room) = place;
    let mut cell = canvas.part(x, y, room, 1);
    match column.align {
        Align::Left => {
            match column.fit {
                Some(fit) => cell.put(0, 0, &fit(text, usize::from(room)), role),
                None => cell.put(0, 0, text, role),
            };
        }
        Align::Right => cell.put_before(room, 0, text, role),
    }
}
