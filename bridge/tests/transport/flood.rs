//! What a crowd at the door costs.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use perfdeck_bridge::client::Client;
use perfdeck_bridge::protocol::{Question, RefusalCode};
use perfdeck_bridge::server::{ACCEPTS_PER_SECOND, MAX_VIEWERS, Stats, serve};
use perfdeck_bridge::{Source, socket};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use tokio::time::Instant;

use crate::host::{Deck, Folder, Host, attach, eventually, options, refusal};
use crate::raw::Viewer;
use crate::user::{INTRUDER, as_user, set_mode};

/// How long the flood lasts.
const FLOOD: Duration = Duration::from_secs(5);

#[test]
fn promise_12_connection_floods_are_cheap() {
    let folder = Folder::new("flood");
    let path = folder.path.join("demo-1-1.sock");
    let stats = Arc::new(Stats::default());
    let server = Server::start(&path, &stats);
    // Let the intruder through to where the kernel's word on it is taken.
    set_mode(&folder.path, 0o755);
    set_mode(&path, 0o666);
    let over = Arc::new(AtomicBool::new(false));
    let crowd = |each, kept| {
        let (path, over) = (path.clone(), Arc::clone(&over));
        move || flood(&path, each, kept, &over)
    };
    // A little more than is promised, so that at least as much it is.
    let denied = as_user(INTRUDER, crowd(11, 0));
    let half_open = thread::Builder::new().spawn(crowd(2, 1000)).unwrap();

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
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (accepted, refused) = (count(&stats.accepted), count(&stats.refused));
    over.store(true, Ordering::Relaxed);
    let denied = denied.join().unwrap();
    let half_open = half_open.join().unwrap();
    let per_second = |number: u64| number as f64 / wall.as_secs_f64();
    let share = 100.0 * cpu.as_secs_f64() / wall.as_secs_f64();
    let (longest, attached) = (waits.iter().max().unwrap(), waits.len());
    println!(
        "a second: {:.0} connects of another user, {:.0} half-open ones, {:.0} accepts, {share:.2} % of a core; \
         {attached} real clients attached in {wall:.1?}, the slowest after {longest:.0?}; \
         {} half-open at the end, {refused} refused, {} timed out",
        per_second(denied.tries),
        per_second(half_open.tries),
        per_second(accepted),
        half_open.alive,
        count(&stats.timeouts),
    );
    assert!(
        per_second(denied.tries) >= 10_000.0,
        "no flood of another user"
    );
    assert!(per_second(half_open.tries) >= 1_000.0, "no half-open flood");
    let allowed = f64::from(ACCEPTS_PER_SECOND) * wall.as_secs_f64();
    // A few may come at once after a quiet time.
    assert!(accepted as f64 <= allowed + 10.0, "{accepted} accepts");
    assert!(
        *longest < Duration::from_secs(2),
        "a real client waited {longest:?}"
    );
    assert!(share < 2.0, "the flood costs {share} % of a core");
    // Those in the backlog are open as well.
    assert!(
        half_open.alive <= MAX_VIEWERS + 17,
        "{} half-open connections are held",
        half_open.alive
    );
    assert!(count(&stats.timeouts) > 0);
    assert!(refused > 0);
    server.stop();
}

/// What a crowd did.
struct Flood {
    tries: u64,
    /// Connections that were open at the end.
    alive: usize,
}

/// Connects `each` times a millisecond without a word, and keeps the latest `kept` open.
fn flood(path: &Path, each: u64, kept: usize, over: &AtomicBool) -> Flood {
    let mut open = std::collections::VecDeque::new();
    let (start, mut tries) = (Instant::now(), 0);
    while !over.load(Ordering::Relaxed) {
        // The millisecond that has just begun is due as well.
        let due = each * (start.elapsed().as_millis() as u64 + 1);
        while tries < due {
            tries += 1;
            if let Some(socket) = connect(path) {
                open.push_back(socket);
            }
            while open.len() > kept {
                open.pop_front();
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    let alive = open.iter().filter(|socket| is_open(socket)).count();
    Flood { tries, alive }
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
