use std::pin::Pin;
use std::sync::Arc;

use crate::Result;
use crate::board::{Follower, Published};
use crate::protocol::{ActReply, ActRequest, Answer, Hello, Question, Topic};

/// A future in a box, so that [`Source`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What any host offers one viewer.
///
/// A deck in its own process, the client of a socket and a recording are all sources, and every viewer is written against
/// this trait alone. A source stands for one viewer: its role and its plans are its own.
pub trait Source: Send + Sync + 'static {
    /// Tells who the host is and what this viewer may do.
    fn hello(&self) -> BoxFuture<'_, Result<Hello>>;

    /// Follows `topics`: their present state first, then each new one; a viewer that lags gets only the newest.
    fn subscribe(&self, topics: &[Topic]) -> Subscription;

    /// Asks once.
    fn ask(&self, question: Question) -> BoxFuture<'_, Result<Answer>>;

    /// Previews or applies an action.
    fn act(&self, request: ActRequest) -> BoxFuture<'_, Result<ActReply>>;
}

/// A viewer's share in a [`crate::board::Board`].
#[derive(Debug)]
pub struct Subscription {
    follower: Follower,
}

impl Subscription {
    /// Wraps a follower.
    #[must_use]
    pub const fn new(follower: Follower) -> Self {
        Self { follower }
    }

    /// Waits for the next state of any followed topic; `None` once the host is gone.
    pub async fn next(&mut self) -> Option<Arc<Published>> {
        self.follower.next().await
    }

    /// Changes what is followed.
    pub fn follow(&mut self, topics: &[Topic]) {
        self.follower.follow(topics);
    }

    /// Returns how many states were replaced before this viewer took them.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.follower.missed()
    }
}
