//! One key has most of the hits, and each time its entry is over everybody waits for the one load.

use perfdeck_bridge::protocol::Finding;

use super::{Cache, Window, percent, stampede};

/// The share of the hits from which a key is hot.
const HOT: f64 = 0.3;
/// Hits that must have been looked at, which one in 64 is.
const LEAST_SEEN: u32 = 100;

pub(super) fn look(window: &Window, cache: &Cache) -> Option<Finding> {
    let share = hottest(cache)?;
    // Keys hold arguments, so it isn't told which.
    let who = format!("one key has {} of the hits", percent(share));
    stampede::finding(window, cache, "cache_hot_key", &who)
}

pub(super) fn hottest(cache: &Cache) -> Option<f64> {
    let (share, seen) = cache.hottest;
    (share >= HOT && seen >= LEAST_SEEN).then_some(share)
}
