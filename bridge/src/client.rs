//! Attaches to a host from another process, through its socket or any other pair of streams.

mod link;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use self::link::{Ending, Link, Order};
use crate::board::Board;
use crate::codec::{self, Frames, Heard, MAX_FRAME, Outbox};
use crate::protocol::{
    ActReply, ActRequest, Answer, FromHost, FromViewer, Hello, PROTOCOL_VERSION, Question, Reply,
    Topic,
};
use crate::{BoxFuture, Error, Result, Source, Subscription, socket};

/// How long attaching may take, from the first try to the host's hello.
pub const ATTACH: Duration = Duration::from_secs(2);

/// How long attaching over other streams may take: a relay's login comes first.
pub const ATTACH_OVER: Duration = Duration::from_secs(30);

/// How long a request may take.
pub const REQUEST: Duration = Duration::from_secs(30);

/// How long to wait before a full host is tried again. Hosts accept a connection each 10 ms, so one place opens then.
const RETRY: Duration = Duration::from_millis(1);

/// Requests that may be unanswered at once; more wait where they are made. The host works on four at a time.
const MAX_OPEN: usize = 64;

/// Requests on their way to the connection's task.
const ORDERS: usize = 16;

/// How a client presents itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The viewer's name and version, for the host's log: `perfdeck 0.1.0`.
    pub viewer: String,
    /// Gives up the right to act.
    pub read_only: bool,
}

/// A host in another process, as a [`Source`].
///
/// Clones share one connection, which ends with the last of them. What is followed by any of them is followed once, and
/// each [`Subscription`] gets the newest state from here.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    hello: Hello,
    board: Board,
    orders: mpsc::Sender<Order>,
    open: Semaphore,
    ending: watch::Receiver<Option<Ending>>,
}

impl Client {
    /// Attaches to the host that listens at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] if nobody listens any more, [`Error::UnsafeFolder`] if the socket or whoever listens is not of
    /// this user (root trusts anyone's), [`Error::Incompatible`] if the host speaks another version, [`Error::Refused`]
    /// if the host has no room, [`Error::TimedOut`] after [`ATTACH`].
    pub async fn connect(path: &Path, options: Options) -> Result<Self> {
        let deadline = Instant::now() + ATTACH;
        socket::check_socket(path)?;
        let stream = knock(path, deadline).await?;
        let peer = stream
            .peer_cred()
            .map_err(Error::io(connecting(path)))?
            .uid();
        if !socket::may_trust(peer) {
            let problem = format!("uid {peer} listens there");
            return Err(Error::UnsafeFolder {
                path: path.to_owned(),
                problem,
            });
        }
        let (reader, writer) = stream.into_split();
        Self::attach(reader, writer, options, deadline, ATTACH).await
    }

    /// Attaches over any two streams to a host, such as a relay's standard output and input.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`], but [`Error::TimedOut`] after [`ATTACH_OVER`], and [`Error::Closed`] if a stream ends.
    pub async fn over<R, W>(reader: R, writer: W, options: Options) -> Result<Self>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        Self::attach(
            reader,
            writer,
            options,
            Instant::now() + ATTACH_OVER,
            ATTACH_OVER,
        )
        .await
    }

    /// Says hello until `deadline`, which is what is left of `limit`.
    async fn attach<R, W>(
        reader: R,
        writer: W,
        options: Options,
        deadline: Instant,
        limit: Duration,
    ) -> Result<Self>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let mut frames = Frames::new(reader, MAX_FRAME);
        let mut outbox = Outbox::new(writer);
        let greeting = greet(&mut frames, &mut outbox, options);
        let hello = timeout_at(deadline, greeting)
            .await
            .map_err(|_| attach_timed_out(limit))??;
        let board = Board::new();
        let (orders, receiver) = mpsc::channel(ORDERS);
        let (sender, ending) = watch::channel(None);
        let link = Link::new(frames, outbox, board.clone(), receiver);
        tokio::spawn(link.run(sender));
        Ok(Self {
            shared: Arc::new(Shared {
                hello,
                board,
                orders,
                open: Semaphore::new(MAX_OPEN),
                ending,
            }),
        })
    }

    /// Waits until the connection is gone, and says why.
    pub async fn closed(&self) -> Error {
        let mut ending = self.shared.ending.clone();
        match ending.wait_for(Option::is_some).await {
            Ok(ending) => ending.as_ref().map_or(Error::Closed, Ending::to_error),
            Err(_) => Error::Closed,
        }
    }

    async fn request(
        &self,
        what: &'static str,
        order: impl FnOnce(Answering) -> Order,
    ) -> Result<Reply> {
        let (sender, receiver) = oneshot::channel();
        let limit_seconds = REQUEST.as_secs();
        let answered = timeout(REQUEST, async {
            let _place = self.shared.open.acquire().await;
            if self.shared.orders.send(order(sender)).await.is_err() {
                return Err(self.closed().await);
            }
            match receiver.await {
                Ok(reply) => reply,
                Err(_) => Err(self.closed().await),
            }
        });
        answered.await.map_err(|_| Error::TimedOut {
            request: what,
            limit_seconds,
        })?
    }
}

type Answering = oneshot::Sender<Result<Reply>>;

impl Source for Client {
    fn hello(&self) -> BoxFuture<'_, Result<Hello>> {
        Box::pin(async { Ok(self.shared.hello.clone()) })
    }

    fn subscribe(&self, topics: &[Topic]) -> Subscription {
        Subscription::new(self.shared.board.follower(topics))
    }

    fn ask(&self, question: Question) -> BoxFuture<'_, Result<Answer>> {
        Box::pin(async move {
            match self
                .request("a question", |answer| Order::Ask(question, answer))
                .await?
            {
                Reply::Answer(answer) => Ok(answer),
                Reply::Act(_) => Err(Error::Malformed("a question was answered with an action")),
            }
        })
    }

    fn act(&self, request: ActRequest) -> BoxFuture<'_, Result<ActReply>> {
        Box::pin(async move {
            match self
                .request("an action", |answer| Order::Act(request, answer))
                .await?
            {
                Reply::Act(reply) => Ok(reply),
                Reply::Answer(_) => Err(Error::Malformed("an action was answered with an answer")),
            }
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("hello", &self.shared.hello)
            .finish_non_exhaustive()
    }
}

/// Connects, again and again while the host's backlog is full.
async fn knock(path: &Path, deadline: Instant) -> Result<UnixStream> {
    use std::io::ErrorKind::{ConnectionRefused, WouldBlock};
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == ConnectionRefused => {
                return Err(Error::Stale {
                    path: path.to_owned(),
                });
            }
            Err(error) if error.kind() == WouldBlock => {
                if Instant::now() >= deadline {
                    return Err(attach_timed_out(ATTACH));
                }
                sleep(RETRY).await;
            }
            Err(error) => return Err(Error::io(connecting(path))(error)),
        }
    }
}

/// Says hello and hears the host's.
async fn greet<R, W>(
    frames: &mut Frames<R>,
    outbox: &mut Outbox<W>,
    options: Options,
) -> Result<Hello>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let Options { viewer, read_only } = options;
    let hello = FromViewer::Hello {
        protocol: PROTOCOL_VERSION,
        viewer,
        read_only,
    };
    outbox.load(codec::encode_request(&hello)?);
    // A host that turns us away may be gone before it hears us; its reason is still there to read.
    let sent = outbox.drain().await;
    loop {
        let Some(body) = frames.next().await? else {
            break;
        };
        return match codec::hear_host(&body)? {
            Heard::Message(FromHost::Hello(hello)) if hello.protocol == PROTOCOL_VERSION => {
                sent.map_err(|_| Error::Closed)?;
                Ok(hello)
            }
            Heard::Message(FromHost::Hello(hello)) => Err(Error::Incompatible {
                theirs: hello.protocol,
                ours: PROTOCOL_VERSION,
            }),
            Heard::Message(FromHost::Goodbye(refusal)) => Err(refusal.into()),
            Heard::Message(FromHost::Update(_) | FromHost::Reply(..)) | Heard::Strange(_) => {
                Err(Error::Malformed("the first frame is no hello"))
            }
            Heard::Ignored => continue,
        };
    }
    Err(Error::Closed)
}

fn connecting(path: &Path) -> String {
    format!("connect to {}", path.display())
}

const fn attach_timed_out(limit: Duration) -> Error {
    Error::TimedOut {
        request: "the attempt to attach",
        limit_seconds: limit.as_secs(),
    }
}
