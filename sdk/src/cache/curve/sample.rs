//! Which keys are looked at, and what their look-ups say of all.

/// The parts of a sample, whose differences tell its error.
const GROUPS: usize = 64;
/// Keys are spread over so many places.
const SPACE: u64 = 1 << 32;
/// A sample that is further off the number of look-ups than this many standard errors lacks a key that stands out, or has
/// one too many.
const OUTLIER: f64 = 3.0;

/// A share of all keys, chosen by their hash.
pub(super) struct Sample {
    /// Keys below are in it.
    bound: u64,
    groups: Box<[Group; GROUPS]>,
}

/// What a sample takes besides itself.
pub(super) const BYTES: usize = size_of::<[Group; GROUPS]>();

#[derive(Clone, Copy, Default)]
struct Group {
    lookups: u64,
    misses: u64,
}

/// Another hash of the same key, whatever its hash is used for otherwise. Of its upper half a key's place among all is made.
pub(super) const fn mixed(hash: u64) -> u64 {
    let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 32)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

impl Sample {
    /// Takes all keys, halved so often.
    pub(super) fn new(halvings: u32) -> Self {
        Self {
            bound: SPACE.checked_shr(halvings).unwrap_or(0).max(1),
            groups: Box::new([Group::default(); GROUPS]),
        }
    }

    /// Forgets what it has counted.
    pub(super) fn clear(&mut self) {
        self.groups.fill(Group::default());
    }

    pub(super) const fn takes(&self, place: u64) -> bool {
        place < self.bound
    }

    pub(super) fn note(&mut self, place: u64, hit: bool) {
        if let Some(group) = self.groups.get_mut(place as usize % GROUPS) {
            group.lookups += 1;
            group.misses += u64::from(!hit);
        }
    }

    /// The hit ratio of all look-ups, and two standard errors of it.
    ///
    /// What the keys in the sample miss, scaled up, is what all keys miss. How often they are looked up is known, too, and
    /// for all keys exactly: where misses grow with look-ups (a scan), the difference corrects the misses; where a few
    /// keys make up the look-ups and always hit, it says nothing of them. A regression over the groups finds out which.
    pub(super) fn estimate(&self, all: u64) -> (f64, f64) {
        if all == 0 {
            return (0.0, 1.0);
        }
        let (rate, all, count) = (self.rate(), all as f64, GROUPS as f64);
        let sum = |of: fn(&Group) -> u64| self.groups.iter().map(of).sum::<u64>() as f64;
        let (lookups, misses) = (sum(|group| group.lookups), sum(|group| group.misses));
        if rate >= 1.0 {
            return (1.0 - misses / all, 0.0);
        }
        let (mean_lookups, mean_misses) = (lookups / count, misses / count);
        let (mut spread, mut together) = (0.0, 0.0);
        for group in self.groups.iter() {
            let off = group.lookups as f64 - mean_lookups;
            spread += off * off;
            together += off * (group.misses as f64 - mean_misses);
        }
        let scale = count / (count - 1.0);
        let excess = lookups - all * rate;
        let is_typical = excess.abs() <= OUTLIER * (spread * scale).sqrt();
        let slope = if is_typical && spread > 0.0 {
            together / spread
        } else {
            0.0
        };
        let rest: f64 = self
            .groups
            .iter()
            .map(|group| {
                let off = group.lookups as f64 - mean_lookups;
                (group.misses as f64 - mean_misses - slope * off).powi(2)
            })
            .sum();
        let missed = (misses - slope * excess) / rate;
        let error = (rest * scale * (1.0 - rate)).sqrt() / rate;
        ((1.0 - missed / all).clamp(0.0, 1.0), 2.0 * error / all)
    }

    /// The look-ups of its keys.
    pub(super) fn lookups(&self) -> u64 {
        self.groups.iter().map(|group| group.lookups).sum()
    }

    fn rate(&self) -> f64 {
        self.bound as f64 / SPACE as f64
    }
}
