//! What would help, and how much?

mod state;
mod view;

pub(crate) use state::on_action;
pub(crate) use view::{draw, open, verdict};
