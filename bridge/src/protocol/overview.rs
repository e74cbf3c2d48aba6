#[cfg(feature = "client")]
use serde::Deserialize;
use serde::Serialize;

use super::{FindingId, Timestamp};

/// The first screen.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Overview {
    /// What is wrong, in words.
    pub summary: Summary,
    /// How well the service does.
    pub score: Score,
    /// The numbers that matter, with their last minutes.
    pub vitals: Vitals,
    /// Where the users' time goes, largest share first.
    pub time: Vec<TimeShare>,
    /// What changed lately, newest first.
    pub changes: Vec<Change>,
}

/// The answer in words.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Summary {
    /// How bad it is.
    pub level: Level,
    /// One or two sentences.
    pub text: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The finding that explains it and may be applied.
    pub finding: Option<FindingId>,
}

/// A traffic light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    #[default]
    Good,
    /// Near its limit, or waiting.
    Near,
    /// Over its limit.
    Over,
}

/// 100, less what each part takes.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Score {
    /// From 0 to 100.
    pub value: f64,
    /// What is missing from 100; their points sum to just that.
    pub parts: Vec<ScorePart>,
}

/// One thing that costs points.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct ScorePart {
    /// What it is.
    pub label: String,
    /// What it costs, a positive number.
    pub points: f64,
    /// The finding behind it; `None` for an alert.
    pub finding: Option<FindingId>,
}

/// The numbers of the overview.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[expect(
    missing_docs,
    reason = "the fields are named by what they hold and its unit"
)]
pub struct Vitals {
    pub requests_per_second: Vital,
    pub request_p95_seconds: Vital,
    pub error_ratio: Vital,
    pub in_flight: Vital,
    pub queries_per_second: Vital,
    pub query_p95_seconds: Vital,
    pub queries_per_request: Vital,
    pub slow_queries_per_minute: Vital,
    pub pool_in_use: Vital,
    pub pool_size: Vital,
    pub pool_wait_p95_seconds: Vital,
    pub cache_hit_ratio: Vital,
    pub saved_seconds_per_second: Vital,
    pub cpu_ratio: Vital,
    pub rss_bytes: Vital,
}

/// One number with its last minutes.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Vital {
    /// The present value; `None` where nothing was seen.
    pub now: Option<f64>,
    /// How it stands to its limit.
    pub level: Level,
    /// The last minutes, oldest first; `NaN` where nothing was seen.
    pub recent: Vec<f32>,
}

/// One route's part of all the time that users waited in the last minute.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct TimeShare {
    /// The route, or `background`.
    pub route: String,
    /// Its share.
    pub share: f64,
    /// Its 95th percentile; `None` for background work.
    pub p95_seconds: Option<f64>,
    /// How it stands.
    pub level: Level,
}

/// Something that changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
    /// For better or worse.
    pub level: Level,
}
