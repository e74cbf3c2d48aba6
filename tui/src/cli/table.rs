use crate::format::{printable, width};

/// The widest that a cell of foreign text gets.
const CELL: usize = 100;

/// Lays rows out in columns: those whose title begins with a space meet at the right, the last one is as long as it is.
pub(super) fn render(titles: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| printable(cell, CELL)).collect())
        .collect();
    let widths: Vec<usize> = titles
        .iter()
        .enumerate()
        .map(|(column, title)| {
            let cells = rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| width(cell));
            cells.chain([width(title.trim())]).max().unwrap_or(0)
        })
        .collect();
    let heading: Vec<String> = titles
        .iter()
        .map(|title| title.trim().to_uppercase())
        .collect();
    let mut text = String::new();
    for row in std::iter::once(&heading).chain(&rows) {
        let mut line = String::new();
        for ((cell, title), room) in row.iter().zip(titles).zip(&widths) {
            let space = " ".repeat(room.saturating_sub(width(cell)));
            let right = title.starts_with(' ');
            let (before, after) = if right {
                (space.as_str(), "")
            } else {
                ("", space.as_str())
            };
            line.push_str(&format!("{before}{cell}{after}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
