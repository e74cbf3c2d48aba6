//! Packed history against bytes that nothing packed.
//!
//! It is a test binary of its own, since it counts what is allocated.

use std::hint::black_box;

use perfdeck_bridge::histogram::Histogram;
use perfdeck_bridge::series::{self, BLOCK, Kind};

const MUTANTS: u64 = 60_000;

/// What one decoding may allocate beside its samples.
const SLACK: u64 = 1_024;

#[test]
fn no_bytes_make_a_block_allocate_over_its_bound() {
    let mut random = Random(1);
    let mut refused = 0;
    for number in 0..MUTANTS {
        let kind = [Kind::Count, Kind::Latency, Kind::Level][number as usize % 3];
        let block = random.mutant(&block(kind, number % 300));
        let most = (random.next() % 400) as usize;
        let info = allocation_counter::measure(|| {
            let unpacked = black_box(series::unpack(&block, most));
            refused += u64::from(unpacked.is_none());
        });
        let bound = (most * size_of::<Option<f64>>()) as u64 + SLACK;
        assert!(info.bytes_total <= bound, "{} of {bound}", info.bytes_total);
    }
    // Some get through, or the mutants would show nothing but that a length is checked.
    assert!(
        (MUTANTS / 2..MUTANTS * 99 / 100).contains(&refused),
        "{refused}"
    );
}

#[test]
fn no_bytes_make_a_histogram_allocate_over_its_bound() {
    let mut random = Random(2);
    let mut refused = 0;
    for number in 0..MUTANTS {
        let mut histogram = Histogram::new();
        for _ in 0..number % 64 {
            histogram.record_nanos(random.next() >> (random.next() % 64));
        }
        let bytes = if number % 2 == 0 {
            histogram.pack()
        } else {
            histogram.pack_coarse()
        };
        let bytes = random.mutant(&bytes);
        let mut histogram = Histogram::new();
        let info = allocation_counter::measure(|| {
            refused += u64::from(!histogram.merge_packed(&bytes));
            histogram.unmerge_packed(&bytes);
        });
        assert!(info.bytes_total <= 33 * 256, "{}", info.bytes_total);
    }
    assert!(
        (MUTANTS / 20..MUTANTS * 99 / 100).contains(&refused),
        "{refused}"
    );
}

#[test]
fn a_short_block_of_many_samples_is_refused_before_they_are_made() {
    let constant = series::pack(Kind::Level, &[Some(1.5); 100_000]);
    assert!(constant.len() < 32);
    let info = allocation_counter::measure(|| assert!(series::unpack(&constant, BLOCK).is_none()));
    assert_eq!(info.bytes_total, 0);
    assert_eq!(series::unpack(&constant, 100_000).unwrap().1.len(), 100_000);
}

/// A block as a service packs it, with gaps.
fn block(kind: Kind, length: u64) -> Box<[u8]> {
    let sample = |number: u64| {
        let value = (number * number % 97) as f64 / 64.0;
        (number % 11 != 4).then_some(value)
    };
    let samples: Vec<_> = (0..length).map(sample).collect();
    series::pack(kind, &samples)
}

/// A SplitMix64 generator: a run is repeated with its seed.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Some bits turned, and now and then cut short or with more after it.
    fn mutant(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..self.next() % 4 {
            let (at, bit) = (self.next(), self.next() % 8);
            let length = bytes.len().max(1) as u64;
            if let Some(byte) = bytes.get_mut((at % length) as usize) {
                *byte ^= 1 << bit;
            }
        }
        match self.next() % 16 {
            0 => bytes.truncate((self.next() % (bytes.len() as u64 + 1)) as usize),
            1 => bytes.extend(self.next().to_le_bytes()),
            _ => {}
        }
        bytes
    }
}
