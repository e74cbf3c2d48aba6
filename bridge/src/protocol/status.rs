use std::fmt;

#[cfg(feature = "client")]
use serde::Deserialize;
use serde::Serialize;

/// The service in a few numbers, and the deck's own cost.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Status {
    /// The present numbers.
    pub current_metrics: CurrentMetrics,
    /// What could be better.
    pub optimization_summary: OptimizationSummary,
    /// What the deck costs its host.
    pub deck: DeckCost,
    /// What can't be seen, why, and the fix; the worst first.
    pub blind_spots: Vec<BlindSpot>,
    /// What is seen, and by what: without it an empty list of blind spots would prove nothing.
    #[cfg_attr(feature = "client", serde(default))]
    pub seen: Vec<Seen>,
    /// Alerts that fire.
    pub alerts_firing: u32,
    /// The flight recorder, where the host has one.
    #[cfg_attr(feature = "client", serde(default))]
    pub recording: Option<RecordingState>,
}

/// How a flight recorder goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct RecordingState {
    /// Its file.
    pub path: String,
    /// The most that the file takes.
    pub limit_bytes: u64,
    /// Blocks that were written, one a tick.
    pub blocks: u64,
    /// What they took; more than the file holds once the oldest made room.
    pub written_bytes: u64,
    /// Blocks that could not be written.
    pub lost: u64,
    /// Updates that were replaced before they were written.
    pub missed: u64,
    /// Why the last block could not be written; `None` if it was.
    pub error: Option<String>,
}

/// The present numbers; `None` where nothing was seen.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct CurrentMetrics {
    /// Of the cgroup's limit where there is one, else of the machine.
    pub cpu_percent: Option<f64>,
    /// Of the cgroup's limit where there is one, else of the machine.
    pub memory_percent: Option<f64>,
    /// The last minute's 95th percentile over all routes, in seconds.
    pub response_time_p95: Option<f64>,
    /// The share of the last minute's requests that failed, from 0 to 1.
    pub error_rate: f64,
    /// Requests a second over the last minute.
    pub requests_per_second: f64,
}

/// What could be better.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct OptimizationSummary {
    /// From 0 to 100.
    pub performance_score: f64,
    /// Open findings.
    pub total_recommendations: u32,
    /// Of those, the critical ones.
    pub high_priority_issues: u32,
}

/// What the deck costs its host.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct DeckCost {
    /// The agent thread's share of one core over the last minute, in percent.
    pub cpu_percent: f64,
    /// What the deck holds, in bytes, as it accounts for it.
    pub memory_bytes: u64,
    /// What was not kept.
    pub dropped: Dropped,
    /// Attached viewers.
    pub viewers: u32,
    /// How often the deck's agent died; it is started anew once, and after the second time nothing is observed any more.
    #[cfg_attr(feature = "client", serde(default))]
    pub agent_deaths: u32,
    /// How often a step of the agent's panicked, without its end.
    #[cfg_attr(feature = "client", serde(default))]
    pub agent_panics: u64,
    /// What it gives up to stay within its limits.
    #[cfg_attr(feature = "client", serde(default))]
    pub level: BudgetLevel,
    /// What it may hold, in bytes; 0 from a host that does not tell.
    #[cfg_attr(feature = "client", serde(default))]
    pub memory_limit_bytes: u64,
    /// What its thread may take of one core, in percent; 0 from a host that does not tell.
    #[cfg_attr(feature = "client", serde(default))]
    pub cpu_limit_percent: f64,
}

/// What the deck gives up to stay within its budget; each level gives up what those before it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum BudgetLevel {
    /// Nothing.
    #[default]
    Full,
    /// Percentiles of history by the minute are up to 7 % off, and not 1.6 %; and caches are no longer predicted.
    CoarseHistory,
    /// No further request is kept whole.
    NoExemplars,
    /// History by the second and by ten seconds goes back two minutes. Where that is not enough that by the minute goes back
    /// less, and at last the least busy keys are told apart no more.
    ShortHistory,
    /// A newer host's level.
    #[cfg_attr(feature = "client", serde(other))]
    Other,
}

impl fmt::Display for BudgetLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::CoarseHistory => "coarse history",
            Self::NoExemplars => "no exemplars",
            Self::ShortHistory => "short history",
            Self::Other => "a level that this version does not know",
        })
    }
}

/// What was not kept, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Dropped {
    /// Recordings that found no place, and values of the service's own that no histogram can hold.
    pub recordings: u64,
    /// Recordings that were filed under `<other>`, since there were too many keys; of the service's own numbers, those that
    /// were not kept for that reason.
    pub overflowed: u64,
    /// Updates that a slow viewer did not get.
    pub updates: u64,
    /// Requests that were worth keeping whole and found no place; the totals have them.
    #[cfg_attr(feature = "client", serde(default))]
    pub exemplars: u64,
}

/// Something that can't be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct BlindSpot {
    /// A stable word for it, `sqlx_events_filtered` say.
    pub kind: String,
    /// How much of it can't be seen.
    #[cfg_attr(feature = "client", serde(default))]
    pub blindness: Blindness,
    /// What can't be seen.
    pub what: String,
    /// Why.
    pub why: String,
    /// The one-line fix.
    pub fix: String,
}

/// How much of something can't be seen; the worst comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum Blindness {
    /// All of it.
    Blind,
    /// A part of it, or some of what belongs to it.
    #[default]
    Partly,
    /// It is seen, and yet there is something to know before it is believed.
    #[cfg_attr(feature = "client", serde(other))]
    Note,
}

/// Something that is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Seen {
    /// What, in one word or two.
    pub what: String,
    /// By what, and how much of it there was.
    pub how: String,
}
