//! Sees what is slow in a Rust service, why, and whether the fix helped.

mod act;
mod agent;
mod builder;
#[cfg(feature = "cache")]
pub mod cache;
mod clock;
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
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
pub use observe::custom::{Counter, Gauge};
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
pub use observe::executor::Executing;
pub use observe::layer::DeckLayer;
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
pub use observe::pool::{Connection, Pool, Transaction};
pub use observe::request::{HttpLayer, HttpService, ObservedBody, ResponseFuture};
pub use perfdeck_bridge::protocol::Risk;
pub use perfdeck_macros::monitor;
#[cfg(feature = "cache")]
pub use perfdeck_macros::{cache_invalidate, cached};

/// What the attributes expand to; no part of the interface.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "cache")]
    pub use crate::cache::site::{
        ByClone, ByLoad, Caller, Errors, Fallible, InCaller, InTask, Loader, Lookup, Refusal, Site,
        Task, always, invalidate, invalidate_in, some, written,
    };
    pub use crate::observe::monitor::{Monitor, monitor};
}
