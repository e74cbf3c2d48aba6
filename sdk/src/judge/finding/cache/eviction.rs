//! A full cache throws away the wrong entries.

use perfdeck_bridge::protocol::{Confidence, Finding, Severity};

use super::{Cache, LEAST_GAIN, LEAST_SAVED, Remedy, Window, hits, saves, sure_gain};

pub(super) fn look(window: &Window, cache: &Cache) -> Option<Finding> {
    let (said, present) = cache.of_full()?;
    let best = said
        .evictions
        .iter()
        .max_by(|a, b| a.hit_ratio.total_cmp(&b.hit_ratio))?;
    let saved = best.saved_seconds_per_second;
    if sure_gain(best, present) < LEAST_GAIN || saved < LEAST_SAVED {
        return None;
    }
    let remedy = Remedy {
        rule: "cache_eviction",
        severity: Severity::Warning,
        confidence: Confidence::Estimated,
        title: format!(
            "eviction {} -> {}, {}, {}",
            cache.eviction,
            best.eviction,
            hits(present, best),
            saves(saved),
        ),
        why: format!(
            "of {} entries it keeps others than those that are asked for again; the new policy holds from the next start on",
            cache.capacity_told(cache.capacity)
        ),
        policy: cache.policy(best),
        after: Some(best),
        saved_seconds_per_second: saved,
        memory_bytes: 0.0,
        curve: &said.evictions,
    };
    Some(remedy.finding(window, cache))
}
