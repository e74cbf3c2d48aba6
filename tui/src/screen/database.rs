//! How are the pools, and the databases behind them?

mod item;
mod state;
mod view;

pub(crate) use item::Item;
pub(crate) use state::on_action;
pub(crate) use view::{draw, verdict};
