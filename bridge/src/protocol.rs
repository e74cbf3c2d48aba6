//! The vocabulary: plain structs without behaviour, the same from the rule that makes them to the screen that draws them.
//!
//! Units are in the names: `_seconds` are `f64`, `_bytes` whole bytes, `_ratio` and `_share` run from 0 to 1. Times are
//! [`Timestamp`]s. Text from outside (routes, SQL, names) is as the host saw it and may be hostile: a viewer escapes it.
//!
//! Hosts write what they tell and never read it, so only the feature `client` can: that code is left out of services.

mod action;
mod alert;
mod cache;
mod database;
mod exemplar;
mod finding;
mod hello;
mod history;
mod host;
mod ledger;
mod message;
mod overview;
mod query;
mod redacted;
mod request;
mod status;
mod time;
mod topic;

pub use action::{ActReply, ActRequest, CacheCapacity, Intent, PlanId, Preview, Risk, Undo};
pub use alert::{Alert, AlertRule, AlertSide, AlertState, Alerts, Severity};
pub use cache::{
    BypassedQueries, CacheForecast, CacheRow, Caches, Evicted, Forecast, ForecastSilence,
    SharedCaches,
};
pub use database::{
    BlockedRow, Connections, Database, DatabaseFile, DatabaseHealth, IndexRow, SequenceRow,
    SessionRow, TableRow,
};
pub use exemplar::{
    Exemplar, ExemplarId, ExemplarRow, ExemplarStep, Exemplars, Kept, StepKind, WhichExemplar,
};
pub use finding::{
    Advice, CacheAdvice, Confidence, DatabaseAdvice, Evidence, Finding, FindingId, FindingStatus,
    Impact, IndexAdvice, MissingCache, MissingIndex, NPlusOne, ProposedAction, Quantities,
};
pub use hello::{Hello, PROTOCOL_VERSION, Role};
pub use history::{
    CallsStep, History, HistoryOf, HistoryRequest, HistorySteps, MAX_HISTORY_STEPS, MAX_PERCENTILES,
};
pub use host::{FunctionRow, Host, MetricRow, PoolRow, RedisRow};
pub use ledger::{Gain, Ledger, LedgerId, LedgerRow, LedgerStatus, Verdict, Window};
pub use message::{FromHost, FromViewer, Refusal, RefusalCode, Reply, RequestId};
pub use overview::{Change, Level, Overview, Score, ScorePart, Summary, TimeShare, Vital, Vitals};
pub use query::{CallFrame, CallSite, Queries, QueryDetail, QueryId, QueryRoute, QueryRow};
pub use redacted::Redacted;
pub use request::{Background, RequestRow, Requests, RouteDetail, RouteStatement};
pub use status::{
    BlindSpot, Blindness, BudgetLevel, CurrentMetrics, DeckCost, Dropped, OptimizationSummary,
    RecordingState, Seen, Status,
};
pub use time::Timestamp;
pub use topic::{Answer, Question, State, Topic, Update};
