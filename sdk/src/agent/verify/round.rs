//! Asks the databases what an index would change, beside the tick.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Verified;
use crate::agent::act::Made;
use crate::agent::{Agent, Event};
use crate::database::Handle;
use crate::database::advisor::{MAX_SUBJECTS, Method, Subject, WhatIf, advise};
use crate::judge::facts::IndexFact;
use crate::judge::finding::missing_index_id;
use crate::record::store::per_second;

/// Seconds between two rounds.
const EVERY: u64 = 5;
/// Seconds after which the same statements are asked about again.
const AGAIN: u64 = 60;

/// A pool to ask, and the statements to ask it about.
struct Asked {
    pool: u16,
    name: String,
    handle: Handle,
    subjects: Vec<Subject>,
}

impl Agent {
    /// Starts a round where none runs.
    pub(in crate::agent) fn verify(&mut self) {
        let due = self.second.is_multiple_of(EVERY) && !self.verifying;
        let pools = if due { self.pools_to_ask() } else { Vec::new() };
        let subjects = pools.iter().flat_map(|pool| &pool.subjects);
        let asked: BTreeSet<u64> = subjects.map(|subject| subject.query).collect();
        let news = !asked.is_subset(&self.asked) || self.second >= self.asked_at + AGAIN;
        if pools.is_empty() || !news {
            return;
        }
        (self.asked, self.asked_at) = (asked, self.second);
        self.verifying = true;
        let events = self.events.clone();
        tokio::spawn(async move {
            let mut verified = Verified::default();
            for pool in pools {
                match advise(&pool.handle, &pool.subjects).await {
                    Ok(found) => verified.take(&pool, found),
                    Err(error) => verified.failures.push((pool.name, error.to_string())),
                }
            }
            let _ = events.send(Event::Verified(verified)).await;
        });
    }

    /// The statements of each pool that take the most time.
    fn pools_to_ask(&self) -> Vec<Asked> {
        let pools = self.pools.all();
        let only = (pools.iter().filter(|pool| pool.handle.is_some()).count() == 1)
            .then(|| pools.iter().position(|pool| pool.handle.is_some()))
            .flatten();
        let uptime = self.second.max(1);
        let mut subjects: HashMap<usize, Vec<(f64, Subject)>> = HashMap::new();
        for (id, record) in self.store.queries.iter() {
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
            let subject = Subject {
                query: *id,
                text: Arc::clone(text),
                calls_per_second: per_second(sums.calls, uptime),
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
            // A statement that takes little is no news, however many of them come and go.
            subjects.truncate(MAX_SUBJECTS);
            let subjects = subjects.into_iter().map(|(_, subject)| subject).collect();
            Some(Asked {
                pool: place as u16,
                name: pool.name.clone(),
                handle: pool.handle.clone()?,
                subjects,
            })
        });
        named.collect()
    }
}

impl Verified {
    fn take(&mut self, asked: &Asked, found: Vec<WhatIf>) {
        for what_if in found {
            let Some(subject) = asked
                .subjects
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
                pool: asked.name.clone(),
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
                .entry(missing_index_id(&fact))
                .or_insert_with(|| Made {
                    pool: asked.pool,
                    index: what_if.index,
                    statements: Vec::new(),
                });
            made.statements
                .push((what_if.query, Arc::clone(&subject.text)));
            self.indexes.push(fact);
        }
    }
}
