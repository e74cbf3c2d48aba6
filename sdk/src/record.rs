//! Floor 1: how signals are kept.
//!
//! A recording call never blocks, fails or panics: it adds to sums in its own thread's [`shard`], in place, through the
//! [`recorder`]. The agent drains the shards once a tick into the [`store`], the one merged picture, where each key has a
//! [`timeline`]. This floor knows no runtime, no `tracing` and no database.

pub(crate) mod recorder;
pub(crate) mod scope;
pub(crate) mod series;
pub(crate) mod shard;
pub(crate) mod store;
pub(crate) mod table;
pub(crate) mod timeline;
