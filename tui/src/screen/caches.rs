//! What do the caches save?

mod state;
mod view;

pub(crate) use state::on_action;
pub(crate) use view::{draw, verdict};
