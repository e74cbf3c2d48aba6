//! Where a host puts each topic's newest state, and where viewers take it.
//!
//! A board holds one state a topic, so a viewer that lags costs nothing and never sees an old one. It knows which topics
//! anyone follows, so that a host builds only those, and each state is encoded at most once, however many look.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use crate::codec;
use crate::protocol::{FromHost, Topic, Update};

const TOPICS: usize = Topic::ALL.len();

/// The newest state of each topic.
#[derive(Debug, Clone)]
pub struct Board {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    states: watch::Sender<States>,
    followers: [AtomicU32; TOPICS],
    interest: Notify,
    missed: AtomicU64,
}

#[derive(Debug, Clone, Default)]
struct States {
    slots: [Option<Arc<Published>>; TOPICS],
    closed: bool,
}

/// A state on a board.
#[derive(Debug)]
pub struct Published {
    /// The state.
    pub update: Arc<Update>,
    number: u64,
    frame: OnceLock<Option<Bytes>>,
}

impl Published {
    /// Returns the state as a frame, encoded at the first call; `None` if it can't be made to fit.
    #[must_use]
    pub fn frame(&self) -> Option<Bytes> {
        self.frame
            .get_or_init(|| codec::encode(&FromHost::Update(Arc::clone(&self.update))).ok())
            .clone()
    }
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

impl Board {
    /// Makes an empty board.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                states: watch::Sender::new(States::default()),
                followers: Default::default(),
                interest: Notify::new(),
                missed: AtomicU64::new(0),
            }),
        }
    }

    /// Puts a topic's newest state up.
    pub fn publish(&self, update: Arc<Update>) {
        let slot = index(update.state.topic());
        self.shared.states.send_modify(|states| {
            let number = states.slots[slot].as_ref().map_or(1, |old| old.number + 1);
            states.slots[slot] = Some(Arc::new(Published {
                update,
                number,
                frame: OnceLock::new(),
            }));
        });
    }

    /// Ends every subscription.
    pub fn close(&self) {
        self.shared
            .states
            .send_modify(|states| states.closed = true);
    }

    /// Returns the topics that anyone follows.
    pub fn followed(&self) -> impl Iterator<Item = Topic> + '_ {
        Topic::ALL
            .into_iter()
            .filter(|topic| self.shared.followers[index(*topic)].load(Ordering::Relaxed) > 0)
    }

    /// Waits until somebody follows a topic that nobody followed.
    pub async fn interest(&self) {
        self.shared.interest.notified().await;
    }

    /// Returns how many states were replaced before some viewer took them.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.shared.missed.load(Ordering::Relaxed)
    }

    /// Begins to follow.
    #[must_use]
    pub fn follower(&self, topics: &[Topic]) -> Follower {
        let mut follower = Follower {
            shared: Arc::clone(&self.shared),
            states: self.shared.states.subscribe(),
            wanted: [false; TOPICS],
            seen: [0; TOPICS],
            missed: 0,
        };
        follower.states.mark_changed();
        follower.follow(topics);
        follower
    }
}

/// One viewer's view of a board.
#[derive(Debug)]
pub struct Follower {
    shared: Arc<Shared>,
    states: watch::Receiver<States>,
    wanted: [bool; TOPICS],
    seen: [u64; TOPICS],
    missed: u64,
}

impl Follower {
    /// Changes what is followed.
    pub fn follow(&mut self, topics: &[Topic]) {
        for topic in Topic::ALL {
            let slot = index(topic);
            let wants = topics.contains(&topic);
            if wants && !self.wanted[slot] {
                if self.shared.followers[slot].fetch_add(1, Ordering::Relaxed) == 0 {
                    self.shared.interest.notify_one();
                }
                // A new topic's present state comes first, whatever was seen of it before.
                self.seen[slot] = 0;
                self.states.mark_changed();
            } else if !wants && self.wanted[slot] {
                self.shared.followers[slot].fetch_sub(1, Ordering::Relaxed);
            }
            self.wanted[slot] = wants;
        }
    }

    /// Waits for the next state; `None` once the board is closed.
    pub async fn next(&mut self) -> Option<Arc<Published>> {
        loop {
            {
                let states = self.states.borrow_and_update();
                if states.closed {
                    return None;
                }
                for slot in 0..TOPICS {
                    let Some(published) = states.slots[slot].as_ref() else {
                        continue;
                    };
                    if !self.wanted[slot] || published.number == self.seen[slot] {
                        continue;
                    }
                    if self.seen[slot] != 0 {
                        let missed = published.number.saturating_sub(self.seen[slot] + 1);
                        self.missed += missed;
                        self.shared.missed.fetch_add(missed, Ordering::Relaxed);
                    }
                    self.seen[slot] = published.number;
                    let published = Arc::clone(published);
                    drop(states);
                    // Another topic may be new as well.
                    self.states.mark_changed();
                    return Some(published);
                }
            }
            self.states.changed().await.ok()?;
        }
    }

    /// Returns how many states were replaced before this viewer took them.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.missed
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.follow(&[]);
    }
}

const fn index(topic: Topic) -> usize {
    topic as usize
}
