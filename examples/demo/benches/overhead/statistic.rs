//! How sure a ratio is.

/// Student's t for a two-sided 95 % interval, by degrees of freedom from 1 on.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

/// The mean of ratios, and between which bounds it lies with 95 % confidence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interval {
    pub(crate) mean: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Interval {
    /// Computes it on the logarithms, where twice and half are equally far; `None` for fewer than two pairs, and where a
    /// ratio is not a positive number.
    pub(crate) fn of(ratios: impl IntoIterator<Item = f64>) -> Option<Self> {
        let logs: Vec<f64> = ratios.into_iter().map(f64::ln).collect();
        if logs.len() < 2 || logs.iter().any(|log| !log.is_finite()) {
            return None;
        }
        let n = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / n;
        let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let margin = t(logs.len() - 1) * (variance / n).sqrt();
        Some(Self {
            mean: mean.exp(),
            low: (mean - margin).exp(),
            high: (mean + margin).exp(),
        })
    }
}

/// Beyond the table an approximation that is right to two digits.
fn t(degrees: usize) -> f64 {
    let listed = degrees.checked_sub(1).and_then(|index| T.get(index));
    listed.copied().unwrap_or(1.96 + 2.4 / degrees as f64)
}
