//! A cache hardly ever answers, and no policy would change that.

use perfdeck_bridge::protocol::{Confidence, Finding, ForecastSilence, Severity};

use super::{Cache, Remedy, Window, mebibytes, percent};

/// Hits below which a cache is hardly worth its place.
const LOW: f64 = 0.2;
/// Where another policy would bring so many, that is the advice.
const WORTH: f64 = 0.4;

pub(super) fn look(window: &Window, cache: &Cache) -> Option<Finding> {
    let said = cache.forecast.as_ref()?;
    if !matches!(said.silence, None | Some(ForecastSilence::NeverFull)) {
        return None;
    }
    let present = said.measured?;
    let others = [&said.capacities, &said.evictions, &said.ttls];
    let best = others
        .into_iter()
        .flatten()
        .map(|other| other.hit_ratio)
        .fold(present, f64::max);
    if present >= LOW || best >= WORTH {
        return None;
    }
    let remedy = Remedy {
        rule: "cache_low_hit_rate",
        severity: Severity::Warning,
        confidence: Confidence::Verified,
        title: format!(
            "hits {} of its look-ups, and no policy would make it {}",
            percent(present),
            percent(WORTH)
        ),
        why: format!(
            "its keys come once, or change before they come again; it holds {}. A coarser key, or no cache",
            mebibytes(cache.bytes as f64)
        ),
        policy: cache.policy(&cache.present()),
        after: None,
        saved_seconds_per_second: 0.0,
        memory_bytes: -(cache.bytes as f64),
        curve: &said.capacities,
    };
    Some(remedy.finding(window, cache))
}
