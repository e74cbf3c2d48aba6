use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ActReply, ActRequest, Answer, Hello, Question, Topic, Update};

/// Pairs a reply with its request on one connection.
pub type RequestId = u32;

/// What a viewer sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromViewer {
    /// The first frame of a connection.
    Hello {
        /// [`super::PROTOCOL_VERSION`] of the viewer.
        protocol: u32,
        /// The viewer's name and version, for the host's log.
        viewer: String,
        /// Whether the viewer gives up its right to act.
        read_only: bool,
    },
    /// Follow exactly these topics from now on.
    Subscribe(Vec<Topic>),
    /// Ask once.
    Ask(RequestId, Question),
    /// Preview, apply or undo.
    Act(RequestId, ActRequest),
}

/// What a host sends.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "a reply is encoded as soon as it is made"
)]
pub enum FromHost {
    /// The answer to the viewer's hello.
    Hello(Hello),
    /// A followed topic's state.
    Update(Arc<Update>),
    /// The answer to a request.
    Reply(RequestId, Result<Reply, Refusal>),
    /// The last frame before the host closes the connection.
    Goodbye(Refusal),
}

/// The answer to an [`FromViewer::Ask`] or [`FromViewer::Act`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To an ask.
    Answer(Answer),
    /// To an act.
    Act(ActReply),
}

/// Why a host did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
pub struct Refusal {
    /// The kind of refusal.
    pub code: RefusalCode,
    /// One sentence for a person; never a literal of a query.
    pub message: String,
}

impl Refusal {
    /// Makes a refusal.
    #[must_use]
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

/// The kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "client", derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// The id names nothing here.
    Unknown,
    /// The plan is older than its time.
    Expired,
    /// What the plan was made for has changed since.
    Drifted,
    /// The host or the role does not allow it.
    NotAllowed,
    /// Another action on the same target runs.
    Busy,
    /// It was tried and failed.
    Failed,
    /// The frame was not one of the protocol, or came out of turn.
    Malformed,
    /// The two ends speak different versions.
    Incompatible,
    /// The host has no room for another viewer.
    Full,
    /// A newer host's reason.
    #[serde(other)]
    Other,
}
