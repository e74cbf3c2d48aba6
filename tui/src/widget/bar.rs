use crate::theme::Theme;

/// Renders a share of one as a bar, in eighths of a cell, `width` wide.
pub(crate) fn render(theme: Theme, share: f64, width: u16) -> String {
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let eighths = (share * f64::from(width) * 8.0).round() as usize;
    // What is there at all is seen.
    let eighths = if share > 0.0 { eighths.max(1) } else { 0 };
    (0..usize::from(width))
        .map(|cell| theme.bar(eighths.saturating_sub(cell * 8)))
        .collect()
}

/// Returns what a full bar stands for: the largest of the shares that are shown together.
pub(crate) fn full(shares: impl Iterator<Item = f64>) -> f64 {
    let most = shares.filter(|share| share.is_finite()).fold(0.0, f64::max);
    if most > 0.0 { most } else { 1.0 }
}
