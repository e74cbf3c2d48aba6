//! Floor 1: how signals are kept.
//!
//! A recording call never blocks, fails or panics: it adds to sums in its own thread's [`shard`], in place, through the
//! [`recorder`]. The agent drains the shards once a tick into the [`store`], the one merged picture, where each key has a
//! [`timeline`]. This floor knows no runtime, no `tracing` and no database.

mod background;
mod buckets;
pub(crate) mod command;
pub(crate) mod exemplar;
mod kept;
mod rank;
pub(crate) mod recorder;
mod room;
pub(crate) mod running;
pub(crate) mod scope;
pub(crate) mod series;
mod shard;
pub(crate) mod site;
pub(crate) mod statements;
pub(crate) mod store;
mod sync;
pub(crate) mod table;
pub(crate) mod timeline;
pub(crate) mod trail;
