//! Asks the databases what an index would change, beside the tick.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use perfdeck_bridge::protocol::{Confidence, IndexAdvice, Refusal, RefusalCode};
use tokio::sync::oneshot;

use super::Verified;
use crate::agent::act::Made;
use crate::agent::{Agent, Event};
use crate::database::Handle;
use crate::database::advisor::{Advice, MAX_SUBJECTS, Method, Proposal, Subject, Usage, advise};
use crate::judge::facts::{IndexFact, TextFact};
use crate::judge::finding::missing_index_id;
use crate::observe::argument;

/// Seconds between two rounds.
const EVERY: u64 = 5;
/// Seconds after which the same statements are asked about again.
const AGAIN: u64 = 60;
/// The statements that a round of its own is about: of those that take little there are always news.
const LIVE: usize = 40;
/// Seconds of what a round is about, and one that the host asks for.
const MINUTE: u64 = 60;
const ASKED: u64 = 900;
/// How many times as long as a round took there is none.
const RESTS: f64 = 20.0;
/// Indexes whose look-ups are watched.
const MAX_WATCHED: usize = 4_000;

/// A pool to ask, and the statements to ask it about.
struct Asked {
    pool: u16,
    name: String,
    handle: Handle,
    subjects: Vec<Subject>,
    usage: Usage,
}

/// How often an index was looked up, and since when that hasn't changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    scans: i64,
    since: u64,
}

impl Agent {
    /// Starts a round where none runs.
    pub(in crate::agent) fn verify(&mut self) {
        if self.second.is_multiple_of(MINUTE) {
            self.eyes.samples.age(self.second);
        }
        let free = !self.verifying && !self.health.is_looking();
        let due = self.second.is_multiple_of(EVERY) && free && self.second >= self.rested_at;
        let pools = if due {
            self.pools_to_ask(MINUTE, LIVE, Duration::MAX)
        } else {
            Vec::new()
        };
        let subjects = pools.iter().flat_map(|pool| &pool.subjects);
        let asked: BTreeSet<u64> = subjects.map(|subject| subject.query).collect();
        let news = !asked.is_subset(&self.asked) || self.second >= self.asked_at + AGAIN;
        if pools.is_empty() || !news {
            return;
        }
        (self.asked, self.asked_at) = (asked, self.second);
        self.verifying = true;
        let (events, clock) = (self.events.clone(), self.clock.clone());
        tokio::spawn(async move {
            let mut verified = Verified::default();
            let began = clock.now();
            for pool in pools {
                match advise(&pool.handle, &pool.subjects, &pool.usage).await {
                    Ok(found) => verified.take(&pool, found),
                    Err(error) => verified.failures.push((pool.name, error.to_string())),
                }
            }
            verified.took = clock.now().since(began);
            let _ = events.send(Event::Verified(verified)).await;
        });
    }

    /// Rests after a round, so that the database's planner is not asked for more than a small part of the time.
    pub(super) fn rest(&mut self, took: Duration) {
        self.rested_at = self.second + (took.as_secs_f64() * RESTS) as u64;
    }

    /// Asks about all that ran lately, for the host itself.
    pub(in crate::agent) fn advise(
        &self,
        unused_after: Duration,
        reply: oneshot::Sender<Result<Vec<IndexAdvice>, Refusal>>,
    ) {
        let pools = self.pools_to_ask(ASKED, MAX_SUBJECTS * 2, unused_after);
        tokio::spawn(async move {
            let mut advice = Vec::new();
            let mut drops = Vec::new();
            for pool in pools {
                match advise(&pool.handle, &pool.subjects, &pool.usage).await {
                    Ok(found) => {
                        advice.extend(found.proposals.iter().map(told));
                        drops.extend(found.drops.into_iter().map(|drop| IndexAdvice {
                            sql: drop.sql,
                            reason: drop.reason,
                            tables: vec![drop.table],
                            predicted_cost_before: None,
                            predicted_cost_after: None,
                            size_bytes: drop.size_bytes as u64,
                            confidence: Confidence::Verified,
                        }));
                    }
                    Err(error) => {
                        let why = format!("{}: {error}", pool.name);
                        let _ = reply.send(Err(Refusal::new(RefusalCode::Failed, why)));
                        return;
                    }
                }
            }
            // What is dropped goes last: nothing is missed that isn't there yet.
            advice.extend(drops);
            let _ = reply.send(Ok(advice));
        });
    }

    /// Notes how often indexes were looked up.
    pub(super) fn watch(&mut self, scans: Vec<(String, i64)>) {
        for (index, scans) in scans {
            if self.watched.len() >= MAX_WATCHED && !self.watched.contains_key(&index) {
                continue;
            }
            let since = self.second;
            let known = self
                .watched
                .entry(index)
                .or_insert(Watched { scans, since });
            if known.scans != scans {
                *known = Watched { scans, since };
            }
        }
    }

    /// The statements of each pool that took the most time in the last `seconds`.
    fn pools_to_ask(&self, seconds: u64, most: usize, unused_after: Duration) -> Vec<Asked> {
        let pools = self.pools.all();
        let only = (pools.iter().filter(|pool| pool.handle.is_some()).count() == 1)
            .then(|| pools.iter().position(|pool| pool.handle.is_some()))
            .flatten();
        let from = (self.second + 1).saturating_sub(seconds);
        let passed = self.second.clamp(1, seconds) as f64;
        let mut subjects: HashMap<usize, Vec<(f64, Subject)>> = HashMap::new();
        for (id, record) in self.store.queries.iter() {
            // A statement that tier 0 saw has no pool; where there is only one, it is of that.
            let pool = record
                .pool
                .map(usize::from)
                .filter(|pool| *pool > 0)
                .or(only);
            let (Some(pool), Some(text)) = (pool, &record.sample) else {
                continue;
            };
            let (times, sums) = if seconds == MINUTE {
                let (times, sums) = record.timeline.minute();
                (times.clone(), sums)
            } else {
                record.timeline.window(from, self.second + 1)
            };
            if times.is_empty() {
                continue;
            }
            let subject = Subject {
                query: *id,
                text: Arc::clone(text),
                constant: !record.varied,
                calls: sums.calls,
                calls_per_second: sums.calls as f64 / passed,
                mean_seconds: times.mean_seconds(),
                rows_per_call: sums.rows as f64 / sums.calls.max(1) as f64,
                arguments: Vec::new(),
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
            subjects.truncate(most);
            let subjects = subjects.into_iter().map(|(_, subject)| Subject {
                arguments: self
                    .eyes
                    .samples
                    .of(argument::statement(place as u16, &subject.text)),
                ..subject
            });
            Some(Asked {
                pool: place as u16,
                name: pool.name.clone(),
                handle: pool.handle.clone()?,
                subjects: subjects.collect(),
                usage: self.usage(&pool.name, unused_after),
            })
        });
        named.collect()
    }

    fn usage(&self, pool: &str, unused_after: Duration) -> Usage {
        let own = self.watched.iter().filter_map(|(key, watched)| {
            let (owner, index) = key.split_once('\0')?;
            let long = self.second.saturating_sub(watched.since) >= unused_after.as_secs();
            (owner == pool && long).then(|| (index.to_owned(), watched.scans))
        });
        Usage {
            unchanged: own.collect(),
        }
    }
}

fn told(proposal: &Proposal) -> IndexAdvice {
    IndexAdvice {
        sql: proposal.index.create.clone(),
        reason: proposal.reason.clone(),
        tables: vec![proposal.index.table.clone()],
        predicted_cost_before: Some(proposal.cost_before),
        predicted_cost_after: Some(proposal.cost_after),
        size_bytes: proposal.size_bytes as u64,
        confidence: match proposal.method {
            Method::Planned => Confidence::Verified,
            Method::Modelled => Confidence::Estimated,
            Method::Ruled => Confidence::Heuristic,
        },
    }
}

impl Verified {
    fn take(&mut self, asked: &Asked, found: Advice) {
        let scans = found.scans.into_iter();
        self.scans
            .extend(scans.map(|(index, scans)| (format!("{}\0{index}", asked.name), scans)));
        let texts = found.suspects.into_iter().map(|suspect| TextFact {
            pool: asked.name.clone(),
            query: suspect.query,
            fault: suspect.fault,
            table: suspect.table,
            table_rows: suspect.table_rows as u64,
            rows_per_call: suspect.rows_per_call,
        });
        self.texts.extend(texts);
        for proposal in found.proposals {
            for served in proposal.serves {
                let Some(subject) = asked
                    .subjects
                    .iter()
                    .find(|subject| subject.query == served.query)
                else {
                    continue;
                };
                let index = &proposal.index;
                let fact = IndexFact {
                    pool: asked.name.clone(),
                    query: served.query,
                    table: index.table.clone(),
                    columns: index.shape.words(),
                    index_name: index.name.clone(),
                    create: index.create.clone(),
                    drop: index.drop.clone(),
                    table_rows: proposal.table_rows as u64,
                    plan_before: served.plan_before,
                    plan_after: served.plan_after,
                    planned: proposal.method == Method::Planned,
                    time_factor: served.factor,
                };
                let made = self
                    .proposals
                    .entry(missing_index_id(&fact))
                    .or_insert_with(|| Made {
                        pool: asked.pool,
                        index: index.clone(),
                        statements: Vec::new(),
                    });
                made.statements
                    .push((served.query, Arc::clone(&subject.text)));
                self.indexes.push(fact);
            }
        }
    }
}
