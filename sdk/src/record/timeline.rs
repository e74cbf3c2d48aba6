//! One key's history: its latencies and sums second by second, the last minute ready made, and coarser tiers for the
//! busiest keys.
//!
//! A percentile over any window is a merge of the slots in it, never an average of percentiles.

use std::collections::VecDeque;
use std::ops::{Add, Sub};

use perfdeck_bridge::histogram::Histogram;

/// Seconds of the finest tier.
pub(crate) const FINE_SECONDS: u64 = 15 * 60;
/// The window that rates and percentiles are told for.
pub(crate) const MINUTE: u64 = 60;
/// The coarser tiers: seconds to a slot, and slots.
const COARSE: [(u64, usize); 2] = [(10, 6 * 360), (60, 7 * 24 * 60)];
/// The most that one key's coarser tier may hold; then its oldest slots go first.
const COARSE_BYTES: usize = 128 * 1024;

/// Latencies and sums over time.
#[derive(Debug)]
pub(crate) struct Timeline<S> {
    fine: VecDeque<Slot<S>>,
    minute: Histogram,
    minute_sums: S,
    coarse: [Coarse<S>; 2],
    promoted: bool,
    bytes: usize,
}

#[derive(Debug)]
struct Slot<S> {
    second: u64,
    times: Box<[u8]>,
    sums: S,
    in_minute: bool,
}

#[derive(Debug)]
struct Coarse<S> {
    slots: VecDeque<Slot<S>>,
    open: Histogram,
    open_sums: S,
    open_from: u64,
    bytes: usize,
}

impl<S: Copy + Default + Add<Output = S> + Sub<Output = S>> Timeline<S> {
    pub(crate) fn new() -> Self {
        let coarse = || Coarse {
            slots: VecDeque::new(),
            open: Histogram::new(),
            open_sums: S::default(),
            open_from: 0,
            bytes: 0,
        };
        Self {
            fine: VecDeque::new(),
            minute: Histogram::new(),
            minute_sums: S::default(),
            coarse: [coarse(), coarse()],
            promoted: false,
            bytes: 0,
        }
    }

    /// Adds what happened in `second`, which is not before any that was added.
    pub(crate) fn push(&mut self, second: u64, times: &Histogram, sums: S) {
        self.minute.merge(times);
        self.minute_sums = self.minute_sums + sums;
        let times_packed = times.pack();
        self.bytes += times_packed.len();
        self.fine.push_back(Slot {
            second,
            times: times_packed,
            sums,
            in_minute: true,
        });
        if self.promoted {
            for (tier, (width, most)) in self.coarse.iter_mut().zip(COARSE) {
                tier.push(second, width, most, times, sums);
            }
        }
    }

    /// Lets go what is too old at `second`.
    pub(crate) fn age(&mut self, second: u64) {
        let minute_from = second.saturating_sub(MINUTE);
        let first_in = self.fine.partition_point(|slot| !slot.in_minute);
        for slot in self.fine.range_mut(first_in..) {
            if slot.second > minute_from {
                break;
            }
            slot.in_minute = false;
            self.minute.unmerge_packed(&slot.times);
            self.minute_sums = self.minute_sums - slot.sums;
        }
        while self
            .fine
            .front()
            .is_some_and(|slot| slot.second + FINE_SECONDS < second)
        {
            if let Some(slot) = self.fine.pop_front() {
                self.bytes -= slot.times.len();
            }
        }
    }

    /// The last minute's latencies and sums.
    pub(crate) const fn minute(&self) -> (&Histogram, S) {
        (&self.minute, self.minute_sums)
    }

    /// The latencies and sums of the seconds in `from..to`, from the finest tier.
    pub(crate) fn window(&self, from: u64, to: u64) -> (Histogram, S) {
        let mut times = Histogram::new();
        let mut sums = S::default();
        let start = self.fine.partition_point(|slot| slot.second < from);
        for slot in self.fine.range(start..).take_while(|slot| slot.second < to) {
            times.merge_packed(&slot.times);
            sums = sums + slot.sums;
        }
        (times, sums)
    }

    /// The first second at or after `from` in which anything happened.
    pub(crate) fn first_second(&self, from: u64) -> Option<u64> {
        self.fine
            .get(self.fine.partition_point(|slot| slot.second < from))
            .map(|slot| slot.second)
    }

    /// Keeps the coarser tiers from now on, or lets them go.
    pub(crate) fn promote(&mut self, promoted: bool) {
        if self.promoted && !promoted {
            for tier in &mut self.coarse {
                tier.slots = VecDeque::new();
                tier.bytes = 0;
                tier.open.clear();
                tier.open_sums = S::default();
            }
        }
        self.promoted = promoted;
    }

    /// What it holds, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let slots = self.fine.len()
            + self
                .coarse
                .iter()
                .map(|tier| tier.slots.len())
                .sum::<usize>();
        self.bytes
            + self
                .coarse
                .iter()
                .map(|tier| tier.bytes + tier.open.bytes())
                .sum::<usize>()
            + slots * size_of::<Slot<S>>()
            + self.minute.bytes()
    }
}

impl<S: Copy + Default + Add<Output = S> + Sub<Output = S>> Default for Timeline<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Copy + Default + Add<Output = S>> Coarse<S> {
    fn push(&mut self, second: u64, width: u64, most: usize, times: &Histogram, sums: S) {
        let from = second - second % width;
        if from != self.open_from && !self.open.is_empty() {
            let packed = self.open.pack();
            self.bytes += packed.len();
            self.slots.push_back(Slot {
                second: self.open_from,
                times: packed,
                sums: self.open_sums,
                in_minute: false,
            });
            self.open.clear();
            self.open_sums = S::default();
            while self.slots.len() > most || self.bytes > COARSE_BYTES {
                let Some(oldest) = self.slots.pop_front() else {
                    break;
                };
                self.bytes -= oldest.times.len();
            }
        }
        self.open_from = from;
        self.open.merge(times);
        self.open_sums = self.open_sums + sums;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        values
            .iter()
            .for_each(|value| histogram.record_nanos(*value));
        histogram
    }

    #[test]
    fn the_minute_holds_just_the_last_sixty_seconds() {
        let mut timeline = Timeline::<u64>::new();
        for now in 1..=200 {
            timeline.push(now, &second(&[now * 1_000]), 1);
            timeline.age(now);
        }
        let (times, sums) = timeline.minute();
        assert_eq!((times.count(), sums), (60, 60));
        assert!(
            (times.quantile(0.0) - 141e-6).abs() < 3e-6,
            "{}",
            times.quantile(0.0)
        );
    }

    #[test]
    fn a_window_is_a_merge_of_its_seconds() {
        let mut timeline = Timeline::<u64>::new();
        for now in 1..=100 {
            timeline.push(now, &second(&[now, now]), 2);
            timeline.age(now);
        }
        let (times, sums) = timeline.window(10, 20);
        assert_eq!((times.count(), sums), (20, 20));
        assert_eq!(times.max_seconds(), 19e-9);
    }

    #[test]
    fn history_is_bounded_at_each_resolution() {
        let mut timeline = Timeline::<u64>::new();
        timeline.promote(true);
        for now in 1..=100_000 {
            timeline.push(now, &second(&[now]), 1);
            timeline.age(now);
        }
        assert!(timeline.fine.len() as u64 <= FINE_SECONDS + 1);
        assert_eq!(
            timeline.coarse.each_ref().map(|tier| tier.slots.len()),
            [2_160, 1_666]
        );
        assert!(timeline.bytes() < 1 << 20, "{}", timeline.bytes());
        timeline.promote(false);
        timeline.age(200_000);
        assert!(timeline.fine.is_empty());
    }
}
