//! What was done, and did it help?

mod state;
mod view;

pub(crate) use state::State;
pub(crate) use view::{draw, verdict};
