//! What a crowd at the door costs.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use perfdeck_bridge::client::Client;
use perfdeck_bridge::protocol::{Question, RefusalCode};
use perfdeck_bridge::server::{MAX_VIEWERS, Stats, serve};
use perfdeck_bridge::{Source, socket};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use tokio::time::Instant;

use crate::host::{Deck, Folder, Host, attach, eventually, options, refusal};
use crate::raw::Viewer;
use crate::user::{INTRUDER, as_user, is_root, set_mode};

/// How long the flood lasts.
const FLOOD: Duration = Duration::from_secs(5);

#[test]
fn promise_12_connection_floods_are_cheap() {
    let folder = Folder::new("flood");
    let path = folder.path.join("demo-1-1.sock");
    let stats = Arc::new(Stats::default());
    let server = Server::start(&path, &stats);
    if is_root() {
        // Let the intruder through to where the kernel's word on it is taken.
        set_mode(&folder.path, 0o755);
        set_mode(&path, 0o666);
    }
    let (over, tries) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let flood = {
        let (path, over, tries) = (path.clone(), Arc::clone(&over), Arc::clone(&tries));
        move || flood(&path, 10, 0, &over, &tries)
    };
    // Where there is no other user to be, the crowd hangs up at once instead.
    let denied = if is_root() {
        as_user(INTRUDER, flood)
    } else {
        thread::Builder::new().spawn(flood).unwrap()
    };
    let half_open = {
        let (path, over, tries) = (path.clone(), Arc::clone(&over), Arc::clone(&tries));
        thread::Builder::new()
            .spawn(move || self::flood(&path, 1, 1000, &over, &tries))
            .unwrap()
    };

    let (start, cpu) = (Instant::now(), server.cpu());
    let mut waits = Vec::new();
    while start.elapsed() < FLOOD {
        let knocked = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let client = Client::connect(&path, options(false))
                .await
                .expect("a real client gets in");
            client
                .ask(Question::Route("GET /".to_owned()))
                .await
                .unwrap();
        });
        waits.push(knocked.elapsed());
    }
    let (wall, cpu) = (start.elapsed(), server.cpu() - cpu);
    over.store(true, Ordering::Relaxed);
    denied.join().unwrap();
    let alive = half_open.join().unwrap();
    let share = 100.0 * cpu.as_secs_f64() / wall.as_secs_f64();
    let (longest, attached) = (waits.iter().max().unwrap(), waits.len());
    println!(
        "{} tries in {wall:.1?}: {share:.2} % of a core, {attached} real clients attached, \
         the slowest after {longest:.0?}; {alive} half-open at the end, {} refused, {} timed out",
        tries.load(Ordering::Relaxed),
        stats.refused.load(Ordering::Relaxed),
        stats.timeouts.load(Ordering::Relaxed),
    );
    assert!(
        tries.load(Ordering::Relaxed) > 10_000,
        "too few to be a flood"
    );
    assert!(
        *longest < Duration::from_secs(2),
        "a real client waited {longest:?}"
    );
    assert!(
        share < 2.0 * DEBUG_FACTOR,
        "the flood costs {share} % of a core"
    );
    // Those in the backlog are open as well.
    assert!(
        alive <= MAX_VIEWERS + 17,
        "{alive} half-open connections are held"
    );
    assert!(stats.timeouts.load(Ordering::Relaxed) > 0);
    if is_root() {
        assert!(stats.refused.load(Ordering::Relaxed) > 0);
    }
    server.stop();
}

/// The promise is for a release build.
const DEBUG_FACTOR: f64 = if cfg!(debug_assertions) { 2.0 } else { 1.0 };

/// Connects `each` times a millisecond without a word, and keeps the latest `kept` open; returns how many of them still
/// were at the end.
fn flood(path: &Path, each: usize, kept: usize, over: &AtomicBool, tries: &AtomicU64) -> usize {
    let mut open = std::collections::VecDeque::new();
    while !over.load(Ordering::Relaxed) {
        for _ in 0..each {
            tries.fetch_add(1, Ordering::Relaxed);
            if let Some(socket) = connect(path) {
                open.push_back(socket);
            }
        }
        while open.len() > kept {
            open.pop_front();
        }
        thread::sleep(Duration::from_millis(1));
    }
    open.iter().filter(|socket| is_open(socket)).count()
}

fn connect(path: &Path) -> Option<OwnedFd> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    rustix::io::ioctl_fionbio(&socket, true).unwrap();
    let connected = rustix::net::connect(&socket, &SocketAddrUnix::new(path).unwrap());
    connected.is_ok().then_some(socket)
}

/// A connection that the host has closed is at its end; any other has nothing to read yet.
fn is_open(socket: &OwnedFd) -> bool {
    rustix::io::read(socket, &mut [0; 1]) == Err(rustix::io::Errno::AGAIN)
}

/// A server on a thread of its own, so that what it costs can be told.
struct Server {
    thread: thread::JoinHandle<()>,
    stop: tokio::sync::oneshot::Sender<()>,
    schedule: PathBuf,
}

impl Server {
    fn start(path: &Path, stats: &Arc<Stats>) -> Self {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (ready, bound) = mpsc::channel();
        let (path, stats, attach) = (
            path.to_owned(),
            Arc::clone(stats),
            attach(&Arc::new(Deck::default())),
        );
        let thread = thread::Builder::new()
            .name("perfdeck-server".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let listener = socket::bind_at(&path).unwrap();
                    ready.send(rustix::thread::gettid().as_raw_pid()).unwrap();
                    tokio::select! {
                        () = serve(listener, attach, stats) => panic!("it stopped by itself"),
                        _ = stopped => {}
                    }
                });
            });
        let thread_id = bound.recv().unwrap();
        let schedule = PathBuf::from(format!("/proc/self/task/{thread_id}/schedstat"));
        Self {
            thread: thread.unwrap(),
            stop,
            schedule,
        }
    }

    /// Returns the time that the thread has had on a core.
    fn cpu(&self) -> Duration {
        let schedule = std::fs::read_to_string(&self.schedule).unwrap();
        Duration::from_nanos(schedule.split(' ').next().unwrap().parse().unwrap())
    }

    fn stop(self) {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
    }
}

#[tokio::test]
async fn a_host_serves_64_viewers_and_tells_the_next_that_it_is_full() {
    let host = Host::start("full");
    let mut viewers = Vec::new();
    for _ in 0..MAX_VIEWERS {
        viewers.push(host.client().await);
    }
    let refused = refusal(Client::connect(&host.path, options(false)).await);
    assert_eq!(refused.code, RefusalCode::Full);
    assert_eq!(refused.message, "the host already serves 64 viewers");
    drop(viewers.pop());
    eventually("one has left", || {
        host.stats.viewers.load(Ordering::Relaxed) == 63
    })
    .await;
    host.client().await;
}

#[tokio::test]
async fn a_viewer_that_speaks_gets_the_place_of_one_that_does_not() {
    let host = Host::start("places");
    let mut attached = Vec::new();
    for _ in 0..MAX_VIEWERS - 1 {
        attached.push(host.client().await);
    }
    let mut silent = Viewer::connect(&host.path).await;
    attached.push(host.client().await);
    assert!(silent.next().await.is_none());
    assert_eq!(host.stats.timeouts.load(Ordering::Relaxed), 1);
    // Those that spoke keep theirs.
    for client in &attached {
        client
            .ask(Question::Route("GET /".to_owned()))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_viewer_that_says_no_hello_is_dropped_after_a_second() {
    let host = Host::start("silent");
    let mut silent = Viewer::connect(&host.path).await;
    silent.write(&[0, 0]).await;
    let start = Instant::now();
    assert!(silent.next().await.is_none());
    let waited = start.elapsed();
    assert!((0.9..2.0).contains(&waited.as_secs_f64()), "{waited:?}");
    assert_eq!(host.stats.timeouts.load(Ordering::Relaxed), 1);
}
