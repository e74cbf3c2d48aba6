//! A recording as a source.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Recording;
use crate::board::Board;
use crate::protocol::{
    ActReply, ActRequest, Answer, Hello, Question, Refusal, RefusalCode, Timestamp, Topic,
};
use crate::{BoxFuture, Result, Source, Subscription};

/// A recording that is shown at one moment of it, the last at first; clones share it.
#[derive(Debug, Clone)]
pub struct Replay(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    recording: Recording,
    board: Board,
    block: AtomicUsize,
}

impl Replay {
    /// Shows a recording's last moment.
    ///
    /// # Errors
    ///
    /// If nothing was recorded, or it can't be read.
    pub fn new(recording: Recording) -> Result<Self> {
        let Some(last) = recording.len().checked_sub(1) else {
            return Err(crate::Error::NoRecording("it holds no tick yet"));
        };
        let replay = Self(Arc::new(Shared {
            recording,
            board: Board::new(),
            block: AtomicUsize::new(last),
        }));
        replay.show(last)?;
        Ok(replay)
    }

    /// Returns the recording.
    #[must_use]
    pub fn recording(&self) -> &Recording {
        &self.0.recording
    }

    /// Returns when it was that is shown.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.0.recording.at(self.block()).unwrap_or_default()
    }

    /// Returns the block that is shown.
    #[must_use]
    pub fn block(&self) -> usize {
        self.0.block.load(Ordering::Relaxed)
    }

    /// Goes so many blocks forwards or back, to the last or first at most; returns whether there was anywhere to go.
    ///
    /// # Errors
    ///
    /// As [`Recording::states`]; then what was shown stays.
    pub fn step(&self, blocks: isize) -> Result<bool> {
        let last = self.0.recording.len().saturating_sub(1);
        let to = self.block().saturating_add_signed(blocks).min(last);
        if to == self.block() {
            return Ok(false);
        }
        self.show(to)?;
        Ok(true)
    }

    /// Goes to the first block at or after a moment, the last if there is none; returns whether that is another one.
    ///
    /// # Errors
    ///
    /// As [`Replay::step`].
    pub fn seek(&self, at: Timestamp) -> Result<bool> {
        let block = self.0.recording.block_at(at);
        self.step(block as isize - self.block() as isize)
    }

    fn show(&self, block: usize) -> Result<()> {
        let states = self.0.recording.states(block)?;
        for topic in Topic::ALL {
            if !states.iter().any(|update| update.state.topic() == topic) {
                self.0.board.withdraw(topic);
            }
        }
        for update in states {
            self.0.board.publish(update);
        }
        self.0.block.store(block, Ordering::Relaxed);
        Ok(())
    }
}

impl Source for Replay {
    fn hello(&self) -> BoxFuture<'_, Result<Hello>> {
        Box::pin(async { Ok(self.0.recording.hello().clone()) })
    }

    fn subscribe(&self, topics: &[Topic]) -> Subscription {
        Subscription::new(self.0.board.follower(topics))
    }

    fn ask(&self, question: Question) -> BoxFuture<'_, Result<Answer>> {
        Box::pin(async move {
            let unknown = |what| Err(Refusal::new(RefusalCode::Unknown, what).into());
            match question {
                Question::Now(topic) => match self.0.board.latest(topic) {
                    Some(update) => Ok(Answer::Now(update)),
                    None => unknown("the recording has nothing of this at that moment"),
                },
                Question::Query(_)
                | Question::Route(_)
                | Question::Exemplars(_)
                | Question::Exemplar(_)
                | Question::History(_)
                | Question::Numbers => {
                    unknown("a recording holds the lists, and not the details behind them")
                }
            }
        })
    }

    fn act(&self, _: ActRequest) -> BoxFuture<'_, Result<ActReply>> {
        Box::pin(async {
            let refusal = Refusal::new(
                RefusalCode::NotAllowed,
                "this is a recording: nothing can be changed in it",
            );
            Err(refusal.into())
        })
    }
}
