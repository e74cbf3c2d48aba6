//! The handle that a host holds.

mod alert;
mod present;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use perfdeck_bridge::board::Board;
use perfdeck_bridge::protocol::{
    ActReply, ActRequest, Answer, Hello, Question, Refusal, RefusalCode, Role, Topic,
};
use perfdeck_bridge::server::{Caller, ViewerId};
use perfdeck_bridge::{BoxFuture, Result, Source, Subscription};
use tokio::sync::{mpsc, oneshot, watch};

use crate::agent::Command;
use crate::observe::Eyes;
use crate::observe::custom::{Counter, Gauge, Histogram};
use crate::observe::layer::DeckLayer;
use crate::observe::request::HttpLayer;
use crate::pools::Pools;

/// A running deck; cheap to clone.
#[derive(Debug, Clone)]
pub struct Deck {
    core: Option<Arc<Core>>,
    #[cfg(feature = "cache")]
    caches: crate::cache::Caches,
}

/// What a running deck shares with its agent.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) eyes: &'static Eyes,
    pub(crate) pools: Arc<Pools>,
    pub(crate) limits: Arc<crate::judge::alert::Shared>,
    #[cfg(feature = "cache")]
    pub(crate) caches: crate::cache::Caches,
    pub(crate) socket: PathBuf,
    pub(crate) host: Arc<Host>,
    /// Held for as long as any deck is: the agent ends when all are gone.
    #[expect(dead_code, reason = "it is held, not used")]
    pub(crate) stop: watch::Sender<bool>,
}

impl Deck {
    pub(crate) fn on(core: Core) -> Self {
        Self {
            #[cfg(feature = "cache")]
            caches: core.caches.clone(),
            core: Some(Arc::new(core)),
        }
    }

    #[cfg(feature = "cache")]
    pub(crate) const fn off(caches: crate::cache::Caches) -> Self {
        Self { core: None, caches }
    }

    #[cfg(not(feature = "cache"))]
    pub(crate) const fn off() -> Self {
        Self { core: None }
    }

    /// Returns whether the deck observes; see [`crate::Builder::start`].
    ///
    /// In a child that was forked it does not: its agent and its socket stay with the parent. A deck of the child's own is
    /// started there.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.core().is_some()
    }

    /// Returns the socket that viewers attach to; `None` while the deck is off.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        self.core().map(|core| core.socket.as_path())
    }

    /// Makes a layer for `tracing_subscriber` that hears each statement sqlx runs; see [`DeckLayer`].
    #[must_use]
    pub fn layer<S>(&self) -> DeckLayer<S> {
        DeckLayer::new(self.eyes())
    }

    /// Makes a tower layer that times each request; see [`HttpLayer`].
    #[must_use]
    pub fn http_layer(&self) -> HttpLayer {
        HttpLayer::new(self.eyes())
    }

    /// Names a pool and observes what is run through it; see [`crate::Pool`].
    ///
    /// A name that was given before is taken over. At most 63 pools can be told apart.
    #[cfg(feature = "_sqlx")]
    #[must_use]
    pub fn pool<DB: sqlx::Database>(&self, name: &str, pool: sqlx::Pool<DB>) -> crate::Pool<DB> {
        let number = self.core().map_or(0, |core| core.pools.add(name, &pool));
        let pool = crate::Pool::new(pool, self.eyes(), number);
        #[cfg(feature = "query-cache")]
        let pool = pool.told_to(&self.caches);
        pool
    }

    /// Returns how many queries that were to be cached went to the database instead, for this reason.
    ///
    /// They are counted while the deck is off, too. Those on executors that aren't the deck's are not.
    #[cfg(feature = "query-cache")]
    #[must_use]
    pub fn bypassed_queries(&self, why: crate::cache::query::Bypass) -> u64 {
        self.caches.bypassed(why)
    }

    /// Names a connection to Redis and observes the commands that go through it; see [`crate::Redis`].
    ///
    /// It takes every connection of redis-rs: `MultiplexedConnection`, `ConnectionManager`, `ClusterConnection`, or a
    /// synchronous one. Connections of one name are told as one, and a name is cut at 64 bytes. At most 63 names can be told
    /// apart.
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn run(deck: perfdeck::Deck, client: redis::Client) -> redis::RedisResult<()> {
    /// use redis::AsyncCommands as _;
    ///
    /// let manager = redis::aio::ConnectionManager::new(client).await?;
    /// let mut sessions = deck.redis("sessions", manager);
    /// let seen: u64 = sessions.incr("seen", 1).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "redis")]
    #[must_use]
    pub fn redis<C>(&self, name: &str, connection: C) -> crate::Redis<C> {
        crate::Redis::new(connection, self.eyes(), name)
    }

    /// Finds or makes a counter of the service's own, `chat.messages` say.
    ///
    /// A deck keeps 1,000 names of counters, gauges and histograms together. What is recorded under further ones is not
    /// kept, and counted as dropped. A name of more than 200 bytes is kept by its beginning and a hash of the whole.
    #[must_use]
    pub fn counter(&self, name: &str) -> Counter {
        self.core()
            .map_or_else(Counter::noop, |core| core.eyes.custom.counter(name))
    }

    /// Finds or makes a gauge of the service's own; for its name see [`Deck::counter`].
    #[must_use]
    pub fn gauge(&self, name: &str) -> Gauge {
        self.core()
            .map_or_else(Gauge::noop, |core| core.eyes.custom.gauge(name))
    }

    /// Finds or makes a histogram of the service's own; for its name see [`Deck::counter`].
    #[must_use]
    pub fn histogram(&self, name: &str) -> Histogram {
        self.core()
            .map_or_else(Histogram::noop, |core| core.eyes.custom.histogram(name))
    }

    /// Makes a recorder for the `metrics` facade; see [`crate::metrics::Recorder`].
    #[cfg(feature = "metrics")]
    pub fn metrics_recorder(&self) -> crate::metrics::Recorder {
        crate::metrics::Recorder::new(self.eyes())
    }

    /// Finds or makes a cache namespace; its policy is the builder's, else that of who uses it first.
    ///
    /// It works while the deck is off, too: unmetered, with its time to live and its invalidation.
    #[cfg(feature = "cache")]
    #[must_use]
    pub fn cache(&self, namespace: &str) -> crate::cache::Namespace {
        self.caches.namespace(namespace)
    }

    /// Returns the cache of embeddings and of what was found by them; see [`VectorCache`](crate::cache::vector::VectorCache).
    #[cfg(feature = "vector")]
    #[must_use]
    pub fn vectors(&self) -> crate::cache::vector::VectorCache {
        crate::cache::vector::VectorCache::of(&self.caches)
    }

    /// Makes a tower layer that keeps whole responses; see [`HttpCache`](crate::cache::response::HttpCache).
    ///
    /// It works while the deck is off, too, unmetered.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http_cache(&self) -> crate::cache::response::HttpCache {
        crate::cache::response::HttpCache::new(&self.caches)
    }

    /// Returns the deck as a viewer in this process sees it, with no right to act; `None` while the deck is off.
    #[must_use]
    pub fn source(&self) -> Option<Arc<dyn Source>> {
        Some(self.core()?.host.observer())
    }

    fn eyes(&self) -> Option<&'static Eyes> {
        self.core().map(|core| core.eyes)
    }

    /// What it shares with its agent, where there is one: a child that was forked has none.
    fn core(&self) -> Option<&Core> {
        let core = self.core.as_deref();
        core.filter(|core| core.host.is_at_home())
    }
}

/// How long whoever stops the deck waits for its thread.
const PATIENCE: Duration = Duration::from_secs(5);

/// Stops the deck when it is dropped.
#[derive(Debug)]
#[must_use = "the deck stops when its guard is dropped"]
pub struct Guard {
    agent: Option<Running>,
}

/// The agent's thread.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) thread: JoinHandle<()>,
    /// Disconnected when it has ended; under a lock so that a guard can be shared.
    pub(crate) ended: Mutex<Receiver<()>>,
    /// The process that it is in; a child that was forked has none.
    pub(crate) process: u32,
}

impl Guard {
    pub(crate) const fn new(agent: Running) -> Self {
        Self { agent: Some(agent) }
    }

    pub(crate) const fn off() -> Self {
        Self { agent: None }
    }

    /// Stops the deck and waits until its thread and its socket are gone, for 5 s at most.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(agent) = self.agent.take() else {
            return;
        };
        if agent.process != std::process::id() {
            return;
        }
        agent.stop.send_replace(true);
        // A thread that hangs, on a disk say, is left behind: the host's end must not.
        let ended = agent.ended.into_inner();
        let ended = ended.unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected) {
            let _ = agent.thread.join();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end();
    }
}

/// Where viewers get their sources.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) hello: Hello,
    pub(crate) board: Board,
    pub(crate) commands: mpsc::Sender<Command>,
}

impl Host {
    /// Whether this is the agent's process.
    fn is_at_home(&self) -> bool {
        self.hello.pid == std::process::id()
    }

    /// The deck as a viewer in this process sees it, with no right to act.
    pub(crate) fn observer(&self) -> Arc<dyn Source> {
        self.source(Caller {
            viewer: ViewerId(0),
            uid: 0,
            role: Role::Observe,
        })
    }

    /// Asks for advice on indexes, as only the host itself can.
    #[cfg(all(feature = "advisor", feature = "_sqlx"))]
    pub(crate) async fn advise(
        &self,
        unused_after: Duration,
    ) -> std::result::Result<Vec<perfdeck_bridge::protocol::IndexAdvice>, Refusal> {
        let gone = || Refusal::new(RefusalCode::Failed, "the deck has stopped");
        let (reply, answer) = oneshot::channel();
        let command = Command::Advise(unused_after, reply);
        self.commands.send(command).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// The deck as one viewer sees it.
    pub(crate) fn source(&self, caller: Caller) -> Arc<dyn Source> {
        let mut hello = self.hello.clone();
        hello.role = caller.role;
        if caller.role == Role::Observe {
            hello.allows.clear();
        }
        let (board, commands) = (self.board.clone(), self.commands.clone());
        Arc::new(View {
            caller,
            hello,
            board,
            commands,
        })
    }
}

#[derive(Debug)]
struct View {
    caller: Caller,
    hello: Hello,
    board: Board,
    commands: mpsc::Sender<Command>,
}

impl View {
    async fn command<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<std::result::Result<T, Refusal>>) -> Command,
    ) -> Result<T> {
        let gone = || Refusal::new(RefusalCode::Failed, "the deck has stopped");
        // In a child that was forked nobody would ever answer.
        if self.hello.pid != std::process::id() {
            return Err(gone().into());
        }
        let (reply, answer) = oneshot::channel();
        self.commands
            .send(command(reply))
            .await
            .map_err(|_| gone())?;
        Ok(answer.await.map_err(|_| gone())??)
    }
}

impl Source for View {
    fn hello(&self) -> BoxFuture<'_, Result<Hello>> {
        Box::pin(async { Ok(self.hello.clone()) })
    }

    fn subscribe(&self, topics: &[Topic]) -> Subscription {
        Subscription::new(self.board.follower(topics))
    }

    fn ask(&self, question: Question) -> BoxFuture<'_, Result<Answer>> {
        Box::pin(self.command(|reply| Command::Ask(question, reply)))
    }

    fn act(&self, request: ActRequest) -> BoxFuture<'_, Result<ActReply>> {
        Box::pin(self.command(|reply| Command::Act(self.caller, request, reply)))
    }
}
