//! Clearing a cache, and bringing its entries back.

mod optimize;
mod setting;
mod warm;

use perfdeck_bridge::protocol::{LedgerId, LedgerStatus, Refusal, RefusalCode, Risk, Undo};

use super::{Done, Failure, UNDO};
use crate::act::{Draft, Job};
use crate::agent::Agent;

pub(crate) use setting::Altered;
pub(crate) use warm::Warmth;

/// A clear that may be undone.
#[derive(Debug)]
pub(crate) struct Cleared {
    row: LedgerId,
    state: crate::cache::Cleared,
}

impl Agent {
    pub(super) fn draft_clear(&self, namespace: String) -> Result<Draft, Refusal> {
        // As it is now: the last tick's rows may lack a cache that is new.
        let mut rows = self.caches.rows().into_iter();
        if let Some(row) = rows.find(|row| *row.name == *namespace) {
            let loads = self
                .cache_history
                .get(&row.name)
                .map(|history| &history.loads);
            let until = self.now().after(UNDO);
            let mut notes = vec!["each entry is loaded anew when it is next asked for".into()];
            notes.push(format!(
                "a load takes {:.1} ms (p95)",
                loads.map_or(0.0, |loads| loads.quantile(0.95) * 1e3)
            ));
            let warmable = self.caches.warmable(&namespace);
            if warmable > 0 {
                notes.push(format!(
                    "its {warmable} most used keys are loaded at once, four at a time"
                ));
            }
            return Ok(Draft {
                job: Job::ClearCache {
                    namespace: namespace.clone(),
                },
                kind: "clear_cache",
                title: format!("clear cache {namespace}"),
                statement: format!("drop all {} entries of cache `{namespace}`", row.entries),
                risk: Risk::Cache,
                notes,
                expected: None,
                undo: Undo {
                    statement: format!("bring the entries of `{namespace}` back"),
                    until: Some(until),
                },
                confirm: None,
                predicted: None,
                state: 0,
                undo_of: None,
                target: namespace,
            });
        }
        Err(Refusal::new(
            RefusalCode::Unknown,
            format!("no such cache: {namespace}"),
        ))
    }

    pub(super) fn draft_restore(
        &self,
        namespace: String,
        cleared: LedgerId,
    ) -> Result<Draft, Refusal> {
        Ok(Draft {
            job: Job::RestoreCache {
                namespace: namespace.clone(),
                cleared,
            },
            kind: "restore_cache",
            title: format!("bring back the entries of cache {namespace}"),
            statement: format!(
                "bring the entries of `{namespace}` back, as they were at row {cleared}"
            ),
            risk: Risk::Cache,
            notes: vec!["refused if anything was invalidated since".into()],
            expected: None,
            undo: Undo {
                statement: String::new(),
                until: None,
            },
            confirm: None,
            predicted: None,
            state: 0,
            undo_of: Some(cleared),
            target: namespace,
        })
    }

    /// The row whose clear of a namespace can still be undone.
    pub(crate) fn undo_of_clear(&self, namespace: &str) -> Option<LedgerId> {
        let row = self.ledger.row(self.cleared.get(namespace)?.row)?;
        let until = row.undo.as_ref()?.until?;
        (self.now() < until).then_some(row.id)
    }

    pub(super) fn clear_cache(&mut self, row: LedgerId, namespace: &str) -> Result<Done, Failure> {
        self.read_caches();
        let entries = self.cache_rows.iter().find(|row| *row.name == *namespace);
        let entries = entries.map_or(0, |row| row.entries);
        let cleared = self.caches.clear(namespace);
        let state =
            cleared.ok_or((LedgerStatus::Refused, format!("no such cache: {namespace}")))?;
        self.cleared
            .insert(namespace.to_owned(), Cleared { row, state });
        self.read_caches();
        let mut message = format!("cleared {entries} entries of {namespace}");
        if self.caches.warmable(namespace) > 0 && self.warm_cache(None, namespace).is_ok() {
            message.push_str(", and warms it");
        }
        Ok(Done {
            message,
            credited: true,
        })
    }

    /// Lets go what can't be brought back any more.
    pub(super) fn forget_cleared(&mut self) {
        let mut cleared = std::mem::take(&mut self.cleared);
        let now = self.now();
        cleared.retain(|_, cleared| {
            let row = self.ledger.row(cleared.row);
            let undo = row.and_then(|row| row.undo.as_ref());
            undo.and_then(|undo| undo.until)
                .is_some_and(|until| now < until)
        });
        self.cleared = cleared;
    }

    pub(super) fn restore_cache(&mut self, namespace: &str, of: LedgerId) -> Result<Done, Failure> {
        let refused = |message: String| (LedgerStatus::Refused, message);
        let cleared = self.cleared.get(namespace);
        let cleared = cleared.filter(|cleared| cleared.row == of);
        let cleared = cleared.ok_or_else(|| refused("a later clear has taken its place".into()))?;
        self.caches
            .restore(&cleared.state)
            .map_err(|error| refused(error.to_string()))?;
        self.cleared.remove(namespace);
        self.read_caches();
        Ok(Done {
            message: format!("brought back what row {of} cleared"),
            credited: true,
        })
    }
}
