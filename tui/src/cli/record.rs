//! Records a running service from outside.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use perfdeck_bridge::recording::{Progress, Sink, record};
use serde_json::json;
use tokio::time::{Instant, interval};

use super::{Outcome, connect};
use crate::format::{bytes, plural, printable};
use crate::target::Target;

const MIB: u64 = 1024 * 1024;

/// Records until the time is over, the service ends or the user interrupts.
pub(super) async fn run(
    target: &Target,
    output: &Path,
    mib: u64,
    seconds: Option<u64>,
    quiet: bool,
) -> Result<Outcome> {
    if target.recording.is_some() {
        bail!("a recording can't be recorded again: name a running service");
    }
    let attached = connect::attach(target).await?;
    let sink = Sink::new(output, mib.saturating_mul(MIB));
    let progress = Progress::default();
    let recorded = record(Arc::new(attached.client.clone()), sink, progress.clone());
    let limit = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let mut told = interval(Duration::from_secs(1));
    let began = Instant::now();
    tokio::pin!(recorded, limit);
    let ended = loop {
        tokio::select! {
            done = &mut recorded => break done.map(|()| "the service ended")?,
            () = &mut limit => break "the time is over",
            interrupted = tokio::signal::ctrl_c() => break interrupted.map(|()| "interrupted")?,
            _ = told.tick() => {
                let state = progress.state();
                // Nothing was ever written: whoever waits here should know at once.
                if let (0, Some(error)) = (state.blocks, &state.error) {
                    bail!("could not write {}: {error}", output.display());
                }
                if !quiet {
                    let line = format!(
                        "\r{} recorded, {}  ",
                        plural(state.blocks as usize, "tick", "ticks"),
                        bytes(state.written_bytes.min(state.limit_bytes) as f64)
                    );
                    let _ = std::io::stderr().write_all(line.as_bytes());
                }
            }
        }
    };
    if !quiet {
        let _ = std::io::stderr().write_all(b"\n");
    }
    let state = progress.state();
    let text = format!(
        "{ended}: {} in {:.0} s to {}{}\n",
        plural(state.blocks as usize, "tick", "ticks"),
        began.elapsed().as_secs_f64(),
        printable(&state.path, 400),
        match &state.error {
            Some(error) => format!("; the last could not be written: {}", printable(error, 200)),
            None => String::new(),
        }
    );
    Ok(Outcome {
        json: json!({
            "file": state.path,
            "ended": ended,
            "ticks": state.blocks,
            "lost": state.lost,
            "missed": state.missed,
            "error": state.error,
        }),
        text,
        failed: state.error.is_some(),
        left_out: 0,
    })
}
