use super::Canvas;
use super::sparkline::stretch;
use crate::format::width;
use crate::theme::{Mark, Role};

/// Draws a series over the whole area, from zero to its largest value, with both ends of the scale at the left; returns where
/// the series begins.
pub(crate) fn draw(canvas: &mut Canvas<'_>, values: &[f32], tell: impl Fn(f64) -> String) -> u16 {
    let theme = canvas.theme();
    let highest = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .fold(0.0, f32::max);
    let (top, bottom) = (tell(f64::from(highest)), tell(0.0));
    let margin = width(&top).max(width(&bottom)) as u16;
    let rows = canvas.height();
    let left = margin + 2;
    if rows == 0 || canvas.width() <= left {
        return left;
    }
    canvas.put_before(margin, 0, &top, Role::Dim);
    if rows > 1 {
        canvas.put_before(margin, rows - 1, &bottom, Role::Dim);
    }
    for row in 0..rows {
        canvas.put(margin + 1, row, theme.mark(Mark::Upright), Role::Rule);
    }
    let columns = stretch(values, usize::from(canvas.width() - left));
    for (x, value) in (left..).zip(columns) {
        if !value.is_finite() {
            continue;
        }
        let share = if highest > 0.0 {
            (value / highest).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let eighths = ((share * f32::from(rows) * 8.0).round() as usize).max(1);
        for row in 0..rows {
            let filled = eighths.saturating_sub(usize::from(rows - 1 - row) * 8);
            if filled > 0 {
                canvas.put(
                    x,
                    row,
                    theme.column(filled).encode_utf8(&mut [0; 4]),
                    Role::Graph,
                );
            }
        }
    }
    left
}
