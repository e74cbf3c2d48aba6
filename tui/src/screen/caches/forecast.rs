//! What other policies would bring to the selected cache: the curve over its capacity, and the others in numbers.

use perfdeck_bridge::protocol::{CacheForecast, CacheRow, Forecast, ForecastSilence};

use crate::format;
use crate::screen::story::{self, number};
use crate::theme::{Mark, Role};
use crate::widget::{Canvas, Piece, chart, piece};

/// Lines that the curve takes at the most, its axis not counted.
const HIGHEST: u16 = 7;
/// Lines that it needs.
const LEAST: u16 = 3;

/// Draws the numbers, and returns the next line.
pub(super) fn numbers(row: &CacheRow, canvas: &mut Canvas<'_>, y: u16) -> u16 {
    let Some(said) = &row.forecast else {
        return y;
    };
    let mut y = y;
    if let Some(words) = silence(said) {
        y = story::told(canvas, y, "forecast", &words, Role::Dim, 2);
    }
    for (label, list) in [("eviction", &said.evictions), ("time to live", &said.ttls)] {
        if !list.is_empty() {
            let told: Vec<_> = list
                .iter()
                .map(|other| alternative(label, other, said))
                .collect();
            y = story::listed(canvas, y, label, &told);
        }
    }
    y
}

/// Draws the curve in the lines from `y` on where there is room and something to draw; returns the next free line.
pub(super) fn curve(row: &CacheRow, canvas: &mut Canvas<'_>, y: u16) -> u16 {
    let points = row
        .forecast
        .as_ref()
        .map_or(&[][..], |said| &said.capacities);
    let room = canvas.height().saturating_sub(y);
    if points.len() < 2 || room < LEAST + 1 {
        return y;
    }
    let rows = (room - 1).min(HIGHEST);
    let x = story::text_at(canvas);
    canvas.put(2, y, if x > 2 { "by capacity" } else { "" }, Role::Dim);
    let width = canvas.width().saturating_sub(x + 2);
    let ratios: Vec<f32> = (0..width)
        .map(|column| at(points, f64::from(column) / f64::from(width.max(2) - 1)))
        .collect();
    let mut part = canvas.part(x, y, width, rows);
    let left = chart::draw(&mut part, &ratios, format::share);
    let mut axis = canvas.part(x + left, y + rows, width.saturating_sub(left), 1);
    sizes(row, points, &mut axis);
    y + rows + 1
}

/// Draws the capacities under their places; today's is marked, and others give way to it.
fn sizes(row: &CacheRow, points: &[Forecast], axis: &mut Canvas<'_>) {
    let last = points.len().saturating_sub(1).max(1) as u16;
    let width = axis.width();
    let told = |point: &Forecast| {
        if row.capacity_in_bytes {
            format::bytes(point.capacity as f64)
        } else {
            format::count(point.capacity)
        }
    };
    let mut labels: Vec<(bool, u16, String)> = (0..)
        .zip(points)
        .map(|(number, point): (u16, _)| {
            let now = point.capacity == row.capacity;
            let text = if now {
                let mark = axis.theme().mark(Mark::Over);
                format!("{mark} {} now", told(point))
            } else {
                told(point)
            };
            let middle = width.saturating_sub(1) * number / last;
            let long = format::width(&text) as u16;
            let start = middle
                .saturating_sub(long / 2)
                .min(width.saturating_sub(long));
            (now, start, text)
        })
        .collect();
    labels.sort_by_key(|(now, start, _)| (!*now, *start));
    let mut taken: Vec<(u16, u16)> = Vec::new();
    for (now, start, text) in labels {
        let end = start + format::width(&text) as u16;
        if end <= width
            && taken
                .iter()
                .all(|(from, to)| end + 1 < *from || start > *to + 1)
        {
            axis.put(start, 0, &text, if now { Role::Strong } else { Role::Dim });
            taken.push((start, end));
        }
    }
}

/// The hit ratio at a place from 0 to 1 along the capacities, each twice the one before.
fn at(points: &[Forecast], place: f64) -> f32 {
    let place = place.clamp(0.0, 1.0) * (points.len() - 1) as f64;
    let below = place.floor() as usize;
    let ratio = |number: usize| points.get(number).map_or(f64::NAN, |point| point.hit_ratio);
    let (left, right) = (ratio(below), ratio((below + 1).min(points.len() - 1)));
    (left + (right - left) * (place - below as f64)) as f32
}

fn alternative(label: &str, other: &Forecast, said: &CacheForecast) -> Piece {
    let name = if label == "eviction" {
        other.eviction.clone()
    } else {
        super::view::duration(other.ttl_seconds)
    };
    let told = number(&name, told(other));
    let gain = other.hit_ratio - other.error - said.predicted.unwrap_or(other.hit_ratio);
    if gain > 0.0 {
        piece(told.text, Role::Good)
    } else {
        told
    }
}

/// A hit ratio with what it may be off by, and what it saves.
pub(crate) fn told(other: &Forecast) -> String {
    let saved = other.saved_seconds_per_second;
    let sign = if saved < 0.0 { "-" } else { "+" };
    let seconds = format::seconds(saved.abs());
    format!(
        "{}±{:.0} {sign}{seconds}/s",
        format::share(other.hit_ratio),
        (other.error * 100.0).ceil()
    )
}

/// Why there is no forecast, or not all of it.
pub(crate) fn silence(said: &CacheForecast) -> Option<String> {
    let words = match said.silence? {
        ForecastSilence::TooFewLookups => {
            let so_far = format::count(said.lookups);
            return Some(format!(
                "none yet: it takes 10 000 look-ups, and saw {so_far}."
            ));
        }
        ForecastSilence::Off => {
            let share = |ratio: Option<f64>| format::maybe(ratio, format::share);
            return Some(format!(
                "none: it would have said {} of what is now {}, so it is not to be trusted here.",
                share(said.predicted),
                share(said.measured)
            ));
        }
        ForecastSilence::NeverFull => "of its size none: it was never full.",
        ForecastSilence::Unsure => "none: the sampled keys differ too much to tell.",
        ForecastSilence::NoRoom => "none: the deck has no room for it in its own budget.",
        ForecastSilence::NotSampled => "none: look-ups of this kind are not sampled.",
        ForecastSilence::Other => "none, for a reason that this perfdeck does not know.",
    };
    Some(words.to_owned())
}
