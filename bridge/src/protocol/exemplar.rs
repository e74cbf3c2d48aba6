use serde::{Deserialize, Serialize};

use super::{Redacted, Timestamp};

/// The real requests of one route that the host has kept whole.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Exemplars {
    /// The route; as in [`super::RequestRow::route`].
    pub route: String,
    /// What is kept, the newest first.
    pub exemplars: Vec<ExemplarRow>,
    /// Failed and given up requests that were not kept, since there were too many, since the start.
    pub not_kept: u64,
}

/// Names a kept request, for as long as the host keeps it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ExemplarId(pub u64);

/// One kept request, without what it did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct ExemplarRow {
    /// The request.
    pub id: ExemplarId,
    /// When it arrived.
    pub at: Timestamp,
    /// To the response's head, as the percentiles count; of one that was given up, to that moment.
    pub duration_seconds: f64,
    /// To the end of the body; `None` where there was none.
    pub body_seconds: Option<f64>,
    /// The response's status; `None` where there was no response.
    pub status: Option<u16>,
    /// Whether it failed.
    pub failed: bool,
    /// Whether the client gave it up.
    pub cancelled: bool,
    /// Why it was kept.
    pub kept: Kept,
    /// Statements that it ran, of those that were noted.
    pub queries: u32,
    /// The time in them.
    pub query_seconds: f64,
}

/// Why a request was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// It failed.
    Failed,
    /// The client gave it up.
    Cancelled,
    /// It was one of its route's slowest in its minute.
    Slow,
    /// It was taken evenly, whatever it was.
    #[cfg_attr(feature = "client", serde(other))]
    Sample,
}

/// One kept request and what it did, in order.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Exemplar {
    /// Its route.
    pub route: String,
    /// The request.
    pub row: ExemplarRow,
    /// What it did, by its beginnings.
    pub steps: Vec<ExemplarStep>,
    /// Further steps, of which only the number is known.
    pub left_out: u64,
}

/// Something that a request did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct ExemplarStep {
    /// What kind of thing.
    pub kind: StepKind,
    /// The statement's id, or the name of the pool, the cache or the function, or of a connection to Redis and the command:
    /// `sessions GET`; empty where it is not known any more.
    pub name: String,
    /// The statement's text without literals.
    pub text: Option<Redacted>,
    /// From the request's arrival to its beginning.
    pub offset_seconds: f64,
    /// How long it took; 0 for what is only a moment.
    pub duration_seconds: f64,
    /// Whether it failed, as far as that was seen.
    pub failed: bool,
    /// For a look-up in a cache, whether the value was there.
    pub hit: Option<bool>,
}

/// What kind of thing a request did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// It ran a statement.
    Query,
    /// It waited for a connection.
    PoolWait,
    /// It looked into a cache.
    CacheLookup,
    /// It loaded what a cache did not have.
    CacheLoad,
    /// It was in a monitored function.
    Function,
    /// It sent a command to Redis, or several at once.
    Redis,
    /// A newer host's kind.
    #[cfg_attr(feature = "client", serde(other))]
    Other,
}

/// Which kept request is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhichExemplar {
    /// The one of that name.
    Id(ExemplarId),
    /// The one of a route that took most nearly as long as a percentile of its last minute: 50, 95, or 100 for the longest.
    Near {
        /// The route.
        route: String,
        /// From 0 to 100.
        percentile: u8,
    },
}
