//! Asks the databases what an index would change, beside the tick, and keeps what they said as facts.

#[cfg(all(
    feature = "advisor",
    any(feature = "sqlx-postgres", feature = "sqlx-sqlite")
))]
use std::collections::BTreeSet;
use std::collections::HashMap;

use perfdeck_bridge::protocol::FindingId;

use super::Agent;
use super::act::Made;
use crate::judge::facts::IndexFact;

/// Seconds between two rounds.
#[cfg(all(
    feature = "advisor",
    any(feature = "sqlx-postgres", feature = "sqlx-sqlite")
))]
const EVERY: u64 = 5;
/// Seconds after which the same statements are asked about again.
#[cfg(all(
    feature = "advisor",
    any(feature = "sqlx-postgres", feature = "sqlx-sqlite")
))]
const AGAIN: u64 = 60;

/// What one round found.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    pub(crate) indexes: Vec<IndexFact>,
    /// What each finding would make.
    pub(crate) proposals: HashMap<FindingId, Made>,
    /// Pools whose database could not be asked, and why.
    pub(crate) failures: Vec<(String, String)>,
}

impl Agent {
    /// Takes in what a round found.
    pub(super) fn verified(&mut self, verified: Verified) {
        self.verifying = false;
        self.facts.indexes.clone_from(&verified.indexes);
        self.verified = verified;
    }

    #[cfg(not(all(
        feature = "advisor",
        any(feature = "sqlx-postgres", feature = "sqlx-sqlite")
    )))]
    pub(super) const fn verify(&mut self) {}

    /// Starts a round where none runs.
    #[cfg(all(
        feature = "advisor",
        any(feature = "sqlx-postgres", feature = "sqlx-sqlite")
    ))]
    pub(super) fn verify(&mut self) {
        let due = self.second.is_multiple_of(EVERY) && !self.verifying;
        let pools = if due { self.subjects() } else { Vec::new() };
        let asked: BTreeSet<u64> = pools
            .iter()
            .flat_map(|(_, _, _, subjects)| subjects.iter().map(|subject| subject.query))
            .collect();
        let news = !asked.is_subset(&self.asked) || self.second >= self.asked_at + AGAIN;
        if pools.is_empty() || !news {
            return;
        }
        (self.asked, self.asked_at) = (asked, self.second);
        self.verifying = true;
        let events = self.events.clone();
        tokio::spawn(async move {
            let mut verified = Verified::default();
            for (number, name, handle, subjects) in pools {
                match crate::database::advisor::advise(&handle, &subjects).await {
                    Ok(found) => verified.take(number, &name, &subjects, found),
                    Err(error) => verified.failures.push((name, error.to_string())),
                }
            }
            let _ = events.send(super::Event::Verified(verified)).await;
        });
    }

    /// The statements of each pool that take the most time.
    #[cfg(all(
        feature = "advisor",
        any(feature = "sqlx-postgres", feature = "sqlx-sqlite")
    ))]
    fn subjects(
        &self,
    ) -> Vec<(
        u16,
        String,
        crate::database::Handle,
        Vec<crate::database::advisor::Subject>,
    )> {
        let pools = self.pools.all();
        let only = (pools.iter().filter(|pool| pool.handle.is_some()).count() == 1)
            .then(|| pools.iter().position(|pool| pool.handle.is_some()))
            .flatten();
        let uptime = self.second.max(1);
        let mut subjects: HashMap<usize, Vec<(f64, crate::database::advisor::Subject)>> =
            HashMap::new();
        for (id, record) in &self.store.queries {
            let (times, sums) = record.timeline.minute();
            // A statement that tier 0 saw has no pool; where there is only one, it is of that.
            let pool = record
                .pool
                .map(usize::from)
                .filter(|pool| *pool > 0)
                .or(only);
            let (Some(pool), Some(text)) = (pool, &record.sample) else {
                continue;
            };
            if times.is_empty() {
                continue;
            }
            let subject = crate::database::advisor::Subject {
                query: *id,
                text: std::sync::Arc::clone(text),
                calls_per_second: crate::record::store::per_second(sums.calls, uptime),
                mean_seconds: times.mean_seconds(),
                rows_per_call: sums.rows as f64 / sums.calls.max(1) as f64,
            };
            subjects
                .entry(pool)
                .or_default()
                .push((times.sum_seconds(), subject));
        }
        let named = subjects.into_iter().filter_map(|(place, mut subjects)| {
            let pool = pools.get(place)?;
            subjects.sort_by(|a, b| b.0.total_cmp(&a.0));
            let subjects = subjects.into_iter().map(|(_, subject)| subject).collect();
            Some((
                place as u16,
                pool.name.clone(),
                pool.handle.clone()?,
                subjects,
            ))
        });
        named.collect()
    }
}

#[cfg(all(
    feature = "advisor",
    any(feature = "sqlx-postgres", feature = "sqlx-sqlite")
))]
impl Verified {
    fn take(
        &mut self,
        pool: u16,
        name: &str,
        subjects: &[crate::database::advisor::Subject],
        found: Vec<crate::database::advisor::WhatIf>,
    ) {
        use crate::database::advisor::Method;
        for what_if in found {
            let Some(subject) = subjects
                .iter()
                .find(|subject| subject.query == what_if.query)
            else {
                continue;
            };
            let columns = what_if.index.columns.iter().map(|column| {
                let direction = if column.descending { " DESC" } else { "" };
                format!("{}{direction}", column.name)
            });
            let fact = IndexFact {
                pool: name.to_owned(),
                query: what_if.query,
                table: what_if.index.table.clone(),
                columns: columns.collect(),
                index_name: what_if.index.name.clone(),
                create: what_if.index.create.clone(),
                drop: what_if.index.drop.clone(),
                table_rows: what_if.table_rows,
                plan_before: what_if.plan_before,
                plan_after: what_if.plan_after,
                planned: what_if.method == Method::Planned,
                time_factor: what_if.time_factor,
            };
            let made = self
                .proposals
                .entry(crate::judge::finding::missing_index_id(&fact))
                .or_insert_with(|| Made {
                    pool,
                    index: what_if.index,
                    statements: Vec::new(),
                });
            made.statements
                .push((what_if.query, std::sync::Arc::clone(&subject.text)));
            self.indexes.push(fact);
        }
    }
}
