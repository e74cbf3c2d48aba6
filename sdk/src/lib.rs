//! Sees what is slow in a Rust service, why, and whether the fix helped.

// Floors are shared by features, and a build of few of them leaves parts of a floor unused. The full build is the one that
// tells dead code.
#![cfg_attr(
    not(feature = "full"),
    allow(dead_code, reason = "other features use it")
)]

mod act;
mod agent;
mod builder;
#[cfg(feature = "cache")]
pub mod cache;
mod clock;
#[cfg(feature = "_sqlx")]
mod database;
mod deck;
mod error;
mod judge;
mod observe;
mod pools;
mod publish;
mod record;
mod sql;

pub use builder::Builder;
pub use deck::{Deck, Guard};
pub use error::Error;
pub use judge::alert::Rule;
pub use observe::custom::{Counter, Gauge, Histogram};
#[cfg(feature = "_sqlx")]
pub use observe::executor::Executing;
pub use observe::layer::DeckLayer;
#[cfg(feature = "_sqlx")]
pub use observe::pool::{Connection, Pool, Transaction};
#[cfg(feature = "redis")]
pub use observe::redis::Redis;
pub use observe::request::{HttpLayer, HttpService, ObservedBody, ResponseFuture};
pub use perfdeck_bridge::protocol;
pub use perfdeck_bridge::protocol::Risk;
/// # Examples
///
/// ```
/// # use perfdeck::{cache_invalidate, cached};
/// #[cached(ttl = "5m", namespace = "analytics", key = "workspace")]
/// async fn report(workspace: i64) -> String {
///     format!("workspace {workspace}")
/// }
///
/// #[cache_invalidate("analytics", key = "workspace")]
/// async fn post(workspace: i64, message: String) -> Result<(), std::fmt::Error> {
///     println!("{workspace}: {message}");
///     Ok(())
/// }
/// ```
#[cfg(feature = "cache")]
pub use perfdeck_macros::cache_invalidate;
/// # Examples
///
/// ```
/// # use perfdeck::cached;
/// # struct Pool;
/// // The pool is how the answer is found, not what it depends on.
/// #[cached(ttl = "5m", namespace = "analytics", skip(pool))]
/// async fn report(pool: &Pool, workspace: i64) -> Result<String, std::fmt::Error> {
///     Ok(format!("workspace {workspace}"))
/// }
///
/// struct Documents { tenant: String }
///
/// impl Documents {
///     #[cached(ttl = 300, key = "{self.tenant}:{status}")]
///     async fn titles(&self, status: u8) -> Vec<String> {
///         vec![format!("{status} of {}", self.tenant)]
///     }
/// }
/// ```
#[cfg(feature = "cache")]
pub use perfdeck_macros::cached;
/// # Examples
///
/// ```no_run
/// # use perfdeck::cached_query;
/// # #[cfg(feature = "sqlx-postgres")]
/// #[cached_query(ttl = "5m", namespace = "analytics", skip(pool))]
/// async fn messages(
///     pool: perfdeck::Pool<sqlx::Postgres>,
///     workspace: i64,
/// ) -> Result<i64, sqlx::Error> {
///     sqlx::query_scalar("SELECT count(*) FROM messages WHERE workspace = $1")
///         .bind(workspace)
///         .fetch_one(&pool)
///         .await
/// }
/// ```
#[cfg(feature = "query-cache")]
pub use perfdeck_macros::cached_query;
/// # Examples
///
/// ```
/// #[perfdeck::monitor]
/// async fn charge(cents: u64) -> Result<(), std::num::TryFromIntError> {
///     let _amount = u32::try_from(cents)?;
///     Ok(())
/// }
///
/// // Looked at for whether a cache would answer it.
/// # #[cfg(feature = "cache")]
/// #[perfdeck::monitor(cacheable)]
/// fn price(product: u64, country: &str) -> u64 {
///     product * country.len() as u64
/// }
/// ```
pub use perfdeck_macros::monitor;

/// The service's numbers through the `metrics` facade.
#[cfg(feature = "metrics")]
pub mod metrics {
    pub use crate::observe::custom::facade::Recorder;
}

/// What the attributes expand to, and what a benchmark measures; no part of the interface.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "cache")]
    pub use crate::cache::site::{
        ByClone, ByLoad, Caller, Errors, Fallible, Found, InCaller, InTask, Loader, Lookup,
        Refusal, Site, Task, Touched, Values, Watched, always, invalidate, invalidate_in, watched,
        written,
    };
    #[cfg(feature = "cache")]
    pub use crate::observe::monitor::{Answer, ByHash, ByText, Repeating, Unseen};
    pub use crate::observe::monitor::{Function, Monitor};
    pub use crate::sql::redacted::statement;
}
