//! What other policies would bring to a namespace that is in use: the estimator fed with its look-ups, checked against what
//! the namespace itself does.
//!
//! The present policy is predicted as all others are. Where that is off what was measured, the others are not to be
//! believed either, and nothing is told.

use std::time::Duration;

use perfdeck_bridge::protocol::{CacheForecast, Forecast, ForecastSilence};

use super::super::policy::{Eviction, Policy, Unit};
use super::super::sampling::{Lookup, Taken};
use super::super::{Caches, Row};
use super::{Bounds, Candidate, Estimator, LOOKUPS, Prediction};

/// The capacities that are tried, as the present one times the first by the second.
const SIZES: [(u64, u64); 6] = [(1, 4), (1, 2), (1, 1), (2, 1), (4, 1), (8, 1)];
/// The times to live that are tried, besides the present one.
const TTLS: [(u32, u32); 2] = [(1, 4), (4, 1)];
/// A prediction of the present policy that is further off what was measured makes all others worthless.
pub(crate) const OFF: f64 = 0.03;
/// Seconds after which a forecast is begun anew, if it has its look-ups by then.
const WINDOW: u64 = 600;
/// With more look-ups behind it a namespace is no longer as empty as the miniatures are at first.
const COLD: u64 = 500;
/// A capacity in bytes is taken for as many entries as it holds at their size; another size by this factor is another
/// number.
const RESIZED: f64 = 1.25;
/// Entries that a mean size can be taken of.
const WEIGHED: u64 = 100;

/// The forecast of one namespace.
pub(crate) struct Forecaster {
    setup: Setup,
    bounds: Bounds,
    estimator: Estimator,
    kinds: Vec<Kind>,
    window: Window,
    /// Evictions when it began.
    evictions: u64,
    /// What the last second's look-ups in the sample were, as a moving average.
    pub(crate) sampled_per_second: f64,
    /// Of all that came.
    sampled: u64,
    told: Option<CacheForecast>,
}

/// What a forecast is made for: another policy is another forecast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Setup {
    eviction: Eviction,
    /// In the policy's unit.
    capacity: u64,
    /// What one entry takes of it.
    weight: f64,
    /// As entries have it on average.
    ttl: Option<Duration>,
    policy_ttl: Option<Duration>,
    stale: Duration,
}

/// What a candidate is told as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Present,
    Capacity,
    Eviction,
    Ttl,
}

/// The look-ups that the present count is of.
#[derive(Debug, Clone, Copy)]
struct Window {
    /// Whether the miniatures are still emptier than the namespace was.
    warming: bool,
    since: u64,
    lookups: u64,
    answered: u64,
    /// The namespace's own counts at the last tick.
    last: (u64, u64),
}

/// What the namespace does just now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Load {
    pub(crate) lookups_per_second: f64,
    pub(crate) mean_seconds: f64,
}

impl Setup {
    /// What the namespace is set to; `None` where nothing can be predicted of it.
    pub(crate) fn of(row: &Row) -> Option<Self> {
        let policy: &Policy = &row.policy;
        let weight = match policy.unit {
            Unit::Entries => 1.0,
            Unit::Bytes if row.entries >= WEIGHED => row.bytes as f64 / row.entries as f64,
            Unit::Bytes => return None,
        };
        // Each entry draws its own time; on average it is this.
        let jitter = 1.0 - f64::from(policy.jitter) / 200.0;
        (policy.capacity > 0).then_some(Self {
            eviction: policy.eviction,
            capacity: policy.capacity,
            weight,
            ttl: policy.ttl.map(|ttl| ttl.mul_f64(jitter)),
            policy_ttl: policy.ttl,
            stale: policy.stale,
        })
    }

    /// Whether what is known of one is still right for the other.
    fn is_like(&self, other: &Self) -> bool {
        let ratio = self.weight / other.weight;
        let weight = other.weight;
        Self { weight, ..*self } == *other && (1.0 / RESIZED..RESIZED).contains(&ratio)
    }

    /// How long an entry is fresh by itself, if that is shorter than the policy says, whatever the jitter.
    fn own_ttl(&self, lookup: &Lookup) -> Option<Duration> {
        let own = lookup.own_ttl()?;
        match (self.policy_ttl, self.ttl) {
            (Some(most), Some(mean)) => {
                let least = mean.saturating_mul(2).saturating_sub(most);
                (own < least.mul_f64(0.99)).then_some(own)
            }
            _ => Some(own),
        }
    }

    fn entries(&self, capacity: u64) -> u64 {
        ((capacity as f64 / self.weight) as u64).max(1)
    }

    fn candidates(&self) -> (Vec<Kind>, Vec<Candidate>) {
        let present = Candidate {
            eviction: self.eviction,
            capacity: self.entries(self.capacity),
            ttl: self.ttl,
        };
        let sizes = SIZES.into_iter().map(|(times, by)| {
            let kind = if times == by {
                Kind::Present
            } else {
                Kind::Capacity
            };
            let capacity = self.entries(self.capacity.saturating_mul(times) / by);
            (
                kind,
                Candidate {
                    capacity,
                    ..present
                },
            )
        });
        let evictions = [
            Eviction::Default,
            #[cfg(feature = "moka")]
            Eviction::Lru,
            #[cfg(feature = "moka")]
            Eviction::TinyLfu,
        ];
        let evictions = evictions
            .into_iter()
            .filter(|eviction| *eviction != self.eviction)
            .map(|eviction| {
                (
                    Kind::Eviction,
                    Candidate {
                        eviction,
                        ..present
                    },
                )
            });
        let ttls = TTLS.into_iter().filter_map(|(times, by)| {
            let ttl = Some(self.ttl?.saturating_mul(times) / by);
            Some((Kind::Ttl, Candidate { ttl, ..present }))
        });
        sizes.chain(evictions).chain(ttls).unzip()
    }

    /// What it would take in bytes, with miniatures of so many places.
    pub(crate) fn bytes(&self, places: u64) -> usize {
        let bounds = Bounds {
            places,
            halvings: 0,
            stale: Duration::ZERO,
        };
        let parts = self.candidates().1.into_iter();
        let parts = parts.map(|candidate| super::bytes_of(&candidate, bounds));
        parts.sum::<usize>() + Lookup::ROOM_BYTES
    }

    /// How dear a look-up is, in look-ups of the default engine's: moka's miniatures take several times as long.
    pub(crate) fn weight_of_lookup(&self) -> f64 {
        if self.eviction == Eviction::Default {
            1.0
        } else {
            3.0
        }
    }
}

impl Forecaster {
    /// Begins to sample a namespace.
    pub(crate) fn new(
        caches: &Caches,
        row: &Row,
        setup: Setup,
        (places, halvings): (u64, u32),
        second: u64,
    ) -> Self {
        let bounds = Bounds {
            places,
            halvings,
            stale: setup.stale,
        };
        let (kinds, candidates) = setup.candidates();
        caches.sample(&row.name, Some(halvings));
        Self {
            setup,
            bounds,
            estimator: Estimator::within(&candidates, bounds),
            kinds,
            window: Window {
                warming: row.hits + row.misses > COLD,
                since: second,
                lookups: 0,
                answered: 0,
                last: (row.hits + row.misses, row.hits + row.joined),
            },
            evictions: row.evictions,
            sampled_per_second: 0.0,
            sampled: 0,
            told: None,
        }
    }

    /// Whether the namespace is still what this is the forecast of.
    pub(crate) fn fits(&self, setup: &Setup) -> bool {
        self.setup.is_like(setup)
    }

    pub(crate) const fn halvings(&self) -> u32 {
        self.bounds.halvings
    }

    pub(crate) const fn places(&self) -> u64 {
        self.bounds.places
    }

    /// Takes a second's look-ups.
    pub(crate) fn take(&mut self, taken: &Taken, row: &Row, second: u64, load: Load) {
        let kept = taken.lookups.len() as u64;
        for lookup in &taken.lookups {
            self.estimator.take(lookup, self.setup.own_ttl(lookup));
        }
        self.sampled += kept;
        let all = (row.hits + row.misses, row.hits + row.joined);
        let lookups = all.0.saturating_sub(self.window.last.0);
        let answered = all.1.saturating_sub(self.window.last.1);
        self.window.last = all;
        let mut arrived = kept + taken.dropped;
        if taken.full {
            // From then on nobody counted those in the sample: they are their share of all.
            arrived = arrived.max(lookups.checked_shr(self.bounds.halvings).unwrap_or(0));
        }
        self.sampled_per_second += (arrived as f64 - self.sampled_per_second) / 8.0;
        // Of all keys, what was kept is what there was; else what was dropped stands for its share of the others.
        self.estimator
            .passed(match (self.bounds.halvings, arrived - kept) {
                (0, _) => kept,
                (_, 0) => lookups,
                _ => (lookups as f64 * kept as f64 / arrived as f64) as u64,
            });
        self.window.lookups += lookups;
        self.window.answered += answered;
        let enough = self.window.lookups >= LOOKUPS;
        if self.window.warming {
            // Twice over what is held, so that the largest is filled, too, where it ever is.
            if enough && self.window.lookups >= 2 * self.setup.entries(self.setup.capacity) {
                self.begin_window(second);
            }
            return;
        }
        // While there are too few, how many there are is the news.
        let waits = self
            .told
            .as_ref()
            .is_none_or(|told| told.silence == Some(ForecastSilence::TooFewLookups));
        if enough || waits {
            self.told = Some(self.tell(row, load));
        }
        if enough && second.saturating_sub(self.window.since) >= WINDOW {
            self.begin_window(second);
        }
    }

    /// What is known, and why no more of it is.
    pub(crate) fn told(&self) -> CacheForecast {
        self.told.clone().unwrap_or_else(|| CacheForecast {
            silence: Some(ForecastSilence::TooFewLookups),
            lookups: self.window.lookups,
            ..CacheForecast::default()
        })
    }

    /// Whether many look-ups came, and none in the sample.
    pub(crate) const fn is_in_vain(&self) -> bool {
        self.sampled == 0 && self.window.lookups >= LOOKUPS
    }

    pub(crate) fn bytes(&self) -> usize {
        self.estimator.bytes() + Lookup::ROOM_BYTES
    }

    fn begin_window(&mut self, second: u64) {
        self.estimator.count_anew();
        self.window = Window {
            warming: false,
            since: second,
            lookups: 0,
            answered: 0,
            last: self.window.last,
        };
    }

    fn tell(&self, row: &Row, load: Load) -> CacheForecast {
        let lookups = self.window.lookups;
        let measured =
            (lookups > 0).then(|| (self.window.answered as f64 / lookups as f64).min(1.0));
        let predictions = self.estimator.predictions();
        let mut said = self.kinds.iter().zip(&predictions);
        let present = said
            .find(|(kind, _)| **kind == Kind::Present)
            .and_then(|(_, prediction)| prediction.hit_ratio);
        let mut told = CacheForecast {
            silence: None,
            lookups,
            measured,
            predicted: present,
            ..CacheForecast::default()
        };
        let was_full = row.evictions > self.evictions;
        told.silence = match (measured, present) {
            _ if lookups < LOOKUPS => Some(ForecastSilence::TooFewLookups),
            (Some(measured), Some(present)) if (measured - present).abs() > OFF => {
                Some(ForecastSilence::Off)
            }
            (Some(_), Some(_)) if was_full => None,
            (Some(_), Some(_)) => Some(ForecastSilence::NeverFull),
            _ => Some(ForecastSilence::Unsure),
        };
        let (sizes, ttls) = match told.silence {
            None => (true, true),
            Some(ForecastSilence::NeverFull) => (false, true),
            Some(_) => return told,
        };
        for (kind, prediction) in self.kinds.iter().zip(&predictions) {
            let list = match kind {
                Kind::Present | Kind::Capacity if sizes => &mut told.capacities,
                Kind::Eviction if sizes => &mut told.evictions,
                Kind::Ttl if ttls => &mut told.ttls,
                _ => continue,
            };
            list.extend(self.forecast(*kind, prediction, present.unwrap_or(0.0), load));
        }
        told
    }

    fn forecast(
        &self,
        kind: Kind,
        prediction: &Prediction,
        present: f64,
        load: Load,
    ) -> Option<Forecast> {
        let (hit_ratio, error) = (prediction.hit_ratio?, prediction.error?);
        let candidate = prediction.candidate;
        let capacity = if matches!(kind, Kind::Present | Kind::Eviction | Kind::Ttl) {
            self.setup.capacity
        } else {
            (candidate.capacity as f64 * self.setup.weight).round() as u64
        };
        let ttl = match (kind, candidate.ttl, self.setup.ttl) {
            // As the policy would say it, and not as it is on average.
            (Kind::Ttl, Some(tried), Some(present)) => self
                .setup
                .policy_ttl
                .map(|ttl| ttl.mul_f64(tried.div_duration_f64(present))),
            _ => self.setup.policy_ttl,
        };
        Some(Forecast {
            capacity,
            eviction: candidate.eviction.name().to_owned(),
            ttl_seconds: ttl.map(|ttl| ttl.as_secs_f64()),
            hit_ratio,
            error,
            saved_seconds_per_second: (hit_ratio - present)
                * load.lookups_per_second
                * load.mean_seconds,
        })
    }
}

impl std::fmt::Debug for Forecaster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forecaster")
            .field("setup", &self.setup)
            .finish_non_exhaustive()
    }
}
