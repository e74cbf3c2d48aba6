//! Caches that would do better under another policy: what the rules about them share.
//!
//! Each rule says nothing unless the forecast is sure of itself, which it is where it predicts the policy as it is rightly.

mod eviction;
mod hit_rate;
mod hot_key;
mod size;
mod stampede;
mod ttl;

use perfdeck_bridge::protocol::{
    CacheAdvice, CacheForecast, Confidence, Evidence, Finding, FindingStatus, Forecast, Impact,
    Severity,
};

use super::{stable_id, told};
use crate::judge::window::{Cache, Window};

/// What a remedy must bring to the hit ratio, whatever the prediction may be off by.
const LEAST_GAIN: f64 = 0.03;
/// Seconds of loading that it must save a second.
const LEAST_SAVED: f64 = 0.005;

/// Looks at all rules for each cache.
pub(super) fn look(window: &Window) -> impl Iterator<Item = Finding> + '_ {
    window.caches.iter().flat_map(move |cache| {
        let found = [
            size::too_small(window, cache),
            size::too_large(window, cache),
            eviction::look(window, cache),
            ttl::look(window, cache),
            hit_rate::look(window, cache),
            hot_key::look(window, cache),
            stampede::look(window, cache),
        ];
        found.into_iter().flatten()
    })
}

/// A remedy, as its rule has found it.
struct Remedy<'a> {
    rule: &'static str,
    severity: Severity,
    confidence: Confidence,
    /// What is to change, and what it does to the hits.
    title: String,
    why: String,
    /// What the policy would be.
    policy: String,
    after: Option<&'a Forecast>,
    saved_seconds_per_second: f64,
    memory_bytes: f64,
    curve: &'a [Forecast],
}

impl Remedy<'_> {
    fn finding(self, window: &Window, cache: &Cache) -> Finding {
        let wait_share = window.share(self.saved_seconds_per_second.max(0.0) * window.seconds());
        Finding {
            id: stable_id(self.rule, &[&cache.namespace]),
            kind: self.rule.into(),
            severity: self.severity,
            title: format!("cache {}: {}", cache.namespace, self.title),
            evidence: Evidence::Cache(CacheAdvice {
                cache: cache.namespace.clone(),
                lookups_per_second: cache.lookups_per_second(window),
                hit_ratio: cache.hit_ratio(),
                hit_ratio_after: self.after.map(|after| after.hit_ratio),
                error: self.after.map(|after| after.error),
                load_seconds: cache.load_seconds,
                saved_seconds_per_second: self.saved_seconds_per_second,
                memory_bytes: self.memory_bytes,
                why: self.why,
                policy: self.policy,
                curve: self.curve.to_vec(),
            }),
            impact: Impact {
                wait_share,
                ..Impact::default()
            },
            confidence: self.confidence,
            action: None,
            status: FindingStatus::Code,
            score_points: 0.0,
        }
    }
}

impl Cache {
    fn lookups_per_second(&self, window: &Window) -> f64 {
        (self.hits + self.misses) as f64 / window.seconds()
    }

    fn hit_ratio(&self) -> f64 {
        let measured = self.forecast.as_ref().and_then(|said| said.measured);
        let lookups = self.hits + self.misses;
        measured.unwrap_or_else(|| self.hits as f64 / lookups.max(1) as f64)
    }

    /// The forecast of capacities and evictions, where it is sure and the cache was full.
    fn of_full(&self) -> Option<(&CacheForecast, f64)> {
        let said = self.forecast.as_ref()?;
        (said.silence.is_none()).then_some((said, said.predicted?))
    }

    fn bytes_of(&self, capacity: u64) -> f64 {
        let share = if self.in_bytes {
            capacity as f64
        } else {
            capacity as f64 * self.bytes as f64 / self.entries.max(1) as f64
        };
        share.max(0.0)
    }

    /// The code of its policy, with these changes.
    fn policy(&self, other: &Forecast) -> String {
        let mut code = "Policy::new()".to_owned();
        if let Some(ttl) = other.ttl_seconds {
            code.push_str(&format!(".ttl({})", duration(ttl)));
        }
        let unit = if self.in_bytes {
            "capacity_bytes"
        } else {
            "capacity"
        };
        code.push_str(&format!(".{unit}({})", grouped(other.capacity)));
        match &*other.eviction {
            "lru" => code.push_str(".eviction(Eviction::Lru)"),
            "tiny_lfu" => code.push_str(".eviction(Eviction::TinyLfu)"),
            _ => {}
        }
        if self.stale_seconds > 0.0 {
            let stale = duration(self.stale_seconds);
            code.push_str(&format!(".stale_while_revalidate({stale})"));
        }
        code
    }

    /// The policy as it is.
    fn present(&self) -> Forecast {
        Forecast {
            capacity: self.capacity,
            eviction: self.eviction.clone(),
            ttl_seconds: self.ttl_seconds,
            ..Forecast::default()
        }
    }

    fn capacity_told(&self, capacity: u64) -> String {
        if self.in_bytes {
            mebibytes(capacity as f64)
        } else {
            grouped(capacity).replace('_', " ")
        }
    }
}

/// The part of a prediction that its error can't take away.
fn sure_gain(said: &Forecast, present: f64) -> f64 {
    said.hit_ratio - said.error - present
}

fn percent(ratio: f64) -> String {
    format!("{:.0} %", ratio * 100.0)
}

fn hits(present: f64, said: &Forecast) -> String {
    format!(
        "hits {} -> {} +- {:.0}",
        percent(present),
        percent(said.hit_ratio),
        (said.error * 100.0).max(1.0)
    )
}

fn saves(seconds: f64) -> String {
    format!("saves {} of loading a second", told(seconds))
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}

fn duration(seconds: f64) -> String {
    if seconds >= 1.0 && (seconds - seconds.round()).abs() < 1e-9 {
        format!("Duration::from_secs({})", grouped(seconds.round() as u64))
    } else {
        format!("Duration::from_millis({:.0})", seconds * 1e3)
    }
}

/// A number as code has it.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digits.len() > 3 {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
