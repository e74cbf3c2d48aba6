//! What can happen to the model.

use std::sync::Arc;

use perfdeck_bridge::protocol::{ActReply, ActRequest, Answer, Hello, Question, Timestamp, Update};

use crate::keymap::Key;
use crate::model::{Candidate, Reel};

/// Something that happened. Every message is told after a [`Msg::Tick`] with the time of its arrival.
#[derive(Debug)]
pub(crate) enum Msg {
    /// The time is now.
    Tick(Timestamp),
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The terminal has another size.
    Resized,
    /// Several hosts could be meant.
    Hosts(Vec<Candidate>),
    /// The link to the host has changed.
    Link(LinkMsg),
    /// The host told a topic's state.
    Update(Arc<Update>),
    /// A question was answered; the error is a sentence.
    Answered(Question, Result<Answer, String>),
    /// An action was previewed or applied; the error is a sentence.
    Acted(ActRequest, Result<ActReply, String>),
}

/// What became of the link.
#[derive(Debug)]
pub(crate) enum LinkMsg {
    /// A host is being called.
    Connecting,
    /// A host answered.
    Attached(Box<Hello>),
    /// The host is gone, and is called again later.
    Lost { reason: String, retry_at: Timestamp },
    /// A recording is shown, at this moment of it.
    Recorded(Reel),
    /// The recording, or what was to be shown of it, can't be read; the reason is a sentence.
    Unreadable(String),
    /// The host speaks another version.
    Incompatible { theirs: u32, ours: u32 },
}
