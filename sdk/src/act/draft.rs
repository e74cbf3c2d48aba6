//! What an action would do, before anybody has agreed to it.

use std::time::Duration;

use perfdeck_bridge::protocol::{FindingId, Gain, LedgerId, Risk, Undo};

/// What is carried out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Job {
    /// Create what the finding proposes.
    CreateIndex {
        finding: FindingId,
    },
    /// Drop what an earlier row created.
    DropIndex {
        finding: FindingId,
    },
    ClearCache {
        namespace: String,
    },
    /// Bring back what an earlier row cleared.
    RestoreCache {
        namespace: String,
        cleared: LedgerId,
    },
    ClearAlerts,
    ResizeCache {
        namespace: String,
        capacity: u64,
    },
    SetCacheTtl {
        namespace: String,
        ttl: Duration,
    },
    WarmCache {
        namespace: String,
    },
    /// Let each of these hold so much, and drop what is over everywhere.
    OptimizeCaches {
        resizes: Vec<(String, u64)>,
    },
    /// Let a cache's capacity or time to live be as it was before an earlier row.
    ResetCache {
        namespace: String,
        changed: LedgerId,
    },
}

/// An action with everything that a person wants to know first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    pub(crate) job: Job,
    pub(crate) kind: &'static str,
    /// What it is done to; one action at a time on each.
    pub(crate) target: String,
    pub(crate) title: String,
    pub(crate) statement: String,
    pub(crate) risk: Risk,
    pub(crate) notes: Vec<String>,
    pub(crate) expected: Option<String>,
    pub(crate) undo: Undo,
    pub(crate) confirm: Option<String>,
    pub(crate) predicted: Option<Gain>,
    /// Changes when what the draft rests on changes.
    pub(crate) state: u64,
    pub(crate) undo_of: Option<LedgerId>,
}

#[cfg(test)]
impl Draft {
    /// A cache to clear, for tests of what becomes of drafts.
    pub(crate) fn sample(target: &str) -> Self {
        Self {
            job: Job::ClearCache {
                namespace: target.into(),
            },
            kind: "clear_cache",
            target: target.into(),
            title: format!("clear {target}"),
            statement: String::new(),
            risk: Risk::Cache,
            notes: Vec::new(),
            expected: None,
            undo: Undo {
                statement: String::new(),
                until: None,
            },
            confirm: None,
            predicted: None,
            state: 0,
            undo_of: None,
        }
    }
}
