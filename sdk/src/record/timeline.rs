//! One key's history: its latencies and sums second by second, then by ten seconds, then by the minute, and the last minute
//! ready made.
//!
//! A percentile over any window is a merge of the slots in it, never an average of percentiles. Each tier is made of the
//! finer one once that has a whole slot of it, so nothing is kept twice for longer than it takes. A tier has slots only where
//! something happened.

mod ring;
#[cfg(test)]
mod tests;

use perfdeck_bridge::histogram::Histogram;

use self::ring::{Place, Ring};
pub(crate) use self::ring::{Slot, Tally};
use super::rank::Rank;

/// The window that rates and percentiles are told for.
pub(crate) const MINUTE: u64 = 60;
/// Seconds to a slot.
pub(crate) const WIDTHS: [u64; 3] = [1, 10, 60];

/// Two minutes, and what is lost of them to whole slots.
const SHORT: u64 = 2 * MINUTE + 20;

/// The relative error of a percentile, as [`Histogram::pack`] and [`Histogram::pack_coarse`] have it.
const FINE_ERROR: f64 = 0.016;
const COARSE_ERROR: f64 = 0.07;

/// How many seconds back each tier goes; the first covers the last minute at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach(pub(crate) [u64; 3]);

impl Reach {
    /// The busiest keys: 15 minutes, 6 hours and 7 days.
    pub(crate) const BUSY: Self = Self([15 * 60, 6 * 3_600, 7 * 86_400]);
    /// The others: seconds as long as an action is measured by them, and 15 minutes.
    pub(crate) const OTHER: Self = Self([SHORT, 15 * 60, 0]);

    /// Without seconds and tens of seconds beyond what an action is measured by.
    pub(crate) const fn shortened(self) -> Self {
        let Self([_, _, minutes]) = self;
        Self([SHORT, SHORT, minutes])
    }
}

/// When slots are let go, and how those of a minute are packed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    pub(crate) busy: Reach,
    pub(crate) other: Reach,
    /// Whether minutes are packed with a quarter of the buckets: at most 7 % off, and not 1.6 %.
    pub(crate) coarse: bool,
}

impl Retention {
    /// All of it.
    pub(crate) const FULL: Self = Self {
        busy: Reach::BUSY,
        other: Reach::OTHER,
        coarse: false,
    };
}

/// Latencies and sums over time.
#[derive(Debug)]
pub(crate) struct Timeline<S> {
    tiers: [Ring<S>; 3],
    /// From when on each tier has all that happened.
    since: [u64; 3],
    /// What of a tier has gone into the next.
    folded: [Place; 2],
    minute: Histogram,
    minute_sums: S,
    /// The oldest slot of the last minute.
    minute_from: Place,
    /// Whether the tier of minutes is packed coarsely.
    coarse: bool,
    rank: Rank,
}

impl<S: Tally> Timeline<S> {
    pub(crate) fn new() -> Self {
        Self {
            tiers: [const { Ring::new() }; 3],
            since: [0; 3],
            folded: [Place::default(); 2],
            minute: Histogram::new(),
            minute_sums: S::default(),
            minute_from: Place::default(),
            coarse: false,
            rank: Rank::default(),
        }
    }

    /// Makes one whose history is always long.
    pub(crate) fn always_busy() -> Self {
        Self {
            rank: Rank::BUSY,
            ..Self::new()
        }
    }

    /// Adds the last minute's calls to its rank.
    pub(super) fn ranked(&mut self, calls: impl Fn(S) -> u64) -> &mut Rank {
        self.rank.add_minute(calls(self.minute_sums));
        &mut self.rank
    }

    /// Adds what happened in `second`, which is not before any that was added.
    pub(crate) fn push(&mut self, second: u64, times: &Histogram, sums: S) {
        self.minute.merge(times);
        self.minute_sums = self.minute_sums + sums;
        self.tiers[0].push(second, &times.pack(), sums);
    }

    /// Moves what is whole at `second` into the coarser tiers, and lets go what is too old.
    pub(crate) fn age(&mut self, second: u64, retention: &Retention) {
        let Reach(reach) = if self.rank.is_busy() {
            retention.busy
        } else {
            retention.other
        };
        self.age_minute(second);
        self.fold(second, reach, retention.coarse);
        for ((tier, since), reach) in self.tiers.iter_mut().zip(&mut self.since).zip(reach) {
            let from = (second + 1).saturating_sub(reach);
            if from > *since {
                *since = from;
                tier.forget_before(from);
            }
        }
    }

    /// The last minute's latencies and sums.
    pub(crate) const fn minute(&self) -> (&Histogram, S) {
        (&self.minute, self.minute_sums)
    }

    /// What happened in the seconds in `from..to`, oldest first, as finely as it is kept; [`Self::width_from`] tells how
    /// finely that is.
    pub(crate) fn slots(&self, from: u64, to: u64) -> impl Iterator<Item = Slot<'_, S>> {
        let [seconds, tens, minutes] = self.begins();
        let of = |tier: usize, begin: u64, end: u64| {
            self.tiers[tier].between(from.max(begin), to.min(end))
        };
        of(2, minutes, tens)
            .chain(of(1, tens, seconds))
            .chain(of(0, seconds, u64::MAX))
    }

    /// How many seconds the widest slot since `from` spans.
    pub(crate) fn width_from(&self, from: u64) -> u64 {
        let [seconds, tens, minutes] = self.begins();
        match from {
            _ if from >= seconds || seconds <= tens.min(minutes) => WIDTHS[0],
            _ if from >= tens || tens <= minutes => WIDTHS[1],
            _ => WIDTHS[2],
        }
    }

    /// The first second that is kept.
    pub(crate) fn kept_from(&self) -> u64 {
        self.begins().into_iter().min().unwrap_or(0)
    }

    /// The largest relative error of a percentile of what happened since `from`.
    pub(crate) fn error_from(&self, from: u64) -> f64 {
        if self.coarse && self.width_from(from) == WIDTHS[2] {
            COARSE_ERROR
        } else {
            FINE_ERROR
        }
    }

    /// The latencies and sums of the seconds in `from..to`.
    pub(crate) fn window(&self, from: u64, to: u64) -> (Histogram, S) {
        let mut times = Histogram::new();
        let mut sums = S::default();
        for slot in self.slots(from, to) {
            times.merge_packed(slot.times);
            sums = sums + slot.sums;
        }
        (times, sums)
    }

    /// Tells what happened in each step of `width` seconds since `from`, where anything did: the first second of the step, its
    /// latencies and sums.
    pub(crate) fn steps(
        &self,
        from: u64,
        to: u64,
        width: u64,
        mut each: impl FnMut(u64, &Histogram, S),
    ) {
        let mut times = Histogram::new();
        let mut sums = S::default();
        let mut step = None;
        for slot in self.slots(from, to) {
            let of = from + (slot.second - from) / width * width;
            if let Some(before) = step.filter(|before| *before != of) {
                each(before, &times, sums);
                times.clear();
                sums = S::default();
            }
            step = Some(of);
            times.merge_packed(slot.times);
            sums = sums + slot.sums;
        }
        if let Some(last) = step {
            each(last, &times, sums);
        }
    }

    /// The first second at or after `from` in which anything happened.
    pub(crate) fn first_second(&self, from: u64) -> Option<u64> {
        self.slots(from, u64::MAX).next().map(|slot| slot.second)
    }

    /// Packs the minutes that are kept with a quarter of the buckets; returns whether they were not yet.
    pub(crate) fn coarsen(&mut self) -> bool {
        let coarsens = !self.coarse && self.tiers[2].first() != self.tiers[2].end();
        if coarsens {
            self.coarse = true;
            let mut minutes = Ring::new();
            for slot in self.tiers[2].from(self.tiers[2].first()) {
                let mut times = Histogram::new();
                times.merge_packed(slot.times);
                minutes.push(slot.second, &times.pack_coarse(), slot.sums);
            }
            self.tiers[2] = minutes;
        }
        coarsens
    }

    /// What it holds beside itself, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let tiers = self.tiers.iter().map(Ring::bytes).sum::<usize>();
        tiers + self.minute.bytes() - size_of::<Histogram>()
    }

    fn age_minute(&mut self, second: u64) {
        let from = (second + 1).saturating_sub(MINUTE);
        self.minute_from = self.minute_from.max(self.tiers[0].first());
        while let Some((slot, next)) = self.tiers[0].at(self.minute_from)
            && slot.second < from
        {
            self.minute.unmerge_packed(slot.times);
            self.minute_sums = self.minute_sums - slot.sums;
            self.minute_from = next;
        }
        let holds_buckets = self.minute.bytes() > size_of::<Histogram>();
        if holds_buckets && self.minute_from == self.tiers[0].end() {
            // A key that rests gives its buckets back.
            self.minute = Histogram::new();
            self.minute_sums = S::default();
        }
    }

    fn fold(&mut self, second: u64, reach: [u64; 3], coarse: bool) {
        for coarser in 1..self.tiers.len() {
            let [finer, tier] = match coarser {
                1 => {
                    let [seconds, tens, _] = &mut self.tiers;
                    [seconds, tens]
                }
                _ => {
                    let [_, tens, minutes] = &mut self.tiers;
                    [tens, minutes]
                }
            };
            let folded = &mut self.folded[coarser - 1];
            if reach[coarser] == 0 {
                *folded = finer.end();
                continue;
            }
            let width = WIDTHS[coarser];
            *folded = (*folded).max(finer.first());
            while let Some(first) = finer.second_at(*folded)
                && first - first % width + width <= second
            {
                let from = first - first % width;
                let mut times = Histogram::new();
                let mut sums = S::default();
                while let Some((slot, next)) = finer.at(*folded)
                    && slot.second < from + width
                {
                    times.merge_packed(slot.times);
                    sums = sums + slot.sums;
                    *folded = next;
                }
                if coarser == 2 && coarse {
                    self.coarse = true;
                    tier.push(from, &times.pack_coarse(), sums);
                } else {
                    tier.push(from, &times.pack(), sums);
                }
            }
        }
    }

    /// From where on each tier is read: on from a boundary of the next one's slots, so that none is read twice.
    fn begins(&self) -> [u64; 3] {
        let [seconds, tens, minutes] = self.since;
        let tens = tens.next_multiple_of(WIDTHS[2]);
        let seconds = seconds.next_multiple_of(WIDTHS[1]).max(tens);
        [seconds, tens, minutes.next_multiple_of(WIDTHS[2]).min(tens)]
    }
}

impl<S: Tally> Default for Timeline<S> {
    fn default() -> Self {
        Self::new()
    }
}
