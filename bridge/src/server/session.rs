//! One viewer's connection, as one task.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::pace::Pace;
use super::{Attach, Caller, HANDSHAKE, MAX_ANSWERS, MAX_REQUESTS, Stats, ViewerId};
use crate::codec::{Frames, Heard, MAX_REQUEST, Outbox};
use crate::protocol::{
    ActRequest, Answer, FromHost, FromViewer, Hello, PROTOCOL_VERSION, Question, Refusal,
    RefusalCode, Reply, RequestId, Role,
};
use crate::{BoxFuture, Error, Result, Source, Subscription, codec};

/// How long a question may take; an action may take longer, since half of it is worse than a late one.
const ASK: Duration = Duration::from_secs(20);

/// How many frames a viewer may send a second, and at once.
const FRAMES_PER_SECOND: u32 = 200;
const FRAME_BURST: u32 = 100;

/// How long the last words to a viewer may take.
const FAREWELL: Duration = Duration::from_millis(100);

/// A connection that was let in, before its hello.
pub(super) struct Session {
    pub(super) viewer: ViewerId,
    pub(super) uid: u32,
    pub(super) right: Role,
    pub(super) attach: Arc<Attach>,
    pub(super) stats: Arc<Stats>,
    pub(super) greeted: Arc<AtomicBool>,
}

impl Session {
    pub(super) async fn run(self, stream: UnixStream) {
        let (reader, writer) = stream.into_split();
        let mut frames = Frames::new(reader, MAX_REQUEST);
        let mut outbox = Outbox::new(writer);
        let role = match timeout(HANDSHAKE, self.greeting(&mut frames)).await {
            Ok(Ok(Greeting {
                protocol: PROTOCOL_VERSION,
                role,
            })) => role,
            Ok(Ok(Greeting { protocol, role })) => {
                self.stats.refused.fetch_add(1, Ordering::Relaxed);
                return self.turn_away(&mut outbox, protocol, role).await;
            }
            Ok(Err(error)) => {
                if !matches!(error, Error::Closed) {
                    self.stats.refused.fetch_add(1, Ordering::Relaxed);
                }
                return bid_farewell(&mut outbox, &error).await;
            }
            Err(_) => {
                self.stats.timeouts.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        self.greeted.store(true, Ordering::Relaxed);
        let _present = Present::new(&self.stats);
        let source = (self.attach)(Caller {
            viewer: self.viewer,
            uid: self.uid,
            role,
        });
        let Ok(hello) = hello(&*source, role).await else {
            return;
        };
        let Ok(frame) = codec::encode(&FromHost::Hello(hello)) else {
            return;
        };
        outbox.load(frame);
        let mut talk = Talk {
            subscription: source.subscribe(&[]),
            source,
            role,
            asks: FuturesUnordered::new(),
            act: None,
            acts: VecDeque::new(),
            replies: VecDeque::new(),
        };
        if let Err(error) = talk.go_on(&mut frames, &mut outbox, &self.stats).await {
            bid_farewell(&mut outbox, &error).await;
        }
        talk.finish().await;
    }

    async fn greeting<R: AsyncRead + Unpin>(&self, frames: &mut Frames<R>) -> Result<Greeting> {
        let body = frames.next().await?.ok_or(Error::Closed)?;
        match codec::hear_viewer(&body)? {
            Heard::Message(FromViewer::Hello {
                protocol,
                read_only,
                viewer: _,
            }) => {
                let role = if read_only { Role::Observe } else { self.right };
                Ok(Greeting { protocol, role })
            }
            Heard::Message(_) | Heard::Strange(_) | Heard::Ignored => {
                Err(Error::Malformed("the first frame is no hello"))
            }
        }
    }

    /// Tells a viewer of another version who we are, so that it can say what to install.
    async fn turn_away<W: AsyncWrite + Unpin>(
        &self,
        outbox: &mut Outbox<W>,
        protocol: u32,
        role: Role,
    ) {
        let source = (self.attach)(Caller {
            viewer: self.viewer,
            uid: self.uid,
            role,
        });
        let Ok(hello) = hello(&*source, role).await else {
            return;
        };
        let message = format!("the host speaks protocol {PROTOCOL_VERSION}, the viewer {protocol}");
        let goodbye = FromHost::Goodbye(Refusal::new(RefusalCode::Incompatible, message));
        say(outbox, &FromHost::Hello(hello)).await;
        say(outbox, &goodbye).await;
    }
}

struct Greeting {
    protocol: u32,
    role: Role,
}

/// Counts a viewer while it is there, however it leaves.
struct Present<'a>(&'a Stats);

impl<'a> Present<'a> {
    fn new(stats: &'a Stats) -> Self {
        stats.viewers.fetch_add(1, Ordering::Relaxed);
        Self(stats)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

type Answered = (RequestId, Result<Reply, Refusal>);

/// A connection after its hello.
struct Talk {
    subscription: Subscription,
    source: Arc<dyn Source>,
    role: Role,
    /// Questions are answered in any order.
    asks: FuturesUnordered<BoxFuture<'static, Answered>>,
    /// Actions are done one after the other, as they came.
    act: Option<BoxFuture<'static, Answered>>,
    acts: VecDeque<(RequestId, ActRequest)>,
    /// Answers that wait for the one frame that is on its way.
    replies: VecDeque<Bytes>,
}

impl Talk {
    /// Talks until the viewer leaves.
    async fn go_on<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        frames: &mut Frames<R>,
        outbox: &mut Outbox<W>,
        stats: &Stats,
    ) -> Result<()> {
        let mut pace = Pace::new(FRAMES_PER_SECOND, FRAME_BURST);
        loop {
            if self.act.is_none()
                && let Some((id, request)) = self.acts.pop_front()
            {
                self.act = Some(act(&self.source, id, request));
            }
            if !outbox.is_busy()
                && let Some(reply) = self.replies.pop_front()
            {
                outbox.load(reply);
            }
            let has_room = self.requests() < MAX_REQUESTS;
            tokio::select! {
                body = listen(&pace, frames), if has_room => {
                    pace.spend();
                    let Some(body) = body? else { return Ok(()) };
                    self.hear(&body, stats)?;
                }
                published = self.subscription.next(), if !outbox.is_busy() => {
                    let Some(published) = published else { return Ok(()) };
                    match published.frame() {
                        Some(frame) => outbox.load(frame),
                        None => {
                            stats.oversized.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
                Some(answered) = self.asks.next() => self.replies.push_back(reply(answered, stats)?),
                answered = running(&mut self.act) => {
                    self.act = None;
                    self.replies.push_back(reply(answered, stats)?);
                }
                written = outbox.drain(), if outbox.is_busy() => written.map_err(|_| Error::Closed)?,
            }
        }
    }

    /// Lets the action that runs come to its end; what did not begin never will.
    async fn finish(self) {
        let Self {
            subscription,
            asks,
            act,
            ..
        } = self;
        drop((subscription, asks));
        if let Some(act) = act {
            let (_id, _unheard) = act.await;
        }
    }

    /// Counts what was asked and not yet answered.
    fn requests(&self) -> usize {
        self.asks.len() + usize::from(self.act.is_some()) + self.acts.len() + self.replies.len()
    }

    fn hear(&mut self, body: &[u8], stats: &Stats) -> Result<()> {
        match codec::hear_viewer(body)? {
            Heard::Message(FromViewer::Subscribe(topics)) => self.subscription.follow(&topics),
            Heard::Message(FromViewer::Ask(id, question)) => {
                self.asks.push(ask(&self.source, id, question));
            }
            Heard::Message(FromViewer::Act(id, request)) => match self.role {
                Role::Control => self.acts.push_back((id, request)),
                Role::Observe => {
                    let refusal = Refusal::new(
                        RefusalCode::NotAllowed,
                        "this viewer may only observe: actions need the user that the service runs as, \
                         and no --read-only",
                    );
                    self.replies.push_back(reply((id, Err(refusal)), stats)?);
                }
            },
            Heard::Message(FromViewer::Hello { .. }) => {
                return Err(Error::Malformed("a second hello"));
            }
            Heard::Strange(id) => {
                let message = "this host does not know such a request: its SDK is older";
                let refusal = Refusal::new(RefusalCode::Unknown, message);
                self.replies.push_back(reply((id, Err(refusal)), stats)?);
            }
            Heard::Ignored => {}
        }
        Ok(())
    }
}

/// Waits for a frame, but not more often than a viewer may send one.
async fn listen<R: AsyncRead + Unpin>(
    pace: &Pace,
    frames: &mut Frames<R>,
) -> Result<Option<Bytes>> {
    pace.ready().await;
    frames.next().await
}

async fn running(act: &mut Option<BoxFuture<'static, Answered>>) -> Answered {
    match act {
        Some(act) => act.await,
        None => std::future::pending().await,
    }
}

fn ask(
    source: &Arc<dyn Source>,
    id: RequestId,
    question: Question,
) -> BoxFuture<'static, Answered> {
    let source = Arc::clone(source);
    Box::pin(async move {
        let answer = match timeout(ASK, source.ask(question)).await {
            Ok(answer) => answer.map(Reply::Answer).map_err(refusal),
            Err(_) => {
                let message = format!("the host found no answer within {} s", ASK.as_secs());
                Err(Refusal::new(RefusalCode::Failed, message))
            }
        };
        (id, answer)
    })
}

fn act(
    source: &Arc<dyn Source>,
    id: RequestId,
    request: ActRequest,
) -> BoxFuture<'static, Answered> {
    let source = Arc::clone(source);
    Box::pin(async move {
        (
            id,
            source.act(request).await.map(Reply::Act).map_err(refusal),
        )
    })
}

async fn hello(source: &dyn Source, role: Role) -> Result<Hello> {
    let hello = timeout(HANDSHAKE, source.hello()).await;
    let mut hello = hello.map_err(|_| Error::Closed)??;
    if role == Role::Observe {
        // Whatever the source says, this server lets no act of an observer pass.
        hello.role = Role::Observe;
        hello.allows.clear();
    }
    Ok(hello)
}

/// Encodes an answer, or that it is too large for a frame or that too many wait to be read.
fn reply((id, answer): Answered, stats: &Stats) -> Result<Bytes> {
    // What an action came to is told in any case.
    let acted = matches!(answer, Ok(Reply::Act(_)));
    let encoded = if let Ok(Reply::Answer(Answer::Now(update))) = &answer {
        codec::encode_fitting(update, |update| {
            FromHost::Reply(id, Ok(Reply::Answer(Answer::Now(update))))
        })
    } else {
        codec::encode(&FromHost::Reply(id, answer))
    };
    let refusal = match encoded {
        Ok(frame) if acted || stats.answer_bytes() + frame.len() <= MAX_ANSWERS => {
            return Ok(codec::counted(frame, &stats.answers));
        }
        Ok(_) => "too many answers wait to be read".to_owned(),
        Err(error) => {
            stats.oversized.fetch_add(1, Ordering::Relaxed);
            match error {
                Error::TooLarge { .. } => error.to_string(),
                _ => "the answer has too many values for a frame".to_owned(),
            }
        }
    };
    codec::encode(&FromHost::Reply(
        id,
        Err(Refusal::new(RefusalCode::Failed, refusal)),
    ))
}

fn refusal(error: Error) -> Refusal {
    match error {
        Error::Refused(refusal) => refusal,
        Error::Malformed(_) => Refusal::new(RefusalCode::Malformed, error.to_string()),
        other => Refusal::new(RefusalCode::Failed, other.to_string()),
    }
}

async fn bid_farewell<W: AsyncWrite + Unpin>(outbox: &mut Outbox<W>, error: &Error) {
    let message = match error {
        Error::Malformed(_) | Error::TooLarge { .. } => error.to_string(),
        _ => return,
    };
    say(
        outbox,
        &FromHost::Goodbye(Refusal::new(RefusalCode::Malformed, message)),
    )
    .await;
}

/// Sends one last frame, if the viewer takes what came before it.
async fn say<W: AsyncWrite + Unpin>(outbox: &mut Outbox<W>, message: &FromHost) {
    let _ = timeout(FAREWELL, async {
        if outbox.is_busy() && outbox.drain().await.is_err() {
            return;
        }
        if let Ok(frame) = codec::encode(message) {
            outbox.load(frame);
            let _ = outbox.drain().await;
        }
    })
    .await;
}
