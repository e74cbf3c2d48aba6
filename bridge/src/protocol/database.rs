#[cfg(feature = "client")]
use serde::Deserialize;
use serde::Serialize;

use super::{PoolRow, QueryId, Redacted, Timestamp};

/// The pools, and how the databases behind them are.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Database {
    /// The named pools.
    pub pools: Vec<PoolRow>,
    /// The databases, one for all pools that lead to it.
    pub databases: Vec<DatabaseHealth>,
    /// Databases that are not looked at since there are too many.
    pub more_databases: u64,
    /// Why nothing is looked at now; `None` where it is.
    pub paused: Option<String>,
}

/// What one database says of itself, to a connection of the deck's own.
///
/// Lists are the largest or the worst first, and bounded; the numbers beside them say how many more there are.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize), serde(default))]
pub struct DatabaseHealth {
    /// The pools that lead to it.
    pub pools: Vec<String>,
    /// `postgresql` or `sqlite`.
    pub engine: String,
    /// The server's or the library's version.
    pub version: String,
    /// Whether it is a replica, whose counters are not the primary's.
    pub replica: bool,
    /// When the sizes were looked at, and when the sessions.
    pub sized_at: Option<Timestamp>,
    /// When the sessions were looked at.
    pub active_at: Option<Timestamp>,
    /// Why it could not be asked the last time.
    pub failure: Option<String>,
    /// All of it.
    pub size_bytes: Option<u64>,
    /// Its tables.
    pub tables: Vec<TableRow>,
    /// Further ones.
    pub more_tables: u64,
    /// Its indexes.
    pub indexes: Vec<IndexRow>,
    /// Further ones.
    pub more_indexes: u64,
    /// Sequences, by how much of them is used.
    pub sequences: Vec<SequenceRow>,
    /// Further ones.
    pub more_sequences: u64,
    /// The connections to it, this service's and others'.
    pub connections: Option<Connections>,
    /// Sessions that are in a transaction for long, or wait in one for their client.
    pub sessions: Vec<SessionRow>,
    /// Further ones.
    pub more_sessions: u64,
    /// Who waits for whose lock.
    pub blocked: Vec<BlockedRow>,
    /// Further ones.
    pub more_blocked: u64,
    /// What only SQLite has.
    pub file: Option<DatabaseFile>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize), serde(default))]
pub struct TableRow {
    /// Its name, with its schema where that is not `public`.
    pub name: String,
    /// The rows themselves; for SQLite all of it, where that is known.
    pub heap_bytes: Option<u64>,
    /// Its indexes.
    pub index_bytes: Option<u64>,
    /// What is stored beside the rows since it is too large.
    pub toast_bytes: Option<u64>,
    /// Rows, as the server counts or guesses them.
    pub live_rows: u64,
    /// Rows that are gone and still take room.
    pub dead_rows: u64,
    /// Dead rows from which autovacuum would clean up, by the server's own formula.
    pub vacuum_due_rows: Option<f64>,
    /// How long it was seen to have more dead rows than that.
    pub vacuum_overdue_seconds: Option<f64>,
    /// Rows that were written since the statistics were gathered.
    pub modified_rows: u64,
    /// Written rows from which autovacuum would gather them anew, by the server's own formula.
    pub analyze_due_rows: Option<f64>,
    /// How long it was seen to have more written rows than that.
    pub analyze_overdue_seconds: Option<f64>,
    /// Whether autovacuum looks after it.
    pub autovacuum: Option<bool>,
    /// When it was last cleaned up, by anybody.
    pub vacuumed_at: Option<Timestamp>,
    /// When its statistics were last gathered, by anybody.
    pub analyzed_at: Option<Timestamp>,
    /// How often it was read whole, since the counters began.
    pub seq_scans: Option<u64>,
    /// How often it was read by an index.
    pub index_scans: Option<u64>,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize), serde(default))]
pub struct IndexRow {
    /// Its name, with its schema where that is not `public`.
    pub name: String,
    /// Its table, likewise.
    pub table: String,
    /// What it takes.
    pub size_bytes: Option<u64>,
    /// How often it was looked up, since the counters began.
    pub scans: Option<u64>,
    /// Whether it can be used.
    pub valid: bool,
    /// Whether somebody seems to be building it.
    pub building: bool,
    /// Whether no two rows may have the same keys.
    pub unique: bool,
    /// Whether a constraint rests on it, a primary key say.
    pub constraint: bool,
}

/// A sequence.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize), serde(default))]
pub struct SequenceRow {
    /// Its name, with its schema where that is not `public`.
    pub name: String,
    /// The column that it is for.
    pub column: Option<String>,
    /// Its last value.
    pub last_value: i64,
    /// The last that it can give, or that its column can hold.
    pub limit: i64,
    /// How much of the way is behind it.
    pub used_ratio: f64,
}

/// How many connections there are, by what they do.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize), serde(default))]
pub struct Connections {
    /// Connections to this database.
    pub total: u64,
    /// Those that run a statement.
    pub active: u64,
    /// Those that wait for their client in the middle of a transaction.
    pub idle_in_transaction: u64,
    /// Those that wait for a lock.
    pub waiting: u64,
    /// The most that the server takes, for all its databases.
    pub max: u64,
}

/// A connection in a transaction.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize), serde(default))]
pub struct SessionRow {
    /// The server's process.
    pub pid: i32,
    /// The name that its client gives itself.
    pub application: String,
    /// What it does, in the server's words: `active`, `idle in transaction`.
    pub state: String,
    /// How long it has been in that state.
    pub state_seconds: f64,
    /// The age of its transaction.
    pub transaction_seconds: f64,
    /// The statement that it runs, or ran last, without literals.
    pub statement: Option<Redacted>,
    /// That statement's id, if the deck knows it.
    pub query: Option<QueryId>,
    /// The route of this service that runs that statement most.
    pub route: Option<String>,
}

/// A connection that waits for another's lock.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize), serde(default))]
pub struct BlockedRow {
    /// Who waits.
    pub waiting: SessionRow,
    /// For how long; on servers before PostgreSQL 14 since the deck first saw it wait.
    pub wait_seconds: f64,
    /// The kind of lock, in the server's words.
    pub lock: String,
    /// What is locked, if it is a table or an index.
    pub relation: Option<String>,
    /// Who has it, or waits for it before.
    pub blocker: SessionRow,
}

/// What SQLite says of its file.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize), serde(default))]
pub struct DatabaseFile {
    /// Pages.
    pub pages: u64,
    /// The size of each.
    pub page_bytes: u64,
    /// Pages that are empty.
    pub free_pages: u64,
    /// `wal` or `delete`, for example.
    pub journal_mode: String,
    /// What waits to be written back, where the mode is `wal`.
    pub wal_bytes: Option<u64>,
    /// Whether `ANALYZE` was ever run.
    pub analyzed: bool,
}
