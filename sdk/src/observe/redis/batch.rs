//! Several commands in one round trip, and which of them failed.

use redis::{Pipeline, RedisError, RedisResult, Value};

use super::packed::Packed;
use super::{Running, Sent, Tap, failure, name};
use crate::record::command::{Command, Ending, Part, Word};

/// What a pipeline sends.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    commands: Commands<'a>,
    /// Answers that redis-rs keeps to itself: those to `MULTI`, and to each command until `EXEC`.
    offset: usize,
    transaction: bool,
}

#[derive(Debug)]
enum Commands<'a> {
    Of(&'a Pipeline),
    Packed {
        bytes: &'a [u8],
        /// How many there have to be.
        number: usize,
    },
}

/// Which commands failed, by the answer to all of them.
enum Failures<'a> {
    /// What each command was answered, from the first that is told on.
    Told(usize, &'a [Value]),
    /// A transaction was not executed, for what was wrong with these, which are in order.
    Aborted(Vec<usize>),
    All,
    None,
}

impl<'a> Batch<'a> {
    pub(super) fn of(pipeline: &'a Pipeline, offset: usize) -> Self {
        Self {
            commands: Commands::Of(pipeline),
            offset,
            transaction: pipeline.is_transaction(),
        }
    }

    pub(super) fn packed(bytes: &'a [u8], offset: usize, count: usize) -> Self {
        let number = offset.saturating_add(count);
        let begins = Packed(bytes).next();
        Self {
            commands: Commands::Packed { bytes, number },
            offset,
            transaction: offset > 0 && begins == Some(b"MULTI"),
        }
    }

    /// How the round trip ended. A command that failed is no failure of the trip, which brought the answers.
    fn ending(&self, answer: Option<&RedisResult<Vec<Value>>>) -> Ending {
        match answer {
            Some(Ok(values)) => match values.as_slice() {
                [Value::ServerError(_)] if self.transaction => Ending::Failed,
                _ => Ending::Answered,
            },
            Some(Err(error)) => failure(error),
            None => Ending::GivenUp,
        }
    }

    fn failures<'v>(&self, answer: Option<&'v RedisResult<Vec<Value>>>) -> Failures<'v> {
        match answer {
            Some(Ok(values)) if self.transaction => match values.as_slice() {
                // The first command comes after `MULTI`.
                [Value::Array(values)] => Failures::Told(1, values),
                // Told of `EXEC`.
                values => Failures::Told(self.offset, values),
            },
            Some(Ok(values)) => Failures::Told(self.offset, values),
            Some(Err(error)) if self.transaction => self.aborted(error),
            Some(Err(_)) => Failures::All,
            None => Failures::None,
        }
    }

    /// Says what was wrong with a transaction: with commands of it, for which the server refused `EXEC`, or with all.
    fn aborted<'v>(&self, error: &RedisError) -> Failures<'v> {
        match error.clone().into_server_errors() {
            Some(errors) => {
                // redis-rs counts from the first command, and does not count `MULTI`.
                let failed = errors.iter().map(|(place, _)| place + 1);
                let mut failed: Vec<_> = failed.chain([self.offset]).collect();
                failed.sort_unstable();
                Failures::Aborted(failed)
            }
            None => Failures::All,
        }
    }

    /// Adds up the commands by their words.
    fn parts(&self, tap: Tap, failures: &Failures<'_>) -> Vec<Part> {
        let mut parts = Parts::default();
        let mut number = 0;
        let mut count = |word| {
            parts.add(word, failures.has(number));
            number += 1;
        };
        match &self.commands {
            Commands::Of(pipeline) => {
                let between = pipeline.cmd_iter().map(|cmd| tap.word(name(cmd)));
                let (first, last) = if self.transaction {
                    (Some(tap.word(b"MULTI")), Some(tap.word(b"EXEC")))
                } else {
                    (None, None)
                };
                first.into_iter().chain(between).chain(last).for_each(count);
            }
            Commands::Packed { bytes, number } => {
                let words = Packed(bytes).map(|name| tap.word(name));
                // What can't be read is counted all the same.
                let unread = std::iter::repeat(Word::OTHER);
                words.chain(unread).take(*number).for_each(&mut count);
            }
        }
        parts.0
    }
}

impl Sent<Vec<Value>> for Batch<'_> {
    fn file(&self, tap: Tap, running: &Running, answer: Option<&RedisResult<Vec<Value>>>) {
        // Before anything else: what comes after it is ours.
        let nanos = tap.eyes.clock.nanos_since(running.start);
        let parts = self.parts(tap, &self.failures(answer));
        if parts.is_empty() {
            // Nothing was sent.
            return;
        }
        let trip = Command {
            connection: tap.connection,
            word: if self.transaction {
                Word::TRANSACTION
            } else {
                Word::PIPELINE
            },
        };
        let request = running.request.as_deref();
        let ending = self.ending(answer);
        tap.eyes
            .recorder
            .batch(request, trip, ending, nanos, &parts);
    }
}

impl Failures<'_> {
    /// Whether the command of that number failed, `MULTI` and `EXEC` counted.
    fn has(&self, number: usize) -> bool {
        match self {
            Self::Told(first, values) => {
                let value = number
                    .checked_sub(*first)
                    .and_then(|place| values.get(place));
                matches!(value, Some(Value::ServerError(_)))
            }
            Self::Aborted(failed) => failed.binary_search(&number).is_ok(),
            Self::All => true,
            Self::None => false,
        }
    }
}

/// Counts by word; of few words, or of as many as are told apart.
#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn add(&mut self, word: Word, failed: bool) {
        // The same words come again and again.
        let known = self.0.iter().position(|part| part.word == word);
        let place = known.unwrap_or_else(|| {
            self.0.push(Part {
                word,
                calls: 0,
                errors: 0,
            });
            self.0.len() - 1
        });
        if let Some(part) = self.0.get_mut(place) {
            part.calls += 1;
            part.errors += u64::from(failed);
        }
    }
}
