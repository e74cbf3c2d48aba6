//! Entries are thrown away by their age that were still right.
//!
//! The hit ratio alone can't tell: a longer time makes any cache hit more often, and serve older values. Only where changes
//! are announced by invalidations does the age not matter; and only where entries grow old before they are hit does the
//! time to live.

use perfdeck_bridge::protocol::{Confidence, Finding, ForecastSilence, Severity};

use super::{
    Cache, LEAST_GAIN, LEAST_SAVED, Remedy, Window, hits, percent, saves, sure_gain, told,
};

/// How old entries must be when they are hit, at the median, as a share of their time: younger ones don't live to its end.
const LEAST_AGE: f64 = 0.1;

pub(super) fn look(window: &Window, cache: &Cache) -> Option<Finding> {
    let said = cache.forecast.as_ref()?;
    if !matches!(said.silence, None | Some(ForecastSilence::NeverFull)) {
        return None;
    }
    let (present, ttl, age) = (said.predicted?, cache.ttl_seconds?, cache.age_p50_seconds?);
    let longer = said.ttls.iter();
    let longer = longer.filter(|other| other.ttl_seconds.is_some_and(|other| other > ttl));
    let best = longer.max_by(|a, b| a.hit_ratio.total_cmp(&b.hit_ratio))?;
    let saved = best.saved_seconds_per_second;
    let announced = cache.invalidations_per_second > 0.0;
    if !announced
        || age < LEAST_AGE * ttl
        || sure_gain(best, present) < LEAST_GAIN
        || saved < LEAST_SAVED
    {
        return None;
    }
    let remedy = Remedy {
        rule: "cache_ttl_too_short",
        severity: Severity::Warning,
        confidence: Confidence::Estimated,
        title: format!(
            "time to live {} -> {}, {}, {}",
            told(ttl),
            told(best.ttl_seconds.unwrap_or(ttl)),
            hits(present, best),
            saves(saved),
        ),
        why: format!(
            "entries are {} old when they are hit (median), and {:.1} changes a second are announced by invalidations, \
             which the prediction has in it; it hits {} of the look-ups",
            told(age),
            cache.invalidations_per_second,
            percent(present),
        ),
        policy: cache.policy(best),
        after: Some(best),
        saved_seconds_per_second: saved,
        memory_bytes: 0.0,
        curve: &said.ttls,
    };
    Some(remedy.finding(window, cache))
}
