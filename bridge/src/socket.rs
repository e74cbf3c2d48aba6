//! Where a host's socket lies, who may have prepared the place, and which hosts are there.
//!
//! A socket lives in a folder that only its owner may enter: `$XDG_RUNTIME_DIR/perfdeck`, else `/tmp/perfdeck-<uid>`.
//! A folder that anyone else could have prepared is refused, never repaired, and looked at again once the socket is there.
//! The process's umask is left alone, since it belongs to the host.

mod discovery;
mod folder;
mod name;

use std::fs::{Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::{fs, process};

use socket2::{Domain, SockAddr, SockRef, Socket, Type};

pub use self::discovery::{Discovery, Found, discover, discover_in};
use self::folder::{Folder, Owner};
pub use self::folder::{RUNTIME_DIR, folders, foreign_folders, own_folder};
pub use self::name::MAX_PATH;
use crate::{Error, Result};

/// Connections that wait to be accepted; the system refuses the rest, which keeps a flood away from the host.
const BACKLOG: i32 = 16;

/// The decks of one name that one process may serve.
const NAMESAKES: u32 = 16;

/// A bound socket, whose file goes with it.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    file: FileId,
    /// A forked child inherits this value, but not the right to unlink its parent's socket.
    pid: u32,
}

impl Listener {
    /// Returns where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hands the socket to the present runtime.
    pub(crate) fn to_tokio(&self) -> io::Result<tokio::net::UnixListener> {
        tokio::net::UnixListener::from_std(self.socket.try_clone()?)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.pid == process::id() && FileId::of(&self.path).is_ok_and(|file| file == self.file) {
            // The file is stale now, and whoever looks next removes it if this fails.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Binds the socket of `service` in this user's runtime folder, which is made if need be.
///
/// Its name is `<service>-<pid>-<start>.sock`, with the service's name cut to what a socket's path may hold.
///
/// # Errors
///
/// [`Error::UnsafeFolder`] if somebody else could have prepared the folder, else [`Error::Io`].
pub fn bind(service: &str) -> Result<Listener> {
    bind_named(&own_folder(), service)
}

/// Binds a socket at `path`, whose folder must exist and be this user's alone.
///
/// A socket that is already there is replaced if it is this user's and nobody listens on it.
///
/// # Errors
///
/// As [`bind`].
pub fn bind_at(path: &Path) -> Result<Listener> {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(unsafe_folder(path, "it is not a path of a socket")),
    };
    bind_in(&Folder::open(parent, Owner::Me)?, path)
}

fn bind_named(path: &Path, service: &str) -> Result<Listener> {
    let folder = Folder::make(path)?;
    for namesake in 1..=NAMESAKES {
        let name = name::of_this_process(path, service, namesake)?;
        match bind_in(&folder, &path.join(name)) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound,
        }
    }
    Err(in_use(path))
}

fn bind_in(folder: &Folder, path: &Path) -> Result<Listener> {
    if path.file_name().is_none() {
        return Err(unsafe_folder(path, "it has no file name"));
    }
    if path.as_os_str().len() > MAX_PATH {
        return Err(unsafe_folder(
            path,
            format!("it is longer than {MAX_PATH} bytes"),
        ));
    }
    if let Ok(status) = fs::symlink_metadata(path) {
        if !status.file_type().is_socket() {
            return Err(unsafe_folder(
                path,
                "something that is no socket is in the way",
            ));
        }
        if status.uid() != my_uid() {
            return Err(unsafe_folder(
                path,
                "a socket of another user is in the way",
            ));
        }
        if probe(path) != Probe::Refused {
            return Err(in_use(path));
        }
        fs::remove_file(path).map_err(io_error("remove the stale socket", path))?;
    }
    let socket = UnixListener::bind(path).map_err(io_error("bind", path))?;
    let file = FileId::of(path).map_err(io_error("find the socket just bound at", path))?;
    let listener = Listener {
        socket,
        path: path.to_owned(),
        file,
        pid: process::id(),
    };
    folder.check_still_there()?;
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(io_error("restrict", path))?;
    // The standard library asks for the longest backlog.
    SockRef::from(&listener.socket)
        .listen(BACKLOG)
        .map_err(io_error("listen on", path))?;
    listener
        .socket
        .set_nonblocking(true)
        .map_err(io_error("set up", path))?;
    Ok(listener)
}

/// What a connection attempt tells of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// Somebody listens.
    Alive,
    /// Nobody does.
    Refused,
    /// It can't be told.
    Unknown,
}

fn probe(path: &Path) -> Probe {
    let attempt = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // A hostile listener that never accepts must not hold us up.
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    match attempt().map_err(|error: io::Error| error.kind()) {
        // A full backlog is a sign of life.
        Ok(()) | Err(io::ErrorKind::WouldBlock) => Probe::Alive,
        Err(io::ErrorKind::ConnectionRefused) => Probe::Refused,
        Err(_) => Probe::Unknown,
    }
}

/// Checks that the socket at `path` is one that this user may trust.
#[cfg(feature = "client")]
pub(crate) fn check_socket(path: &Path) -> Result<()> {
    let metadata = fs::symlink_metadata(path).map_err(io_error("connect to", path))?;
    if !metadata.file_type().is_socket() {
        return Err(unsafe_folder(path, "it is not a socket"));
    }
    if may_trust(metadata.uid()) {
        Ok(())
    } else {
        Err(unsafe_folder(
            path,
            format!("it belongs to uid {}", metadata.uid()),
        ))
    }
}

/// Says whether this user may talk to a host of `uid`: its own, or for root anyone's.
#[cfg(feature = "client")]
pub(crate) fn may_trust(uid: u32) -> bool {
    let me = my_uid();
    me == 0 || uid == me
}

pub(crate) fn my_uid() -> u32 {
    uzers::get_effective_uid()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Looks at the file itself, not at what it may link to.
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::told_by(&fs::symlink_metadata(path)?))
    }

    fn told_by(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

fn in_use(path: &Path) -> Error {
    io_error("bind", path)(io::ErrorKind::AddrInUse.into())
}

fn unsafe_folder(path: &Path, problem: impl Into<String>) -> Error {
    Error::UnsafeFolder {
        path: path.to_owned(),
        problem: problem.into(),
    }
}

fn io_error(operation: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    Error::io(format!("{operation} {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decks_of_one_name_in_one_process_have_sockets_of_their_own() {
        let path = std::env::temp_dir().join(format!("pdt-{}-namesakes", process::id()));
        let first = bind_named(&path, "demo").unwrap();
        let second = bind_named(&path, "demo").unwrap();
        let found = discover_in(std::slice::from_ref(&path)).found;
        let found: Vec<_> = found
            .iter()
            .map(|found| (found.service.as_str(), found.pid))
            .collect();
        assert_eq!(found, [("demo", process::id()), ("demo.2", process::id())]);
        let name = first.path().to_owned();
        drop(first);
        // The first name is free again.
        assert_eq!(bind_named(&path, "demo").unwrap().path(), name);
        drop(second);
        fs::remove_dir(&path).unwrap();
    }

    #[test]
    fn a_forked_child_does_not_unlink_its_parents_socket() {
        let path = std::env::temp_dir().join(format!("pdt-{}-forked", process::id()));
        let mut listener = bind_named(&path, "demo").unwrap();
        let socket = listener.path().to_owned();
        listener.pid += 1;
        drop(listener);
        assert!(fs::symlink_metadata(&socket).is_ok());
        fs::remove_dir_all(&path).unwrap();
    }
}
