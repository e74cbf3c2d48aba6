//! Spreading what the caches hold anew: entries that are over go, and capacity goes from where a byte saves least to where
//! it saves the most loading, as the running forecasts have it. In all it stays what it was.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use perfdeck_bridge::protocol::{CacheForecast, LedgerId, Refusal, Risk, Undo};

use super::super::{Done, Failure};
use super::setting::{Altered, What, amount, drifted, gone, refused, state_of};
use crate::act::spread::{Choice, spread};
use crate::act::{Draft, Job};
use crate::agent::Agent;
use crate::agent::curve::load;
use crate::cache::curve::LOOKUPS;
use crate::cache::{Changed, Row, Unit};

/// What it is done to, in the ledger.
const TARGET: &str = "caches";
/// Seconds of loading that it must save a second.
const LEAST: f64 = 0.005;
/// Entries that a mean size can be taken of.
const WEIGHED: u64 = 100;
/// What a cache that was never full keeps, as a multiple of what it holds.
const ROOM: u64 = 2;

/// A cache that could hold more or less.
struct Candidate<'a> {
    row: &'a Row,
    /// What one of its capacity takes.
    weight: f64,
    /// The capacities that it could have; the first is what it has.
    capacities: Vec<u64>,
    choices: Vec<Choice>,
}

impl Agent {
    pub(in crate::agent::act) fn draft_optimize(&self) -> Result<Draft, Refusal> {
        let over = self.caches.over();
        // As of the last tick, as the forecasts are.
        let rows = &self.cache_rows;
        let (resizes, saved) = self.resizes();
        if resizes.is_empty() && over == 0 {
            return Err(refused(
                "nothing to gain: no entry is over, and no forecast is sure that capacity saves more elsewhere".into(),
            ));
        }
        let named = |namespace: &str| rows.iter().find(|row| *row.name == *namespace);
        let mut parts: Vec<_> = resizes
            .iter()
            .filter_map(|(namespace, capacity)| {
                let policy = &named(namespace)?.policy;
                let [now, then] =
                    [policy.capacity, *capacity].map(|held| amount(policy.unit, held));
                Some(format!(
                    "let cache `{namespace}` hold {then} instead of {now}"
                ))
            })
            .collect();
        let back: Vec<_> = resizes
            .iter()
            .filter_map(|(namespace, _)| {
                let policy = &named(namespace)?.policy;
                Some(format!(
                    "`{namespace}` {}",
                    amount(policy.unit, policy.capacity)
                ))
            })
            .collect();
        if over > 0 {
            parts.push(format!("drop {over} entries whose time is over"));
        }
        let mut notes = Vec::new();
        if !resizes.is_empty() {
            notes.push("no more than now in all, as large as entries are on average".into());
            notes.push("what doesn't fit any more goes, and no undo brings it back".into());
            self.note_where(&mut notes);
        }
        let expected = (!resizes.is_empty()).then(|| {
            format!(
                "saves {:.0} ms more of loading a second, whatever the forecasts are off by",
                saved * 1e3
            )
        });
        let statement = if back.is_empty() {
            String::new()
        } else {
            format!("let caches hold again: {}", back.join(", "))
        };
        Ok(Draft {
            state: state_of_all(rows, &resizes),
            job: Job::OptimizeCaches { resizes },
            kind: "optimize_caches",
            target: TARGET.into(),
            title: "optimize caches".into(),
            statement: parts.join("; "),
            risk: Risk::Cache,
            notes,
            expected,
            undo: Undo {
                statement,
                until: None,
            },
            confirm: None,
            predicted: None,
            undo_of: None,
        })
    }

    /// Carries it out, if the caches are as they were when it was previewed.
    pub(in crate::agent::act) fn optimize_caches(
        &mut self,
        row: LedgerId,
        resizes: &[(String, u64)],
        state: u64,
    ) -> Result<Done, Failure> {
        let dropped = self.caches.sweep();
        self.read_caches();
        if state_of_all(&self.cache_rows, resizes) != state {
            return Err(drifted());
        }
        let mut altered = Vec::new();
        for (namespace, capacity) in resizes {
            let from = self.caches.changed(namespace);
            let from = from.ok_or_else(|| gone(namespace))?;
            let to = Changed {
                capacity: Some(*capacity),
                ..from
            };
            altered.push(self.altered_of(namespace, What::Capacity, from, to)?);
        }
        // What gives goes before what takes, so that there is never more than there was.
        let is_larger = |one: &Altered| {
            let held = self
                .cache_rows
                .iter()
                .find(|row| *row.name == *one.namespace);
            held.is_some_and(|row| one.to.capacity > Some(row.policy.capacity))
        };
        altered.sort_by_key(is_larger);
        for (done, one) in altered.iter().enumerate() {
            if !self.caches.change(&one.namespace, one.from, one.to) {
                for one in altered.iter().take(done) {
                    self.caches.change(&one.namespace, one.to, one.from);
                }
                return Err(drifted());
            }
        }
        let message = match (altered.len(), dropped) {
            (0, _) => format!("dropped {dropped} entries that were over"),
            (resized, 0) => format!("{resized} caches resized"),
            (resized, _) => {
                format!("{resized} caches resized, and {dropped} entries dropped that were over")
            }
        };
        if !altered.is_empty() {
            self.keep_altered(row, altered);
        }
        self.read_caches();
        Ok(Done {
            message,
            credited: true,
        })
    }

    /// The capacities to change, and the seconds of loading that it saves a second.
    fn resizes(&self) -> (Vec<(String, u64)>, f64) {
        let candidates = self.cache_rows.iter().filter_map(|row| self.candidate(row));
        let candidates: Vec<_> = candidates.collect();
        let choices: Vec<_> = candidates.iter().map(|one| one.choices.clone()).collect();
        let picks = spread(&choices);
        let picked = || candidates.iter().zip(&picks);
        let saved_by =
            |one: &Candidate<'_>, pick: usize| one.choices.get(pick).map_or(0.0, |it| it.saved);
        let saved: f64 = picked().map(|(one, pick)| saved_by(one, *pick)).sum();
        if saved < LEAST {
            return (Vec::new(), 0.0);
        }
        let left = picked().fold(0_i128, |left, (one, pick)| {
            let bytes = |pick: usize| one.choices.get(pick).map_or(0, |it| i128::from(it.bytes));
            left + bytes(0) - bytes(*pick)
        });
        // What is left over goes to the one that gains most.
        let most = picked().max_by(|(a, x), (b, y)| saved_by(a, **x).total_cmp(&saved_by(b, **y)));
        let most = most.map(|(one, _)| std::sync::Arc::clone(&one.row.name));
        let resizes = picked().filter_map(|(one, pick)| {
            let mut capacity = *one.capacities.get(*pick)?;
            if Some(&one.row.name) == most.as_ref() {
                capacity += (left.max(0) as f64 / one.weight) as u64;
            }
            (capacity != one.row.policy.capacity).then(|| (one.row.name.to_string(), capacity))
        });
        (resizes.collect(), saved)
    }

    /// What a cache could hold; `None` where that isn't sure.
    fn candidate<'a>(&self, row: &'a Row) -> Option<Candidate<'a>> {
        let weight = match row.policy.unit {
            Unit::Bytes => 1.0,
            Unit::Entries if row.entries >= WEIGHED => row.bytes as f64 / row.entries as f64,
            Unit::Entries => return None,
        };
        let load = load(self.cache_history.get(&row.name)?);
        let load = load.lookups_per_second * load.mean_seconds;
        let said = self.forecast(row)?;
        let others = match (said.silence, said.predicted) {
            (None, Some(present)) => of_curve(row, &said, present),
            _ => of_room(row).into_iter().collect(),
        };
        let present = (row.policy.capacity, 0.0);
        let (capacities, gains): (Vec<_>, Vec<_>) =
            [&[present][..], &others].concat().into_iter().unzip();
        let choices = capacities.iter().zip(gains).map(|(capacity, gain)| Choice {
            bytes: (*capacity as f64 * weight).ceil() as u64,
            saved: gain * load,
        });
        let choices = choices.collect();
        (!others.is_empty()).then_some(Candidate {
            row,
            weight,
            capacities,
            choices,
        })
    }
}

/// Other capacities of a cache that was full, and what they do to the hit ratio, at the worst.
fn of_curve(row: &Row, said: &CacheForecast, present: f64) -> Vec<(u64, f64)> {
    said.capacities
        .iter()
        .filter(|other| other.capacity != row.policy.capacity && other.capacity > 0)
        .map(|other| (other.capacity, other.hit_ratio - other.error - present))
        .collect()
}

/// What a cache that never had to push anything out could do with, whatever a forecast says.
fn of_room(row: &Row) -> Option<(u64, f64)> {
    let held = match row.policy.unit {
        Unit::Entries => row.entries,
        Unit::Bytes => row.bytes,
    };
    let enough = held.saturating_mul(ROOM).max(1);
    let is_known = row.evictions == 0 && row.hits + row.misses >= LOOKUPS;
    (is_known && enough < row.policy.capacity).then_some((enough, 0.0))
}

fn state_of_all(rows: &[Row], resizes: &[(String, u64)]) -> u64 {
    let mut state = DefaultHasher::new();
    for (namespace, _) in resizes {
        let row = rows.iter().find(|row| *row.name == **namespace);
        row.map(|row| state_of(&row.policy)).hash(&mut state);
    }
    state.finish()
}
