//! From fine steps to coarse ones.

/// Gathers the samples of one series until they make a coarser step, for the series of the next resolution.
///
/// What a coarse step of percentiles is can't be told from those of its parts; merge their histograms instead.
///
/// # Examples
///
/// ```
/// use perfdeck_bridge::series::{Fold, Kind, Series};
///
/// let mut ten_seconds = Series::new(Kind::Count, 2_160);
/// let mut fold = Fold::new(10);
/// for second in 0..30 {
///     if let Some(step) = fold.push(Some(f64::from(second))) {
///         ten_seconds.push(step.sum());
///     }
/// }
/// assert_eq!(ten_seconds.newest(3).collect::<Vec<_>>(), [45.0, 145.0, 245.0].map(Some));
/// ```
#[derive(Debug, Clone)]
pub struct Fold {
    width: u32,
    covered: u32,
    gathered: Folded,
}

/// The samples of one coarse step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Folded {
    sum: f64,
    seen: u32,
}

impl Fold {
    /// Makes an empty one; `width` fine steps make a coarse one, and 0 counts as 1.
    #[must_use]
    pub const fn new(width: u32) -> Self {
        let gathered = Folded { sum: 0.0, seen: 0 };
        Self {
            width,
            covered: 0,
            gathered,
        }
    }

    /// Adds the next fine sample; returns the coarse step that it completes.
    pub fn push(&mut self, sample: Option<f64>) -> Option<Folded> {
        if let Some(value) = sample {
            self.gathered.sum += value;
            self.gathered.seen += 1;
        }
        self.covered += 1;
        if self.covered < self.width {
            return None;
        }
        self.covered = 0;
        Some(std::mem::take(&mut self.gathered))
    }
}

impl Folded {
    /// Returns the sum of what was seen, for counts; `None` if nothing was.
    #[must_use]
    pub fn sum(&self) -> Option<f64> {
        (self.seen > 0).then_some(self.sum)
    }

    /// Returns the mean of what was seen, for levels; `None` if nothing was.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        self.sum().map(|sum| sum / f64::from(self.seen))
    }
}
