//! The commands to Redis, between the pools and the numbers.

use perfdeck_bridge::protocol::{Host, RedisRow};

use crate::format::{self, TimeUnit};
use crate::screen::view::host as said;
use crate::theme::Role;
use crate::widget::table::{Column, Table};
use crate::widget::{Canvas, piece};

/// The most lines that the commands take; `perfdeck redis` lists them all.
const MOST: usize = 4;
/// The share of failed calls from which a command is told of, and the least number of them.
const FAILING: f64 = 0.05;
const FEW: u64 = 10;

const COLUMNS: [Column; 7] = [
    Column::fill("redis", 12),
    Column::right("rate", 2),
    Column::right("p50", 4),
    Column::right("p95", 0),
    Column::right("errors", 1),
    Column::right("time-outs", 5),
    Column::right("calls", 3),
];

/// Says which command fails, if one does.
pub(super) fn failing(host: &Host) -> Option<String> {
    let failing = host.redis.iter().filter(|row| fails(row));
    let worst = failing.max_by(|a, b| a.error_ratio.total_cmp(&b.error_ratio))?;
    Some(format!(
        "{} of `{}` on the Redis connection `{}` fail.",
        format::share(worst.error_ratio),
        worst.command,
        worst.connection
    ))
}

fn fails(row: &RedisRow) -> bool {
    row.error_ratio > FAILING && row.errors >= FEW
}

/// Draws those that take the most time, and returns the next free line.
pub(super) fn draw(host: &Host, canvas: &mut Canvas<'_>) -> u16 {
    let shown = host.redis.iter().take(MOST);
    let unit = TimeUnit::of(shown.clone().filter_map(|row| row.p95_seconds));
    let time = |seconds| {
        let told = format::maybe(seconds, |seconds| unit.tell(seconds));
        piece(told, Role::Text)
    };
    let rows = shown.map(|row| {
        let errors = if fails(row) { Role::Near } else { Role::Text };
        vec![
            said(&format!("{} {}", row.connection, row.command), Role::Text),
            piece(format::rate(row.calls_per_second), Role::Text),
            time(row.p50_seconds),
            time(row.p95_seconds),
            piece(format::share(row.error_ratio), errors),
            piece(format::count(row.timeouts), Role::Text),
            piece(format::count(row.calls), Role::Dim),
        ]
    });
    let table = Table {
        columns: &COLUMNS,
        rows: rows.collect(),
        selected: None,
        sorted: None,
    };
    let lines = table.rows.len() as u16 + 1;
    table.draw(&mut canvas.part(0, 0, u16::MAX, lines));
    canvas.rule(lines);
    lines + 1
}
