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
pub use perfdeck_macros::monitor;
#[cfg(feature = "cache")]
pub use perfdeck_macros::{cache_invalidate, cached};

// The attributes name this crate by its own name, also inside it.
#[cfg(test)]
extern crate self as perfdeck;

/// What the attributes expand to; no part of the interface.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "cache")]
    pub use crate::cache::site::{
        ByClone, ByLoad, Caller, Errors, Fallible, InCaller, InTask, Loader, Lookup, Refusal, Site,
        Task, always, invalidate, invalidate_in, some, written,
    };

    /// Times one call until it is dropped; soon.
    #[derive(Debug)]
    #[must_use]
    pub struct Monitor(());

    impl Monitor {
        /// Counts the call as failed.
        pub fn failed(&mut self) {}
    }

    /// Begins to time a call of a monitored function.
    pub fn monitor(_name: &'static str) -> Monitor {
        Monitor(())
    }
}
