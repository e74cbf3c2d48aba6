//! What do users wait for?

mod kept;
mod state;
mod view;
mod waterfall;

pub(crate) use kept::why;
pub(crate) use state::State;
pub(crate) use view::{draw, verdict};
