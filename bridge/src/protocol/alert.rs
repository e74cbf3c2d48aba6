#[cfg(feature = "client")]
use serde::Deserialize;
use serde::Serialize;

use super::Timestamp;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look today.
    Warning,
    /// Worth a look now.
    Critical,
}

/// All alerts: firing first, then pending, then what resolved lately.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Alerts {
    /// The alerts.
    pub alerts: Vec<Alert>,
    /// How many rules are watched.
    pub rules: u32,
    /// The rules with their present limits; a route's own stands right behind the service's.
    #[cfg_attr(feature = "client", serde(default))]
    pub limits: Vec<AlertRule>,
}

/// A rule with its present limit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct AlertRule {
    /// As in [`Alert::rule`].
    pub rule: String,
    /// The route whose own limit this is; `None` for the service's.
    pub route: Option<String>,
    /// On which side of the limit it holds.
    pub side: AlertSide,
    /// The present limit.
    pub limit: f64,
    /// What the limit would be had the service not set it: perfdeck's own, and for a route the service's.
    pub default_limit: f64,
    /// The unit of both, as in [`Alert::unit`].
    pub unit: String,
    /// How long the condition must hold before the alert fires.
    pub hold_seconds: f64,
}

/// A side of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum AlertSide {
    /// A value above the limit is too much.
    Over,
    /// A value below the limit is too little.
    Under,
}

/// One rule that holds, or held.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Alert {
    /// Stays the same from pending to resolved.
    pub id: String,
    /// The rule's name, `response_time_p95` say.
    pub rule: String,
    /// What it is about, a pool's name say; empty for the whole service.
    pub subject: String,
    /// How bad it is.
    pub severity: Severity,
    /// Where it stands.
    pub state: AlertState,
    /// One sentence with numbers.
    pub message: String,
    /// The series' last value.
    pub value: f64,
    /// The limit it went over, or under.
    pub threshold: f64,
    /// The unit of both: `percent`, `seconds` or `count`.
    pub unit: String,
    /// When the condition first held.
    pub since: Timestamp,
    /// When it stopped to hold.
    pub resolved_at: Option<Timestamp>,
    /// The latest values of the series, oldest first.
    pub recent: Vec<f32>,
}

/// The life of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The condition holds, but not for long enough.
    Pending,
    /// It holds.
    Firing,
    /// It no longer holds.
    Resolved,
}
