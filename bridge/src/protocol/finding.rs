use serde::{Deserialize, Serialize};

use super::{Redacted, Risk, Severity};

/// All findings, worst first.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Advice {
    /// The findings.
    pub findings: Vec<Finding>,
    /// The share of the users' wait that the open ones would save together.
    pub wait_share: f64,
}

/// One cause of waiting, with its evidence and its remedy.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Finding {
    /// Stays the same while the cause does.
    pub id: FindingId,
    /// The rule that found it, `missing_index` say.
    pub kind: String,
    /// How bad it is.
    pub severity: Severity,
    /// The remedy or the fault first, then what it costs and what that would become.
    pub title: String,
    /// What it rests on.
    pub evidence: Evidence,
    /// What the remedy brings to users.
    pub impact: Impact,
    /// How sure that is.
    pub confidence: Confidence,
    /// What perfdeck can do about it; `None` where only code helps.
    pub action: Option<ProposedAction>,
    /// Where it stands.
    pub status: FindingStatus,
    /// The points that the score gets back.
    pub score_points: f64,
}

/// Names a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FindingId(pub String);

/// What a finding rests on, by kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(untagged)]
pub enum Evidence {
    /// Of `missing_index`.
    MissingIndex(MissingIndex),
    /// Of `n_plus_one` and of `repeated_query`.
    NPlusOne(NPlusOne),
    /// Of the rules about caches, whose names begin with `cache_`.
    Cache(CacheAdvice),
    /// Of `missing_cache`.
    MissingCache(MissingCache),
    /// Of the rules about databases, whose names begin with `database_`, and of those about a statement's text, `statement_`.
    Database(DatabaseAdvice),
    /// Of a kind that this viewer does not know.
    Unknown {},
}

/// A table is read whole where an index would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct MissingIndex {
    /// The table.
    pub table: String,
    /// The columns of the index, in order, with `DESC` where it matters.
    pub columns: Vec<String>,
    /// The statement's fingerprint text.
    pub query: Redacted,
    /// How often it runs.
    pub calls_per_second: f64,
    /// The statement's own 95th percentile now.
    pub query_p95_seconds: f64,
    /// The same, with the index.
    pub query_p95_seconds_after: f64,
    /// Rows in the table, as the catalog estimates.
    pub table_rows: u64,
    /// The database's plan today, a line a step.
    pub plan_before: Vec<Redacted>,
    /// The plan with the index.
    pub plan_after: Vec<Redacted>,
}

/// One request runs a statement again and again: with other values each time, or with the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct NPlusOne {
    /// The route.
    pub route: String,
    /// The repeated statement's fingerprint text.
    pub query: Redacted,
    /// How often one request runs it.
    pub queries_per_request: Quantities,
    /// The share of the route's time that the repeats take.
    pub time_share: f64,
    /// The statement that fetches all at once, as a sketch.
    pub rewrite: Option<Redacted>,
}

/// A cache would do better under another policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct CacheAdvice {
    /// The namespace's name.
    pub cache: String,
    /// Over the last minute.
    pub lookups_per_second: f64,
    /// What part of them hits now.
    pub hit_ratio: f64,
    /// What part would hit; `None` where that is not what changes.
    pub hit_ratio_after: Option<f64>,
    /// How far off that may be.
    pub error: Option<f64>,
    /// What a load takes on average.
    pub load_seconds: f64,
    /// Seconds of loading, or of waiting for it, that it saves a second.
    pub saved_seconds_per_second: f64,
    /// What it takes of memory; negative where it frees some.
    pub memory_bytes: f64,
    /// What is seen, in words.
    pub why: String,
    /// The policy to set, as code.
    pub policy: String,
    /// What the advice was chosen from, the present policy among it where that is of the same kind.
    pub curve: Vec<super::Forecast>,
}

/// Equal calls return the same again and again, and no cache answers them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct MissingCache {
    /// What has none: `function`, `query` or `route`.
    pub uncached: String,
    /// The function's or the route's name; empty for a statement.
    pub name: String,
    /// The statement's fingerprint text.
    pub query: Option<Redacted>,
    /// While they were looked at.
    pub calls_per_second: f64,
    /// What a call takes on average.
    pub call_seconds: f64,
    /// How long an entry would be fresh.
    pub ttl_seconds: f64,
    /// What part of the calls would be answered.
    pub hit_ratio: f64,
    /// How far off that may be.
    pub error: f64,
    /// Seconds of such calls that it saves a second.
    pub saved_seconds_per_second: f64,
    /// What is seen, in words.
    pub why: String,
    /// What to add, as code.
    pub code: String,
    /// The times to live that it was chosen from.
    pub curve: Vec<super::Forecast>,
}

/// A database needs care, or a statement another text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct DatabaseAdvice {
    /// The pool that leads to it.
    pub database_pool: String,
    /// The table, the index, the sequence, the session, or the statement without its literals.
    pub subject: String,
    /// What is seen, in words.
    pub why: String,
    /// From when it is told, and by whose measure.
    pub bound: String,
    /// What to do, as a statement or in words.
    pub remedy: String,
}

/// A distribution of counts.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Quantities {
    /// The median.
    pub p50: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The largest.
    pub max: f64,
}

/// What a remedy brings to users.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Impact {
    /// The route that gains most; `None` for work outside requests.
    pub route: Option<String>,
    /// The route's 95th percentile now.
    pub p95_seconds_now: Option<f64>,
    /// The same, afterwards.
    pub p95_seconds_after: Option<f64>,
    /// The share of all users' wait that it saves.
    pub wait_share: f64,
}

/// How sure a finding's effect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Counted, or planned by the database itself.
    Verified,
    /// Computed from the database's statistics.
    Estimated,
    /// A rule of thumb.
    Heuristic,
}

/// Something perfdeck can do by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct ProposedAction {
    /// The kind of action.
    pub kind: String,
    /// Exactly what would run.
    pub preview: String,
    /// Its class.
    pub risk: Risk,
    /// How it is taken back.
    pub undo: String,
}

/// An index to make or to drop, as a service's own deck tells it to the service.
///
/// It has the exact statement, and with it constants that the service's own statements have in their text; no viewer is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct IndexAdvice {
    /// The statement.
    pub sql: String,
    /// One sentence.
    pub reason: String,
    /// The tables that it is about.
    pub tables: Vec<String>,
    /// The planner's cost of a call of the statements that it serves, on average; `None` for what is dropped.
    pub predicted_cost_before: Option<f64>,
    /// The same with all that is proposed.
    pub predicted_cost_after: Option<f64>,
    /// What it takes, or gives back.
    pub size_bytes: u64,
    /// How sure that is.
    pub confidence: Confidence,
}

/// Where a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum FindingStatus {
    /// One key applies it.
    Ready,
    /// Its remedy is code.
    Code,
    /// It was applied and its gain is being measured, or was good.
    Applied,
    /// Somebody silenced it.
    Dismissed,
}
