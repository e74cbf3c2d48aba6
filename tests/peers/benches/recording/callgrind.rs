//! Counting instructions with valgrind's callgrind.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::case::{Case, Row};
use crate::job::Measure;
use crate::round;
use perfdeck_tests::folder::Folder;

/// A run of few operations and one of many; what the many cost more is theirs.
const FEW: u64 = 2_000;
const MANY: u64 = 12_000;

/// The function on whose thread the work is done.
const WORK: &str = "counted_by_callgrind";

/// Instructions of one operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instructions {
    /// On the thread that works.
    pub(crate) own: f64,
    /// On all others, but for the main one, which only starts and ends.
    pub(crate) background: f64,
}

/// Returns whether there is a valgrind to run.
pub(crate) fn is_there() -> bool {
    let version = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// Counts the instructions of an operation.
pub(crate) fn count(case: &Case, row: &Row) -> Result<Instructions> {
    let fewer = if row.most < u64::MAX { 10 } else { 1 };
    let (few, many) = (FEW / fewer, MANY / fewer);
    let operations = (many - few) as f64;
    let (few, many) = (run(case, row, few)?, run(case, row, many)?);
    let each = |few: u64, many: u64| (many as f64 - few as f64) / operations;
    Ok(Instructions {
        own: each(few.own, many.own),
        background: each(few.background, many.background),
    })
}

/// The instructions of a whole run.
#[derive(Debug, Clone, Copy, Default)]
struct Total {
    own: u64,
    background: u64,
}

fn run(case: &Case, row: &Row, operations: u64) -> Result<Total> {
    let folder = Folder::new()?;
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--quiet", "--separate-threads=yes"])
        .arg(format!(
            "--callgrind-out-file={}",
            folder.path().join("out").display()
        ))
        .arg(std::env::current_exe()?);
    round::tell(command, case, row, Measure::Instructions { operations })?;
    let mut total = Total::default();
    for entry in std::fs::read_dir(folder.path())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // The main thread's, and what is of no thread.
        if name == "out" || name == "out-01" {
            continue;
        }
        let (instructions, works) = read(&path)?;
        if works {
            total.own += instructions;
        } else {
            total.background += instructions;
        }
    }
    ensure!(total.own > 0, "callgrind has not seen `{WORK}`");
    Ok(total)
}

/// Returns the instructions of a thread, and whether it is the one that works.
fn read(file: &Path) -> Result<(u64, bool)> {
    let text = std::fs::read_to_string(file)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals:"));
    let total = total.context("a file of callgrind's without a total")?;
    Ok((total.trim().parse()?, text.contains(WORK)))
}
