//! Skewed choice: a few workspaces have most of the documents and most of the visitors.

use rand::{Rng, RngExt};

/// Zipf's distribution over `0..len`: item `k` is chosen in proportion to `1 / (k + 1)`.
#[derive(Debug, Clone)]
pub(crate) struct Zipf {
    /// The running sums of the weights, the last one being their total.
    cumulative: Vec<f64>,
}

impl Zipf {
    /// Makes the distribution; `len` is at least 1.
    pub(crate) fn new(len: usize) -> Self {
        let cumulative = (1..=len.max(1))
            .scan(0.0, |sum, rank| {
                *sum += 1.0 / rank as f64;
                Some(*sum)
            })
            .collect();
        Self { cumulative }
    }

    /// Chooses an item.
    pub(crate) fn sample(&self, rng: &mut impl Rng) -> usize {
        let total = self.cumulative.last().copied().unwrap_or_default();
        let point = rng.random::<f64>() * total;
        let item = self.cumulative.partition_point(|sum| *sum <= point);
        item.min(self.cumulative.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn the_first_item_is_chosen_twice_as_often_as_the_second() {
        let mut rng = StdRng::seed_from_u64(1);
        let zipf = Zipf::new(100);
        let mut counts = [0_u32; 100];
        for _ in 0..100_000 {
            counts[zipf.sample(&mut rng)] += 1;
        }
        let ratio = f64::from(counts[0]) / f64::from(counts[1]);
        assert!((1.9..2.1).contains(&ratio), "{ratio}");
        assert!(counts.iter().all(|count| *count > 0));
    }
}
