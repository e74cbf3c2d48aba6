//! Floor 1: how signals are kept.
//!
//! A recording call aggregates in place, in its own thread's shard, and never blocks, fails, panics or allocates without
//! bound; the agent merges the shards once a tick. This floor knows no runtime, no `tracing` and no database.

pub(crate) mod scope;
