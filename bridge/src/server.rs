//! Serves a host's [`Source`]s on a Unix socket.
//!
//! The kernel's word on who connects is taken before anything else: an unwelcome peer costs one `accept` and one
//! `close`. Everything a viewer can make the host hold is bounded: 64 viewers, one frame on its way to each, four
//! requests of each. A viewer that reads slowly gets the newest state when it is ready for one and delays nobody.

mod gate;
mod pace;
mod session;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};

use self::gate::Gate;
use self::pace::Pace;
use self::session::Session;
use crate::protocol::{FromHost, Refusal, RefusalCode, Role};
use crate::socket::Listener;
use crate::{Source, codec};

/// How many viewers a host serves at once, those included that have not said hello yet.
pub const MAX_VIEWERS: usize = 64;

/// How long a viewer may take to say hello.
pub const HANDSHAKE: Duration = Duration::from_secs(1);

/// How many connections are accepted a second.
pub const ACCEPTS_PER_SECOND: u32 = 100;

/// How many requests of one viewer are worked on at once; more are left unread.
pub const MAX_REQUESTS: usize = 4;

/// What answers that nobody has read yet may take, of all viewers together; further ones are refused.
pub const MAX_ANSWERS: usize = 4 * 1024 * 1024;

/// How many connections may be accepted at once after a quiet time.
const ACCEPT_BURST: u32 = 5;

/// How long to leave the socket alone when the system has no file handle left for a connection.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Names a connection for as long as the host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewerId(pub u64);

impl fmt::Display for ViewerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The connection.
    pub viewer: ViewerId,
    /// The user, by the kernel's word.
    pub uid: u32,
    /// What the viewer may do.
    pub role: Role,
}

/// What a server counts.
#[derive(Debug, Default)]
pub struct Stats {
    /// Viewers attached now.
    pub viewers: AtomicU64,
    /// Connections accepted since the start, whatever became of them.
    pub accepted: AtomicU64,
    /// Connections refused since the start: an unwelcome user, a wrong hello, or no room.
    pub refused: AtomicU64,
    /// Connections closed since the start because they said no hello in time, or were in the way meanwhile.
    pub timeouts: AtomicU64,
    /// States and answers since the start that were too large for a frame.
    pub oversized: AtomicU64,
    /// The bytes of the answers that their viewers have not read yet.
    answers: Arc<AtomicUsize>,
}

impl Stats {
    /// Returns the bytes of the answers that their viewers have not read yet.
    #[must_use]
    pub fn answer_bytes(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }
}

/// Serves until it is dropped, which ends all connections.
///
/// `attach` is called for each viewer that said hello and returns what it may see; it runs on the server's thread and
/// must not block. The runtime needs its I/O and time drivers. It returns only if the socket can't be used at all.
pub async fn serve(
    listener: Listener,
    attach: impl Fn(Caller) -> Arc<dyn Source> + Send + Sync + 'static,
    stats: Arc<Stats>,
) {
    let Ok(socket) = listener.to_tokio() else {
        return;
    };
    let mut door = Door {
        gate: Gate::of_this_process(),
        attach: Arc::new(attach),
        stats,
        sessions: JoinSet::new(),
        waiting: VecDeque::new(),
        last: 0,
    };
    let mut pace = Pace::new(ACCEPTS_PER_SECOND, ACCEPT_BURST);
    loop {
        tokio::select! {
            accepted = accept(&pace, &socket) => {
                pace.spend();
                match accepted {
                    Some(stream) => {
                        door.stats.accepted.fetch_add(1, Ordering::Relaxed);
                        door.admit(stream).await;
                    }
                    None => tokio::time::sleep(EXHAUSTED).await,
                }
            }
            // Ended sessions are forgotten; one that panicked took only itself along.
            Some(_) = door.sessions.join_next() => {}
        }
    }
}

async fn accept(pace: &Pace, socket: &UnixListener) -> Option<UnixStream> {
    pace.ready().await;
    socket.accept().await.ok().map(|(stream, _)| stream)
}

/// How a viewer gets its source.
type Attach = dyn Fn(Caller) -> Arc<dyn Source> + Send + Sync;

/// Where connections are let in or turned away.
struct Door {
    gate: Gate,
    attach: Arc<Attach>,
    stats: Arc<Stats>,
    sessions: JoinSet<()>,
    /// Those that have not said hello, the oldest first.
    waiting: VecDeque<Waiting>,
    last: u64,
}

struct Waiting {
    session: AbortHandle,
    greeted: Arc<AtomicBool>,
}

impl Door {
    async fn admit(&mut self, stream: UnixStream) {
        let right = stream.peer_cred().ok().and_then(|peer| {
            let uid = peer.uid();
            self.gate.right(uid).map(|role| (uid, role))
        });
        let Some((uid, right)) = right else {
            self.stats.refused.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if !self.make_room().await {
            self.stats.refused.fetch_add(1, Ordering::Relaxed);
            let message = format!("the host already serves {MAX_VIEWERS} viewers");
            let goodbye = FromHost::Goodbye(Refusal::new(RefusalCode::Full, message));
            if let Ok(frame) = codec::encode(&goodbye) {
                // A new connection has room for it; a viewer that left in between needs none.
                let _ = stream.try_write(&frame);
            }
            return;
        }
        self.last += 1;
        let greeted = Arc::new(AtomicBool::new(false));
        let session = Session {
            viewer: ViewerId(self.last),
            uid,
            right,
            attach: Arc::clone(&self.attach),
            stats: Arc::clone(&self.stats),
            greeted: Arc::clone(&greeted),
        };
        let session = self.sessions.spawn(session.run(stream));
        self.waiting.push_back(Waiting { session, greeted });
    }

    /// Finds a place for one more, if need be that of whoever has kept silent the longest.
    ///
    /// A real viewer says hello at once, so half-open connections can't keep it out.
    async fn make_room(&mut self) -> bool {
        while self.sessions.try_join_next().is_some() {}
        self.waiting.retain(|waiting| {
            !waiting.greeted.load(Ordering::Relaxed) && !waiting.session.is_finished()
        });
        if self.sessions.len() < MAX_VIEWERS {
            return true;
        }
        let Some(oldest) = self.waiting.pop_front() else {
            return false;
        };
        oldest.session.abort();
        self.stats.timeouts.fetch_add(1, Ordering::Relaxed);
        // It stands at an await, so it ends the next time the runtime comes to it.
        while self.sessions.len() >= MAX_VIEWERS {
            self.sessions.join_next().await;
        }
        true
    }
}
