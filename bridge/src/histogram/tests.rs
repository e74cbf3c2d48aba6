use proptest::prelude::*;

use super::*;

#[test]
fn every_value_lies_in_its_bucket() {
    for value in (0..200_000).chain((17..37).flat_map(|bit| {
        let edge = 1u64 << bit;
        [edge - 1, edge, edge + 1]
    })) {
        let (block, sub) = place(value.min(MAX));
        let (low, high) = bounds_of(block, sub);
        assert!((low..=high).contains(&value), "{value} in {low}..={high}");
    }
}

#[test]
fn bytes_that_are_no_histogram_are_refused() {
    let mut whole = Histogram::new();
    (0..200).for_each(|value| whole.record_nanos(value * value * 1_000));
    let whole = whole.pack();
    let longer: Vec<u8> = whole.iter().copied().chain([0]).collect();
    let cut = (0..whole.len()).filter_map(|length| whole.get(..length));
    for bytes in cut.chain([&longer[..], &[0xff; 64], &[0xff; 4_096]]) {
        let mut histogram = Histogram::new();
        assert!(!histogram.merge_packed(bytes), "{bytes:?}");
        assert!(!histogram.unmerge_packed(bytes), "{bytes:?}");
        assert_eq!(histogram, Histogram::new());
    }
}

#[test]
fn buckets_are_numbered_without_a_hole() {
    let mut next = 0;
    for number in 0..BUCKETS {
        let (low, high) = bounds(number).unwrap();
        assert_eq!((low, bucket(low), bucket(high)), (next, number, number));
        next = high + 1;
    }
    assert_eq!((next, bounds(BUCKETS)), (MAX + 1, None));
    assert_eq!(bucket(u64::MAX), BUCKETS - 1);
}

#[test]
fn a_packed_second_is_small() {
    let check = |deviation: f64, most: usize, most_coarse: usize| {
        let mut histogram = Histogram::new();
        // The middles of a thousand equal slices of a log-logistic distribution.
        for slice in 0..1_000 {
            let q = (f64::from(slice) + 0.5) / 1_000.0;
            let nanos = 5e6 * ((q / (1.0 - q)).ln() * deviation * 0.55).exp();
            histogram.record_nanos(nanos as u64);
        }
        let (fine, coarse) = (histogram.pack().len(), histogram.pack_coarse().len());
        assert!(
            fine <= most && coarse <= most_coarse,
            "{deviation}: {fine}, {coarse}"
        );
    };
    check(0.25, 90, 50);
    check(0.5, 120, 60);
    check(1.0, 160, 90);
    check(2.0, 200, 130);
}

proptest! {
    #[test]
    fn quantiles_agree_with_hdrhistogram(mut values in prop::collection::vec(1u64..MAX, 1..500), q in 0.0f64..=1.0) {
        let mut ours = Histogram::new();
        let mut oracle = hdrhistogram::Histogram::<u64>::new_with_bounds(1, MAX, 4).unwrap();
        for value in &values {
            ours.record_nanos(*value);
            oracle.record(*value).unwrap();
        }
        values.sort_unstable();
        let exact = oracle.value_at_quantile(q) as f64 / 1e9;
        prop_assert!((ours.quantile(q) - exact).abs() <= exact * 0.017 + 1e-9, "{} {}", ours.quantile(q), exact);
        prop_assert_eq!(ours.count(), values.len() as u64);
    }

    #[test]
    fn merging_is_the_same_as_recording_all(a in prop::collection::vec(any::<u64>(), 0..200), b in prop::collection::vec(any::<u64>(), 0..200)) {
        let [mut left, mut right, mut all] = [(); 3].map(|()| Histogram::new());
        a.iter().for_each(|value| left.record_nanos(*value));
        b.iter().for_each(|value| right.record_nanos(*value));
        a.iter().chain(&b).for_each(|value| all.record_nanos(*value));
        let mut packed = Histogram::new();
        prop_assert!(packed.merge_packed(&left.pack()) && packed.merge_packed(&right.pack()));
        left.merge(&right);
        let mut rest = packed.clone();
        prop_assert!(rest.unmerge_packed(&right.pack()));
        prop_assert_eq!(left.buckets().collect::<Vec<_>>(), all.buckets().collect::<Vec<_>>());
        prop_assert_eq!(packed.buckets().collect::<Vec<_>>(), all.buckets().collect::<Vec<_>>());
        prop_assert_eq!(rest.count(), a.len() as u64);
        prop_assert_eq!((packed.count(), packed.sum, packed.max), (all.count, all.sum, all.max));
    }

    #[test]
    fn coarse_packing_keeps_counts_and_is_at_most_7_percent_off(values in prop::collection::vec(32u64..MAX, 1..300), q in 0.0f64..=1.0) {
        let mut fine = Histogram::new();
        values.iter().for_each(|value| fine.record_nanos(*value));
        let mut coarse = Histogram::new();
        let packed = fine.pack_coarse();
        prop_assert!(coarse.merge_packed(&packed));
        prop_assert_eq!((coarse.count, coarse.sum, coarse.max), (fine.count, fine.sum, fine.max));
        let mut sorted = values;
        sorted.sort_unstable();
        let rank = ((q * sorted.len() as f64).ceil() as usize).max(1);
        let exact = sorted[rank - 1] as f64 / 1e9;
        prop_assert!((coarse.quantile(q) - exact).abs() <= exact * 0.07 + 1e-9, "{} {}", coarse.quantile(q), exact);
        // What was merged coarse is taken away exactly.
        prop_assert!(coarse.merge_packed(&fine.pack()) && coarse.unmerge_packed(&packed));
        prop_assert_eq!(coarse.buckets().collect::<Vec<_>>(), fine.buckets().collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_merge_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut histogram = Histogram::new();
        let whole = histogram.merge_packed(&bytes);
        prop_assert!(whole || histogram == Histogram::new());
        prop_assert_eq!(histogram.unmerge_packed(&bytes), whole);
        prop_assert!(histogram.bytes() < 16 * 1024);
    }
}
