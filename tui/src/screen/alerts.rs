//! What is over its limit?

mod state;
mod view;

pub(crate) use state::on_action;
pub(crate) use view::{draw, firing, verdict};
