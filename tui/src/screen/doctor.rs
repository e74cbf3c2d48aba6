//! What can't be seen, and why?

mod state;
mod view;

pub(crate) use state::on_action;
pub(crate) use view::{draw, unseen, verdict};
