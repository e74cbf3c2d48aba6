//! The demo's visitors: requests over loopback HTTP at a given rate, whether or not the service keeps up.

mod client;
mod mix;
mod tally;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{Semaphore, oneshot};

use self::client::Client;
pub use self::mix::{Call, Mix};
pub(crate) use self::tally::{Summary, Tally};

/// Requests under way at once. Beyond it a visitor turns away at the door and is counted as such: more would only measure
/// how long a queue can get.
const AT_ONCE: usize = 256;

/// How much is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Requests a second, on average.
    pub(crate) rate: f64,
    /// After how many requests it ends.
    pub(crate) requests: Option<u64>,
}

/// Sends requests until the plan is fulfilled or `stop` is told or dropped, waits for the last answer and returns what was
/// counted.
pub(crate) async fn run(to: SocketAddr, plan: Plan, mut stop: oneshot::Receiver<()>) -> Summary {
    let client = Arc::new(Client::new(to));
    let tally = Arc::new(Tally::default());
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut rng = StdRng::seed_from_u64(42);
    let mut mix = Mix::new();
    let mut due = tokio::time::Instant::now();
    let mut left = plan.requests.unwrap_or(u64::MAX);
    while left > 0 {
        // Arrivals don't know of each other, so the gaps between them are exponential.
        due += Duration::from_secs_f64(-(1.0 - rng.random::<f64>()).ln() / plan.rate);
        tokio::select! {
            biased;
            _ = &mut stop => break,
            () = tokio::time::sleep_until(due) => {}
        }
        let call = mix.next(&mut rng);
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            tally.turned_away();
            continue;
        };
        left -= 1;
        let (client, tally) = (Arc::clone(&client), Arc::clone(&tally));
        tokio::spawn(async move {
            let start = Instant::now();
            let outcome = client.send(&call).await;
            tally.count(&call.method, call.route, outcome.ok(), start.elapsed());
            drop(place);
        });
    }
    // Every place is free again when the last answer is in.
    drop(room.acquire_many(AT_ONCE as u32).await);
    tally.summary()
}
