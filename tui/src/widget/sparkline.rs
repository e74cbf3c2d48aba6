use crate::theme::Theme;

/// Renders the latest values as one line of columns, `width` wide.
///
/// A longer series is told by the largest value of each stretch, so that no peak is lost; missing values are blanks. The
/// scale is the series' own, but never finer than a third of its largest value: noise stays flat.
pub(crate) fn render(theme: Theme, values: &[f32], width: u16) -> String {
    let columns = squeeze(values, usize::from(width));
    let (low, span) = scale(&columns);
    let mut line = " ".repeat(usize::from(width).saturating_sub(columns.len()));
    line.extend(columns.iter().map(|value| {
        if value.is_finite() {
            theme.column(1 + ((value - low) / span * 7.0).round().clamp(0.0, 7.0) as usize)
        } else {
            ' '
        }
    }));
    line
}

/// Reduces a series to at most `width` values, keeping each stretch's largest.
pub(crate) fn squeeze(values: &[f32], width: usize) -> Vec<f32> {
    if values.len() <= width {
        return values.to_vec();
    }
    (0..width)
        .map(|column| {
            let from = column * values.len() / width;
            let to = ((column + 1) * values.len() / width).max(from + 1);
            let stretch = values.get(from..to).unwrap_or_default();
            stretch.iter().copied().fold(f32::NAN, f32::max)
        })
        .collect()
}

/// Brings a series to `width` values: a longer one is squeezed, of a shorter one each value is told several times.
pub(crate) fn stretch(values: &[f32], width: usize) -> Vec<f32> {
    if values.len() >= width {
        return squeeze(values, width);
    }
    let place = |column: usize| column * values.len() / width;
    (0..width)
        .filter_map(|column| values.get(place(column)).copied())
        .collect()
}

fn scale(values: &[f32]) -> (f32, f32) {
    let known = values.iter().copied().filter(|value| value.is_finite());
    let low = known.clone().fold(f32::INFINITY, f32::min);
    let high = known.fold(f32::NEG_INFINITY, f32::max);
    let span = (high - low).max(high.abs() / 3.0);
    if span.is_finite() && span > 0.0 {
        (low, span)
    } else {
        (low, 1.0)
    }
}
