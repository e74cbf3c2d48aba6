use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::thread;

use proptest::prelude::*;

use super::*;

/// The readings of one kind, by name.
fn counters(custom: &Custom) -> BTreeMap<String, u64> {
    let readings = custom.read().into_iter();
    let counters = readings.filter_map(|reading| match reading.value {
        Value::Counter(sum) => Some((reading.name.to_string(), sum)),
        Value::Gauge(_) | Value::Histogram(_) => None,
    });
    counters.collect()
}

/// All that the histograms have counted since the last reading.
fn recorded(custom: &Custom) -> Distribution {
    let mut all = Distribution::default();
    for reading in custom.read() {
        if let Value::Histogram(new) = reading.value {
            all.merge(&new);
        }
    }
    all
}

fn gauge(custom: &Custom) -> f64 {
    let value = custom
        .read()
        .into_iter()
        .find_map(|reading| match reading.value {
            Value::Gauge(value) => Some(value),
            Value::Counter(_) | Value::Histogram(_) => None,
        });
    value.unwrap()
}

#[test]
fn totals_are_exact_while_threads_come_and_go() {
    // More than there are stripes, so that some are alone in theirs, and some share one.
    const AT_ONCE: u64 = 40;
    const GENERATIONS: u64 = 12;
    const EACH: u64 = 2_000;
    let custom = Custom::default();
    let (calls, sizes) = (custom.counter("calls"), custom.histogram("sizes"));
    let done = AtomicBool::new(false);
    let mut seen = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = Distribution::default();
            while !done.load(Ordering::Acquire) {
                seen.merge(&recorded(&custom));
            }
            seen
        });
        for _ in 0..GENERATIONS {
            let writers = (0..AT_ONCE).map(|number| {
                let (calls, sizes) = (calls.clone(), sizes.clone());
                scope.spawn(move || {
                    for turn in 0..EACH {
                        calls.add(2);
                        sizes.record((number * EACH + turn) as f64);
                    }
                })
            });
            let writers: Vec<_> = writers.collect();
            writers
                .into_iter()
                .for_each(|writer| writer.join().unwrap());
        }
        done.store(true, Ordering::Release);
        reader.join().unwrap()
    });
    seen.merge(&recorded(&custom));
    let all = AT_ONCE * GENERATIONS * EACH;
    assert_eq!(counters(&custom)["calls"], 2 * all);
    assert_eq!(seen.count(), all);
    assert_eq!(seen.max, (AT_ONCE * EACH - 1) as f64);
    assert_eq!((custom.dropped(), custom.overflowed()), (0, 0));
}

#[test]
fn a_histogram_holds_small_and_large_values_and_drops_what_is_none() {
    // A value, whether it is kept, and what it is told as.
    for (value, told) in [
        (0.0, Some(0.0)),
        (-0.0, Some(0.0)),
        (f64::MIN_POSITIVE, Some(0.0)),
        (1e-10, Some(0.0)),
        (1e-9, Some(1e-9)),
        (0.25, Some(0.25)),
        (1.0, Some(1.0)),
        (1e11, Some(1e11)),
        (1e12, Some(1e12)),
        (1e300, Some(1.09e12)),
        (-1e-300, None),
        (-1.0, None),
        (f64::NAN, None),
        (f64::INFINITY, None),
        (f64::NEG_INFINITY, None),
    ] {
        let custom = Custom::default();
        custom.histogram("sizes").record(value);
        let all = recorded(&custom);
        assert_eq!(custom.dropped(), u64::from(told.is_none()), "{value}");
        let Some(told) = told else {
            assert!(all.is_empty() && all.quantile(0.5).is_none() && all.mean().is_none());
            continue;
        };
        assert_eq!((all.count(), all.max), (1, value.abs()), "{value}");
        let median = all.quantile(0.5).unwrap();
        assert!((median - told).abs() <= told * 0.016, "{value}: {median}");
    }
}

#[test]
fn names_beyond_the_bound_are_counted_and_not_kept() {
    let custom = Custom::default();
    for number in 0..MAX_NAMES / 2 {
        custom.counter(&format!("c{number}")).add(1);
        custom.gauge(&format!("g{number}")).set(1.0);
    }
    assert_eq!(custom.overflowed(), 0);
    let refused = custom.counter("one more");
    refused.add(70);
    refused.add(7);
    custom.gauge("another").set(1.0);
    custom.gauge("another").add(1.0);
    custom.histogram("a third").record(1.0);
    assert_eq!(custom.overflowed(), 5);
    custom.counter("c7").add(1);
    assert_eq!(custom.read().len(), MAX_NAMES);
    assert_eq!(counters(&custom)["c7"], 2);
    assert_eq!(custom.overflowed(), 5);
}

#[test]
fn long_names_are_kept_short_and_apart() {
    let custom = Custom::default();
    let long = "ü".repeat(MAX_TEXT);
    custom.counter(&long).add(1);
    custom.counter(&format!("{long}x")).add(2);
    custom.counter(&format!("{long}x")).add(2);
    let kept = counters(&custom);
    let mut sums: Vec<_> = kept.values().copied().collect();
    sums.sort_unstable();
    assert_eq!(sums, [1, 4]);
    for name in kept.keys() {
        assert!(name.len() <= MAX_TEXT && name.starts_with("üüü"), "{name}");
    }
}

/// Labels made from data, which only differ where a name is no longer kept as it is.
#[cfg(feature = "metrics")]
#[test]
fn keys_of_the_facade_made_from_data_do_not_grow_without_end() {
    use metrics::{Key, Label, Level, Metadata, Recorder as _};

    let eyes = crate::observe::Eyes::new(crate::clock::Clock::new());
    let recorder = super::facade::Recorder::new(Some(eyes));
    let metadata = Metadata::new("tests", Level::INFO, None);
    let path = "x".repeat(MAX_TEXT);
    let add = |user: u64| {
        let labels = vec![
            Label::new("path", path.clone()),
            Label::new("user", user.to_string()),
        ];
        let key = Key::from_parts("calls", labels);
        recorder.register_counter(&key, &metadata).increment(1);
    };
    (0..2 * MAX_NAMES as u64).for_each(add);
    let held = eyes.custom.bytes();
    (0..50_000).for_each(add);
    assert_eq!(eyes.custom.bytes(), held);
    assert_eq!(counters(&eyes.custom).len(), MAX_NAMES);
    let kept: u64 = counters(&eyes.custom).values().sum();
    assert_eq!(kept + eyes.custom.overflowed(), 52_000);
}

#[test]
fn histograms_of_every_name_and_thread_stay_in_their_room() {
    let custom = Custom::default();
    let names: Vec<_> = (0..MAX_NAMES).map(|number| format!("h{number}")).collect();
    let at_once = Barrier::new(40);
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                at_once.wait();
                for name in &names {
                    let histogram = custom.histogram(name);
                    (-40..50).for_each(|power| histogram.record(2_f64.powi(power)));
                }
            });
        }
    });
    let all = 40 * 90 * MAX_NAMES as u64;
    let (kept, dropped) = (recorded(&custom).count(), custom.dropped());
    assert_eq!(kept + dropped, all);
    assert!(kept > 0 && dropped > 0, "{kept} {dropped}");
    assert!(custom.room.used() <= 12 << 20, "{}", custom.room.used());
    assert!(custom.bytes() < 14 << 20, "{}", custom.bytes());
}

#[test]
fn a_thread_s_stripe_is_the_next_one_s_when_it_has_ended() {
    let own = || {
        let own = || {
            // The last word of the thread may come after its stripe was given back.
            thread_local!(static LAST: LastWord = const { LastWord });
            LAST.with(|_| stripe::own())
        };
        thread::scope(|scope| scope.spawn(own).join().unwrap())
    };
    let seen: std::collections::BTreeSet<_> = (0..500).map(|_| own()).collect();
    assert!(seen.iter().all(|stripe| *stripe < stripe::STRIPES));
    // Other tests run threads of their own meanwhile.
    assert!(seen.len() < 40, "{seen:?}");
}

struct LastWord;

impl Drop for LastWord {
    fn drop(&mut self) {
        assert!(stripe::own() < stripe::STRIPES);
    }
}

#[test]
fn a_counter_is_lifted_and_never_lowered() {
    let sum = Striped::default();
    sum.add(5);
    for (to, expected) in [(3, 5), (5, 5), (9, 9), (2, 9)] {
        sum.lift(to);
        assert_eq!(sum.sum(), expected, "{to}");
    }
    sum.add(1);
    assert_eq!(sum.sum(), 10);
    sum.lift(11);
    assert_eq!(sum.sum(), 11);
}

#[test]
fn counters_that_are_lifted_at_once_reach_the_highest() {
    let sum = Striped::default();
    thread::scope(|scope| {
        for number in 0..4 {
            let sum = &sum;
            scope.spawn(move || (0..10_000).for_each(|turn| sum.lift(4 * turn + number)));
        }
    });
    assert_eq!(sum.sum(), 39_999);
}

#[test]
fn a_gauge_shows_what_was_set_last_and_adds_up_what_threads_change() {
    let custom = Custom::default();
    let waiting = custom.gauge("waiting");
    waiting.set(7.0);
    waiting.set(-2.5);
    assert_eq!(gauge(&custom), -2.5);
    waiting.set(0.0);
    thread::scope(|scope| {
        for change in [1.0, -1.0, 1.0] {
            let waiting = &waiting;
            scope.spawn(move || (0..1_000).for_each(|_| waiting.add(change)));
        }
    });
    assert_eq!(gauge(&custom), 1_000.0);
}

#[test]
fn handles_of_a_deck_that_is_off_hold_nothing() {
    assert_eq!(format!("{:?}", Counter::noop()), "Counter(None)");
    Counter::noop().add(1);
    Gauge::noop().set(1.0);
    Gauge::noop().add(1.0);
    Histogram::noop().record(f64::NAN);
    assert_eq!(size_of::<Histogram>(), 2 * size_of::<usize>());
}

#[test]
fn what_is_said_of_a_number_is_found_with_and_without_labels() {
    let custom = Custom::default();
    let about = About {
        unit: Some("bytes".to_owned()),
        description: Some("x".repeat(1_000)),
    };
    custom.describe(Kind::Histogram, "sizes", about);
    for name in ["sizes", "sizes{of=\"mail\"}"] {
        let found = custom.about(Kind::Histogram, name);
        assert_eq!(found.unit.as_deref(), Some("bytes"), "{name}");
        assert_eq!(found.description.map(|text| text.len()), Some(MAX_TEXT));
    }
    assert!(custom.about(Kind::Counter, "sizes").unit.is_none());
    (0..2 * MAX_NAMES).for_each(|number| {
        custom.describe(Kind::Gauge, &number.to_string(), About::default());
    });
    assert_eq!(custom.names().about.len(), MAX_NAMES);
}

proptest! {
    #[test]
    fn quantiles_agree_with_hdrhistogram(
        values in prop::collection::vec(1_u64..1 << 39, 1..400),
        scale in prop::sample::select(vec![1.0, 1e-3, 1e-9]),
        parts in 1_usize..4,
        q in 0.0_f64..=1.0,
    ) {
        let mut oracle = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 1 << 40, 4).unwrap();
        let custom = Custom::default();
        let mut ours = Distribution::default();
        let histogram = custom.histogram("values");
        for part in values.chunks(values.len().div_ceil(parts)) {
            for value in part {
                oracle.record(*value).unwrap();
                histogram.record(*value as f64 * scale);
            }
            ours.merge(&recorded(&custom));
        }
        prop_assert_eq!(ours.count(), values.len() as u64);
        let largest = values.iter().max().copied().unwrap_or(0) as f64 * scale;
        prop_assert_eq!(ours.max, largest);
        let (told, exact) = (ours.quantile(q).unwrap(), oracle.value_at_quantile(q) as f64 * scale);
        // What the oracle itself may be off comes on top.
        prop_assert!((told - exact).abs() <= exact * 0.0161, "{} {}", told, exact);
        let mean = values.iter().map(|value| *value as f64 * scale).sum::<f64>() / values.len() as f64;
        prop_assert!((ours.mean().unwrap() - mean).abs() <= mean * 0.0161);
    }
}
