//! A number over time, at three resolutions.

use perfdeck_bridge::series::{Fold, Kind, Series};

use super::timeline::WIDTHS;

/// Samples that each resolution keeps: 15 minutes, 6 hours and 7 days.
const KEPT: [usize; 3] = [15 * 60, 6 * 360, 7 * 1_440];
/// The longest time without a sample that is filled up; after a longer one the history begins anew.
const LONGEST_GAP: u64 = 86_400;

/// The values of one number; a sample of a coarser tier is the mean of what it covers.
#[derive(Debug)]
pub(crate) struct Scalar {
    tiers: Vec<Tier>,
    /// The second of the first sample, a whole minute.
    origin: u64,
    /// The second of the next sample.
    next: u64,
    seen: u64,
}

#[derive(Debug)]
struct Tier {
    width: u64,
    /// Makes a sample of the tiers before; the first has nothing to fold.
    fold: Fold,
    series: Series,
}

impl Scalar {
    /// Makes an empty one. Of a percentile only the seconds are kept: the mean of some is none.
    pub(crate) fn new(kind: Kind) -> Self {
        let tiers = if kind == Kind::Latency {
            1
        } else {
            WIDTHS.len()
        };
        let tier = |(width, kept): (u64, usize)| Tier {
            width,
            fold: Fold::new(width as u32),
            // The mean of whole numbers is none.
            series: Series::new(if width == 1 { kind } else { Kind::Level }, kept),
        };
        Self {
            tiers: WIDTHS.into_iter().zip(KEPT).map(tier).take(tiers).collect(),
            origin: 0,
            next: 0,
            seen: 0,
        }
    }

    /// Adds a second's value; `None` where nothing was seen. Only the first value of a second counts.
    pub(crate) fn push(&mut self, second: u64, value: Option<f64>) {
        if self.next == 0 || second.saturating_sub(self.next) > LONGEST_GAP {
            let kind = self.kind();
            *self = Self::new(kind);
            self.origin = second - second % WIDTHS[2];
            self.next = self.origin;
        }
        while self.next < second {
            self.push_next(None);
        }
        if self.next == second {
            self.push_next(value);
        }
        if value.is_some() {
            self.seen = second;
        }
    }

    /// The second of the last value that was seen.
    pub(crate) const fn seen(&self) -> u64 {
        self.seen
    }

    /// The last `samples` seconds, oldest first; `NaN` where nothing was seen.
    pub(crate) fn recent(&self, samples: usize) -> Vec<f32> {
        let newest = self.tiers.first().map(|tier| tier.series.newest(samples));
        newest
            .into_iter()
            .flatten()
            .map(|value| value.map_or(f32::NAN, |value| value as f32))
            .collect()
    }

    /// The mean of what was seen in each step of `width` seconds since `from`, by the step's first second; steps in which
    /// nothing was seen are left out.
    pub(crate) fn steps(&self, from: u64, to: u64, width: u64, mut each: impl FnMut(u64, f64)) {
        let mut step: Option<(u64, f64, u64)> = None;
        for (second, seconds, value) in self.samples(from, to) {
            let of = from + (second - from) / width * width;
            let (sum, covered) = match step {
                Some((before, sum, covered)) if before == of => (sum, covered),
                Some((before, sum, covered)) => {
                    each(before, sum / covered as f64);
                    (0.0, 0)
                }
                None => (0.0, 0),
            };
            step = Some((of, sum + value * seconds as f64, covered + seconds));
        }
        if let Some((of, sum, covered)) = step {
            each(of, sum / covered as f64);
        }
    }

    /// How many seconds the widest sample since `from` covers.
    pub(crate) fn width_from(&self, from: u64) -> u64 {
        let finest = self.begins().find(|(_, begin)| *begin <= from);
        let coarsest = self.begins().filter(|(_, begin)| *begin < self.next).last();
        finest.or(coarsest).map_or(1, |(tier, _)| tier.width)
    }

    /// The first second that is kept.
    pub(crate) fn kept_from(&self) -> u64 {
        let begins = self.begins().map(|(_, begin)| begin);
        begins.min().unwrap_or(self.origin)
    }

    /// The largest relative error of a value.
    pub(crate) fn error(&self) -> f64 {
        let errors = self.tiers.iter().map(|tier| tier.series.kind().error());
        errors.fold(0.0, f64::max)
    }

    pub(crate) fn bytes(&self) -> usize {
        let tiers = self.tiers.iter();
        tiers
            .map(|tier| size_of::<Tier>() + tier.series.bytes())
            .sum()
    }

    fn kind(&self) -> Kind {
        self.tiers
            .first()
            .map_or(Kind::Level, |tier| tier.series.kind())
    }

    fn push_next(&mut self, value: Option<f64>) {
        self.next += 1;
        for tier in &mut self.tiers {
            if tier.width == 1 {
                tier.series.push(value);
            } else if let Some(folded) = tier.fold.push(value) {
                tier.series.push(folded.mean());
            }
        }
    }

    /// From where on each tier is read, finest first: on from a sample of the coarsest, so that nothing is read twice.
    fn begins(&self) -> impl Iterator<Item = (&Tier, u64)> {
        self.tiers.iter().map(|tier| {
            let begin = self.origin + tier.series.kept().start * tier.width;
            (tier, begin.next_multiple_of(WIDTHS[2]))
        })
    }

    /// What was seen since `from`, oldest first: the first second, how many, and the mean.
    fn samples(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, u64, f64)> {
        let mut end = to;
        let mut parts = Vec::new();
        for (tier, begin) in self.begins() {
            let start = from.max(begin).max(self.origin);
            if start < end {
                let number = |second: u64| (second - self.origin).div_ceil(tier.width);
                let numbers = number(start)..number(end.max(self.origin));
                parts.push((tier, numbers));
                end = end.min(begin);
            }
        }
        let origin = self.origin;
        parts.into_iter().rev().flat_map(move |(tier, numbers)| {
            let first = numbers.start.max(tier.series.kept().start);
            let samples = tier.series.samples(numbers).zip(first..);
            samples.filter_map(move |(value, number)| {
                Some((origin + number * tier.width, tier.width, value?))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(scalar: &Scalar, from: u64, to: u64, width: u64) -> Vec<(u64, f64)> {
        let mut steps = Vec::new();
        scalar.steps(from, to, width, |step, value| steps.push((step, value)));
        steps
    }

    #[test]
    fn a_step_is_the_mean_of_what_was_seen() {
        let mut scalar = Scalar::new(Kind::Level);
        for second in 100..120 {
            scalar.push(
                second,
                second.is_multiple_of(2).then_some(second as f64 - 100.0),
            );
        }
        assert_eq!(steps(&scalar, 100, 120, 10), [(100, 4.0), (110, 14.0)]);
        assert!(scalar.recent(1)[0].is_nan());
        assert_eq!(steps(&scalar, 0, u64::MAX, 60), [(60, 9.0)]);
    }

    /// Whatever was missed by a tick that came late, each sample is of its own second.
    #[test]
    fn samples_keep_their_seconds() {
        let mut scalar = Scalar::new(Kind::Count);
        for second in [61, 62, 62, 65, 80_000] {
            scalar.push(second, Some(second as f64));
        }
        let seconds = [61, 62, 65].map(|second| (second, second as f64));
        let [(60, mean)] = steps(&scalar, 0, 100, 60)[..] else {
            panic!("not one step of the second minute");
        };
        assert!((mean * 3.0 / 188.0 - 1.0).abs() <= scalar.error(), "{mean}");
        assert_eq!(scalar.width_from(79_990), 1);
        assert_eq!(steps(&scalar, 79_990, 80_010, 1), [(80_000, 80_000.0)]);
        let mut short = Scalar::new(Kind::Count);
        seconds
            .iter()
            .for_each(|(second, value)| short.push(*second, Some(*value)));
        assert_eq!(steps(&short, 60, 100, 1), seconds);
    }

    #[test]
    fn each_second_is_in_one_tier() {
        for seconds in [70, 959, 960, 1_060, 30_000, 700_000] {
            let mut scalar = Scalar::new(Kind::Count);
            (60..seconds).for_each(|second| scalar.push(second, Some(1.0)));
            let from = scalar.kept_from();
            let covered: u64 = scalar
                .samples(from, u64::MAX)
                .map(|(_, seconds, _)| seconds)
                .sum();
            assert_eq!(covered, seconds - from.max(60), "{seconds}");
            assert!(
                steps(&scalar, from, u64::MAX, 60)
                    .iter()
                    .all(|(_, value)| *value == 1.0)
            );
        }
    }

    #[test]
    fn a_percentile_has_no_coarse_history() {
        let mut scalar = Scalar::new(Kind::Latency);
        (1..10_000).for_each(|second| scalar.push(second, Some(0.1)));
        assert_eq!(scalar.width_from(0), 1);
        assert!(scalar.kept_from() > 9_000);
    }

    #[test]
    fn a_series_is_bounded() {
        let mut scalar = Scalar::new(Kind::Level);
        (1..1_500_000).for_each(|second| scalar.push(second, Some(f64::from(second as u32 % 97))));
        assert!(scalar.bytes() < 32 * 1024, "{}", scalar.bytes());
    }
}
