//! How many messages a workspace got in this minute, in all instances together: a count in Redis.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use perfdeck::{Deck, Redis};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisResult, pipe};

/// The most that a request waits for Redis.
const PATIENCE: Duration = Duration::from_millis(250);
/// When a count is of no use any more.
const FORGOTTEN_SECONDS: i64 = 120;

/// The counts, through a connection that the deck observes.
#[derive(Debug, Clone)]
pub(crate) struct Minute {
    connection: Redis<ConnectionManager>,
}

impl Minute {
    /// Prepares a connection, which is made when it is first used, and again where it is lost.
    pub(crate) fn open(deck: &Deck, url: &str) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connection = ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?;
        Ok(Self {
            connection: deck.redis("minute", connection),
        })
    }

    /// Counts a message.
    pub(crate) async fn add(&self, workspace: i64) -> RedisResult<()> {
        let key = key(workspace);
        let mut count = pipe();
        count.incr(&key, 1).expire(&key, FORGOTTEN_SECONDS);
        count.exec_async(&mut self.connection.clone()).await
    }

    /// Returns how many there were.
    pub(crate) async fn count(&self, workspace: i64) -> RedisResult<i64> {
        let mut get = redis::cmd("GET");
        let asked = get.arg(key(workspace));
        let count: Option<i64> = asked.query_async(&mut self.connection.clone()).await?;
        Ok(count.unwrap_or(0))
    }
}

fn key(workspace: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let minute = now.map_or(0, |since| since.as_secs() / 60);
    format!("demo:messages:{workspace}:{minute}")
}
