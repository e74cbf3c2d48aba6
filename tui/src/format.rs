//! Numbers, times and foreign text as people read them.
//!
//! Numbers have three significant digits and a unit; text from outside passes [`printable`] before it is drawn. This
//! module reads no clock and no locale: the same values give the same text everywhere.

#[cfg(test)]
mod tests;
mod text;

use std::time::Duration;

use perfdeck_bridge::protocol::{CacheRow, Timestamp};

pub(crate) use text::{fit, fit_route, printable, width, wrap};

/// What stands where nothing was seen.
pub(crate) const NOTHING: &str = "-";

/// The unit that a column of durations is told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    Micros,
    Millis,
    Seconds,
}

impl TimeUnit {
    /// Chooses the unit in which the largest of `seconds` reads best.
    pub(crate) fn of(seconds: impl IntoIterator<Item = f64>) -> Self {
        let largest = seconds
            .into_iter()
            .filter(|value| value.is_finite())
            .fold(0.0, f64::max);
        if largest >= 9.995 {
            Self::Seconds
        } else if largest >= 0.000_999_5 || largest == 0.0 {
            Self::Millis
        } else {
            Self::Micros
        }
    }

    /// Tells a duration in this unit.
    pub(crate) fn tell(self, seconds: f64) -> String {
        if !seconds.is_finite() {
            return NOTHING.to_owned();
        }
        match self {
            Self::Micros => format!("{}us", digits(seconds * 1e6)),
            Self::Millis => format!("{}ms", digits(seconds * 1e3)),
            Self::Seconds => format!("{}s", digits(seconds)),
        }
    }
}

/// Tells a duration in the unit that suits it: `412ms`, `1.20s`, `2m05s`.
pub(crate) fn seconds(seconds: f64) -> String {
    let size = seconds.abs();
    if !seconds.is_finite() {
        NOTHING.to_owned()
    } else if size >= 119.5 {
        age(Duration::from_secs_f64(size.min(1e12)))
    } else if size >= 0.999_5 {
        TimeUnit::Seconds.tell(seconds)
    } else if size >= 0.000_999_5 || size == 0.0 {
        TimeUnit::Millis.tell(seconds)
    } else {
        TimeUnit::Micros.tell(seconds)
    }
}

/// Tells an expected duration, of which only two digits are worth telling: `96ms`, `4ms`.
pub(crate) fn about(expected: f64) -> String {
    let scale = if expected >= 1.0 { 1.0 } else { 1e3 };
    let unit = if expected >= 1.0 { "s" } else { "ms" };
    let value = expected * scale;
    if !(0.001..1e9).contains(&value) {
        return seconds(expected);
    }
    let step = 10_f64.powf(value.log10().floor() - 1.0);
    let rounded = (value / step).round() * step;
    // Rounding again takes away what the division left behind.
    format!("{}{unit}", (rounded * 1e6).round() / 1e6)
}

/// Tells a value that may be missing.
pub(crate) fn maybe(value: Option<f64>, tell: impl FnOnce(f64) -> String) -> String {
    value.map_or_else(|| NOTHING.to_owned(), tell)
}

/// Tells how often a second: `148/s`, `1.91k/s`.
pub(crate) fn rate(per_second: f64) -> String {
    format!(
        "{}/s",
        prefixed(per_second, 1_000.0, &["", "k", "M", "G", "T"], Whole::Never)
    )
}

/// Tells a number with three digits and a prefix: `214`, `12.9`, `1.91k`.
pub(crate) fn quantity(value: f64) -> String {
    prefixed(value, 1_000.0, &["", "k", "M", "G", "T"], Whole::Short)
}

/// Tells a size: `11.0MiB`.
pub(crate) fn bytes(bytes: f64) -> String {
    prefixed(
        bytes,
        1_024.0,
        &["B", "KiB", "MiB", "GiB", "TiB"],
        Whole::Short,
    )
}

/// A namespace's capacity, in what it counts.
pub(crate) fn capacity(row: &CacheRow) -> String {
    if row.capacity_in_bytes {
        bytes(row.capacity as f64)
    } else {
        count(row.capacity)
    }
}

/// Tells how long a cache's entries are fresh: as the namespace says, else as each of them asks.
pub(crate) fn ttl(row: &CacheRow) -> String {
    let told = |ttl: Option<f64>| {
        ttl.map_or_else(
            || "ever".to_owned(),
            |ttl| age(Duration::try_from_secs_f64(ttl).unwrap_or_default()),
        )
    };
    match (row.ttl_seconds, row.asked_ttl_seconds) {
        (None, Some([shortest, longest])) if told(shortest) != told(longest) => {
            format!("{}-{}", told(shortest), told(longest))
        }
        (None, Some([shortest, _])) => told(shortest),
        (ttl, _) => told(ttl),
    }
}

/// Tells where a cache's values are.
pub(crate) const fn tier(row: &CacheRow) -> &'static str {
    if row.in_redis {
        "memory, redis"
    } else {
        "memory"
    }
}

/// Tells why queries that were to be cached were not.
pub(crate) fn bypass(why: &str) -> &str {
    match why {
        "executor" => "in transactions or elsewhere",
        "unreadable" => "unreadable",
        "no_query" => "no query",
        "locks" => "locking",
        "volatile" => "changing by themselves",
        "catalog" => "of the catalog",
        "many_tables" => "of too many tables",
        "values" => "with too long values",
        other => other,
    }
}

/// Tells a share of one: `0.8%`, `61%`.
pub(crate) fn share(ratio: f64) -> String {
    let percent = ratio * 100.0;
    if !percent.is_finite() {
        NOTHING.to_owned()
    } else if percent == 0.0 {
        "0%".to_owned()
    } else if percent.abs() < 0.05 {
        "<0.1%".to_owned()
    } else if percent.abs() < 9.95 {
        format!("{percent:.1}%")
    } else {
        format!("{percent:.0}%")
    }
}

/// Tells the limit of a rule in its unit, exactly where that is a share.
pub(crate) fn limit(limit: f64, unit: &str) -> String {
    match unit {
        "percent" => format!("{limit}%"),
        "seconds" => seconds(limit),
        _ => quantity(limit),
    }
}

/// Tells how long a rule must hold before it fires: `after 30s`, `at once`.
pub(crate) fn hold(seconds: f64) -> String {
    if seconds > 0.0 {
        format!("after {}", age(Duration::from_secs_f64(seconds.min(1e9))))
    } else {
        "at once".to_owned()
    }
}

/// Tells a relative change with its sign: `-79%`.
pub(crate) fn change(ratio: f64) -> String {
    if ratio.is_finite() {
        format!("{:+.0}%", ratio * 100.0)
    } else {
        NOTHING.to_owned()
    }
}

/// Tells a count exactly, in groups of three: `205 113`.
pub(crate) fn count(count: u64) -> String {
    let plain = count.to_string();
    let mut grouped = String::with_capacity(plain.len() + plain.len() / 3);
    for (place, digit) in plain.chars().enumerate() {
        if place > 0 && (plain.len() - place).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// Tells how long ago, or how long: `14s`, `3h12m`, `2d04h`.
pub(crate) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if seconds < 60 {
        format!("{seconds}s")
    } else if seconds < 600 {
        format!("{minutes}m{:02}s", seconds % 60)
    } else if hours == 0 {
        format!("{minutes}m")
    } else if days == 0 {
        format!("{hours}h{:02}m", minutes % 60)
    } else {
        format!("{days}d{:02}h", hours % 24)
    }
}

/// Tells the time of day in UTC, to the minute: `14:02`.
pub(crate) fn clock(at: Timestamp) -> String {
    let minutes = at.micros() / 60_000_000;
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}

/// Tells the time of day in UTC, to the second: `14:02:07`.
pub(crate) fn clock_seconds(at: Timestamp) -> String {
    format!("{}:{:02}", clock(at), at.micros() / 1_000_000 % 60)
}

/// Tells one thing or several: `1 alert`, `2 alerts`.
pub(crate) fn plural(number: usize, one: &str, several: &str) -> String {
    format!(
        "{} {}",
        count(number as u64),
        if number == 1 { one } else { several }
    )
}

/// Whether a whole number is told without its zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    Short,
    Never,
}

fn prefixed(value: f64, step: f64, prefixes: &[&str], whole: Whole) -> String {
    if !value.is_finite() {
        return NOTHING.to_owned();
    }
    let mut scaled = value;
    let mut place = 0;
    // What would round up to four digits belongs to the next prefix.
    while scaled.abs() >= 999.5 && place + 1 < prefixes.len() {
        scaled /= step;
        place += 1;
    }
    let prefix = prefixes.get(place).copied().unwrap_or_default();
    let whole = whole == Whole::Short && place == 0 && scaled.fract() == 0.0;
    if whole {
        format!("{scaled:.0}{prefix}")
    } else {
        format!("{}{prefix}", digits(scaled))
    }
}

/// Writes three significant digits, and whole numbers in groups of three.
fn digits(value: f64) -> String {
    let size = value.abs();
    if size >= 99.95 {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", count(size.min(1e15).round() as u64))
    } else if size >= 9.995 {
        format!("{value:.1}")
    } else if size == 0.0 {
        "0".to_owned()
    } else if size >= 0.001 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}
