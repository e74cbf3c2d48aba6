//! What the deck holds, part by part, as near as it is worth counting.

use std::sync::atomic::Ordering;

use super::Agent;
use crate::record::recorder::SHARD_BYTES;

/// What an alert takes with its texts and its last minutes, a finding with its evidence and plans, a row of the ledger, a
/// fact with its plans, and a change; each is somewhat more than most.
const ALERT: usize = 1_024;
const FINDING: usize = 8 * 1_024;
const ROW: usize = 1_024;
const FACT: usize = 4 * 1_024;
const CHANGE: usize = 256;
/// What a table, an index or a sequence takes with its names.
const HEALTH: usize = 512;
/// What a viewer's connection takes beside what is sent to it: its task, and what is read of it.
const VIEWER: usize = 24 * 1_024;

impl Agent {
    /// What the deck holds, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        [
            self.eyes.recorder.bytes(),
            self.store.bytes(),
            self.numbers.bytes(),
            self.metrics.bytes(),
            self.eyes.custom.bytes(),
            self.judged_bytes(),
            self.cache_bytes(),
            self.told_bytes(),
            self.sampled_bytes(),
        ]
        .into_iter()
        .sum()
    }

    /// What it holds, with what the shards may come to hold before they are looked at again.
    pub(super) fn claimed_bytes(&self) -> usize {
        self.held_bytes() + SHARD_BYTES.saturating_sub(self.eyes.recorder.bytes())
    }

    #[cfg(all(feature = "_sqlx", feature = "advisor"))]
    fn sampled_bytes(&self) -> usize {
        self.eyes.samples.bytes()
    }

    #[cfg(not(all(feature = "_sqlx", feature = "advisor")))]
    const fn sampled_bytes(&self) -> usize {
        0
    }

    fn judged_bytes(&self) -> usize {
        self.verdicts.alerts.len() * ALERT
            + (self.verdicts.findings.len() + self.made.len()) * FINDING
            // What a round found stays with it and is given to the rules.
            + 2 * (self.facts.indexes.len() + self.facts.texts.len()) * FACT
            + self.health_bytes()
            + self.ledger.len() * ROW
            + self.changes.len() * CHANGE
    }

    /// What the databases said of themselves: a look that is under way has it twice.
    fn health_bytes(&self) -> usize {
        let rows = self.facts.databases.iter().map(|health| {
            let rows = health.tables.len() + health.indexes.len() + health.sequences.len();
            let sessions = health.sessions.len() + 2 * health.blocked.len();
            (rows + 1) * HEALTH + sessions * ROW
        });
        2 * rows.sum::<usize>()
    }

    /// What is sent to viewers or waits for it, and what of that the recording has beside them.
    fn told_bytes(&self) -> usize {
        let board = self.board.bytes();
        let viewers = self.stats.viewers.load(Ordering::Relaxed) as usize;
        let recorded = if self.is_recording() { board } else { 0 };
        board + recorded + self.stats.answer_bytes() + viewers * VIEWER
    }

    #[cfg(feature = "recording")]
    const fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    #[cfg(not(feature = "recording"))]
    const fn is_recording(&self) -> bool {
        false
    }

    #[cfg(feature = "cache")]
    fn cache_bytes(&self) -> usize {
        let namespaces = self.cache_history.iter();
        let namespaces = namespaces.map(|(name, history)| {
            name.len() + crate::cache::METERED + size_of_val(name) + history.bytes()
        });
        namespaces.sum::<usize>() + self.curves.bytes() + self.trials.bytes()
    }

    #[cfg(not(feature = "cache"))]
    const fn cache_bytes(&self) -> usize {
        0
    }
}
