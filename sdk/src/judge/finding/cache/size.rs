//! A cache holds too little, so that it loads again what it has just thrown away; or more than anybody asks for.

use perfdeck_bridge::protocol::{Confidence, Finding, Severity};

use super::{
    Cache, LEAST_GAIN, LEAST_SAVED, Remedy, Window, hits, mebibytes, percent, saves, sure_gain,
};

/// Of what the largest would bring, what a smaller one must bring to be enough.
const ENOUGH: f64 = 0.8;
/// What a smaller cache may cost of the hit ratio, its error included.
const MOST_LOSS: f64 = 0.015;
/// Bytes that a smaller one must free.
const LEAST_FREED: f64 = 1_048_576.0;
/// The share of the users' wait from which it is critical.
const CRITICAL_SHARE: f64 = 0.15;

pub(super) fn too_small(window: &Window, cache: &Cache) -> Option<Finding> {
    let (said, present) = cache.of_full()?;
    let larger = || {
        let all = said.capacities.iter();
        all.filter(|other| other.capacity > cache.capacity)
    };
    let best = larger().max_by(|a, b| a.hit_ratio.total_cmp(&b.hit_ratio))?;
    let enough = present + ENOUGH * (best.hit_ratio - present);
    let other = larger().find(|other| other.hit_ratio >= enough)?;
    let saved = other.saved_seconds_per_second;
    if sure_gain(other, present) < LEAST_GAIN || saved < LEAST_SAVED {
        return None;
    }
    let critical = window.share(saved * window.seconds()) >= CRITICAL_SHARE;
    let remedy = Remedy {
        rule: "cache_too_small",
        severity: if critical {
            Severity::Critical
        } else {
            Severity::Warning
        },
        confidence: Confidence::Estimated,
        title: format!(
            "capacity {} -> {}, {}, {}",
            cache.capacity_told(cache.capacity),
            cache.capacity_told(other.capacity),
            hits(present, other),
            saves(saved),
        ),
        why: format!(
            "it is full and pushes out {:.1} entries a second that are asked for again",
            cache.evictions_per_second
        ),
        policy: cache.policy(other),
        after: Some(other),
        saved_seconds_per_second: saved,
        memory_bytes: cache.bytes_of(other.capacity - cache.capacity),
        curve: &said.capacities,
    };
    Some(remedy.finding(window, cache))
}

pub(super) fn too_large(window: &Window, cache: &Cache) -> Option<Finding> {
    let (said, present) = cache.of_full()?;
    let other = said.capacities.iter().find(|other| {
        other.capacity < cache.capacity && present - other.hit_ratio + other.error <= MOST_LOSS
    })?;
    let freed = cache.bytes_of(cache.capacity - other.capacity);
    if freed < LEAST_FREED {
        return None;
    }
    let remedy = Remedy {
        rule: "cache_too_large",
        severity: Severity::Info,
        confidence: Confidence::Estimated,
        title: format!(
            "capacity {} -> {} frees {}, {}",
            cache.capacity_told(cache.capacity),
            cache.capacity_told(other.capacity),
            mebibytes(freed),
            hits(present, other),
        ),
        why: format!(
            "it answers {} of the look-ups, and would with the smaller capacity",
            percent(present)
        ),
        policy: cache.policy(other),
        after: Some(other),
        saved_seconds_per_second: other.saved_seconds_per_second,
        memory_bytes: -freed,
        curve: &said.capacities,
    };
    Some(remedy.finding(window, cache))
}
