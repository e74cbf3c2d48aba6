//! What is predicted of a namespace in use, against another that is really so.

use perfdeck_bridge::protocol::{CacheForecast, ForecastSilence};

use super::eviction::evictions;
use super::*;
use crate::cache::curve::forecast::{Forecaster, Load, Setup};

/// Look-ups of one second.
const SECOND: usize = 500;
const LOAD: Load = Load {
    lookups_per_second: 100.0,
    mean_seconds: 0.02,
};

/// Keys with a probability that falls with their rank's power.
fn zipf(keys: usize, power: f64, lookups: usize) -> Vec<u64> {
    let mut sum = 0.0;
    let bounds: Vec<f64> = (1..=keys)
        .map(|rank| {
            sum += (rank as f64).powf(-power);
            sum
        })
        .collect();
    let mut seed = 11_u64;
    let mut draw = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..lookups)
        .map(|_| bounds.partition_point(|bound| *bound < draw() * sum) as u64)
        .collect()
}

/// A namespace that is in use, and the forecast of it.
struct Watched {
    caches: Caches,
    hand: Arc<AtomicU64>,
    users: Namespace,
    forecaster: Forecaster,
    second: u64,
}

impl Watched {
    fn new(policy: &Policy, halvings: u32) -> Self {
        let (caches, hand) = manual(true);
        caches.policy("users", policy);
        let users = caches.namespace("users");
        let first = row(&caches, "users");
        let setup = Setup::of(&first).unwrap();
        let forecaster = Forecaster::new(&caches, &first, setup, (1_024, halvings), 0);
        Self {
            caches,
            hand,
            users,
            forecaster,
            second: 0,
        }
    }

    /// Looks all of it up, and loads what isn't there; between two looks `also` happens.
    fn look_up(&mut self, trace: &[u64], also: impl Fn(&Namespace, u64)) -> CacheForecast {
        for second in trace.chunks(SECOND) {
            for key in second {
                if self.users.get::<u64>(key).is_none() {
                    self.users.insert(key, *key);
                }
                also(&self.users, *key);
            }
            pass(&self.hand, Duration::from_secs(1));
            self.second += 1;
            let taken = self.caches.sampled("users", Vec::with_capacity(10_000));
            let row = row(&self.caches, "users");
            self.forecaster
                .take(&taken.unwrap(), &row, self.second, LOAD);
        }
        self.forecaster.told()
    }

    fn measured(&self) -> f64 {
        let row = row(&self.caches, "users");
        row.hits as f64 / (row.hits + row.misses) as f64
    }
}

#[test]
fn twice_the_capacity_is_predicted_as_twice_the_capacity_is_measured() {
    const ROUNDS: usize = 4;
    let trace = zipf(20_000, 0.9, 25_000);
    for eviction in evictions() {
        let policy = |capacity| Policy::new().eviction(eviction).capacity(capacity);
        let mut real = Watched::new(&policy(2_000), 0);
        real.look_up(&trace, |_, _| {});
        let real = real.measured();
        let mut within = 0;
        // Other keys in each round, so that another sample is seen of the same look-ups: a band of two standard errors is not
        // for all of them. At last half of the keys come in the first place, as where there are too many look-ups.
        for round in 1..=ROUNDS {
            let halvings = u32::from(round == ROUNDS);
            let keys: Vec<u64> = trace
                .iter()
                .map(|key| key + ((round as u64) << 32))
                .collect();
            let told = Watched::new(&policy(1_000), halvings).look_up(&keys, |_, _| {});
            if round == ROUNDS && told.silence == Some(ForecastSilence::Off) {
                // Of half of so few keys the present can be off, too, which it notices.
                continue;
            }
            assert_eq!(told.silence, None, "{eviction:?}: {told:?}");
            let twice = told.capacities.iter().find(|said| said.capacity == 2_000);
            let twice = twice.unwrap();
            let off = (twice.hit_ratio - real).abs();
            within += usize::from(off <= twice.error);
            assert!(off <= 2.0 * twice.error, "{eviction:?}: {off} of {twice:?}");
            assert!(twice.error <= 0.05, "{eviction:?}: {twice:?}");
            let gain = twice.hit_ratio - told.predicted.unwrap();
            assert!(gain > 0.03, "there was something to predict: {gain}");
            let saved = gain * LOAD.lookups_per_second * LOAD.mean_seconds;
            assert!((twice.saved_seconds_per_second - saved).abs() < 1e-9);
        }
        assert!(
            within >= ROUNDS / 2,
            "{eviction:?}: {within} within the band"
        );
    }
}

#[test]
fn other_evictions_are_predicted_as_they_are_measured() {
    // A scan between, which is where they differ.
    let mut trace = zipf(5_000, 0.8, 30_000);
    for (next, key) in (1 << 40..).zip(trace.iter_mut().step_by(3)) {
        *key = next;
    }
    let told = Watched::new(&Policy::new().capacity(1_000), 0).look_up(&trace, |_, _| {});
    for other in evictions().into_iter().skip(1) {
        let said = told
            .evictions
            .iter()
            .find(|said| said.eviction == other.name())
            .unwrap();
        let policy = Policy::new().capacity(1_000).eviction(other);
        let mut real = Watched::new(&policy, 0);
        real.look_up(&trace, |_, _| {});
        let off = (said.hit_ratio - real.measured()).abs();
        assert!(off <= said.error + 0.005, "{other:?}: {off} of {said:?}");
    }
}

#[test]
fn a_longer_time_to_live_is_predicted_with_what_is_invalidated_meanwhile() {
    let trace = zipf(500, 0.9, 40_000);
    // 80 s in all; each eighth look-up its key changes.
    let changes = |users: &Namespace, key: u64| {
        if key.is_multiple_of(8) {
            users.invalidate_key(&key);
        }
    };
    let policy = |seconds| {
        Policy::new()
            .capacity(1_000)
            .ttl(Duration::from_secs(seconds))
    };
    let told = Watched::new(&policy(2), 0).look_up(&trace, changes);
    assert_eq!(
        told.silence,
        Some(ForecastSilence::NeverFull),
        "of capacities nothing is known: {told:?}"
    );
    assert_eq!((told.capacities.len(), told.evictions.len()), (0, 0));
    let longer = told
        .ttls
        .iter()
        .find(|said| said.ttl_seconds == Some(8.0))
        .unwrap();
    let mut real = Watched::new(&policy(8), 0);
    real.look_up(&trace, changes);
    let off = (longer.hit_ratio - real.measured()).abs();
    assert!(off <= 0.02, "{off}");
    assert!(longer.hit_ratio > told.predicted.unwrap() + 0.05);
}

#[test]
fn nothing_is_told_of_few_look_ups() {
    let mut watched = Watched::new(&Policy::new().capacity(100), 0);
    let trace = zipf(1_000, 0.9, 10_000);
    let told = watched.look_up(&trace[..9_500], |_, _| {});
    assert_eq!(told.silence, Some(ForecastSilence::TooFewLookups));
    assert_eq!(told.capacities, []);
    let told = watched.look_up(&trace[9_500..], |_, _| {});
    assert_eq!(told.silence, None);
}

#[test]
fn nothing_is_told_where_the_present_is_predicted_wrong() {
    let policy = Policy::new().capacity(500).ttl(Duration::from_secs(60));
    let mut watched = Watched::new(&policy, 0);
    // The function's own time is shorter, of which the policy knows nothing.
    let own = |users: &Namespace, key: u64| {
        users
            .entry(&key)
            .ttl(Duration::from_secs(1))
            .insert::<u64>(key);
    };
    let told = watched.look_up(&zipf(5_000, 0.9, 20_000), own);
    assert_eq!(told.silence, Some(ForecastSilence::Off), "{told:?}");
    assert_eq!(told.capacities, []);
    assert!((told.measured.unwrap() - told.predicted.unwrap()).abs() > 0.03);
}

#[test]
fn of_a_namespace_that_was_warm_nothing_is_told_until_the_miniatures_are() {
    let mut watched = Watched::new(&Policy::new().capacity(1_000), 0);
    let trace = zipf(20_000, 0.9, 60_000);
    let first = watched.look_up(&trace[..30_000], |_, _| {});
    assert_eq!(first.silence, None);
    // Begun again in the middle, as after other settings.
    let present = row(&watched.caches, "users");
    let setup = Setup::of(&present).unwrap();
    watched.forecaster = Forecaster::new(&watched.caches, &present, setup, (1_024, 0), 60);
    let early = watched.look_up(&trace[30_000..39_500], |_, _| {});
    assert_eq!(early.silence, Some(ForecastSilence::TooFewLookups));
    let late = watched.look_up(&trace[39_500..], |_, _| {});
    assert_eq!(late.silence, None, "{late:?}");
}

#[test]
fn what_waits_for_the_agent_is_bounded_and_that_there_was_more_is_told() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    let get = |key: u64| users.get::<u64>(&key);
    get(1);
    let untouched = caches.sampled("users", Vec::new()).unwrap();
    assert_eq!((untouched.lookups.len(), untouched.full), (0, false));

    caches.sample("users", Some(0));
    for key in 0..50_000 {
        get(key);
    }
    let taken = caches.sampled("users", Lookup::room()).unwrap();
    assert_eq!(taken.lookups.len(), sampling::ROOM);
    assert_eq!(taken.lookups.capacity(), sampling::ROOM);
    assert!(taken.full);
    assert!(taken.lookups.iter().all(|lookup| lookup.at == 1));

    // There is room again.
    for key in 0..100 {
        get(key);
    }
    let taken = caches.sampled("users", Vec::new()).unwrap();
    assert_eq!((taken.lookups.len(), taken.full), (100, false));
}

#[test]
fn of_halved_keys_the_agent_sees_its_share_and_no_others() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    caches.sample("users", Some(6));
    for _ in 0..3 {
        (0..20_000_u64).for_each(|key| users.insert(&key, key));
        for key in 0..20_000_u64 {
            let _ = users.get::<u64>(&key);
        }
    }
    let taken = caches.sampled("users", Vec::new()).unwrap();
    // A key in the sample is in it each time, and 312 of 20,000 are to be expected.
    let keys: HashSet<_> = taken.lookups.iter().map(|lookup| lookup.hash).collect();
    assert_eq!(taken.lookups.len(), 3 * keys.len());
    assert!((240..400).contains(&keys.len()), "{}", keys.len());
}

#[test]
fn a_forecast_takes_no_more_than_it_says() {
    for capacity in [10, 1_000, 100_000, 100_000_000] {
        for eviction in evictions() {
            let policy = Policy::new()
                .capacity(capacity)
                .eviction(eviction)
                .ttl(Duration::from_secs(60));
            let watched = Watched::new(&policy, 0);
            let row = row(&watched.caches, "users");
            let said = Setup::of(&row).unwrap().bytes(1_024);
            assert!(watched.forecaster.bytes() <= said);
            assert!(said < 3 << 20, "{eviction:?}, {capacity}: {said}");
        }
    }
}

#[test]
fn a_key_that_most_hits_are_of_is_seen() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    (0..1_000_u64).for_each(|key| users.insert(&key, key));
    for look in 0..64_000_u64 {
        let key = if look % 5 < 3 { 7 } else { look % 1_000 };
        let _ = users.get::<u64>(&key);
    }
    let (share, seen) = row(&caches, "users").aged.hottest();
    assert_eq!(seen, 1_000);
    assert!((0.45..=0.62).contains(&share), "{share}");
}

#[test]
fn entries_that_ask_for_a_time_of_their_own_are_predicted_with_it() {
    let trace = zipf(2_000, 0.9, 60_000);
    let seconds = |key: u64| Duration::from_secs(if key.is_multiple_of(2) { 5 } else { 20 });
    let bounded = || Policy::new().capacity(1_000);
    for policy in [bounded(), bounded().ttl(Duration::from_secs(600))] {
        let mut watched = Watched::new(&policy, 0);
        for second in trace.chunks(SECOND) {
            for key in second {
                let entry = || watched.users.entry(key).ttl(seconds(*key));
                if entry().get::<u64>().is_none() {
                    entry().insert(*key);
                }
            }
            pass(&watched.hand, Duration::from_secs(1));
            watched.second += 1;
            let taken = watched.caches.sampled("users", Vec::with_capacity(10_000));
            let row = row(&watched.caches, "users");
            watched
                .forecaster
                .take(&taken.unwrap(), &row, watched.second, LOAD);
        }
        let told = watched.forecaster.told();
        let predicted = told.predicted.unwrap();
        let measured = watched.measured();
        assert!(
            (predicted - measured).abs() < 0.01,
            "{predicted}, {measured}"
        );
        assert!(measured < 0.9, "the times matter: {measured}");
    }
}
