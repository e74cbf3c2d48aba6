//! Callers wait for loads that others have begun, since what was there is over.

use perfdeck_bridge::protocol::{Confidence, Finding, Forecast, Severity};

use super::{Cache, LEAST_SAVED, Remedy, Window, duration, hot_key, told};

/// Callers a second that must have waited.
const LEAST_JOINED: f64 = 1.0;
/// For how long an entry is served beyond its time, as a share of that.
const WINDOW: f64 = 0.2;

pub(super) fn look(window: &Window, cache: &Cache) -> Option<Finding> {
    if hot_key::hottest(cache).is_some() {
        return None;
    }
    finding(
        window,
        cache,
        "cache_stampede",
        "many keys are over at once",
    )
}

pub(super) fn finding(
    window: &Window,
    cache: &Cache,
    rule: &'static str,
    who: &str,
) -> Option<Finding> {
    let ttl = cache.ttl_seconds?;
    // Who joins comes somewhere in the load's time: in the middle, on average.
    let waited = cache.joined_per_second * cache.load_seconds / 2.0;
    if cache.stale_seconds > 0.0 || cache.joined_per_second < LEAST_JOINED || waited < LEAST_SAVED {
        return None;
    }
    let stale = (ttl * WINDOW).max(1.0).round();
    let policy = cache.policy(&Forecast {
        ttl_seconds: Some(ttl - stale).filter(|rest| *rest >= 1.0).or(Some(ttl)),
        ..cache.present()
    });
    let remedy = Remedy {
        rule,
        severity: Severity::Warning,
        confidence: Confidence::Estimated,
        title: format!(
            "{:.0} callers a second wait for a load of others, {} in all: serve while it is refreshed",
            cache.joined_per_second,
            told(waited),
        ),
        why: format!(
            "{who}; a load takes {} on average. Without that window the next caller waits, with it the first is \
             answered at once and the value loaded beside",
            told(cache.load_seconds)
        ),
        policy: format!("{policy}.stale_while_revalidate({})", duration(stale)),
        after: None,
        saved_seconds_per_second: waited,
        memory_bytes: 0.0,
        curve: &[],
    };
    Some(remedy.finding(window, cache))
}
