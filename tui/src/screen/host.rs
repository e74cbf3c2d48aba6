//! What does the process take, and what do the service's own numbers say?

mod amount;
mod redis;
mod state;
mod view;

pub(crate) use amount::Amount;
pub(crate) use state::on_action;
pub(crate) use view::{draw, fullest, pools, verdict};
