//! How the values of some columns spread, from a bounded number of rows; of a value only a hash is kept.

use std::collections::HashMap;

/// Rows read of one table at most.
pub(super) const ROWS: usize = 2_000;

/// Hashes of the sampled values, a row an entry.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<u64>>,
}

impl Sample {
    /// Whether values of a column or an expression were sampled.
    pub(super) fn has(&self, name: &str) -> bool {
        self.columns
            .iter()
            .any(|column| column.eq_ignore_ascii_case(name))
    }

    /// Estimates how many different combinations these columns have among `total` rows; `None` for a column that was not
    /// sampled.
    ///
    /// The first-order jackknife of Haas and Stokes: values seen once stand for others that were not seen.
    pub(super) fn distinct(&self, names: &[&str], total: f64) -> Option<f64> {
        let counts = self.counts(names)?;
        let seen = self.rows.len() as f64;
        if seen == 0.0 {
            return Some(1.0);
        }
        let different = counts.len() as f64;
        if seen >= total {
            return Some(different.max(1.0));
        }
        let once = counts.values().filter(|count| **count == 1).count() as f64;
        let estimate = seen * different / (seen - once + once * seen / total).max(1.0);
        Some(estimate.clamp(different.max(1.0), total.max(1.0)))
    }

    /// Estimates the rows of a combination that is picked as often as it occurs, so that common values weigh more.
    pub(super) fn typical(&self, names: &[&str], total: f64) -> Option<f64> {
        let counts = self.counts(names)?;
        let seen = self.rows.len() as f64;
        if seen < 2.0 {
            return Some(total);
        }
        let pairs: f64 = counts
            .values()
            .map(|count| f64::from(*count) * f64::from(count - 1))
            .sum();
        Some((total * pairs / (seen * (seen - 1.0))).max(1.0))
    }

    fn counts(&self, names: &[&str]) -> Option<HashMap<Vec<u64>, u32>> {
        let positions: Option<Vec<usize>> = names
            .iter()
            .map(|name| {
                self.columns
                    .iter()
                    .position(|column| column.eq_ignore_ascii_case(name))
            })
            .collect();
        let positions = positions?;
        let mut counts = HashMap::new();
        for row in &self.rows {
            let key = positions
                .iter()
                .filter_map(|position| row.get(*position).copied())
                .collect();
            *counts.entry(key).or_insert(0) += 1;
        }
        Some(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: impl Iterator<Item = u64>) -> Sample {
        Sample {
            columns: vec!["a".into()],
            rows: values.map(|value| vec![value]).collect(),
        }
    }

    #[test]
    fn distinct_values_are_estimated_from_few_and_from_many() {
        // All different: as many as rows. Ten values: ten. All read: as they are.
        assert_eq!(sample(0..1_000).distinct(&["a"], 1e6), Some(1e6));
        assert_eq!(
            sample((0..1_000).map(|row| row % 10)).distinct(&["A"], 1e6),
            Some(10.0)
        );
        assert_eq!(sample(0..1_000).distinct(&["a"], 1_000.0), Some(1_000.0));
        assert_eq!(sample(0..10).distinct(&["b"], 10.0), None);
    }

    #[test]
    fn a_common_value_weighs_as_often_as_it_occurs() {
        let skewed = sample((0..1_000).map(|row| if row < 900 { 0 } else { row }));
        let typical = skewed.typical(&["a"], 1e6).unwrap();
        assert!((800_000.0..820_000.0).contains(&typical), "{typical}");
        assert_eq!(sample(0..1_000).typical(&["a"], 1e6), Some(1.0));
    }
}
