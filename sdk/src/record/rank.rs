//! Which keys have the long history: the busiest, and they keep it through a quiet night.

/// How much of a key's traffic is still remembered a minute later: half after some 70 minutes.
const REMEMBERED: f64 = 0.99;
/// How many times busier than the least busy a key has to be to take its place, whose history is then gone.
const BUSIER: f64 = 2.0;

/// How busy a key is, and whether that is enough.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Rank {
    traffic: f64,
    busy: bool,
}

impl Rank {
    /// One that is always among the busiest.
    pub(crate) const BUSY: Self = Self {
        traffic: f64::INFINITY,
        busy: true,
    };

    pub(crate) const fn is_busy(self) -> bool {
        self.busy
    }

    /// Adds a minute's calls.
    pub(super) fn add_minute(&mut self, calls: u64) {
        self.traffic = self.traffic * REMEMBERED + calls as f64;
    }
}

/// Chooses at most `most` keys: those that were chosen before stay until others are much busier.
pub(super) fn elect(ranks: &mut [&mut Rank], most: usize) {
    ranks.sort_unstable_by(|a, b| b.traffic.total_cmp(&a.traffic));
    let mut chosen = ranks.iter().filter(|rank| rank.busy).count();
    let mut least = ranks.len();
    for place in 0..ranks.len() {
        let Some(candidate) = ranks.get(place).map(|rank| **rank) else {
            break;
        };
        if candidate.busy || candidate.traffic == 0.0 {
            continue;
        }
        if chosen >= most {
            let last = ranks.iter().take(least).rposition(|rank| rank.busy);
            let Some(last) = last.filter(|last| *last > place) else {
                break;
            };
            let Some(displaced) = ranks.get_mut(last) else {
                break;
            };
            if candidate.traffic < displaced.traffic * BUSIER {
                break;
            }
            displaced.busy = false;
            least = last;
            chosen -= 1;
        }
        if let Some(rank) = ranks.get_mut(place) {
            rank.busy = true;
            chosen += 1;
        }
    }
    // Where there are fewer places than there were.
    for rank in ranks.iter_mut().filter(|rank| rank.busy).skip(most) {
        rank.busy = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elected(ranks: &mut [Rank], most: usize) -> Vec<usize> {
        elect(&mut ranks.iter_mut().collect::<Vec<_>>(), most);
        let busy = ranks.iter().enumerate().filter(|(_, rank)| rank.busy);
        busy.map(|(place, _)| place).collect()
    }

    fn minute(ranks: &mut [Rank], calls: &[u64]) {
        for (rank, calls) in ranks.iter_mut().zip(calls) {
            rank.add_minute(*calls);
        }
    }

    #[test]
    fn the_busiest_are_chosen_and_the_idle_are_not() {
        let mut ranks = [Rank::default(); 5];
        minute(&mut ranks, &[5, 0, 9, 1, 7]);
        assert_eq!(elected(&mut ranks, 3), [0, 2, 4]);
        let mut few = [Rank::default(); 3];
        minute(&mut few, &[0, 1, 0]);
        assert_eq!(elected(&mut few, 3), [1]);
    }

    #[test]
    fn a_quiet_night_changes_nothing() {
        let mut ranks = [Rank::default(); 4];
        minute(&mut ranks, &[100, 90, 0, 0]);
        assert_eq!(elected(&mut ranks, 2), [0, 1]);
        for _ in 0..8 * 60 {
            minute(&mut ranks, &[0, 0, 0, 0]);
            assert_eq!(elected(&mut ranks, 2), [0, 1]);
        }
    }

    #[test]
    fn a_much_busier_key_takes_the_place_of_the_least_busy() {
        let mut ranks = [Rank::default(); 4];
        minute(&mut ranks, &[100, 90, 0, 0]);
        assert_eq!(elected(&mut ranks, 2), [0, 1]);
        minute(&mut ranks, &[100, 90, 190, 0]);
        assert_eq!(elected(&mut ranks, 2), [0, 1], "not twice as busy yet");
        minute(&mut ranks, &[100, 0, 800, 0]);
        assert_eq!(elected(&mut ranks, 2), [0, 2]);
        minute(&mut ranks, &[0, 0, 0, 10_000]);
        assert_eq!(elected(&mut ranks, 2), [2, 3]);
    }

    #[test]
    fn fewer_places_keep_the_busiest() {
        let mut ranks = [Rank::default(); 4];
        minute(&mut ranks, &[4, 3, 2, 1]);
        assert_eq!(elected(&mut ranks, 4), [0, 1, 2, 3]);
        assert_eq!(elected(&mut ranks, 2), [0, 1]);
    }
}
