//! hotpath, with a report in a file.

use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context, Result};
use hotpath::{Format, HotpathGuard, HotpathGuardBuilder, Section};
use perfdeck_tests::folder::Folder;
use serde_json::Value;

/// hotpath at work; what it has is in its report, which it writes when it is stopped.
pub(crate) struct Hotpath {
    guard: Mutex<Option<HotpathGuard>>,
    report: PathBuf,
    _folder: Folder,
}

impl Hotpath {
    pub(crate) fn start(section: Section) -> Result<Self> {
        let folder = Folder::new()?;
        let report = folder.path().join("report.json");
        let guard = HotpathGuardBuilder::new("peers")
            .format(Format::Json)
            .output_path(&report)
            .sections(vec![section])
            .build();
        Ok(Self {
            guard: Mutex::new(Some(guard)),
            report,
            _folder: folder,
        })
    }

    /// Stops it: it sweeps its queues for the last time.
    pub(crate) fn settle(&self) -> Result<()> {
        let guard = self.guard.lock().ok().and_then(|mut guard| guard.take());
        drop(guard.context("hotpath was stopped before")?);
        Ok(())
    }

    /// Adds up the calls of all rows of a table of its report.
    pub(crate) fn calls(&self, table: &str) -> Result<Option<u64>> {
        let text = std::fs::read_to_string(&self.report)?;
        let report: Value = serde_json::from_str(&text)?;
        let rows = report[table]["data"].as_array();
        let rows = rows.with_context(|| format!("no `{table}` in {text}"))?;
        let calls = rows.iter().filter_map(|row| row["calls"].as_u64());
        Ok(Some(calls.sum()))
    }
}
