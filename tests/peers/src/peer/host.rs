//! A host's own logging: `fmt` with a filter of its own, as most set it up.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Result, ensure};
use tracing::Subscriber;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, fmt};

/// Lines that the host prints at the end.
const LINES: u32 = 50;

/// What is kept of the host's output.
const MOST: usize = 1 << 20;

/// Makes a process's only subscriber of it.
///
/// # Errors
///
/// If there is one already.
pub fn install(subscriber: impl Subscriber + Send + Sync) -> Result<()> {
    Ok(tracing::subscriber::set_global_default(subscriber)?)
}

/// Makes the layer that prints what is of level INFO and up, to where [`prints_as_ever`] looks.
#[must_use]
pub fn print<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    layer(|| Kept)
}

/// Makes the same layer, but what it prints is gone.
#[must_use]
pub fn sink<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    layer(std::io::sink)
}

fn layer<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> fmt::MakeWriter<'a> + 'static,
{
    fmt::layer()
        .without_time()
        .with_ansi(false)
        .with_target(false)
        .with_writer(writer)
        .with_filter(EnvFilter::new("info"))
}

/// Ensures that the host printed nothing so far, and prints what it should of what it now says.
///
/// # Errors
///
/// If it did otherwise.
pub fn prints_as_ever() -> Result<()> {
    ensure!(
        output().is_empty(),
        "the host printed what it had not: {:?}",
        String::from_utf8_lossy(&output())
    );
    let mut expected = String::new();
    for number in 0..LINES {
        tracing::trace!(number, "no line");
        tracing::debug!(number, "no line");
        tracing::info!(number, "line");
        tracing::debug!(target: "sqlx::query", number, "no line");
        tracing::warn!(number, "line");
        expected.push_str(&format!(" INFO line number={number}\n"));
        expected.push_str(&format!(" WARN line number={number}\n"));
    }
    let printed = String::from_utf8_lossy(&output()).into_owned();
    ensure!(printed == expected, "the host printed: {printed}");
    Ok(())
}

fn output() -> MutexGuard<'static, Vec<u8>> {
    static OUTPUT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    OUTPUT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the host prints.
struct Kept;

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut output = output();
        if output.len() < MOST {
            output.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
