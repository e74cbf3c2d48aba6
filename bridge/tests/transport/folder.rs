//! Where a host will bind, and what a viewer finds.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use perfdeck_bridge::Error;
use perfdeck_bridge::socket::{bind_at, discover_in};

use crate::host::{Folder, is_there};
use crate::user::{INTRUDER, give, mode, set_mode};

/// Expects a refusal to serve, in these words, that leaves nothing behind.
fn check(path: &Path, problem: &str) {
    let before = std::fs::symlink_metadata(path)
        .ok()
        .map(|metadata| metadata.modified().unwrap());
    let error = bind_at(path).unwrap_err();
    assert!(matches!(error, Error::UnsafeFolder { .. }), "{error:?}");
    assert!(
        error.to_string().contains(problem),
        "{error} does not say {problem:?}"
    );
    let after = std::fs::symlink_metadata(path)
        .ok()
        .map(|metadata| metadata.modified().unwrap());
    assert_eq!(before, after, "what is in the way is left alone");
}

#[test]
fn promise_11_an_unsafe_folder_is_refused() {
    let folder = Folder::new("unsafe");
    let socket = folder.path.join("demo-1-1.sock");
    for unsafe_mode in [0o755, 0o770, 0o701, 0o777, 0o1777, 0o710] {
        set_mode(&folder.path, unsafe_mode);
        check(
            &socket,
            &format!("others may enter it (mode {unsafe_mode:04o}, not 0700)"),
        );
    }
    set_mode(&folder.path, 0o700);

    let link = folder.path.join("link");
    symlink(&folder.path, &link).unwrap();
    check(&link.join("demo-1-1.sock"), "symbolic link");

    let foreign = folder.path.join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    set_mode(&foreign, 0o700);
    give(&foreign, INTRUDER);
    check(
        &foreign.join("demo-1-1.sock"),
        &format!("it belongs to uid {INTRUDER}"),
    );

    drop(bind_at(&socket).unwrap());
}

#[test]
fn promise_11_a_planted_file_is_refused_and_left_alone() {
    let folder = Folder::new("planted");
    let file = folder.path.join("file-1-1.sock");
    std::fs::write(&file, "precious").unwrap();
    check(&file, "something that is no socket is in the way");
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");

    let target = folder.path.join("target");
    let link = folder.path.join("link-1-1.sock");
    symlink(&target, &link).unwrap();
    check(&link, "something that is no socket is in the way");
    assert!(!is_there(&target), "nothing was made where the link leads");

    let live = folder.path.join("live-1-1.sock");
    let other = UnixListener::bind(&live).unwrap();
    let error = bind_at(&live).unwrap_err();
    assert!(error.to_string().starts_with("could not bind /"), "{error}");
    std::os::unix::net::UnixStream::connect(&live).unwrap();
    drop(other);

    let foreign = folder.path.join("foreign-1-1.sock");
    drop(UnixListener::bind(&foreign).unwrap());
    give(&foreign, INTRUDER);
    check(&foreign, "a socket of another user is in the way");
    assert!(is_there(&foreign));
}

#[test]
fn promise_11_no_umask_opens_a_socket() {
    let folder = Folder::new("umask");
    let path = folder.path.join("demo-1-1.sock");
    let before = rustix::process::umask(rustix::fs::Mode::empty());
    let bound = bind_at(&path);
    let after = rustix::process::umask(before);
    let listener = bound.unwrap();
    assert_eq!(mode(listener.path()), 0o600);
    assert!(after.is_empty(), "the umask was left alone");
}

#[test]
fn a_socket_goes_with_its_listener_and_another_ones_stays() {
    let folder = Folder::new("unlink");
    let path = folder.path.join("demo-1-1.sock");
    drop(bind_at(&path).unwrap());
    assert!(!is_there(&path));

    let first = bind_at(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let second = bind_at(&path).unwrap();
    drop(first);
    assert!(is_there(&path), "it is the second one's");
    drop(second);
    assert!(!is_there(&path));
}

#[test]
fn a_stale_socket_is_replaced() {
    let folder = Folder::new("replace");
    let path = folder.path.join("demo-1-1.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(is_there(&path));
    bind_at(&path).unwrap();
}

#[test]
fn a_path_too_long_for_a_socket_is_refused() {
    let folder = Folder::new("long");
    check(&folder.path.join("x".repeat(100)), "longer than 107 bytes");
}

#[test]
fn a_viewer_finds_what_listens_and_removes_what_is_stale() {
    let folder = Folder::new("find");
    let at = |name: &str| folder.path.join(name);
    let _shop = bind_at(&at("shop-20-1.sock")).unwrap();
    let _desk = bind_at(&at("help-desk-10-1.sock")).unwrap();
    drop(UnixListener::bind(at("old-30-1.sock")).unwrap());
    let _nameless = UnixListener::bind(at("other.sock")).unwrap();
    std::fs::write(at("file-1-1.sock"), "").unwrap();

    let discovery = discover_in(&[folder.path.clone(), folder.path.join("no such folder")]);
    let found: Vec<_> = discovery
        .found
        .iter()
        .map(|found| (found.service.as_str(), found.pid))
        .collect();
    assert_eq!(found, [("help-desk", 10), ("shop", 20)]);
    assert!(
        discovery
            .found
            .iter()
            .all(|found| found.uid == rustix::process::geteuid().as_raw())
    );
    assert!(discovery.problems.is_empty(), "{:?}", discovery.problems);
    assert!(!is_there(&at("old-30-1.sock")), "the stale one is gone");
    assert!(is_there(&at("other.sock")) && is_there(&at("file-1-1.sock")));
}

#[test]
fn a_viewer_says_which_folders_it_does_not_trust() {
    let folder = Folder::new("distrust");
    let _listener = bind_at(&folder.path.join("demo-1-1.sock")).unwrap();
    set_mode(&folder.path, 0o755);
    let discovery = discover_in(std::slice::from_ref(&folder.path));
    assert!(discovery.found.is_empty());
    let [problem] = &discovery.problems[..] else {
        panic!("{:?}", discovery.problems)
    };
    assert!(
        problem
            .to_string()
            .ends_with("others may enter it (mode 0755, not 0700)"),
        "{problem}"
    );
    set_mode(&folder.path, 0o700);
}

#[test]
fn root_finds_other_users_hosts_and_leaves_their_stale_sockets() {
    let folder = Folder::new("others");
    let stale = folder.path.join("old-1-1.sock");
    drop(UnixListener::bind(&stale).unwrap());
    let live = folder.path.join("demo-1-1.sock");
    let _listener = UnixListener::bind(&live).unwrap();
    for path in [&stale, &live, &folder.path] {
        give(path, INTRUDER);
    }
    let discovery = discover_in(std::slice::from_ref(&folder.path));
    assert_eq!(discovery.found.len(), 1);
    assert_eq!(discovery.found[0].uid, INTRUDER);
    assert!(is_there(&stale), "it is not ours to remove");
    // A socket that is not the folder's owner's was planted.
    give(&live, 0);
    let discovery = discover_in(std::slice::from_ref(&folder.path));
    assert!(discovery.found.is_empty());
}
