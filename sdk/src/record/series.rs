//! A number over time, at three resolutions.

use std::collections::VecDeque;

/// Seconds to a point, and points.
const TIERS: [(u64, usize); 3] = [(1, 15 * 60), (10, 6 * 360), (60, 7 * 24 * 60)];

/// The values of one series; a point of a coarser tier is the mean of what it covers.
#[derive(Debug, Default)]
pub(crate) struct Series {
    tiers: [Tier; 3],
}

#[derive(Debug, Default)]
struct Tier {
    points: VecDeque<f32>,
    sum: f64,
    values: u32,
    covered: u64,
}

impl Series {
    /// Adds one second's value; `None` where nothing was seen.
    pub(crate) fn push(&mut self, value: Option<f64>) {
        for (tier, (width, most)) in self.tiers.iter_mut().zip(TIERS) {
            if let Some(value) = value {
                tier.sum += value;
                tier.values += 1;
            }
            tier.covered += 1;
            if tier.covered < width {
                continue;
            }
            let mean = tier.sum / f64::from(tier.values);
            (tier.sum, tier.values, tier.covered) = (0.0, 0, 0);
            if tier.points.len() == most {
                tier.points.pop_front();
            }
            tier.points.push_back(mean as f32);
        }
    }

    /// The last `points` values of the tier of `seconds` a point, oldest first; `NaN` where nothing was seen.
    pub(crate) fn recent(&self, seconds: u64, points: usize) -> Vec<f32> {
        let tier = TIERS
            .iter()
            .position(|(width, _)| *width == seconds)
            .unwrap_or(0);
        let kept = &self.tiers[tier].points;
        kept.iter()
            .skip(kept.len().saturating_sub(points))
            .copied()
            .collect()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.tiers
            .iter()
            .map(|tier| tier.points.capacity() * size_of::<f32>())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarser_points_are_means_of_what_was_seen() {
        let mut series = Series::default();
        for second in 0..20 {
            series.push((second % 2 == 0).then_some(f64::from(second)));
        }
        assert_eq!(series.recent(10, 5), [4.0, 14.0]);
        assert!(series.recent(1, 1)[0].is_nan());
    }

    #[test]
    fn a_series_is_bounded() {
        let mut series = Series::default();
        (0..2_000_000).for_each(|_| series.push(Some(1.0)));
        assert!(series.bytes() < 128 * 1024, "{}", series.bytes());
    }
}
