//! What the model asks of the world.

use perfdeck_bridge::protocol::{ActRequest, Question, Topic};

use crate::keymap::Travel;
use crate::model::Candidate;

/// Something for the runtime to do. Its outcome comes back as a [`crate::msg::Msg`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Leave.
    Quit,
    /// Call this host.
    Attach(Candidate),
    /// Follow exactly these topics.
    Follow(Vec<Topic>),
    /// Ask the host.
    Ask(Question),
    /// Preview or apply.
    Act(ActRequest),
    /// Show another moment of the recording.
    Travel(Travel),
}
