use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Advice, Alerts, Caches, Database, Exemplar, Exemplars, History, HistoryRequest, Host, Ledger,
    Overview, Queries, QueryDetail, QueryId, Requests, RouteDetail, Status, Timestamp,
    WhichExemplar,
};

/// Something a viewer can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// The deck's own state, and the guide's summary numbers.
    Status,
    /// The verdict, the vitals and where the users' time goes.
    Overview,
    /// Routes, background work and monitored functions.
    Requests,
    /// Statements by fingerprint.
    Queries,
    /// Cache namespaces.
    Caches,
    /// Pools, and how the databases behind them are.
    Database,
    /// Alerts and their history.
    Alerts,
    /// Findings.
    Advice,
    /// What was done, and what it brought.
    Ledger,
    /// Pools, custom metrics and monitored functions.
    Host,
}

impl Topic {
    /// Every topic, in the order of the screens.
    pub const ALL: [Self; 10] = [
        Self::Status,
        Self::Overview,
        Self::Requests,
        Self::Queries,
        Self::Caches,
        Self::Database,
        Self::Alerts,
        Self::Advice,
        Self::Ledger,
        Self::Host,
    ];
}

/// The whole state of one topic at one moment; it replaces what was sent before.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Update {
    /// When the state was taken.
    pub at: Timestamp,
    /// The state.
    pub state: State,
    /// Rows that the state has no more since a frame has no room for them; each comes by asking.
    #[cfg_attr(feature = "client", serde(default))]
    #[serde(skip_serializing_if = "is_none")]
    pub left_out: u64,
}

const fn is_none(rows: &u64) -> bool {
    *rows == 0
}

/// A topic with its content.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is the topic of its name")]
pub enum State {
    Status(Box<Status>),
    Overview(Box<Overview>),
    Requests(Requests),
    Queries(Queries),
    Caches(Caches),
    Database(Database),
    Alerts(Alerts),
    Advice(Advice),
    Ledger(Ledger),
    Host(Host),
}

impl State {
    /// Returns which topic this is.
    #[must_use]
    pub const fn topic(&self) -> Topic {
        match self {
            Self::Status(_) => Topic::Status,
            Self::Overview(_) => Topic::Overview,
            Self::Requests(_) => Topic::Requests,
            Self::Queries(_) => Topic::Queries,
            Self::Caches(_) => Topic::Caches,
            Self::Database(_) => Topic::Database,
            Self::Alerts(_) => Topic::Alerts,
            Self::Advice(_) => Topic::Advice,
            Self::Ledger(_) => Topic::Ledger,
            Self::Host(_) => Topic::Host,
        }
    }
}

/// What a viewer can ask beside the topics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// A topic's present state, once.
    Now(Topic),
    /// One statement with its whole text, its routes and its distribution.
    Query(QueryId),
    /// One route with its statements; the name as in [`super::RequestRow::route`].
    Route(String),
    /// The requests of a route that were kept whole; the name as in [`super::RequestRow::route`].
    Exemplars(String),
    /// One request that was kept whole, with what it did.
    Exemplar(WhichExemplar),
    /// What was, at any width.
    History(HistoryRequest),
    /// The names of the numbers that have a history of their own.
    Numbers,
}

/// What a host answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Question::Now`].
    Now(Arc<Update>),
    /// To [`Question::Query`].
    Query(QueryDetail),
    /// To [`Question::Route`].
    Route(RouteDetail),
    /// To [`Question::Exemplars`].
    Exemplars(Exemplars),
    /// To [`Question::Exemplar`].
    Exemplar(Exemplar),
    /// To [`Question::History`].
    History(History),
    /// To [`Question::Numbers`].
    Numbers(Vec<String>),
}
