//! What do the caches save?

mod forecast;
mod state;
mod view;

pub(crate) use forecast::{silence, told as forecast};
pub(crate) use state::on_action;
pub(crate) use view::{draw, duration, verdict};
