//! What is the database asked, and what does it cost?

mod state;
mod view;

pub(crate) use state::State;
pub(crate) use view::{draw, verdict};
