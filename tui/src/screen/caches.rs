//! What do the caches save?

mod state;
mod view;

pub(crate) use state::State;
pub(crate) use view::{draw, verdict};
