use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::folder::{Folder, Owner, named_uid};
use super::{Probe, folders, io_error, my_uid, name, probe};
use crate::{Error, Result};

/// The most sockets that are looked at in one folder.
const MAX_SOCKETS: usize = 1024;

/// A host's socket on which somebody listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The service, as far as the socket's name tells; the hello has it whole.
    pub service: String,
    /// The host's process.
    pub pid: u32,
    /// The socket.
    pub path: PathBuf,
    /// Whose host it is.
    pub uid: u32,
}

/// What was found in some folders, and what stood in the way.
#[derive(Debug, Default)]
pub struct Discovery {
    /// The hosts, by service and process.
    pub found: Vec<Found>,
    /// Folders that were not looked into, since somebody else could have prepared them.
    pub problems: Vec<Error>,
    /// Sockets whose service is gone; this user's own were removed.
    pub stale: Vec<PathBuf>,
}

/// Finds the hosts that this user may attach to; root finds everyone's.
#[must_use]
pub fn discover() -> Vec<Found> {
    discover_in(&folders()).found
}

/// Finds the hosts in `folders`, and says which folders can't be trusted.
///
/// A folder that does not exist is empty. A socket of this user on which nobody listens is removed.
#[must_use]
pub fn discover_in(folders: &[PathBuf]) -> Discovery {
    let mut discovery = Discovery::default();
    for folder in folders {
        match look(folder, &mut discovery) {
            Ok(()) => {}
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(problem) => discovery.problems.push(problem),
        }
    }
    discovery.found.sort();
    discovery.found.dedup();
    discovery
}

fn look(path: &Path, discovery: &mut Discovery) -> Result<()> {
    let owner = match named_uid(path) {
        Some(uid) if my_uid() == 0 => Owner::Uid(uid),
        None if my_uid() == 0 => Owner::Anyone,
        Some(_) | None => Owner::Me,
    };
    let folder = Folder::open(path, owner)?;
    let entries = fs::read_dir(path).map_err(io_error("read", path))?;
    for entry in entries.flatten().take(MAX_SOCKETS) {
        let file = entry.file_name();
        let Some(parts) = file.to_str().and_then(name::parse) else {
            continue;
        };
        let socket = entry.path();
        let Ok(status) = fs::symlink_metadata(&socket) else {
            continue;
        };
        if !status.file_type().is_socket() || status.uid() != folder.uid() {
            continue;
        }
        match probe(&socket) {
            Probe::Alive => discovery.found.push(Found {
                service: parts.service.to_owned(),
                pid: parts.pid,
                path: socket,
                uid: folder.uid(),
            }),
            Probe::Refused if folder.uid() == my_uid() => {
                // Another viewer may have been quicker.
                let _ = fs::remove_file(&socket);
                discovery.stale.push(socket);
            }
            Probe::Refused => discovery.stale.push(socket),
            Probe::Unknown => {}
        }
    }
    Ok(())
}
