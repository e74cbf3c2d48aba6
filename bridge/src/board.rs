//! Where a host puts each topic's newest state, and where viewers take it.
//!
//! A board holds one state a topic, so a viewer that lags costs nothing and never sees an old one. It knows which topics
//! anyone follows, so that a host builds only those, and each state is encoded at most once, however many look.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use crate::codec;
use crate::protocol::{FromHost, Topic, Update};

const TOPICS: usize = Topic::ALL.len();
/// What a state takes beside its frame, in frames, and of one that was not encoded in bytes.
const STATE: usize = 2;
const UNKNOWN: usize = 64 * 1024;

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
    changed: Notify,
    missed: AtomicU64,
    /// The bytes of all frames that anybody still has.
    frames: Arc<AtomicUsize>,
}

#[derive(Debug, Clone, Default)]
struct States {
    slots: [Option<Arc<Published>>; TOPICS],
    /// The number of each topic's last state; it goes on when a state is taken down.
    numbers: [u64; TOPICS],
    closed: bool,
}

/// A state on a board.
#[derive(Debug)]
pub struct Published {
    /// The state.
    pub update: Arc<Update>,
    number: u64,
    frame: OnceLock<Option<Bytes>>,
    frames: Arc<AtomicUsize>,
}

impl Published {
    /// Returns the state as a frame, encoded at the first call; of a state that is too large with fewer rows, and `None` if
    /// it fits without any of them neither.
    #[must_use]
    pub fn frame(&self) -> Option<Bytes> {
        self.frame
            .get_or_init(|| {
                let frame = codec::encode_fitting(&self.update, FromHost::Update).ok()?;
                Some(codec::counted(frame, &self.frames))
            })
            .clone()
    }

    /// About what the state takes beside its frame.
    fn state_bytes(&self) -> usize {
        match self.frame.get() {
            Some(frame) => STATE * frame.as_ref().map_or(0, Bytes::len),
            None => UNKNOWN,
        }
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
                changed: Notify::new(),
                missed: AtomicU64::new(0),
                frames: Arc::default(),
            }),
        }
    }

    /// Puts a topic's newest state up.
    pub fn publish(&self, update: Arc<Update>) {
        let slot = index(update.state.topic());
        let mut replaced = None;
        self.shared.states.send_modify(|states| {
            states.numbers[slot] += 1;
            let number = states.numbers[slot];
            let published = Published {
                update,
                number,
                frame: OnceLock::new(),
                frames: Arc::clone(&self.shared.frames),
            };
            replaced = states.slots[slot].replace(Arc::new(published));
        });
        // A large state is freed here, where no viewer waits for the lock.
        drop(replaced);
    }

    /// Takes a topic's state down, so that nobody gets it any more.
    pub fn withdraw(&self, topic: Topic) {
        // Nobody waits for less, so nobody is woken.
        self.shared.states.send_if_modified(|states| {
            states.slots[index(topic)] = None;
            false
        });
    }

    /// Returns a topic's newest state.
    #[must_use]
    pub fn latest(&self, topic: Topic) -> Option<Arc<Update>> {
        let states = self.shared.states.borrow();
        states.slots[index(topic)]
            .as_ref()
            .map(|published| Arc::clone(&published.update))
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
            .filter(|topic| self.shared.followers[index(*topic)].load(Ordering::Acquire) > 0)
    }

    /// Waits until somebody follows a topic that nobody followed; for one waiter, the host.
    pub async fn interest(&self) {
        self.shared.interest.notified().await;
    }

    /// Waits until what [`Board::followed`] returns may have changed; for one waiter.
    #[cfg(feature = "client")]
    pub(crate) async fn followed_changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Returns how many states were replaced before some viewer took them.
    ///
    /// A viewer's are counted when it takes the next one.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.shared.missed.load(Ordering::Relaxed)
    }

    /// Returns about what the states and all frames take that anybody still has, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let states = self.shared.states.borrow();
        let states = states.slots.iter().flatten();
        let states: usize = states.map(|published| published.state_bytes()).sum();
        states + self.shared.frames.load(Ordering::Relaxed)
    }

    /// Begins to follow.
    #[must_use]
    pub fn follower(&self, topics: &[Topic]) -> Follower {
        let mut follower = Follower {
            shared: Arc::clone(&self.shared),
            states: self.shared.states.subscribe(),
            wanted: [false; TOPICS],
            seen: [0; TOPICS],
            first: 0,
            missed: 0,
        };
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
    /// Where the next search begins, so that a busy topic does not hide the others from a slow viewer.
    first: usize,
    missed: u64,
}

impl Follower {
    /// Changes what is followed; a topic that was not followed before comes with its present state.
    pub fn follow(&mut self, topics: &[Topic]) {
        for topic in Topic::ALL {
            let slot = index(topic);
            let wants = topics.contains(&topic);
            let followers = &self.shared.followers[slot];
            if wants && !self.wanted[slot] {
                self.seen[slot] = 0;
                if followers.fetch_add(1, Ordering::AcqRel) == 0 {
                    self.shared.interest.notify_one();
                    self.shared.changed.notify_one();
                }
            } else if !wants && self.wanted[slot] && followers.fetch_sub(1, Ordering::AcqRel) == 1 {
                self.shared.changed.notify_one();
            }
            self.wanted[slot] = wants;
        }
    }

    /// Waits for the next state; `None` once the board is closed.
    ///
    /// The topics take turns. It is safe to drop the future: a state is only taken when it is returned.
    pub async fn next(&mut self) -> Option<Arc<Published>> {
        loop {
            if let Some(published) = self.take()? {
                return Some(published);
            }
            self.states.changed().await.ok()?;
        }
    }

    /// Returns how many states were replaced before this viewer took them.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// Takes a state that is new to this viewer, if there is one; `None` once the board is closed.
    fn take(&mut self) -> Option<Option<Arc<Published>>> {
        let states = self.states.borrow_and_update();
        if states.closed {
            return None;
        }
        let turn = (self.first..TOPICS).chain(0..self.first);
        let fresh = turn.filter(|slot| self.wanted[*slot]).find_map(|slot| {
            let published = states.slots[slot].as_ref()?;
            (published.number != self.seen[slot]).then(|| (slot, Arc::clone(published)))
        });
        let Some((slot, published)) = fresh else {
            return Some(None);
        };
        if self.seen[slot] != 0 {
            let missed = published.number.saturating_sub(self.seen[slot] + 1);
            self.missed += missed;
            self.shared.missed.fetch_add(missed, Ordering::Relaxed);
        }
        self.seen[slot] = published.number;
        self.first = (slot + 1) % TOPICS;
        Some(Some(published))
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

#[cfg(test)]
mod tests;
