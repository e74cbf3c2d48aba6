//! What a cache would have answered of calls that have none.
//!
//! The calls of some keys go through a miniature, as the look-ups of a namespace do, and it holds of each what it returned,
//! as a hash. A call that would have been answered with something else than it returned is told: no time to live that
//! makes such answers is to be recommended. Several times to live are tried at once.

use std::time::Duration;

use perfdeck_bridge::histogram::Histogram;

use super::super::local::quick;
use super::super::policy::Policy;
use super::sample::{self, Sample};

/// The times to live that are tried, shortest first.
const TTLS: [Duration; 3] = [
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(300),
];
/// The keys that are held, at most; of more the trial is begun anew with fewer, until they stand for the default capacity.
const PLACES: u64 = 2_048;
/// Fewer are too unlike a cache.
const LEAST_PLACES: u64 = 32;
/// What one of them takes, with its share of the table.
const PLACE_BYTES: usize = size_of::<[Loaded; TTLS.len()]>() + 56;
/// What the distributions take, with as many octaves as times spread over.
const TIMES_BYTES: usize = 4 * 1_024;
/// How far off a miniature is that holds all keys; see [`super::Prediction::error`].
const GRAIN: f64 = 0.005;

/// A call of a key in the sample, when it has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) hash: u64,
    /// Its end, in nanoseconds.
    pub(crate) at: u64,
    pub(crate) nanos: u64,
    /// Differs from an earlier call's, but once in four billion, if an invalidation would have been heard in between.
    pub(crate) stamp: u32,
    /// The hash of what it returned; 0 where that can't be seen.
    pub(crate) answer: u32,
}

/// One trial.
pub(crate) struct Trial {
    halvings: u32,
    places: u64,
    held: quick::Bare<[Loaded; TTLS.len()]>,
    parts: [Part; TTLS.len()],
    /// All calls, in the sample or not.
    all: u64,
    /// Those that the sample stands for: what was dropped stands for nothing.
    calls: u64,
    unseen: u64,
    times: Histogram,
    since: u64,
}

/// What a time to live would have brought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tried {
    pub(crate) ttl: Duration,
    /// Calls that would have been answered, of all.
    pub(crate) hit_ratio: f64,
    /// How far off that may be.
    pub(crate) error: f64,
    /// Of these the ones that would have been answered with something else than they returned.
    pub(crate) wrong_ratio: f64,
    /// What each of them would have saved, on average.
    pub(crate) saved_seconds: f64,
    /// The 95th percentile of all calls, with those that would have been answered at once.
    pub(crate) p95_seconds: f64,
}

/// What is known of a subject's calls.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    pub(crate) calls: u64,
    /// What they took, on average, and the 95th percentile.
    pub(crate) mean_seconds: f64,
    pub(crate) p95_seconds: f64,
    /// Whether what they returned was seen.
    pub(crate) compared: bool,
    /// Seconds in which they came.
    pub(crate) seconds: u64,
    pub(crate) tried: Vec<Tried>,
}

#[derive(Clone, Copy)]
struct Loaded {
    at: u64,
    stamp: u32,
    answer: u32,
}

/// What is counted of one time to live.
struct Part {
    ttl: u64,
    sample: Sample,
    hits: u64,
    wrong: u64,
    saved_nanos: u64,
    /// What the others took.
    misses: Histogram,
}

impl Loaded {
    /// So long ago that it is over.
    const NEVER: Self = Self {
        at: u64::MAX,
        stamp: 0,
        answer: 0,
    };
}

impl Trial {
    /// What one takes, about.
    pub(crate) const BYTES: usize = PLACES as usize * PLACE_BYTES
        + TTLS.len() * (size_of::<Part>() + sample::BYTES + TIMES_BYTES)
        + TIMES_BYTES;

    /// Begins with nothing held, for the calls of keys that were halved so often.
    pub(crate) fn new(halvings: u32, second: u64) -> Self {
        let places = (Policy::DEFAULT_CAPACITY >> halvings.min(63)).clamp(LEAST_PLACES, PLACES);
        Self {
            halvings,
            places,
            held: quick::part(places << halvings.min(32), halvings),
            parts: TTLS.map(|ttl| Part::new(ttl, halvings)),
            all: 0,
            calls: 0,
            unseen: 0,
            times: Histogram::new(),
            since: second,
        }
    }

    pub(crate) const fn halvings(&self) -> u32 {
        self.halvings
    }

    /// Whether it holds so many keys that it stands for less than the default capacity.
    pub(crate) fn is_cramped(&self) -> bool {
        self.held.len() as u64 >= self.places / 8 * 7
            && self.places << self.halvings.min(32) < Policy::DEFAULT_CAPACITY
    }

    /// Takes a call; they come in the order of their ends, about.
    pub(crate) fn take(&mut self, call: &Call) {
        let key = sample::mixed(call.hash);
        let place = call.hash >> 32;
        let mut loaded = self.held.get(&key).unwrap_or([Loaded::NEVER; TTLS.len()]);
        let mut is_new = false;
        self.unseen += u64::from(call.answer == 0);
        self.times.record(Duration::from_nanos(call.nanos));
        for (part, loaded) in self.parts.iter_mut().zip(&mut loaded) {
            is_new |= !part.take(place, call, loaded);
        }
        if is_new {
            self.held.insert(key, loaded);
        }
    }

    /// Counts calls, sampled or not, and how many of them the sample stands for.
    pub(crate) const fn passed(&mut self, all: u64, calls: u64) {
        self.all += all;
        self.calls += calls;
    }

    /// Forgets what was counted, and not what is held.
    pub(crate) fn count_anew(&mut self, second: u64) {
        let halvings = self.halvings;
        self.parts = TTLS.map(|ttl| Part::new(ttl, halvings));
        (self.all, self.calls, self.unseen) = (0, 0, 0);
        self.times = Histogram::new();
        self.since = second;
    }

    pub(crate) const fn seconds(&self, second: u64) -> u64 {
        second.saturating_sub(self.since)
    }

    pub(crate) const fn calls(&self) -> u64 {
        self.calls
    }

    /// What is known at a second.
    pub(crate) fn known(&self, second: u64) -> Known {
        let chance = 1.0 / (self.calls.max(1) as f64).sqrt();
        let tried = self.parts.iter().map(|part| {
            let (hit_ratio, error) = part.sample.estimate(self.calls);
            Tried {
                ttl: Duration::from_nanos(part.ttl),
                hit_ratio,
                error: error + GRAIN + chance,
                wrong_ratio: part.wrong as f64 / part.hits.max(1) as f64,
                saved_seconds: part.saved_nanos as f64 / 1e9 / part.hits.max(1) as f64,
                p95_seconds: part.p95_seconds(),
            }
        });
        Known {
            calls: self.all,
            mean_seconds: self.times.mean_seconds(),
            p95_seconds: quantile(&self.times, 0.95),
            compared: self.unseen == 0,
            seconds: self.seconds(second),
            tried: tried.collect(),
        }
    }
}

impl Part {
    fn new(ttl: Duration, halvings: u32) -> Self {
        Self {
            ttl: u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX),
            sample: Sample::new(halvings),
            hits: 0,
            wrong: 0,
            saved_nanos: 0,
            misses: Histogram::new(),
        }
    }

    /// Looks a call up; what isn't there is loaded. Returns whether it was.
    fn take(&mut self, place: u64, call: &Call, loaded: &mut Loaded) -> bool {
        let age = call.at.saturating_sub(loaded.at);
        let hit = loaded.at != u64::MAX && loaded.stamp == call.stamp && age < self.ttl;
        self.sample.note(place, hit);
        if hit {
            self.hits += 1;
            self.wrong += u64::from(loaded.answer != call.answer);
            // One that began before the load was over would have waited for it.
            self.saved_nanos += call.nanos.min(age);
        } else {
            self.misses.record(Duration::from_nanos(call.nanos));
            *loaded = Loaded {
                at: call.at,
                stamp: call.stamp,
                answer: call.answer,
            };
        }
        hit
    }

    /// The 95th percentile, if those that hit took no time.
    fn p95_seconds(&self) -> f64 {
        let misses = self.misses.count();
        let all = (self.hits + misses) as f64;
        // Of the slowest twentieth of all, its share among those that miss.
        let above = 0.05 * all / (misses.max(1) as f64);
        if above >= 1.0 {
            0.0
        } else {
            quantile(&self.misses, 1.0 - above)
        }
    }
}

fn quantile(times: &Histogram, part: f64) -> f64 {
    if times.is_empty() {
        0.0
    } else {
        times.quantile(part)
    }
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trial")
            .field("halvings", &self.halvings)
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn call(key: u64, at: u64, nanos: u64, answer: u32) -> Call {
        Call {
            hash: sample::mixed(key + 1),
            at,
            nanos,
            stamp: 0,
            answer,
        }
    }

    fn known(calls: impl IntoIterator<Item = Call>) -> Known {
        let mut trial = Trial::new(0, 0);
        for call in calls {
            trial.take(&call);
            trial.passed(1, 1);
        }
        trial.known(600)
    }

    #[test]
    fn what_comes_again_in_time_would_have_been_answered() {
        // Ten keys, each every 20 s, for 400 s.
        let calls = (0..200).map(|turn| {
            let at = (turn * 2 + 1) * SECOND;
            call(turn % 10, at, SECOND / 10, 7)
        });
        let known = known(calls);
        let hits = known.tried.iter().map(|tried| tried.hit_ratio);
        assert!(hits.eq([0.0, 0.65, 0.9]), "{known:?}");
        let minute = &known.tried[1];
        assert!((minute.saved_seconds - 0.1).abs() < 1e-9);
        assert!(known.tried.iter().all(|tried| tried.wrong_ratio == 0.0));
        assert!(known.compared);
        assert!((known.mean_seconds - 0.1).abs() < 0.002);
    }

    #[test]
    fn an_answer_that_would_have_been_another_is_told() {
        // Another one each 30 s, asked for each second.
        let changing = |at: u64| call(1, at * SECOND, 1_000, (at / 30 + 1) as u32);
        let known = known((1..=300).map(changing));
        let wrong = |at: usize| known.tried[at].wrong_ratio;
        assert!((0.02..0.06).contains(&wrong(0)), "{known:?}");
        assert!(wrong(1) > 0.4 && wrong(2) > 0.8, "{known:?}");
    }

    #[test]
    fn an_invalidation_that_would_be_heard_is_a_miss_and_no_wrong_answer() {
        let heard = |at: u64| Call {
            stamp: (at / 30) as u32,
            ..call(1, at * SECOND, 1_000, (at / 30 + 1) as u32)
        };
        let known = known((1..=300).map(heard));
        let longest = &known.tried[2];
        assert_eq!(longest.wrong_ratio, 0.0);
        assert!(
            (longest.hit_ratio - 289.0 / 300.0).abs() < 1e-9,
            "{known:?}"
        );
    }

    #[test]
    fn who_comes_during_a_load_saves_no_more_than_the_rest_of_it() {
        // Both begin at once, and the second ends a tenth of a second later.
        let both = [
            call(1, SECOND, SECOND, 7),
            call(1, SECOND + SECOND / 10, SECOND, 7),
        ];
        let known = known(both);
        assert!((known.tried[0].saved_seconds - 0.1).abs() < 1e-9);
    }

    #[test]
    fn the_tail_is_of_what_would_still_be_loaded() {
        // One in ten is a key of its own and takes a second, the others are one.
        let calls = (1..=1_000_u64).map(|turn| {
            let slow = turn % 10 == 0;
            let (key, nanos) = if slow {
                (turn, SECOND)
            } else {
                (0, SECOND / 10)
            };
            call(key, turn * 1_000_000, nanos, 7)
        });
        let mixed = known(calls);
        let tried = &mixed.tried[0];
        assert!((tried.p95_seconds - 1.0).abs() < 0.02, "{tried:?}");
        let all_alike = (1..=1_000).map(|turn| call(0, turn * 1_000_000, SECOND / 10, 7));
        assert_eq!(known(all_alike).tried[0].p95_seconds, 0.0);
    }

    #[test]
    fn of_more_keys_than_there_is_room_for_fewer_are_asked_for() {
        let mut trial = Trial::new(0, 0);
        (0..100).for_each(|key| trial.take(&call(key, SECOND, 1_000, 7)));
        assert!(!trial.is_cramped());
        (0..PLACES).for_each(|key| trial.take(&call(key, SECOND, 1_000, 7)));
        assert!(trial.is_cramped());
        let mut trial = Trial::new(3, 0);
        (0..PLACES).for_each(|key| trial.take(&call(key, SECOND, 1_000, 7)));
        assert!(!trial.is_cramped(), "it stands for the default capacity");
    }
}
