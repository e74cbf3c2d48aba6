//! Which caches are predicted, and what that may take.
//!
//! The busiest come first, for as long as there is room: each has its miniatures' memory and its share of the look-ups that
//! the agent has time for. Where a cache's look-ups are more, fewer of its keys are sampled. With the first step down of the
//! budget all of it is given up.

use std::collections::HashMap;
use std::sync::Arc;

use perfdeck_bridge::protocol::{BudgetLevel, CacheForecast, ForecastSilence};

use super::Agent;
use super::history::CacheHistory;
use crate::cache::curve::forecast::{Forecaster, Load, Setup};
use crate::cache::{Lookup, Row};

/// The share of the deck's memory that predictions may take.
const SHARE: usize = 8;
/// Caches that are predicted at once.
const MOST: usize = 8;
/// Look-ups a second that the agent has time for, of the default engine's: each goes through some ten miniatures, which takes
/// some 2 us.
const PER_SECOND: f64 = 1_500.0;
/// The places of miniatures, the first that there is memory for.
const PLACES: [u64; 3] = [1_024, 512, 256];

/// The forecasts of one deck's caches.
#[derive(Debug, Default)]
pub(crate) struct Curves {
    forecasters: HashMap<Arc<str>, Forecaster>,
    /// Those whose look-ups never come.
    vain: Vec<Arc<str>>,
    room: Vec<Lookup>,
    given_up: bool,
}

impl Curves {
    pub(crate) fn bytes(&self) -> usize {
        let forecasters = self.forecasters.values();
        // One more buffer is in the agent's hands while another fills.
        let room = if self.forecasters.is_empty() {
            0
        } else {
            Lookup::ROOM_BYTES
        };
        forecasters.map(Forecaster::bytes).sum::<usize>() + room
    }

    /// How often the keys are to be halved so that the look-ups fit their share.
    fn halvings(lookups_per_second: f64, share: f64) -> u32 {
        let ratio = lookups_per_second / share.max(1.0);
        if ratio > 1.0 {
            (ratio.log2().ceil() as u32).min(24)
        } else {
            0
        }
    }
}

impl Agent {
    /// What is known of a cache; `None` while nobody looks up in it.
    pub(crate) fn forecast(&self, row: &Row) -> Option<CacheForecast> {
        if self.is_idle(&row.name) {
            return None;
        }
        if let Some(forecaster) = self.curves.forecasters.get(&row.name) {
            return Some(forecaster.told());
        }
        let silence = if self.curves.vain.contains(&row.name) {
            ForecastSilence::NotSampled
        } else if Setup::of(row).is_none() {
            ForecastSilence::TooFewLookups
        } else {
            ForecastSilence::NoRoom
        };
        Some(CacheForecast {
            silence: Some(silence),
            ..CacheForecast::default()
        })
    }

    /// Feeds the forecasts what was looked up since the last tick.
    pub(super) fn predict(&mut self) {
        if self.budget.level() != BudgetLevel::Full {
            self.give_up_curves();
            return;
        }
        self.curves.given_up = false;
        let names: Vec<_> = self.curves.forecasters.keys().map(Arc::clone).collect();
        let share = PER_SECOND / names.len().max(1) as f64;
        for name in names {
            self.feed(&name, share);
        }
        self.begin_forecasts();
    }

    pub(super) fn give_up_curves(&mut self) {
        if std::mem::replace(&mut self.curves.given_up, true) {
            return;
        }
        for name in self.curves.forecasters.keys() {
            self.caches.sample(name, None);
        }
        self.curves.forecasters = HashMap::new();
        self.curves.room = Vec::new();
    }

    fn feed(&mut self, name: &Arc<str>, share: f64) {
        let Some(row) = self.cache_rows.iter().find(|row| row.name == *name) else {
            return;
        };
        let Some(forecaster) = self.curves.forecasters.get_mut(name) else {
            return;
        };
        let history = self.cache_history.get(name);
        let load = history.map_or_else(Load::default, load);
        let is_idle = history.is_some_and(|history| history.minute().0 + history.minute().1 == 0);
        let setup = Setup::of(row);
        let fits = setup.is_some_and(|setup| forecaster.fits(&setup));
        if !fits || is_idle || forecaster.is_in_vain() {
            if forecaster.is_in_vain() {
                self.curves.vain.push(Arc::clone(name));
            }
            self.caches.sample(name, None);
            self.curves.forecasters.remove(name);
            return;
        }
        let mut room = std::mem::take(&mut self.curves.room);
        if room.capacity() == 0 {
            room = Lookup::room();
        }
        let Some(mut taken) = self.caches.sampled(name, room) else {
            return;
        };
        forecaster.take(&taken, row, self.second, load);
        taken.lookups.clear();
        self.curves.room = taken.lookups;
        // A moving average over some seconds: twice its share is no burst.
        let share = setup.map_or(share, |setup| share / setup.weight_of_lookup());
        if forecaster.sampled_per_second > 2.0 * share
            && let Some(setup) = setup
        {
            let more = Curves::halvings(forecaster.sampled_per_second, share);
            let kept = (forecaster.places(), forecaster.halvings() + more);
            *forecaster = Forecaster::new(&self.caches, row, setup, kept, self.second);
        }
    }

    /// Begins with the busiest that has room.
    fn begin_forecasts(&mut self) {
        let limit = self.budget.limits.memory_bytes / SHARE;
        while self.curves.forecasters.len() < MOST {
            let waits = |row: &&Row| {
                row.hits + row.misses > 0
                    && !self.curves.forecasters.contains_key(&row.name)
                    && !self.curves.vain.contains(&row.name)
                    && !self.is_idle(&row.name)
            };
            let worth = |row: &Row| {
                let history = self.cache_history.get(&row.name);
                history.map_or(0.0, |history| {
                    let load = load(history);
                    load.lookups_per_second * load.mean_seconds
                })
            };
            let mut waiting: Vec<_> = self
                .cache_rows
                .iter()
                .filter(waits)
                .filter_map(|row| Some((row, Setup::of(row)?)))
                .collect();
            waiting.sort_by(|(a, _), (b, _)| worth(b).total_cmp(&worth(a)));
            let left = limit.saturating_sub(self.curves.bytes() + Lookup::ROOM_BYTES);
            let found = waiting.into_iter().find_map(|(row, setup)| {
                let places = PLACES
                    .into_iter()
                    .find(|places| setup.bytes(*places) <= left)?;
                Some((row, setup, places))
            });
            let Some((row, setup, places)) = found else {
                return;
            };
            let share = PER_SECOND / (self.curves.forecasters.len() + 1) as f64;
            let history = self.cache_history.get(&row.name);
            let busy = history.map_or(0.0, |history| load(history).lookups_per_second);
            let halvings = Curves::halvings(busy, share / setup.weight_of_lookup());
            let kept = (places, halvings);
            let forecaster = Forecaster::new(&self.caches, row, setup, kept, self.second);
            self.curves
                .forecasters
                .insert(Arc::clone(&row.name), forecaster);
        }
    }

    fn is_idle(&self, name: &str) -> bool {
        let minute = self.cache_history.get(name).map(CacheHistory::minute);
        minute.is_none_or(|(hits, misses, _)| hits + misses == 0)
    }
}

pub(super) fn load(history: &CacheHistory) -> Load {
    let (hits, misses, _) = history.minute();
    Load {
        lookups_per_second: (hits + misses) as f64 / history.seconds().max(1) as f64,
        mean_seconds: history.loads.mean_seconds(),
    }
}
