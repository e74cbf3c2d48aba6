//! hotpath, with a report in a file.

use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context, Result};
use hotpath::{Format, HotpathGuard, HotpathGuardBuilder, Section};
use perfdeck_tests::folder::Folder;
use serde_json::Value;

/// Where the guard is until it is settled. Dropped, it works off all that waits, which takes minutes after a measure that
/// doesn't ask for it; here it goes with the process.
static GUARD: Mutex<Option<HotpathGuard>> = Mutex::new(None);

/// hotpath at work; what it knows is in its report, which it writes when it is stopped.
#[derive(Debug)]
pub struct Hotpath {
    report: PathBuf,
    _folder: Folder,
}

impl Hotpath {
    /// Starts it with what it is to profile.
    ///
    /// # Errors
    ///
    /// If there is no folder for its report.
    pub fn start(sections: &[Section]) -> Result<Self> {
        let folder = Folder::new()?;
        let report = folder.path().join("report.json");
        let guard = HotpathGuardBuilder::new("peers")
            .format(Format::Json)
            .output_path(&report)
            .sections(sections.to_vec())
            .build();
        *GUARD.lock().ok().context("a row panicked")? = Some(guard);
        Ok(Self {
            report,
            _folder: folder,
        })
    }

    /// Stops it: it sweeps its queues for the last time.
    ///
    /// # Errors
    ///
    /// If a row panicked.
    pub fn settle(&self) -> Result<()> {
        drop(GUARD.lock().ok().context("a row panicked")?.take());
        Ok(())
    }

    /// Returns the calls that its report has in a section, after it is settled.
    ///
    /// # Errors
    ///
    /// If there is no such section.
    pub fn calls(&self, section: &str) -> Result<Option<u64>> {
        let text = std::fs::read_to_string(&self.report)?;
        let report: Value = serde_json::from_str(&text)?;
        let rows = report[section]["data"].as_array();
        let rows = rows.with_context(|| format!("no `{section}` in {text}"))?;
        // It is `count` of statements and requests.
        let calls = |row: &Value| row["calls"].as_u64().or(row["count"].as_u64());
        Ok(Some(rows.iter().filter_map(calls).sum()))
    }
}
