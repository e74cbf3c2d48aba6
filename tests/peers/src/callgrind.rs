//! Counting instructions with valgrind's callgrind.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use perfdeck_tests::folder::Folder;

/// Instructions of one operation.
#[derive(Debug, Clone, Copy)]
pub struct Instructions {
    /// On the threads that do the work.
    pub own: f64,
    /// On all others, but for the main one, which only starts and ends.
    pub background: f64,
}

impl Instructions {
    /// Returns what one of so many operations costs, by which the one run did more than the other: a start costs nothing.
    #[must_use]
    pub fn between(few: Total, many: Total, operations: u64) -> Self {
        let each = |few: u64, many: u64| (many as f64 - few as f64) / operations as f64;
        Self {
            own: each(few.own, many.own),
            background: each(few.background, many.background),
        }
    }
}

/// Returns whether there is a valgrind to run.
#[must_use]
pub fn is_there() -> bool {
    let version = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// One run of this program under callgrind.
#[derive(Debug)]
pub struct Run {
    folder: Folder,
}

impl Run {
    /// Makes room for what callgrind writes.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn new() -> Result<Self> {
        Ok(Self {
            folder: Folder::new()?,
        })
    }

    /// Makes the command that starts this program, which lacks its arguments.
    ///
    /// # Errors
    ///
    /// If the system doesn't tell where this program is.
    pub fn command(&self) -> Result<Command> {
        let out = self.folder.path().join("out");
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--quiet", "--separate-threads=yes"])
            // Threads take turns there; without it one that waits for another can keep its turn for ever.
            .arg("--fair-sched=try")
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(std::env::current_exe()?);
        Ok(command)
    }

    /// Adds up the threads after the end; those work that ran a function which has one of these in its name.
    ///
    /// # Errors
    ///
    /// If callgrind wrote nothing, or saw no such function.
    pub fn total(&self, work: &[&str]) -> Result<Total> {
        let mut total = Total::default();
        for entry in std::fs::read_dir(self.folder.path())? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // The main thread's, and what is of no thread.
            if name == "out" || name == "out-01" {
                continue;
            }
            let (instructions, works) = read(&path, work)?;
            if works {
                total.own += instructions;
            } else {
                total.background += instructions;
            }
        }
        ensure!(total.own > 0, "callgrind has seen none of {work:?}");
        Ok(total)
    }
}

/// The instructions of a whole run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Total {
    own: u64,
    background: u64,
}

/// Returns the instructions of a thread, and whether it is one that works.
fn read(file: &Path, work: &[&str]) -> Result<(u64, bool)> {
    let text = std::fs::read_to_string(file)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals:"));
    let total = total.context("a file of callgrind's without a total")?;
    let works = work.iter().any(|function| text.contains(function));
    Ok((total.trim().parse()?, works))
}
