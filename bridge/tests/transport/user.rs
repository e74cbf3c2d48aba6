//! Other users of the machine. On Linux a thread can have a user of its own, so none of this needs another process.

use std::path::Path;
use std::thread;

use rustix::fs::{Gid, Uid};

/// Users that no system has, and that may do nothing.
pub(crate) const OWNER: u32 = 60_123;
pub(crate) const INTRUDER: u32 = 60_124;

/// What the tests of other users need; `tests/run` sees to it.
const ROOT: &str = "this needs root, or `unshare --map-root-user --map-auto cargo test`";

/// Does something as another user, on a thread of its own; only root can.
pub(crate) fn as_user<T: Send + 'static>(
    uid: u32,
    work: impl FnOnce() -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let spawned = thread::Builder::new()
        .name(format!("uid-{uid}"))
        .spawn(move || {
            let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
            rustix::thread::set_thread_groups(&[]).expect(ROOT);
            rustix::thread::set_thread_res_gid(group, group, group).expect(ROOT);
            rustix::thread::set_thread_res_uid(user, user, user).expect(ROOT);
            assert_eq!(rustix::process::geteuid().as_raw(), uid);
            work()
        });
    spawned.unwrap()
}

/// Gives a file away; only root can.
pub(crate) fn give(path: &Path, uid: u32) {
    std::os::unix::fs::lchown(path, Some(uid), Some(uid)).expect(ROOT);
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).unwrap().mode() & 0o7777
}
