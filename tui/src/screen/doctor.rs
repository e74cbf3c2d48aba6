//! What can't be seen, and why?

mod state;
mod view;

pub(crate) use state::State;
pub(crate) use view::{draw, unseen, verdict};
