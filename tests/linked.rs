//! Nothing opens by linking: what the kernel is asked for by a program with perfdeck in it, before and after it starts one.
//!
//! This program is its own child, under `strace`. Where that may not trace, the test fails: it proves nothing then.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use http_body_util::BodyExt as _;
use libtest_mimic::{Arguments, Trial};
use perfdeck::cache::Policy;
use perfdeck_tests::folder::Folder;
use perfdeck_tests::redis;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tower_service::Service as _;
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

/// What comes with a recording, a ledger and Redis, as the README lists it; `DIR/own` is where they were told to be.
const MORE_LISTED: [&str; 11] = [
    "open to write DIR/own/ledger",
    // That of the process before, and the one of this.
    "rename DIR/own/flight",
    "open to write DIR/own/flight",
    "thread perfdeck-work",
    // Redis, on a thread of its own.
    "thread perfdeck-cache",
    "socket AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK",
    "connect 127.0.0.1",
    "setsockopt",
    "getsockopt",
    "recvfrom",
    "mkdir DIR/own",
];

/// What the host's own database opens beside it, in this test.
const DATABASE: [&str; 3] = [
    "open to write DIR/own/db",
    "thread sqlx-sqlite-wor",
    "open /dev/urandom",
];

/// What std reads to tell how many processors there are, for the shards of a cache; what of it is there is the system's.
const PROCESSORS: [&str; 4] = [
    "open /proc/self/cgroup",
    "open /sys/fs/cgroup/GROUP/cpu.cfs_period_us",
    "open /sys/fs/cgroup/GROUP/cpu.cfs_quota_us",
    "open /sys/fs/cgroup/GROUP/cpu.max",
];

/// What a deck reads, and never writes: what the kernel tells of the process and the machine. `N` is a number.
const READ: [&str; 15] = [
    // The process.
    "open /proc/N",
    "open /proc/N/status",
    "open /proc/self/stat",
    "open stat",
    "open statm",
    "open /proc/uptime",
    // Its executable's list of sections, its connections, and how users that are not known are told.
    "open /proc/self/exe",
    "open /proc/self/net/tcp",
    "open /proc/self/net/tcp6",
    "open /proc/self/uid_map",
    "open /proc/sys/kernel/overflowuid",
    // The machine.
    "open /proc/cpuinfo",
    "open /proc/meminfo",
    "open /proc/stat",
    "open /sys/fs/cgroup/GROUP/cgroup.controllers",
];

/// What it reads where the system has it: limits of memory in either version of cgroups, and the processors' own folder. And
/// what glibc asks before it gives memory back that was freed, by any thread but the first.
const MAY_READ: [&str; 7] = [
    "open /proc/sys/vm/overcommit_memory",
    "open /sys/fs/cgroup/GROUP/memory.limit_in_bytes",
    "open /sys/fs/cgroup/GROUP/memory.usage_in_bytes",
    "open /sys/fs/cgroup/GROUP/memory.max",
    "open /sys/fs/cgroup/GROUP/memory.current",
    "open /sys/fs/cgroup/GROUP/memory.stat",
    "open /sys/devices/system/cpu",
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
            "promise_13_switched_off_all_of_it_opens_nothing",
            switched_off,
        ),
        test(
            "promise_13_a_deck_opens_what_is_listed_and_nothing_else",
            starting,
        ),
        test(
            "promise_13_a_deck_with_everything_on_opens_what_is_listed_and_nothing_else",
            starting_all,
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

fn switched_off() -> Result<()> {
    let folder = Folder::new()?;
    let linked = trace("links", &folder)?;
    let off = trace("off", &folder)?;
    let mut new: Vec<_> = off.difference(&linked).map(String::as_str).collect();
    new.retain(|ask| !PROCESSORS.contains(ask));
    ensure!(new.is_empty(), "switched off it asks for {new:#?}");
    let left: Vec<_> = std::fs::read_dir(folder.path())?.collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    Ok(())
}

fn starting() -> Result<()> {
    let folder = Folder::new()?;
    check("starts", &folder, &[&LISTED, &READ])?;
    let left: Vec<_> = std::fs::read_dir(folder.path())?.collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    Ok(())
}

fn starting_all() -> Result<()> {
    let folder = Folder::new()?;
    check(
        "starts_all",
        &folder,
        &[&LISTED, &MORE_LISTED, &READ, &DATABASE],
    )?;
    let mut left = BTreeSet::new();
    for entry in std::fs::read_dir(folder.path().join("own"))? {
        left.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    let own = ["db", "flight", "flight.previous", "ledger"].map(str::to_owned);
    ensure!(left == BTreeSet::from(own), "left behind: {left:?}");
    Ok(())
}

/// Expects that a child asks for this beyond what it asks for by linking, for all of it and for nothing else.
fn check(what: &str, folder: &Folder, lists: &[&[&str]]) -> Result<()> {
    let linked = trace("links", folder)?;
    let started = trace(what, folder)?;
    let mut new: BTreeSet<_> = started.difference(&linked).map(String::as_str).collect();
    new.retain(|ask| !PROCESSORS.contains(ask) && !MAY_READ.contains(ask));
    let listed: BTreeSet<_> = lists.concat().into_iter().collect();
    let unlisted: Vec<_> = new.difference(&listed).collect();
    let missing: Vec<_> = listed.difference(&new).collect();
    ensure!(
        unlisted.is_empty() && missing.is_empty(),
        "not listed: {unlisted:#?}, listed and not asked for: {missing:#?}"
    );
    Ok(())
}

/// Runs the child; returns what it asked the kernel for, as `open PATH`, `socket KIND`, `bind PATH`, `thread NAME`.
fn trace(what: &str, folder: &Folder) -> Result<BTreeSet<String>> {
    let log = Folder::new()?;
    let file = log.path().join("trace");
    let redis = match what {
        "starts_all" => Some(redis::Server::start()?),
        _ => None,
    };
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
        .env("PERFDECK", if what == "off" { "off" } else { "on" })
        .env(
            "PERFDECK_TEST_REDIS",
            redis.as_ref().map_or_else(String::new, redis::Server::url),
        )
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
            "bind" | "connect" | "rename" | "mkdir" | "mkdirat" | "unlink" | "unlinkat"
            | "chmod" | "fchmodat" => format!("{name} {quoted}"),
            _ => name.to_owned(),
        };
        asked.insert(ask);
    }
    Ok(asked)
}

/// Leaves out what differs from one run or machine to the next.
fn shorten(path: &str, folder: &Path) -> String {
    let path = path.replace(&folder.display().to_string(), "DIR");
    if let Some((folder, name)) = path.split_once("/linked-")
        && let Some((_, end)) = name.split_once('.')
    {
        return format!("{folder}/linked-NAME.{end}");
    }
    if path.starts_with("/sys/devices/system/cpu") {
        return "/sys/devices/system/cpu".to_owned();
    }
    if let Some(rest) = path.strip_prefix("/sys/fs/cgroup/") {
        let file = rest.rsplit('/').next().unwrap_or_default();
        return format!("/sys/fs/cgroup/GROUP/{file}");
    }
    if !path.starts_with("/proc/") {
        return path;
    }
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = path
        .split('/')
        .map(|part| if number(part) { "N" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn child(what: &str) -> Result<()> {
    // Without drivers it asks the kernel for nothing.
    let quiet = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let builder = perfdeck::Builder::new("linked").cache("squares", Policy::new());
    match what {
        // Attributes, before and without any deck.
        "links" => quiet.block_on(attributes()),
        // The layers, calls and pools that a service has, and paths that were told.
        "off" => {
            let own = Path::new("/nowhere");
            let builder = builder.ledger(own.join("ledger"));
            let (guard, deck) = builder.record_to(own.join("flight"), 1 << 20).start()?;
            ensure!(!deck.is_on());
            quiet.block_on(async {
                let pool = SqlitePoolOptions::new()
                    .idle_timeout(None)
                    .max_lifetime(None);
                let pool = deck.pool("primary", pool.connect_lazy("sqlite::memory:")?);
                layers(&deck).await?;
                std::hint::black_box(pool);
                attributes().await
            })?;
            guard.stop();
            Ok(())
        }
        "starts" => {
            let (guard, deck) = builder.start()?;
            tracing_subscriber::registry()
                .with(deck.layer())
                .try_init()?;
            quiet.block_on(layers(&deck))?;
            quiet.block_on(attributes())?;
            some_ticks(guard, &deck)
        }
        "starts_all" => {
            let own = Path::new(&std::env::var("PERFDECK_RUNTIME_DIR")?).join("own");
            std::fs::create_dir_all(&own)?;
            let redis = std::env::var("PERFDECK_TEST_REDIS")?;
            let builder = builder
                .ledger(own.join("ledger"))
                .record_to(own.join("flight"), 1 << 20)
                .redis(redis);
            // The recording of the one before is kept.
            let (guard, deck) = builder.clone().start()?;
            some_ticks(guard, &deck)?;
            drop(deck);
            let (guard, deck) = builder.start()?;
            tracing_subscriber::registry()
                .with(deck.layer())
                .try_init()?;
            quiet.block_on(async {
                let options = SqliteConnectOptions::new().filename(own.join("db"));
                let pool =
                    SqlitePoolOptions::new().connect_lazy_with(options.create_if_missing(true));
                let pool = deck.pool("primary", pool);
                sqlx::query("SELECT 1").execute(&pool).await?;
                layers(&deck).await?;
                attributes().await
            })?;
            some_ticks(guard, &deck)
        }
        other => bail!("no child is {other}"),
    }
}

/// Lets a deck tick, with its first look at what the process is connected to, and stops it.
fn some_ticks(guard: perfdeck::Guard, deck: &perfdeck::Deck) -> Result<()> {
    let socket = deck.socket().context("it is on")?.to_owned();
    thread::sleep(Duration::from_secs(4));
    ensure!(socket.exists());
    guard.stop();
    Ok(())
}

/// A request through the layers.
async fn layers(deck: &perfdeck::Deck) -> Result<()> {
    let cache = deck.http_cache().route("/squares", Duration::from_secs(60));
    let mut service = Router::new()
        .route("/squares", get(|| async { square(4).await.to_string() }))
        .layer(deck.http_layer().headers(true))
        .layer(cache);
    for _ in 0..2 {
        let request = Request::builder().uri("/squares").body(Body::empty())?;
        let answer = service.call(request).await?;
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(&*body == b"16", "{body:?}");
    }
    deck.counter("squares").add(1);
    deck.histogram("squares.sizes").record(1.0);
    Ok(())
}

async fn attributes() -> Result<()> {
    ensure!(monitored() == 7);
    ensure!((square(3).await, square(3).await) == (9, 9));
    forget().await;
    Ok(())
}

#[perfdeck::cached(ttl = "1m", namespace = "squares")]
async fn square(number: u32) -> u32 {
    number * number
}

#[perfdeck::cache_invalidate("squares")]
async fn forget() {}

#[perfdeck::monitor]
fn monitored() -> u32 {
    7
}
