//! Commands to Redis, by a wrapper around the connection that they go through.
//!
//! redis-rs does all that it does through one trait, [`redis::ConnectionLike`] or its asynchronous twin, so a wrapper of it
//! sees each command with its answer, and nothing that uses the connection changes. It keeps a command's first word, how it
//! ended and how long that took: never a key, an argument or an answer.

mod batch;
mod packed;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use redis::{Arg, Cmd, ConnectionLike, Pipeline, RedisError, RedisFuture, RedisResult, Value, aio};

use self::batch::Batch;
use self::packed::Packed;
use super::Eyes;
use super::layer::request_elsewhere;
use crate::clock::Start;
use crate::record::command::{Command, Ending, Word};
use crate::record::scope::Remote;

/// A connection to Redis whose commands are observed.
///
/// It is a connection as the inner one is: [`redis::AsyncCommands`], [`redis::Commands`], pipelines and scripts work on it.
/// Methods that only the inner one has, to subscribe say, are called on [`Redis::inner_mut`], and are not observed; nor is
/// what a `ClusterPipeline` sends. A blocking command's time is what it waited.
///
/// A pipeline is one round trip: its commands are counted under their words, and its time is that of `<pipeline>`, or
/// `<transaction>` with `MULTI` and `EXEC`, since nobody knows how long one of its commands took.
#[derive(Clone)]
pub struct Redis<C> {
    inner: C,
    tap: Option<Tap>,
}

/// Where the commands of one connection are recorded.
#[derive(Clone, Copy)]
struct Tap {
    eyes: &'static Eyes,
    connection: u16,
}

/// A round trip that has begun.
struct Running {
    start: Start,
    request: Option<Arc<Remote>>,
}

/// What was sent, which knows what to make of the answer.
trait Sent<T> {
    /// Files the round trip; without an answer its caller went away before there was one.
    fn file(&self, tap: Tap, running: &Running, answer: Option<&RedisResult<T>>);
}

impl<C> Redis<C> {
    pub(crate) fn new(inner: C, eyes: Option<&'static Eyes>, name: &str) -> Self {
        let tap = eyes.map(|eyes| Tap {
            eyes,
            connection: eyes.recorder.names().connection(name),
        });
        Self { inner, tap }
    }

    /// Returns the connection that redis-rs made.
    #[must_use]
    pub const fn inner(&self) -> &C {
        &self.inner
    }

    /// Returns the connection that redis-rs made; what is sent through it is not observed.
    #[must_use]
    pub const fn inner_mut(&mut self) -> &mut C {
        &mut self.inner
    }

    /// Gives the connection back.
    #[must_use]
    pub fn into_inner(self) -> C {
        self.inner
    }

    /// Sends in this thread, and files it.
    fn send<T>(
        &mut self,
        sent: &impl Sent<T>,
        send: impl FnOnce(&mut C) -> RedisResult<T>,
    ) -> RedisResult<T> {
        let Some(tap) = self.tap else {
            return send(&mut self.inner);
        };
        let running = tap.begin();
        let answer = send(&mut self.inner);
        sent.file(tap, &running, Some(&answer));
        answer
    }
}

impl<C> fmt::Debug for Redis<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A connection's own text may have its address, with a password in it.
        f.debug_struct("Redis")
            .field("connection", &self.tap.map(|tap| tap.connection))
            .finish_non_exhaustive()
    }
}

impl<C: aio::ConnectionLike> aio::ConnectionLike for Redis<C> {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        let asked = self.inner.req_packed_command(cmd);
        match self.tap {
            Some(tap) => Box::pin(Trip::new(tap, asked, cmd)),
            None => asked,
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let asked = self.inner.req_packed_commands(pipeline, offset, count);
        match self.tap {
            Some(tap) => Box::pin(Trip::new(tap, asked, Batch::of(pipeline, offset))),
            None => asked,
        }
    }

    fn get_db(&self) -> i64 {
        self.inner.get_db()
    }
}

impl<C: ConnectionLike> ConnectionLike for Redis<C> {
    fn req_packed_command(&mut self, cmd: &[u8]) -> RedisResult<Value> {
        self.send(&Packed(cmd), |inner| inner.req_packed_command(cmd))
    }

    fn req_packed_commands(
        &mut self,
        cmd: &[u8],
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let send = |inner: &mut C| inner.req_packed_commands(cmd, offset, count);
        self.send(&Batch::packed(cmd, offset, count), send)
    }

    fn req_command(&mut self, cmd: &Cmd) -> RedisResult<Value> {
        self.send(&cmd, |inner| inner.req_command(cmd))
    }

    fn get_db(&self) -> i64 {
        self.inner.get_db()
    }

    fn supports_pipelining(&self) -> bool {
        self.inner.supports_pipelining()
    }

    fn check_connection(&mut self) -> bool {
        self.inner.check_connection()
    }

    fn is_open(&self) -> bool {
        self.inner.is_open()
    }
}

/// A round trip on its way; filed when its answer is there, or when its caller goes away before.
struct Trip<'a, T, S: Sent<T>> {
    tap: Tap,
    asked: RedisFuture<'a, T>,
    sent: S,
    /// From the first time that it is polled, which sends it.
    running: Option<Running>,
}

impl<'a, T, S: Sent<T>> Trip<'a, T, S> {
    const fn new(tap: Tap, asked: RedisFuture<'a, T>, sent: S) -> Self {
        Self {
            tap,
            asked,
            sent,
            running: None,
        }
    }
}

impl<T, S: Sent<T> + Unpin> Future for Trip<'_, T, S> {
    type Output = RedisResult<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.running.is_none() {
            this.running = Some(this.tap.begin());
        }
        let answer = ready!(this.asked.as_mut().poll(cx));
        if let Some(running) = this.running.take() {
            this.sent.file(this.tap, &running, Some(&answer));
        }
        Poll::Ready(answer)
    }
}

impl<T, S: Sent<T>> Drop for Trip<'_, T, S> {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.sent.file(self.tap, &running, None);
        }
    }
}

impl Tap {
    fn begin(self) -> Running {
        Running {
            start: self.eyes.clock.start(),
            request: request_elsewhere(self.eyes),
        }
    }

    /// Files a command that went alone.
    fn one(self, running: &Running, word: Word, ending: Ending) {
        let command = Command {
            connection: self.connection,
            word,
        };
        let nanos = self.eyes.clock.nanos_since(running.start);
        let request = running.request.as_deref();
        self.eyes.recorder.command(request, command, ending, nanos);
    }

    fn word(self, name: &[u8]) -> Word {
        self.eyes.recorder.word(name)
    }
}

impl Sent<Value> for &Cmd {
    fn file(&self, tap: Tap, running: &Running, answer: Option<&RedisResult<Value>>) {
        tap.one(running, tap.word(name(self)), ending(answer));
    }
}

impl Sent<Value> for Packed<'_> {
    fn file(&self, tap: Tap, running: &Running, answer: Option<&RedisResult<Value>>) {
        let name = self.clone().next().unwrap_or_default();
        tap.one(running, tap.word(name), ending(answer));
    }
}

/// A command's first word.
fn name(cmd: &Cmd) -> &[u8] {
    match cmd.args_iter().next() {
        Some(Arg::Simple(name)) => name,
        _ => &[],
    }
}

fn ending(answer: Option<&RedisResult<Value>>) -> Ending {
    match answer {
        // Some connections leave it to whoever takes the answer apart to find an error in it.
        Some(Ok(Value::ServerError(_))) => Ending::Failed,
        Some(Ok(_)) => Ending::Answered,
        Some(Err(error)) => failure(error),
        None => Ending::GivenUp,
    }
}

fn failure(error: &RedisError) -> Ending {
    if error.is_timeout() {
        Ending::TimedOut
    } else {
        Ending::Failed
    }
}

#[cfg(test)]
mod tests;
