//! Warming a cache: while it goes on, callers' waits for connections say whether it rests.

use std::sync::atomic::{AtomicU64, Ordering};

use perfdeck_bridge::histogram::Histogram;
use perfdeck_bridge::protocol::{LedgerId, LedgerStatus, Refusal, RefusalCode, Risk, Undo};

use super::super::{Done, Failure};
use crate::act::{Draft, Job};
use crate::agent::Agent;
use crate::cache::Warming;

/// Seconds of the window that waits are compared with, and of that which is compared.
const BEFORE: u64 = 60;
const NOW: u64 = 2;
/// Waits shorter than this don't matter, however short they were before.
const LEAST: f64 = 1e-3;
/// It ends after so many seconds, whatever is left.
const MOST_SECONDS: u64 = 600;

/// Warming under way.
#[derive(Debug)]
pub(crate) struct Warmth {
    /// None after a clear, whose own row tells.
    row: Option<LedgerId>,
    warming: Warming,
    since: u64,
    /// The 95th percentile of the waits for a connection, in seconds, before it began.
    baseline: f64,
    rested: bool,
}

impl Agent {
    pub(in crate::agent::act) fn draft_warm(&self, namespace: String) -> Result<Draft, Refusal> {
        self.cache_row(&namespace)?;
        let keys = self.caches.warmable(&namespace);
        if keys == 0 {
            return Err(Refusal::new(
                RefusalCode::Failed,
                format!(
                    "no keys of cache {namespace} are known that could be loaded unasked: that takes \
                     `Namespace::read_through`, and use"
                ),
            ));
        }
        Ok(Draft {
            job: Job::WarmCache {
                namespace: namespace.clone(),
            },
            kind: "warm_cache",
            title: format!("warm cache {namespace}"),
            statement: format!(
                "load those of the {keys} most used keys of cache `{namespace}` that it doesn't hold"
            ),
            risk: Risk::Cache,
            notes: vec![
                "four loads at a time, and none while callers wait for connections longer than before"
                    .into(),
                "for ten minutes at most".into(),
            ],
            expected: None,
            undo: Undo {
                statement: String::new(),
                until: None,
            },
            confirm: None,
            predicted: None,
            state: 0,
            undo_of: None,
            target: namespace,
        })
    }

    /// Begins to warm a cache; its row ends when that does.
    pub(in crate::agent::act) fn warm_cache(
        &mut self,
        row: Option<LedgerId>,
        namespace: &str,
    ) -> Result<(), Failure> {
        let warming = self.caches.warm(namespace).ok_or_else(|| {
            let message = "nothing of it was asked for in a tokio runtime yet";
            (LedgerStatus::Refused, message.to_owned())
        })?;
        let baseline = self.waits(BEFORE);
        self.warmths.push(Warmth {
            row,
            warming,
            since: self.second,
            baseline,
            rested: false,
        });
        Ok(())
    }

    /// Lets warming rest or go on, and closes what is over.
    pub(in crate::agent::act) fn pace_warming(&mut self) {
        if self.warmths.is_empty() {
            return;
        }
        let waits = self.waits(NOW);
        let second = self.second;
        let mut over = Vec::new();
        for mut warmth in std::mem::take(&mut self.warmths) {
            let rests = waits > (2.0 * warmth.baseline).max(LEAST);
            warmth.rested |= rests;
            warmth.warming.rest(rests);
            let late = second.saturating_sub(warmth.since) >= MOST_SECONDS;
            if warmth.warming.is_over() || late {
                over.push((warmth, late));
                continue;
            }
            if let Some(row) = warmth.row {
                let told = format!("{}{}", warmth.told(), if rests { ", rests" } else { "" });
                self.ledger.progress(row, told);
            }
            self.warmths.push(warmth);
        }
        for (warmth, late) in over {
            let Some(row) = warmth.row else {
                continue;
            };
            let rested = if warmth.rested {
                ", and rested between"
            } else {
                ""
            };
            let late = if late {
                "; ended after ten minutes"
            } else {
                ""
            };
            let message = format!("{}{rested}{late}", warmth.told());
            self.finish(
                row,
                Ok(Done {
                    message,
                    credited: true,
                }),
            );
        }
    }

    /// The 95th percentile of the last seconds' waits for a connection, of all pools.
    fn waits(&self, seconds: u64) -> f64 {
        let mut waits = Histogram::new();
        let from = (self.second + 1).saturating_sub(seconds);
        for pool in &self.store.pools {
            waits.merge(&pool.timeline.window(from, self.second + 1).0);
        }
        if waits.is_empty() {
            0.0
        } else {
            waits.quantile(0.95)
        }
    }
}

impl Warmth {
    fn told(&self) -> String {
        let counts = &self.warming.counts;
        let [keys, seen, loaded, failed] =
            [&counts.keys, &counts.seen, &counts.loaded, &counts.failed]
                .map(|count: &AtomicU64| count.load(Ordering::Relaxed));
        let failed = match failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        format!("{seen} of {keys} keys, {loaded} loaded{failed}")
    }
}
