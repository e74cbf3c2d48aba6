//! How a given amount of memory is best spread over several caches.

/// What a cache could have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Choice {
    pub(crate) bytes: u64,
    /// Seconds of loading that it saves a second beside what the cache has now; negative where it costs.
    pub(crate) saved: f64,
}

/// What is compared at once; beyond that the choices are thinned out.
const MOST: usize = 2_000;

/// Choices for the caches so far, none of which another betters in both.
#[derive(Debug, Clone)]
struct Spread {
    bytes: u64,
    saved: f64,
    picks: Vec<usize>,
}

/// For each cache which of its choices it gets, where the first is what it has: those that save most together and take no
/// more than the first of all.
pub(crate) fn spread(caches: &[Vec<Choice>]) -> Vec<usize> {
    let present = caches.iter().filter_map(|choices| choices.first());
    let total = present.fold(0_u64, |sum, choice| sum.saturating_add(choice.bytes));
    let mut front = vec![Spread {
        bytes: 0,
        saved: 0.0,
        picks: Vec::new(),
    }];
    for choices in caches {
        let with = |spread: &Spread, pick: usize, choice: &Choice| Spread {
            bytes: spread.bytes.saturating_add(choice.bytes),
            saved: spread.saved + choice.saved,
            picks: [&*spread.picks, &[pick]].concat(),
        };
        let mut all: Vec<_> = front
            .iter()
            .flat_map(|spread| {
                let choices = choices.iter().enumerate();
                choices.map(move |(pick, choice)| with(spread, pick, choice))
            })
            .filter(|spread| spread.bytes <= total)
            .collect();
        all.sort_by(|a, b| a.bytes.cmp(&b.bytes).then(b.saved.total_cmp(&a.saved)));
        let mut most = f64::NEG_INFINITY;
        all.retain(|spread| {
            let is_better = spread.saved > most;
            most = most.max(spread.saved);
            is_better
        });
        let step = all.len().div_ceil(MOST).max(1);
        let last = all.len().saturating_sub(1);
        let mut at = 0..;
        all.retain(|_| {
            let at = at.next().unwrap_or(last);
            at.is_multiple_of(step) || at == last
        });
        front = all;
    }
    let best = front.into_iter().max_by(|a, b| a.saved.total_cmp(&b.saved));
    let best = best.filter(|best| best.saved > 0.0 && best.picks.len() == caches.len());
    best.map_or_else(|| vec![0; caches.len()], |best| best.picks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(of: &[(u64, f64)]) -> Vec<Choice> {
        let choice = |(bytes, saved): &(u64, f64)| Choice {
            bytes: *bytes,
            saved: *saved,
        };
        of.iter().map(choice).collect()
    }

    #[test]
    fn what_saves_least_gives_to_what_saves_most() {
        let caches = [
            choices(&[(100, 0.0), (50, -0.1), (25, -0.5), (200, 0.01)]),
            choices(&[(50, 0.0), (100, 0.4), (200, 0.45)]),
        ];
        assert_eq!(spread(&caches), [1, 1]);
    }

    #[test]
    fn nothing_moves_where_nothing_is_gained() {
        let full = choices(&[(100, 0.0), (50, -0.5), (200, 0.3)]);
        assert_eq!(spread(&[full.clone(), full]), [0, 0]);
        assert_eq!(spread(&[]), Vec::<usize>::new());
        let alone = choices(&[(100, 0.0), (200, 0.3)]);
        assert_eq!(spread(&[alone]), [0], "there is nothing to take it from");
    }

    #[test]
    fn no_spread_takes_more_than_there_was_and_none_is_better() {
        let mut seed = 3_u64;
        let mut drawn = move |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        for _ in 0..200 {
            let caches: Vec<_> = (0..4)
                .map(|_| {
                    let present = 100 + drawn(100);
                    let mut choices = choices(&[(present, 0.0)]);
                    for _ in 0..3 {
                        let bytes = drawn(300);
                        let saved = (drawn(100) as f64 - 50.0) / 100.0;
                        choices.push(Choice { bytes, saved });
                    }
                    choices
                })
                .collect();
            let of = |picks: &[usize]| {
                let picked = caches
                    .iter()
                    .zip(picks)
                    .map(|(choices, pick)| choices[*pick]);
                picked.fold((0, 0.0), |(bytes, saved), choice| {
                    (bytes + choice.bytes, saved + choice.saved)
                })
            };
            let total = of(&[0; 4]).0;
            let best = (0..256_usize)
                .map(|number| of(&[number & 3, number >> 2 & 3, number >> 4 & 3, number >> 6]))
                .filter(|(bytes, _)| *bytes <= total)
                .map(|(_, saved)| saved)
                .fold(0.0, f64::max);
            let (bytes, saved) = of(&spread(&caches));
            assert!(bytes <= total);
            assert!((saved - best).abs() < 1e-9, "{saved} of {best}");
        }
    }

    #[test]
    fn many_caches_are_spread_in_bounded_time() {
        let caches: Vec<_> = (1..=20_u64)
            .map(|number| {
                let present = 1_000 + 37 * number;
                let choice = |times: u64| Choice {
                    bytes: present * times / 4,
                    saved: (times as f64).ln() * number as f64 - 4_f64.ln() * number as f64,
                };
                let others = [1, 2, 8, 16, 32].map(choice);
                [&[choice(4)][..], &others].concat()
            })
            .collect();
        let picks = spread(&caches);
        let bytes: u64 = caches
            .iter()
            .zip(&picks)
            .map(|(of, pick)| of[*pick].bytes)
            .sum();
        assert!(bytes <= caches.iter().map(|of| of[0].bytes).sum());
        assert!(picks.iter().any(|pick| *pick > 0));
    }
}
