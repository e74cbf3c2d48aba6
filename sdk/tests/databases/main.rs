//! Caches and the statements of databases, on real servers.

#![cfg(all(
    feature = "cache",
    feature = "sqlx-postgres",
    feature = "sqlx-sqlite",
    feature = "redis"
))]
#![expect(
    clippy::unwrap_used,
    reason = "what a test stands on is there, or the test fails"
)]

#[cfg(feature = "query-cache")]
mod cached_query;
mod desk;
#[cfg(feature = "query-cache")]
mod queries;
#[cfg(feature = "advisor")]
mod texts;
mod transactions;
