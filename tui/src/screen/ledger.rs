//! What was done, and did it help?

mod state;
mod view;

pub(crate) use state::on_action;
pub(crate) use view::{draw, verdict};
