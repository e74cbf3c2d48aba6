//! What the service itself can ask its deck: the same plain structs that viewers are told.

use perfdeck_bridge::protocol::{
    Alert, Answer, CacheRow, CurrentMetrics, Finding, History, HistoryRequest, PoolRow, QueryRow,
    Question, State, Topic,
};

use super::Deck;

/// Each answer is of the last tick and is made by the deck's own thread between two ticks, so it is awaited for as long as a
/// tick takes: some milliseconds, and on a machine without time to spare as long as that thread has to wait for its turn. A
/// service that can't wait puts a time-out of its own around it. A deck that is off, that has stopped or whose agent has died
/// answers with nothing.
impl Deck {
    /// Returns the present numbers; `None` from a deck that is off.
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn shed(deck: perfdeck::Deck) -> bool {
    /// let now = deck.current().await;
    /// now.is_some_and(|now| now.response_time_p95.is_some_and(|seconds| seconds > 2.0))
    /// # }
    /// ```
    pub async fn current(&self) -> Option<CurrentMetrics> {
        match self.now(Topic::Status).await? {
            State::Status(status) => Some(status.current_metrics),
            _ => None,
        }
    }

    /// Returns the statements whose 95th percentile of the last minute is longest, at most so many of the 200 that took the
    /// most time.
    pub async fn slow_queries(&self, most: usize) -> Vec<QueryRow> {
        let Some(State::Queries(mut told)) = self.now(Topic::Queries).await else {
            return Vec::new();
        };
        told.queries
            .sort_by(|a, b| b.p95_seconds.total_cmp(&a.p95_seconds));
        told.queries.truncate(most);
        told.queries
    }

    /// Returns the pools with their connections and waits.
    pub async fn pool_stats(&self) -> Vec<PoolRow> {
        match self.now(Topic::Host).await {
            Some(State::Host(told)) => told.pools,
            _ => Vec::new(),
        }
    }

    /// Returns the cache namespaces with what they answer and save.
    pub async fn cache_stats(&self) -> Vec<CacheRow> {
        match self.now(Topic::Caches).await {
            Some(State::Caches(told)) => told.namespaces,
            _ => Vec::new(),
        }
    }

    /// Returns the alerts that are pending or fire, and those that are over and still told.
    pub async fn alerts(&self) -> Vec<Alert> {
        match self.now(Topic::Alerts).await {
            Some(State::Alerts(told)) => told.alerts,
            _ => Vec::new(),
        }
    }

    /// Returns the findings, those that would bring the most first, also what was applied.
    pub async fn recommendations(&self) -> Vec<Finding> {
        match self.now(Topic::Advice).await {
            Some(State::Advice(told)) => told.findings,
            _ => Vec::new(),
        }
    }

    /// Returns what was, in steps of any width; `None` if nothing of the kind is known.
    ///
    /// # Examples
    ///
    /// ```
    /// use perfdeck::protocol::{HistoryOf, HistoryRequest};
    ///
    /// # async fn last(deck: perfdeck::Deck) {
    /// let checkout = HistoryRequest::of(HistoryOf::Route("POST /checkout".into()));
    /// let history = deck.history(checkout.width_seconds(60)).await;
    /// # }
    /// ```
    pub async fn history(&self, request: HistoryRequest) -> Option<History> {
        match self.source()?.ask(Question::History(request)).await.ok()? {
            Answer::History(history) => Some(history),
            _ => None,
        }
    }

    /// Asks the databases of the deck's pools which indexes would pay for what ran in the last 15 minutes, and which that are
    /// there do not, `CREATE INDEX` and `DROP INDEX` in the order in which to run them; an empty answer is a good one.
    ///
    /// It takes up to ten seconds a pool and changes nothing. An index counts as unused when nobody has looked anything up in
    /// it for `unused_after`, no plan of these statements uses it, and it is no key, unique, or of use to a foreign key; the
    /// deck has to have run for as long. A week is a short time. With [`Builder::sample_arguments`](crate::Builder::sample_arguments)
    /// PostgreSQL's planner is asked with what the service really asks for.
    ///
    /// # Errors
    ///
    /// When a database can't be asked, or the deck has stopped; a deck that is off has no advice.
    #[cfg(all(feature = "advisor", feature = "_sqlx"))]
    pub async fn index_advice(
        &self,
        unused_after: std::time::Duration,
    ) -> Result<Vec<perfdeck_bridge::protocol::IndexAdvice>, perfdeck_bridge::protocol::Refusal>
    {
        let Some(core) = &self.core else {
            return Ok(Vec::new());
        };
        core.host.advise(unused_after).await
    }

    async fn now(&self, topic: Topic) -> Option<State> {
        match self.source()?.ask(Question::Now(topic)).await.ok()? {
            Answer::Now(update) => Some(update.state.clone()),
            _ => None,
        }
    }
}
