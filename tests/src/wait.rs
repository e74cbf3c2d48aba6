//! Awaiting a condition instead of sleeping.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks again and again until `look` has a value, at most for `limit`.
///
/// # Errors
///
/// When the time is over: says what was awaited and the last reason why it was not there, or what `look` failed with.
pub fn within<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<Seen<T>>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        match look()? {
            Seen::Yes(value) => return Ok(value),
            Seen::NotYet(why) if Instant::now() >= end => {
                bail!("no {what} within {} s: {why}", limit.as_secs_f64());
            }
            Seen::NotYet(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// What a look found.
#[derive(Debug)]
pub enum Seen<T> {
    /// It is there.
    Yes(T),
    /// It is not; the text says what is there instead.
    NotYet(String),
}
