use serde::{Deserialize, Serialize};

use super::{FindingId, LedgerId, LedgerRow, Timestamp};

/// A viewer's wish, always by id: a viewer never sends SQL or an identifier of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Do what a finding proposes.
    Apply(FindingId),
    /// Clear a cache namespace.
    ClearCache {
        /// The namespace.
        namespace: String,
    },
    /// Take an applied action back.
    Undo(LedgerId),
    /// Forget the alerts that are over, and put away those that fire until they have been over once.
    ClearAlerts,
    /// Let a cache namespace hold more or less.
    ResizeCache {
        /// The namespace.
        namespace: String,
        /// How much it is to hold, in what it counts already.
        capacity: CacheCapacity,
    },
    /// Let a cache namespace's entries be fresh for another time.
    SetCacheTtl {
        /// The namespace.
        namespace: String,
        /// The time.
        ttl_seconds: u32,
    },
    /// Load what a cache namespace lacks, of keys that were used.
    WarmCache {
        /// The namespace.
        namespace: String,
    },
    /// Drop entries whose time is over, and move capacity to the caches where it saves most.
    OptimizeCaches,
}

/// How much a cache namespace holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheCapacity {
    /// So many entries.
    Entries(u64),
    /// Entries of so many bytes in all.
    Bytes(u64),
}

/// The two steps of every action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActRequest {
    /// Say what would happen; makes a plan.
    Preview(Intent),
    /// Do what the plan says, if nothing has changed since.
    Apply(PlanId),
}

/// What came of an [`ActRequest`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum ActReply {
    /// To a preview.
    Preview(Preview),
    /// To an apply: the ledger's row, which goes on changing while the action runs and its gain is measured.
    Applied(LedgerRow),
}

/// Names a plan: good once, on the connection that it was made for, until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanId(pub String);

/// What an action would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Preview {
    /// What to apply.
    pub plan_id: PlanId,
    /// When the plan is void.
    pub expires_at: Timestamp,
    /// The kind of action, `create_index` say.
    pub kind: String,
    /// One line: what it does to what.
    pub title: String,
    /// Exactly what will run.
    pub statement: String,
    /// Its class.
    pub risk: Risk,
    /// Where it runs and what was checked, a line each.
    pub notes: Vec<String>,
    /// What it is expected to bring, if that can be said.
    pub expected: Option<String>,
    /// How it is taken back.
    pub undo: Undo,
    /// What a person types before it is applied; `None` where a key is enough.
    pub confirm: Option<String>,
}

/// How an action is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// What would run.
    pub statement: String,
    /// Until when it can be undone; `None` where it always can.
    pub until: Option<Timestamp>,
}

/// What an action touches; a host allows each class by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Cached values.
    Cache,
    /// The database's schema.
    Schema,
    /// Backends of the database.
    Backend,
    /// The host process.
    Host,
    /// What the deck itself tells, its alerts say: nothing of the service.
    Deck,
    /// A newer host's class.
    #[serde(other)]
    Other,
}
