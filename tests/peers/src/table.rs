//! The cells of a table.

/// Writes a number with so many digits after the point, and a dash where there is none.
#[must_use]
pub fn number(value: f64, digits: usize) -> String {
    if value.is_finite() {
        // No minus before a zero.
        let text = format!("{value:.digits$}");
        let is_zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
        if is_zero { text.replace('-', "") } else { text }
    } else {
        "-".to_owned()
    }
}
