//! Everything the screens show, and where in it the user is. It knows no terminal, no channel and no clock.

use std::sync::Arc;
use std::time::Duration;

use perfdeck_bridge::protocol::{
    Advice, Alerts, Caches, Database, Hello, Host, Ledger, LedgerRow, Overview, Preview, Queries,
    Requests, State, Status, Timestamp, Topic, Update,
};

use crate::screen::{Screen, Screens};
use crate::wish::Wish;

/// The whole state of the viewer.
#[derive(Debug)]
pub(crate) struct Model {
    /// This end's time, as of the last message.
    pub(crate) now: Timestamp,
    /// Whether the host is there.
    pub(crate) link: Link,
    /// What the host says of itself.
    pub(crate) hello: Option<Hello>,
    /// What the host told last.
    pub(crate) live: Data,
    /// What is shown instead, while the view is frozen.
    pub(crate) frozen: Option<Frozen>,
    /// When the last state arrived.
    pub(crate) received: Option<Timestamp>,
    /// The shown screen.
    pub(crate) screen: Screen,
    /// Each screen's own state.
    pub(crate) screens: Screens,
    /// What has the keys.
    pub(crate) focus: Focus,
    /// What was just done or refused, until the next key.
    pub(crate) notice: Option<Notice>,
    /// Whether something has changed since the last frame.
    pub(crate) dirty: bool,
}

impl Model {
    /// Makes the model of a viewer that has just begun.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            now,
            link: Link::Connecting,
            hello: None,
            live: Data::default(),
            frozen: None,
            received: None,
            screen: Screen::Overview,
            screens: Screens::default(),
            focus: Focus::Screen,
            notice: None,
            dirty: true,
        }
    }

    /// Returns what is shown: the frozen states, or the live ones.
    pub(crate) fn data(&self) -> &Data {
        self.frozen
            .as_ref()
            .map_or(&self.live, |frozen| &frozen.data)
    }

    /// Returns the host's time, by its last state and how long ago that came.
    ///
    /// Ages and expiries are told by the host's clock, since it may stand on another machine.
    pub(crate) fn host_now(&self) -> Timestamp {
        if let Link::Recorded(reel) = &self.link {
            return reel.at;
        }
        match (self.live.newest(), self.received) {
            (Some(told), Some(received)) => told.after(self.now.since(received)),
            _ => self.now,
        }
    }

    /// Returns the moment that the shown states speak of.
    pub(crate) fn shown_now(&self) -> Timestamp {
        self.frozen
            .as_ref()
            .map_or_else(|| self.host_now(), |frozen| frozen.at)
    }

    /// Tells whether the shown states are old, though nobody froze them.
    pub(crate) const fn is_stale(&self) -> bool {
        !matches!(self.link, Link::Live | Link::Recorded(_))
    }
}

/// The newest state of each topic.
#[derive(Debug, Clone, Default)]
pub(crate) struct Data {
    states: [Option<Arc<Update>>; Topic::ALL.len()],
}

/// Returns a topic's state, if it was told.
macro_rules! topic {
    ($name:ident, $state:ident) => {
        pub(crate) fn $name(&self) -> Option<&$state> {
            match &self.states.get(Topic::$state as usize)?.as_ref()?.state {
                State::$state(state) => Some(state),
                _ => None,
            }
        }
    };
}

impl Data {
    topic!(status, Status);
    topic!(overview, Overview);
    topic!(requests, Requests);
    topic!(queries, Queries);
    topic!(caches, Caches);
    topic!(database, Database);
    topic!(alerts, Alerts);
    topic!(advice, Advice);
    topic!(ledger, Ledger);
    topic!(host, Host);

    /// Keeps a state in place of its topic's last.
    pub(crate) fn keep(&mut self, update: Arc<Update>) {
        if let Some(state) = self.states.get_mut(update.state.topic() as usize) {
            *state = Some(update);
        }
    }

    /// Returns how many rows of a topic the host had no room for.
    pub(crate) fn left_out(&self, topic: Topic) -> u64 {
        let update = self.states.get(topic as usize).and_then(Option::as_ref);
        update.map_or(0, |update| update.left_out)
    }

    /// Returns when the newest state was taken, by the host's clock.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.states.iter().flatten().map(|update| update.at).max()
    }
}

/// What the view holds still on.
#[derive(Debug)]
pub(crate) struct Frozen {
    /// The states.
    pub(crate) data: Data,
    /// When, by the host's clock.
    pub(crate) at: Timestamp,
}

/// Where in a recording the view is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reel {
    /// The moment that is shown.
    pub(crate) at: Timestamp,
    /// Ticks before it.
    pub(crate) before: usize,
    /// Ticks after it.
    pub(crate) after: usize,
    /// Whether it goes on by itself.
    pub(crate) playing: bool,
}

/// How the host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// It is being called.
    Connecting,
    /// It tells its states.
    Live,
    /// It is there, but has told nothing for [`Link::PATIENCE`].
    Stale { since: Timestamp },
    /// It is gone.
    Lost { reason: String, retry_at: Timestamp },
    /// It is a recording.
    Recorded(Reel),
    /// It is a recording that can't be read.
    Unreadable { reason: String },
    /// It speaks another version.
    Incompatible { theirs: u32, ours: u32 },
}

impl Link {
    /// Tells whether it is a recording, in which nothing can be done.
    pub(crate) const fn is_recorded(&self) -> bool {
        matches!(self, Self::Recorded(_) | Self::Unreadable { .. })
    }

    /// How long a host may be silent, three of its ticks, before what it told counts as old.
    pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
}

/// A host that could be attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) service: String,
    pub(crate) pid: u32,
    pub(crate) uid: u32,
    pub(crate) socket: std::path::PathBuf,
}

/// What has the keys.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Focus {
    /// The screen.
    Screen,
    /// The filter of the screen's list.
    Filter,
    /// The help, from this line on.
    Help { scroll: u16 },
    /// The choice between several hosts.
    Picker {
        hosts: Vec<Candidate>,
        selected: usize,
    },
    /// The act.
    Act(Act),
}

/// An action on its way, from the key to the ledger.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// The user says how much.
    Wishing {
        /// What is to change.
        wish: Wish,
        /// What was typed.
        typed: String,
        /// What is wrong with it.
        problem: Option<String>,
    },
    /// The host is asked what would happen.
    Asking,
    /// The user decides.
    Deciding {
        /// What would happen.
        preview: Box<Preview>,
        /// What was typed to confirm it.
        typed: String,
    },
    /// The plan is on its way: it goes out once, however often the key is pressed.
    Applying {
        /// What happens.
        preview: Box<Preview>,
    },
    /// The host refused, and said why.
    Refused {
        /// A sentence.
        message: String,
    },
}

/// One line for the user, in place of the footer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) good: bool,
}

impl Notice {
    pub(crate) fn good(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            good: true,
        }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            good: false,
        }
    }

    /// Tells that an action has begun.
    pub(crate) fn begun(row: &LedgerRow) -> Self {
        Self::good(format!(
            "{} {}: row {} of the ledger",
            row.action, row.target, row.id
        ))
    }
}
