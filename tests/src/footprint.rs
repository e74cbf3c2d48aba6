//! What a process has of the system's: its threads, its open files and sockets, by the kernel's word.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The threads and open files of a process at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Footprint {
    /// Names by thread id.
    pub threads: BTreeMap<u32, String>,
    /// What each open file is: a path, `anon_inode:[eventpoll]`, or `unix` with the path a socket is bound to.
    pub files: BTreeMap<u32, String>,
}

impl Footprint {
    /// Looks at this process.
    ///
    /// # Errors
    ///
    /// If `/proc` does not tell.
    pub fn of_this_process() -> Result<Self> {
        let sockets = unix_sockets()?;
        let mut seen = Self::default();
        for task in fs::read_dir("/proc/self/task")? {
            let path = task?.path();
            // It may have ended meanwhile.
            if let Ok(name) = fs::read_to_string(path.join("comm")) {
                seen.threads.insert(number(&path)?, name.trim().to_owned());
            }
        }
        for file in fs::read_dir("/proc/self/fd")? {
            let path = file?.path();
            let Ok(target) = fs::read_link(&path) else {
                continue;
            };
            let target = target.to_string_lossy().into_owned();
            // The one that this loop reads from.
            if target.starts_with("/proc/") && target.ends_with("/fd") {
                continue;
            }
            let target = sockets.get(&target).cloned().unwrap_or(target);
            seen.files.insert(number(&path)?, target);
        }
        Ok(seen)
    }

    /// Returns what is here and was not there `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut new = self.clone();
        new.threads.retain(|id, _| !before.threads.contains_key(id));
        new.files
            .retain(|id, file| before.files.get(id) != Some(file));
        new
    }

    /// Tells whether nothing is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty() && self.files.is_empty()
    }
}

/// Unix sockets of this network namespace, by what a link in `/proc/self/fd` says of them.
fn unix_sockets() -> Result<BTreeMap<String, String>> {
    let table = fs::read_to_string("/proc/self/net/unix")?;
    let rows = table.lines().skip(1).map(|row| {
        let mut columns = row.split_whitespace().skip(6);
        let inode = columns.next().context("a socket has an inode")?;
        let path = columns.next().unwrap_or_default();
        Ok((format!("socket:[{inode}]"), format!("unix {path}")))
    });
    rows.collect()
}

fn number(path: &Path) -> Result<u32> {
    let name = path.file_name().context("an entry has a name")?;
    Ok(name.to_string_lossy().parse()?)
}
