use std::fmt;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// What was done, newest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Ledger {
    /// The rows.
    pub rows: Vec<LedgerRow>,
    /// Whether rows survive a restart of the host.
    pub durable: bool,
}

/// One action, from its start to its measured gain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// Grows with time.
    pub id: LedgerId,
    /// When it was applied.
    pub at: Timestamp,
    /// Who applied it: `uid 1000`, or `host`.
    pub actor: String,
    /// The kind of action, `create_index` say.
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// How it went.
    pub status: LedgerStatus,
    /// One sentence: progress, the outcome, or why not.
    pub message: String,
    /// What it brought. An action that failed or was refused changed nothing, and says so.
    pub verdict: Verdict,
    /// The gain that was promised.
    pub predicted: Option<Gain>,
    /// The gain that was measured.
    pub realised: Option<Gain>,
    /// The 95 % interval of the relative change of the typical latency (the geometric mean): `[-0.81, -0.76]`.
    pub interval: Option<[f64; 2]>,
    /// The row that this one took back.
    pub undo_of: Option<LedgerId>,
    /// Until when it can be undone; `None` if it can't, or was.
    pub undo: Option<super::Undo>,
}

/// Names a row.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LedgerId(pub u64);

impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How an action went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerStatus {
    /// It runs.
    Running,
    /// It was done.
    Done,
    /// It was tried and failed; nothing was left behind, or the message says what.
    Failed,
    /// It was not tried, since the state had changed since the plan.
    Refused,
    /// It was done and taken back.
    Undone,
}

/// What an action brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The window after it is still open.
    Measuring,
    /// Faster, beyond chance and beyond what everything else did at the same time.
    Helped,
    /// No change beyond chance, or none that the action can be credited with.
    NoChange,
    /// Slower, beyond chance.
    Worse,
    /// Too few calls, or too different a load, to tell.
    NotEnoughTraffic,
}

/// A latency before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// What was measured: a route, or a statement.
    pub subject: String,
    /// The 95th percentile before.
    pub p95_seconds_before: f64,
    /// The 95th percentile after.
    pub p95_seconds_after: f64,
    /// Calls in the window before.
    pub n_before: u64,
    /// Calls in the window after; 0 in a prediction.
    pub n_after: u64,
    /// The window before.
    pub window_before: Window,
    /// The window after; `None` in a prediction.
    pub window_after: Option<Window>,
}

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}
