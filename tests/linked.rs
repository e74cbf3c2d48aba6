//! Nothing opens by linking: what the kernel is asked for by a program with perfdeck in it, before and after it starts one.
//!
//! This program is its own child, under `strace`. Where that may not trace, the test fails: it proves nothing then.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::{Arguments, Trial};
use perfdeck_tests::folder::Folder;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Set in the child, to what it does.
const CHILD: &str = "PERFDECK_TEST_CHILD";

/// What opens files, sockets and threads, and what names a thread.
const CALLS: &str = "trace=%network,open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,memfd_create,unlink,unlinkat,\
    chmod,fchmod,fchmodat,rename,renameat,renameat2,clone,clone3,fork,vfork,execve,prctl,eventfd2,epoll_create1,\
    timerfd_create,signalfd4,inotify_init1,io_uring_setup,perf_event_open,ptrace";

/// What every Rust program on glibc opens before its `main`.
const LOADER: [&str; 5] = [
    "/etc/ld.so.",
    "/lib/",
    "/lib64/",
    "/usr/lib/",
    "/proc/self/maps",
];

/// What a deck opens and makes, as the README lists it. `DIR` is the runtime folder, `NAME` the process.
const LISTED: [&str; 12] = [
    // Its folder and its socket; it is gone at the end.
    "mkdir DIR",
    "socket AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC",
    "bind DIR/linked-NAME.sock",
    "chmod DIR/linked-NAME.sock",
    "listen",
    "unlink DIR/linked-NAME.sock",
    // Its thread with the runtime in it, and one that lives for a question to the host's subscriber.
    "thread perfdeck-agent",
    "thread perfdeck-probe",
    "clone3 thread",
    "epoll_create1",
    "eventfd2",
    // The runtime's own way to hear of signals; no handler is installed.
    "socketpair AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK",
];

/// Where a deck reads, and never writes: what the kernel tells of the process and the machine.
const READ: [&str; 5] = [
    "/proc/",
    "/sys/fs/cgroup/",
    "/sys/devices/system/cpu",
    "stat",
    "statm",
];

fn main() -> Result<()> {
    if let Ok(what) = std::env::var(CHILD) {
        return child(&what);
    }
    let test = |name: &str, run: fn() -> Result<()>| {
        Trial::test(name, move || {
            run().map_err(|error| format!("{error:#}").into())
        })
    };
    let tests = vec![
        test("promise_13_nothing_opens_by_linking", linking),
        test(
            "promise_13_a_deck_opens_what_is_listed_and_nothing_else",
            starting,
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

fn linking() -> Result<()> {
    let folder = Folder::new()?;
    let asked = trace("links", &folder)?;
    let loader = |ask: &String| {
        let path = ask.strip_prefix("open ");
        path.is_some_and(|path| LOADER.iter().any(|known| path.starts_with(known)))
    };
    ensure!(
        asked.iter().any(loader),
        "the trace shows nothing: {asked:#?}"
    );
    let more: Vec<_> = asked.iter().filter(|ask| !loader(ask)).collect();
    ensure!(
        more.is_empty(),
        "a program that only links perfdeck asks for {more:#?}"
    );
    Ok(())
}

fn starting() -> Result<()> {
    let folder = Folder::new()?;
    let linked = trace("links", &folder)?;
    let started = trace("starts", &folder)?;
    let mut new: BTreeSet<_> = started.difference(&linked).map(String::as_str).collect();
    let read = |ask: &&str| {
        let path = ask.strip_prefix("open ");
        path.is_some_and(|path| READ.iter().any(|known| path.starts_with(known)))
    };
    ensure!(new.iter().any(read), "nothing is read: {new:#?}");
    new.retain(|ask| !read(ask));
    let listed: BTreeSet<_> = LISTED.into_iter().collect();
    let unlisted: Vec<_> = new.difference(&listed).collect();
    let missing: Vec<_> = listed.difference(&new).collect();
    ensure!(
        unlisted.is_empty() && missing.is_empty(),
        "not listed: {unlisted:#?}, listed and not asked for: {missing:#?}"
    );
    let left: Vec<_> = std::fs::read_dir(folder.path())?.collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    Ok(())
}

/// Runs the child; returns what it asked the kernel for, as `open PATH`, `socket KIND`, `bind PATH`, `thread NAME`.
fn trace(what: &str, folder: &Folder) -> Result<BTreeSet<String>> {
    let log = Folder::new()?;
    let file = log.path().join("trace");
    let output = Command::new("strace")
        .args([
            "-f",
            "-qq",
            "-s",
            "300",
            "-e",
            CALLS,
            "-e",
            "signal=none",
            "-o",
        ])
        .arg(&file)
        .arg("--")
        .arg(std::env::current_exe()?)
        .env(CHILD, what)
        .env("PERFDECK_RUNTIME_DIR", folder.path())
        .env_remove("PERFDECK")
        // Cargo sets it, and the loader then looks in more places.
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .context("strace can't be run: `tests/run --install` installs it")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "strace or what it traces ended with {}: {said}",
        output.status
    );
    let text = std::fs::read_to_string(&file)?;
    let mut asked = BTreeSet::new();
    for line in text.lines().filter(|line| !line.contains(" resumed>")) {
        let (_, call) = line.split_once(' ').context("a line has a thread")?;
        let Some((name, arguments)) = call.trim_start().split_once('(') else {
            continue;
        };
        let quoted = arguments.split('"').nth(1).unwrap_or_default();
        let quoted = shorten(quoted, folder.path());
        let first = arguments
            .split([',', ')'])
            .take(2)
            .collect::<Vec<_>>()
            .join(",");
        let ask = match name {
            "execve" => continue,
            "open" | "openat" | "openat2" if arguments.contains("O_RDONLY") => {
                format!("open {quoted}")
            }
            "open" | "openat" | "openat2" => format!("open to write {quoted}"),
            "clone" | "clone3" if arguments.contains("CLONE_THREAD") => "clone3 thread".to_owned(),
            "prctl" if arguments.starts_with("PR_SET_NAME") => format!("thread {quoted}"),
            "prctl" => continue,
            "socket" | "socketpair" => format!("{name} {first}"),
            "bind" | "connect" | "mkdir" | "mkdirat" | "unlink" | "unlinkat" | "chmod"
            | "fchmodat" => format!("{name} {quoted}"),
            _ => name.to_owned(),
        };
        asked.insert(ask);
    }
    Ok(asked)
}

/// Leaves out what differs from one run to the next.
fn shorten(path: &str, folder: &Path) -> String {
    let path = path.replace(&folder.display().to_string(), "DIR");
    match path
        .split_once("/linked-")
        .and_then(|(folder, name)| Some((folder, name.split_once('.')?)))
    {
        Some((folder, (_, end))) => format!("{folder}/linked-NAME.{end}"),
        None => path,
    }
}

fn child(what: &str) -> Result<()> {
    // The attributes, layers and calls that a service has; without a deck they pass through.
    std::hint::black_box(monitored());
    let builder = perfdeck::Builder::new("linked");
    match what {
        "links" => Ok(()),
        "starts" => {
            let (guard, deck) = builder.start()?;
            let _requests = deck.http_layer();
            tracing_subscriber::registry()
                .with(deck.layer())
                .try_init()?;
            let socket = deck.socket().context("it is on")?.to_owned();
            // Some ticks, with the first look at what the process is connected to.
            thread::sleep(Duration::from_secs(4));
            ensure!(socket.exists());
            guard.stop();
            Ok(())
        }
        other => bail!("no child is {other}"),
    }
}

#[perfdeck::monitor]
fn monitored() -> u32 {
    7
}
