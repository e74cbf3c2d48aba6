//! What is over its limit?

mod state;
mod view;

pub(crate) use state::State;
pub(crate) use view::{draw, firing, verdict};
