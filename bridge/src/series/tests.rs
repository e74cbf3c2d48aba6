use proptest::prelude::*;

use super::*;

const KINDS: [Kind; 3] = [Kind::Count, Kind::Latency, Kind::Level];

/// Packs, unpacks, and returns what came back.
fn through(kind: Kind, samples: &[Option<f64>]) -> Vec<Option<f64>> {
    let bytes = pack(kind, samples);
    let (kind_back, back) = unpack(&bytes, samples.len()).unwrap();
    assert_eq!(kind_back, kind);
    back
}

#[test]
fn whole_numbers_come_back_as_they_went() {
    let large = 2f64.powi(53);
    let numbers = [0.0, 1.0, 2.0, 1_000_003.0, large - 1.0, large, 0.0, 7.0];
    let samples = numbers.map(Some);
    assert_eq!(through(Kind::Count, &samples), samples);
    assert_eq!(through(Kind::Level, &samples), samples);
    let negative = numbers.map(|number| Some(0.0 - number));
    assert_eq!(through(Kind::Level, &negative), negative);
    // They do so among fractions, too.
    let mixed = [
        Some(large - 1.0),
        Some(0.1),
        Some(-0.5),
        Some(0.0),
        Some(3.0),
    ];
    let back = through(Kind::Level, &mixed);
    assert_eq!((back[0], back[3], back[4]), (mixed[0], mixed[3], mixed[4]));
}

#[test]
fn what_a_kind_cannot_hold_goes_to_the_nearest() {
    let check = |kind: Kind, value: f64, kept: Option<f64>| {
        assert_eq!(kind.kept(value), kept, "{kind:?} of {value}");
        assert_eq!(through(kind, &[Some(value)]), [kept]);
    };
    for kind in KINDS {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            check(kind, value, None);
        }
        check(kind, -0.0, Some(0.0));
    }
    check(Kind::Count, -3.0, Some(0.0));
    check(Kind::Count, 2.5, Some(3.0));
    check(Kind::Count, 0.499_999_999_999_999_94, Some(0.0));
    check(Kind::Count, 1e300, Some(2f64.powi(53)));
    check(Kind::Latency, -1.0, Some(0.0));
    check(Kind::Latency, 31e-9, Some(31e-9));
    assert!((Kind::Latency.kept(1e9).unwrap() / 137.0 - 1.0).abs() < 0.016);
    assert!((Kind::Level.kept(f64::MAX).unwrap() / f64::MAX - 1.0).abs() < Kind::Level.error());
    assert!(Kind::Level.kept(f64::MIN_POSITIVE / 2.0).unwrap() >= 0.0);
}

#[test]
fn what_does_not_change_costs_next_to_nothing() {
    for value in [0.0, 1.0, 0.25, 123_456_789.0] {
        for kind in KINDS {
            let block = pack(kind, &[Some(value); BLOCK]);
            assert!(block.len() <= 24, "{kind:?} of {value}: {} B", block.len());
        }
    }
    let nothing = pack(Kind::Level, &[None; BLOCK]);
    assert!(nothing.len() <= 8, "{} B", nothing.len());
}

#[test]
fn zero_among_fractions_costs_no_more_than_they() {
    let level = |number: u64| {
        if number.is_multiple_of(4) {
            0.0
        } else {
            0.25 + (number * 7 % 5) as f64 / 64.0
        }
    };
    let samples: Vec<_> = (0..256).map(|number| Some(level(number))).collect();
    let block = pack(Kind::Level, &samples);
    assert!(block.len() < 300, "{} B", block.len());
    assert_eq!(through(Kind::Level, &samples), samples);
}

#[test]
fn a_block_that_is_not_whole_is_refused() {
    let samples: Vec<_> = (0..200)
        .map(|n| (n % 7 != 3).then_some(f64::from(n * n % 97)))
        .collect();
    for kind in KINDS {
        let block = pack(kind, &samples);
        assert!(unpack(&block, 199).is_none(), "over the bound");
        for length in 0..block.len() {
            assert!(unpack(&block[..length], 200).is_none(), "cut to {length}");
        }
        assert!(
            unpack(&[&block[..], &[0]].concat(), 200).is_none(),
            "one byte more"
        );
        let mut later = block.to_vec();
        later[0] |= 1;
        assert!(unpack(&later, 200).is_none(), "of a later version");
    }
}

#[test]
fn blocks_of_version_0_still_read() {
    let check = |block: &[u8], kind: Kind, samples: &[Option<f64>]| {
        let told = format!("{:02x?} is what it packs to now", pack(kind, samples));
        assert_eq!(
            unpack(block, samples.len()),
            Some((kind, samples.to_vec())),
            "{told}"
        );
    };
    check(
        &[0x20, 0x78, 0x11, 0x11, 0x18, 0x38, 0x03, 0xf1, 0x1f],
        Kind::Count,
        &[Some(4.0), Some(12.0), None, None, Some(20.0), Some(100.0)],
    );
    check(
        &[
            0x24, 0x14, 0xa0, 0x60, 0xfc, 0xff, 0xff, 0xc2, 0xfe, 0xff, 0xff, 0xa2, 0x86, 0x00,
        ],
        Kind::Latency,
        &[3e-9, 30e-9, 3e-9, 3e-9, 3e-9].map(Some),
    );
    check(
        &[0x28, 0x54, 0x79, 0x99, 0xff, 0x41, 0x63, 0x14, 0x7f, 0x26],
        Kind::Level,
        &[Some(0.5), Some(0.0), Some(-0.25), Some(7.0), Some(0.75)],
    );
    check(&[0x18, 0x1c, 0x01], Kind::Level, &[None, None, None]);
}

#[test]
fn a_series_keeps_the_newest_within_its_bound() {
    for most in [0, 1, 255, 256, 257, 900] {
        let mut series = Series::new(Kind::Count, most);
        for number in 0..3_000u64 {
            series.push(Some(number as f64));
            let kept = series.kept();
            assert_eq!(kept, (number + 1).saturating_sub(most as u64)..number + 1);
            assert!(
                series.held() < most + 2 * BLOCK,
                "{} of {most}",
                series.held()
            );
        }
        let newest: Vec<_> = (3_000 - most..3_000)
            .map(|number| Some(number as f64))
            .collect();
        assert!(series.newest(5_000).eq(newest), "{most}");
        assert_eq!(series.newest(most).len(), most);
    }
}

#[test]
fn any_part_of_a_series_is_read_by_its_numbers() {
    let mut series = Series::new(Kind::Level, 1_000);
    for number in 0..2_100u32 {
        series.push((number % 10 != 0).then_some(f64::from(number)));
    }
    let check = |asked: Range<u64>, answered: Range<u64>| {
        let samples: Vec<_> = series.samples(asked.clone()).collect();
        let expected: Vec<_> = answered
            .map(|number| (number % 10 != 0).then_some(number as f64))
            .collect();
        assert!(samples == expected, "{asked:?}");
    };
    check(0..5_000, 1_100..2_100);
    check(1_500..1_501, 1_500..1_501);
    check(1_279..1_283, 1_279..1_283);
    check(2_047..2_049, 2_047..2_049);
    check(2_099..2_200, 2_099..2_100);
    check(0..1_100, 0..0);
    check(2_100..9_000, 0..0);
    check(
        Range {
            start: 1_600,
            end: 1_500,
        },
        0..0,
    );
}

#[test]
fn a_series_tells_what_it_holds() {
    let mut series = Series::new(Kind::Count, 86_400);
    for second in 0..86_400u64 {
        series.push(Some((second * second % 61) as f64));
    }
    let blocks: usize = series.sealed().map(<[u8]>::len).sum();
    assert!(series.bytes() > blocks && series.bytes() < blocks + 24 * 1024);
    assert!(series.bytes() < 86_400 * 6 / 5, "{}", series.bytes());
    assert!(
        series
            .sealed()
            .all(|block| unpack(block, BLOCK).unwrap().1.len() == BLOCK)
    );
}

#[test]
fn a_coarse_step_is_made_of_what_was_seen() {
    let mut fold = Fold::new(3);
    let samples = [Some(1.0), None, Some(4.0), None, None, None, Some(2.0)];
    let steps: Vec<_> = samples
        .into_iter()
        .filter_map(|sample| fold.push(sample))
        .collect();
    let told: Vec<_> = steps.iter().map(|step| (step.sum(), step.mean())).collect();
    assert_eq!(told, [(Some(5.0), Some(2.5)), (None, None)]);
    assert_eq!(
        Fold::new(0).push(Some(1.0)).and_then(|step| step.mean()),
        Some(1.0)
    );
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(&KINDS[..])
}

/// Values of all sizes and signs, and near ones.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        0.0f64..1.0,
        (0u32..300).prop_map(f64::from),
        (-40i32..40).prop_map(|power| 2f64.powi(power)),
        (0i64..1 << 53).prop_map(|whole| whole as f64),
    ]
}

proptest! {
    #[test]
    fn samples_come_back_within_the_stated_error(kind in kind(), samples in prop::collection::vec(prop::option::weighted(0.8, value()), 0..400)) {
        let back = through(kind, &samples);
        prop_assert_eq!(back.len(), samples.len());
        for (sample, back) in samples.iter().zip(back) {
            let Some(value) = sample.filter(|value| value.is_finite()) else {
                prop_assert_eq!(back, None);
                continue;
            };
            let (floor, ceiling) = match kind {
                Kind::Count => (0.0, 2f64.powi(53)),
                Kind::Latency => (0.0, 137.438_953_471),
                Kind::Level => (f64::MIN, f64::MAX),
            };
            let grain = match kind {
                Kind::Count => 0.5,
                Kind::Latency => 0.500_001e-9,
                Kind::Level => f64::MIN_POSITIVE * kind.error(),
            };
            let (value, back) = (value.clamp(floor, ceiling), back.unwrap());
            let off = (back - value).abs();
            prop_assert!(off <= value.abs() * kind.error() || off <= grain, "{} came back as {}", value, back);
            prop_assert!(kind != Kind::Level || value.fract() != 0.0 || value.abs() > 2f64.powi(53) || back == value);
            // What was rounded once is not rounded further.
            prop_assert_eq!(kind.kept(back), Some(back));
            prop_assert_eq!(kind.kept(value), Some(back));
        }
    }

    #[test]
    fn a_series_reads_the_same_before_and_after_it_seals(kind in kind(), samples in prop::collection::vec(prop::option::weighted(0.9, value()), 0..700), from in 0u64..800, length in 0u64..800) {
        let mut series = Series::new(kind, 1_000);
        samples.iter().for_each(|sample| series.push(*sample));
        let expected: Vec<_> = samples
            .iter()
            .map(|sample| sample.and_then(|value| kind.kept(value)))
            .skip(from as usize)
            .take(length as usize)
            .collect();
        prop_assert!(series.samples(from..from + length).eq(expected));
    }

    #[test]
    fn any_bytes_are_a_block_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), most in 0usize..2_000) {
        if let Some((kind, samples)) = unpack(&bytes, most) {
            prop_assert!(samples.len() <= most);
            for value in samples.into_iter().flatten() {
                prop_assert!(kind.kept(value).is_some());
            }
        }
    }

    #[test]
    fn a_damaged_block_is_a_block_or_refused(kind in kind(), samples in prop::collection::vec(prop::option::weighted(0.8, value()), 1..300), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut block = pack(kind, &samples).into_vec();
        let at = at.index(block.len());
        block[at] ^= 1u8 << bit;
        if let Some((_, back)) = unpack(&block, BLOCK) {
            prop_assert!(back.len() <= BLOCK);
        }
    }
}
