//! Work outside any request: how many visitors wait for an answer.

use std::sync::Arc;
use std::time::Duration;

use perfdeck::Deck;

use crate::seed::NOW;
use crate::store::{Store, on};

const EVERY: Duration = Duration::from_millis(500);

const WAITING: &str =
    "SELECT COUNT(*) FROM chat_sessions WHERE state = 'waiting' AND last_message_at < $1";

/// Counts for ever.
pub(crate) async fn run(deck: Deck, store: Arc<Store>) {
    let gauge = deck.gauge("sessions.waiting");
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // A count that failed is made up for by the next.
        if let Ok(count) = waiting(&store).await {
            gauge.set(count as f64);
        }
    }
}

#[perfdeck::monitor]
async fn waiting(store: &Store) -> Result<i64, sqlx::Error> {
    on!(store, pool => {
        sqlx::query_scalar(store.sql(WAITING)).bind(NOW - 60).fetch_one(pool).await
    })
}
