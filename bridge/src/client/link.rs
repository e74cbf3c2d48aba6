use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};

use crate::board::Board;
use crate::codec::{self, Frames, Heard, Outbox};
use crate::protocol::{
    ActRequest, FromHost, FromViewer, Question, Refusal, Reply, RequestId, Topic,
};
use crate::{Error, Result};

/// Frames that wait to be written; more are left with whoever makes them.
const MAX_WAITING: usize = 64;

/// What a client wants sent, and who waits for the answer.
pub(super) enum Order {
    Ask(Question, oneshot::Sender<Result<Reply>>),
    Act(ActRequest, oneshot::Sender<Result<Reply>>),
}

/// Why a connection ended; an [`Error`] can't be cloned.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Closed,
    Refused(Refusal),
    Malformed(&'static str),
    TooLarge { size: usize, limit: usize },
}

impl Ending {
    pub(super) fn to_error(&self) -> Error {
        match self.clone() {
            Self::Closed => Error::Closed,
            Self::Refused(refusal) => Error::Refused(refusal),
            Self::Malformed(reason) => Error::Malformed(reason),
            Self::TooLarge { size, limit } => Error::TooLarge { size, limit },
        }
    }
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => Self::Refused(refusal),
            Error::Malformed(reason) => Self::Malformed(reason),
            Error::TooLarge { size, limit } => Self::TooLarge { size, limit },
            _ => Self::Closed,
        }
    }
}

/// The one task behind all clones of a client.
pub(super) struct Link<R, W> {
    frames: Frames<R>,
    outbox: Outbox<W>,
    board: Board,
    orders: mpsc::Receiver<Order>,
    open: HashMap<RequestId, oneshot::Sender<Result<Reply>>>,
    waiting: VecDeque<Bytes>,
    followed: Vec<Topic>,
    last: RequestId,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Link<R, W> {
    pub(super) fn new(
        frames: Frames<R>,
        outbox: Outbox<W>,
        board: Board,
        orders: mpsc::Receiver<Order>,
    ) -> Self {
        let (open, waiting) = (HashMap::new(), VecDeque::new());
        Self {
            frames,
            outbox,
            board,
            orders,
            open,
            waiting,
            followed: Vec::new(),
            last: 0,
        }
    }

    /// Carries frames until an end is gone, then tells everyone why.
    pub(super) async fn run(mut self, ending: watch::Sender<Option<Ending>>) {
        let result = self.carry().await;
        let reason = result.map_or_else(Ending::from, |()| Ending::Closed);
        for (_, answer) in self.open.drain() {
            let _ = answer.send(Err(reason.to_error()));
        }
        ending.send_replace(Some(reason));
        self.board.close();
    }

    async fn carry(&mut self) -> Result<()> {
        loop {
            if !self.outbox.is_busy() {
                if let Some(topics) = self.changed_topics() {
                    self.outbox
                        .load(codec::encode(&FromViewer::Subscribe(topics))?);
                } else if let Some(frame) = self.waiting.pop_front() {
                    self.outbox.load(frame);
                }
            }
            // Answers that nobody waits for any more are forgotten.
            self.open.retain(|_, answer| !answer.is_closed());
            let has_room = self.waiting.len() < MAX_WAITING;
            tokio::select! {
                body = self.frames.next() => {
                    let Some(body) = body? else { return Ok(()) };
                    self.hear(&body)?;
                }
                order = self.orders.recv(), if has_room => {
                    let Some(order) = order else { return Ok(()) };
                    self.send(order);
                }
                () = self.board.followed_changed(), if !self.outbox.is_busy() => {}
                written = self.outbox.drain(), if self.outbox.is_busy() => {
                    if written.is_err() {
                        return self.last_words().await;
                    }
                }
            }
        }
    }

    /// Returns what is followed now, if the host does not know it yet.
    fn changed_topics(&mut self) -> Option<Vec<Topic>> {
        let topics: Vec<_> = self.board.followed().collect();
        if topics == self.followed {
            return None;
        }
        for dropped in self.followed.iter().filter(|topic| !topics.contains(topic)) {
            // Whoever follows it again must not get what is old by then.
            self.board.withdraw(*dropped);
        }
        self.followed.clone_from(&topics);
        Some(topics)
    }

    fn send(&mut self, order: Order) {
        self.last = self.last.wrapping_add(1);
        let id = self.last;
        let (message, answer) = match order {
            Order::Ask(question, answer) => (FromViewer::Ask(id, question), answer),
            Order::Act(request, answer) => (FromViewer::Act(id, request), answer),
        };
        match codec::encode_request(&message) {
            Ok(frame) => {
                self.waiting.push_back(frame);
                self.open.insert(id, answer);
            }
            Err(error) => {
                let _ = answer.send(Err(error));
            }
        }
    }

    fn hear(&mut self, body: &[u8]) -> Result<()> {
        match codec::hear_host(body)? {
            Heard::Message(FromHost::Update(update)) => {
                // One may still be on its way for a topic that is not followed any more.
                if self.followed.contains(&update.state.topic()) {
                    self.board.publish(update);
                }
            }
            Heard::Message(FromHost::Reply(id, reply)) => {
                self.answer(id, reply.map_err(Into::into));
            }
            Heard::Strange(id) => {
                let reason = "an answer has an unknown meaning: the host's SDK is newer";
                self.answer(id, Err(Error::Malformed(reason)));
            }
            Heard::Message(FromHost::Goodbye(refusal)) => return Err(refusal.into()),
            Heard::Message(FromHost::Hello(_)) => return Err(Error::Malformed("a second hello")),
            Heard::Ignored => {}
        }
        Ok(())
    }

    fn answer(&mut self, id: RequestId, reply: Result<Reply>) {
        if let Some(answer) = self.open.remove(&id) {
            // Whoever asked may have lost patience.
            let _ = answer.send(reply);
        }
    }

    /// Hears what the host said before it closed the connection.
    async fn last_words(&mut self) -> Result<()> {
        while let Some(body) = self.frames.next().await? {
            self.hear(&body)?;
        }
        Ok(())
    }
}
