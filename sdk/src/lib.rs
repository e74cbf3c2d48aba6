//! Sees what is slow in a Rust service, why, and whether the fix helped.

#[cfg(feature = "cache")]
pub mod cache;
mod clock;
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
mod database;
mod error;
mod record;
mod sql;

pub use error::Error;
