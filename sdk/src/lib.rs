//! Sees what is slow in a Rust service, why, and whether the fix helped.

#[cfg(feature = "cache")]
pub mod cache;
mod clock;
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
mod database;
mod error;
mod judge;
mod observe;
mod record;
mod sql;

pub use error::Error;
pub use observe::custom::{Counter, Gauge};
pub use observe::layer::DeckLayer;
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
pub use observe::pool::{Connection, Pool, Transaction};
pub use observe::request::{HttpLayer, HttpService, ObservedBody, ResponseFuture};
