//! A histogram as the hot path fills it: log buckets, an octave's block on its first touch, counts that the agent drains
//! each tick into a whole [`Histogram`].

use perfdeck_bridge::histogram::{BLOCKS, Histogram, MAX, SUB_BUCKETS, bucket};

use super::room::Room;

/// The place of no block: there are not so many.
const NOWHERE: u8 = u8::MAX;
/// What an octave's block takes.
const BLOCK_BYTES: usize = size_of::<[u32; SUB_BUCKETS]>();

/// Durations since the last drain, 88 bytes and 128 an octave that was touched.
#[derive(Debug)]
pub(super) struct Buckets {
    /// Where an octave's block is; [`NOWHERE`] if it has none.
    places: [u8; BLOCKS],
    blocks: Vec<[u32; SUB_BUCKETS]>,
    sum: u64,
    max: u64,
}

impl Default for Buckets {
    fn default() -> Self {
        Self {
            places: [NOWHERE; BLOCKS],
            blocks: Vec::new(),
            sum: 0,
            max: 0,
        }
    }
}

impl Buckets {
    /// Counts a duration in nanoseconds; not if its octave is new and there is no room, which the room counts.
    #[inline]
    pub(super) fn record(&mut self, nanos: u64, room: &mut Room) {
        let value = nanos.min(MAX);
        let number = bucket(value);
        let octave = number / SUB_BUCKETS;
        let place = self.places.get(octave).copied().unwrap_or(NOWHERE);
        let Some(block) = self.blocks.get_mut(usize::from(place)) else {
            return self.record_in_new(octave, value, room);
        };
        // The counts of a block are as many as there are places in it.
        let bucket = &mut block[number % SUB_BUCKETS];
        // A bucket that nobody drained for four billion durations stays where it is.
        *bucket = bucket.saturating_add(1);
        self.sum = self.sum.wrapping_add(value);
        self.max = self.max.max(value);
    }

    /// Adds all to each of `histograms` and begins anew; the blocks stay.
    pub(super) fn drain_into(&mut self, histograms: &mut [&mut Histogram]) {
        for (octave, place) in self.places.iter().enumerate() {
            if let Some(block) = self.blocks.get_mut(usize::from(*place)) {
                for histogram in &mut *histograms {
                    histogram.add_block(octave, block);
                }
                block.fill(0);
            }
        }
        for histogram in histograms {
            histogram.add_sums(self.sum, self.max);
        }
        (self.sum, self.max) = (0, 0);
    }

    /// Hands out the buckets that count anything, by their number and in order.
    pub(super) fn each(&self, mut each: impl FnMut(u32, u32)) {
        for (octave, place) in self.places.iter().enumerate() {
            let counts = self.blocks.get(usize::from(*place)).into_iter().flatten();
            let first = octave * SUB_BUCKETS;
            for (number, count) in counts.enumerate().filter(|(_, count)| **count > 0) {
                each((first + number) as u32, *count);
            }
        }
    }

    /// The largest value.
    pub(super) const fn max(&self) -> u64 {
        self.max
    }

    /// What its blocks take of the room.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK_BYTES
    }

    #[cold]
    fn record_in_new(&mut self, octave: usize, value: u64, room: &mut Room) {
        if let Some(place) = self.places.get_mut(octave)
            && room.take(BLOCK_BYTES)
        {
            *place = self.blocks.len() as u8;
            self.blocks.reserve_exact(1);
            self.blocks.push([0; SUB_BUCKETS]);
            self.record(value, room);
        } else {
            room.refuse();
        }
    }
}
