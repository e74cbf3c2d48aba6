use serde::{Deserialize, Serialize};

use super::{QueryId, Timestamp};

/// The most steps of one answer.
pub const MAX_HISTORY_STEPS: u64 = 2_000;
/// The most percentiles that are told of a step.
pub const MAX_PERCENTILES: usize = 8;

/// A part of the past, in steps of a chosen width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryRequest {
    /// Of what.
    pub of: HistoryOf,
    /// The beginning; without it, all that is kept.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// The end; without it, now.
    #[serde(default)]
    pub to: Option<Timestamp>,
    /// Seconds to a step; without it as many as make at most 240 steps. The answer's may be wider: history is kept by the
    /// second for 15 minutes, by ten seconds for 6 hours and by the minute for 7 days, and there are at most
    /// [`MAX_HISTORY_STEPS`].
    #[serde(default)]
    pub width_seconds: Option<u32>,
    /// From 0 to 100, at most [`MAX_PERCENTILES`]; without any 50, 95 and 99.
    #[serde(default)]
    pub percentiles: Vec<f64>,
}

impl HistoryRequest {
    /// Asks for all that is kept of something.
    #[must_use]
    pub const fn of(of: HistoryOf) -> Self {
        Self {
            of,
            from: None,
            to: None,
            width_seconds: None,
            percentiles: Vec::new(),
        }
    }

    /// Asks for what was since a moment.
    #[must_use]
    pub const fn from(mut self, from: Timestamp) -> Self {
        self.from = Some(from);
        self
    }

    /// Asks for steps of a width.
    #[must_use]
    pub const fn width_seconds(mut self, seconds: u32) -> Self {
        self.width_seconds = Some(seconds);
        self
    }

    /// Asks for these percentiles, from 0 to 100.
    #[must_use]
    pub fn percentiles(mut self, percentiles: impl Into<Vec<f64>>) -> Self {
        self.percentiles = percentiles.into();
        self
    }
}

/// What has a history.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryOf {
    /// One number, by a name of [`super::Question::Numbers`].
    Number(String),
    /// All requests.
    Requests,
    /// The requests of one route.
    Route(String),
    /// All statements.
    Queries,
    /// One statement.
    Query(QueryId),
    /// The calls of a monitored function.
    Function(String),
    /// The waits for a connection of a pool.
    Pool(String),
}

/// The past as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct History {
    /// Of what.
    pub of: HistoryOf,
    /// The beginning of the first step.
    pub from: Timestamp,
    /// Seconds to a step.
    pub width_seconds: u32,
    /// How far back anything of this is kept.
    pub kept_from: Timestamp,
    /// The largest relative error of a percentile or value; counts, sums and largest values are exact.
    pub error_ratio: f64,
    /// The steps, oldest first; the last may not be over yet.
    pub steps: HistorySteps,
}

/// What happened in the steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum HistorySteps {
    /// The mean of a number in each step; `None` where nothing was seen.
    Values(Vec<Option<f64>>),
    /// Calls with their durations.
    Calls {
        /// The percentiles that each step tells.
        percentiles: Vec<f64>,
        /// Each step.
        steps: Vec<CallsStep>,
        /// All of them merged, which is no mean of the steps' percentiles.
        whole: CallsStep,
    },
}

/// The calls of one step.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct CallsStep {
    /// How many.
    pub calls: u64,
    /// Of those, the ones that failed.
    pub errors: u64,
    /// What all of them took, in seconds.
    pub sum_seconds: f64,
    /// The longest, in seconds.
    pub max_seconds: f64,
    /// The percentiles, in seconds and in the order of the answer's; empty without calls.
    pub percentiles_seconds: Vec<f64>,
}
