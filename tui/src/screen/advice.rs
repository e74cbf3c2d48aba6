//! What would help, and how much?

mod state;
mod view;

pub(crate) use state::State;
pub(crate) use view::{draw, open, verdict};
