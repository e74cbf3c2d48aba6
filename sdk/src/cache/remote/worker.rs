//! The thread that talks to Redis: it sends what was invalidated here, and reads what was invalidated elsewhere.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::{FromRedisValue, RedisResult, Script, Value};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::super::space::Space;
use super::super::tick::Tick;
use super::super::{Shared, Spaces, all};
use super::generation::{Found, Generation, Order};
use super::link::{Address, Connection, invoked};
use super::{Change, DETACHED, EVERYTHING, POLL, Remote, TIMEOUT, script};

/// Lines of the journal that are read at once; an instance that is further behind begins anew.
const LINES: usize = 1_000;
/// The least time between two looks, however many nudges come.
const BREATH: Duration = Duration::from_millis(2);
/// After a failure to listen for nudges.
const RETRY: Duration = Duration::from_secs(1);

/// What is read in one go.
type Answer = (
    u64,
    String,
    Vec<(String, HashMap<String, Value>)>,
    Vec<Found>,
);

/// Says that the worker has ended when it is dropped.
struct End(Arc<Remote>);

struct Worker {
    address: Address,
    remote: Arc<Remote>,
    spaces: Weak<Spaces>,
    tick: Tick,
    /// Tells this instance's own lines in the journal.
    instance: String,
    connection: Option<Connection>,
    /// The journal's count and last line as they were last read.
    read: Option<(u64, String)>,
    invalidate: Script,
    look: Script,
    begin: Script,
}

/// Starts the thread; it ends when the caches it serves are gone.
pub(in crate::cache) fn start(
    spaces: &Arc<Spaces>,
    shared: &Shared,
    address: Address,
    turns: usize,
) -> std::io::Result<Arc<Remote>> {
    // A runtime of its own: the host's may have no timer, be blocked, or be gone.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let remote = Remote::new(runtime.handle().clone(), address.clone(), turns);
    let remote = Arc::new(remote);
    let worker = Worker {
        address,
        remote: Arc::clone(&remote),
        spaces: Arc::downgrade(spaces),
        tick: shared.tick.clone(),
        instance: fresh(),
        connection: None,
        read: None,
        invalidate: Script::new(script::INVALIDATE),
        look: Script::new(script::READ),
        begin: Script::new(script::BEGIN),
    };
    std::thread::Builder::new()
        .name("perfdeck-cache".into())
        .spawn(move || {
            // However it ends: who waits to be told would wait for ever.
            let _end = End(Arc::clone(&worker.remote));
            runtime.block_on(worker.run());
        })?;
    Ok(remote)
}

impl Worker {
    async fn run(mut self) {
        let remote = Arc::clone(&self.remote);
        let listener = tokio::spawn(listen(self.address.clone(), Arc::clone(&remote.look)));
        let mut due = Instant::now();
        while self.spaces.strong_count() > 0 {
            let nudged = tokio::select! {
                () = sleep_until(due) => true,
                () = remote.look.notified() => true,
                () = remote.wake.notified() => false,
            };
            self.send().await;
            if nudged {
                due = Instant::now() + POLL.mul_f64(0.9 + drawn() / 10.0);
                self.look().await;
                sleep(BREATH).await;
            }
        }
        // What was invalidated a moment ago is owed to the others.
        self.send().await;
        listener.abort();
    }

    /// Sends what was invalidated here.
    async fn send(&mut self) {
        let waiting = self.remote.waiting().take();
        for (space, change) in waiting {
            match self.sent(&space, &change).await {
                Ok(found) => {
                    if let Some(present) = Generation::new(found) {
                        self.remote.generations().note_own(&space, present);
                    }
                    for told in change.told {
                        let _ = told.send(());
                    }
                }
                Err(error) => {
                    self.failed(&error);
                    self.remote.waiting().put_back(Arc::clone(&space), change);
                }
            }
            self.remote.waiting().sending.remove(&space);
            self.remote.sent.notify_waiters();
        }
    }

    async fn sent(&mut self, space: &str, change: &Change) -> RedisResult<Found> {
        let stripes: Vec<_> = change.stripes.iter().map(u64::to_string).collect();
        let (generation, channel) = (self.address.generation(space), self.address.channel());
        let mut call = self.invalidate.prepare_invoke();
        call.key(generation)
            .key(self.address.journal())
            .key(self.address.journal_count())
            .arg(fresh())
            .arg(&self.instance)
            .arg(space)
            .arg(u8::from(change.all))
            .arg(channel)
            .arg(stripes.join(" "));
        let connection = connected(&mut self.connection, &self.address).await?;
        within(invoked(&call, connection)).await
    }

    /// Reads what was invalidated elsewhere.
    async fn look(&mut self) {
        let Some(spaces) = self.spaces.upgrade() else {
            return;
        };
        let spaces = all(&spaces);
        let begun = self.tick.now();
        match self.asked(&spaces).await {
            Ok(answer) => {
                self.take(&spaces, answer).await;
                let until = begun.saturating_add(DETACHED.as_nanos() as u64);
                self.remote.confirmed.store(until, Ordering::Release);
                self.remote.store.mend();
                self.remote.state.attached.store(true, Ordering::Relaxed);
            }
            Err(error) => self.failed(&error),
        }
    }

    async fn asked(&mut self, spaces: &[Arc<Space>]) -> RedisResult<Answer> {
        let mut call = self.look.prepare_invoke();
        call.key(self.address.journal())
            .key(self.address.journal_count());
        for space in spaces {
            call.key(self.address.generation(&space.name));
        }
        let last = self.read.as_ref().map_or("", |(_, last)| last.as_str());
        call.arg(last).arg(LINES);
        let connection = connected(&mut self.connection, &self.address).await?;
        within(invoked(&call, connection)).await
    }

    /// Does here what was done elsewhere.
    async fn take(&mut self, spaces: &[Arc<Space>], answer: Answer) {
        let (count, last, lines, found) = answer;
        let expected = self
            .read
            .as_ref()
            .map(|(before, _)| count.checked_sub(*before));
        let whole = match expected {
            // What was cached before the first look may have been invalidated meanwhile, too.
            None => false,
            Some(expected) => expected == Some(lines.len() as u64),
        };
        if whole {
            for (_, line) in &lines {
                self.follow(spaces, line);
            }
        } else {
            if expected.is_some() {
                self.remote.state.gaps.fetch_add(1, Ordering::Relaxed);
            }
            spaces.iter().for_each(|space| space.forget());
        }
        self.read = Some((count, last));
        for (space, found) in spaces.iter().zip(found) {
            self.compare(space, found).await;
        }
    }

    /// Does what one line of the journal says.
    fn follow(&self, spaces: &[Arc<Space>], line: &HashMap<String, Value>) {
        let field = |name: &str| {
            line.get(name)
                .and_then(|value| String::from_redis_value_ref(value).ok())
        };
        if field("i").as_deref() == Some(&self.instance) {
            return;
        }
        self.remote.state.received.fetch_add(1, Ordering::Relaxed);
        // A line that can't be read may mean anything.
        let known = field("v").as_deref() == Some("1");
        let (Some(name), Some(all), Some(stripes), true) =
            (field("n"), field("a"), field("s"), known)
        else {
            spaces.iter().for_each(|space| space.forget());
            return;
        };
        if name == EVERYTHING {
            spaces.iter().for_each(|space| space.forget());
            return;
        }
        let Some(space) = spaces.iter().find(|space| *space.name == *name) else {
            return;
        };
        let stripes: Result<Vec<u64>, _> = stripes.split_whitespace().map(str::parse).collect();
        match stripes {
            Ok(stripes) if all == "0" => {
                for stripe in stripes {
                    space.stamps.bump_number(stripe);
                }
            }
            _ => space.forget(),
        }
    }

    /// Compares a namespace's generation with the one that was seen last.
    async fn compare(&mut self, space: &Arc<Space>, found: Found) {
        let order = |present: Generation| {
            let order = self.remote.generations().order(&space.name, &present);
            (order, present)
        };
        let present = match Generation::new(found).map(order) {
            Some((Order::Same, present)) => Some(present),
            Some((Order::Invalidated | Order::New, present)) => {
                space.forget();
                Some(present)
            }
            // Redis went back to a time before an invalidation. Under a new epoch nothing of then is valid.
            Some((Order::Behind, _)) => {
                self.remote.state.rollbacks.fetch_add(1, Ordering::Relaxed);
                space.forget();
                self.begun(&space.name, true).await
            }
            // New to Redis, or forgotten by it.
            None => {
                space.forget();
                self.begun(&space.name, false).await
            }
        };
        if let Some(present) = present {
            self.remote.generations().note(&space.name, present);
        }
    }

    /// Begins an epoch; `None` if Redis doesn't answer, and the next look will find that out.
    async fn begun(&mut self, space: &str, must: bool) -> Option<Generation> {
        let mut call = self.begin.prepare_invoke();
        call.key(self.address.generation(space))
            .arg(fresh())
            .arg(u8::from(must));
        let asked = async {
            let connection = connected(&mut self.connection, &self.address).await?;
            within(invoked(&call, connection)).await
        };
        match asked.await {
            Ok(found) => Generation::new(found),
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    fn failed(&self, _: &redis::RedisError) {
        self.remote.state.errors.fetch_add(1, Ordering::Relaxed);
        self.remote.state.attached.store(false, Ordering::Relaxed);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Nudges the worker whenever an instance has invalidated something.
async fn listen(address: Address, nudge: Arc<Notify>) {
    for turn in 0.. {
        if let Ok(Ok(mut listening)) = timeout(RETRY, address.subscribe(turn)).await {
            let mut messages = listening.on_message();
            while messages.next().await.is_some() {
                nudge.notify_one();
            }
        }
        sleep(RETRY).await;
    }
}

async fn connected<'a>(
    connection: &'a mut Option<Connection>,
    address: &Address,
) -> RedisResult<&'a mut Connection> {
    let made = match connection.take() {
        Some(made) => made,
        None => within(address.connect()).await?,
    };
    Ok(connection.insert(made))
}

pub(super) async fn within<T>(asked: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    match timeout(TIMEOUT, asked).await {
        Ok(answered) => answered,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

/// A name that nobody has had.
pub(super) fn fresh() -> String {
    use std::hash::{BuildHasher, Hasher};
    let part = || {
        std::collections::hash_map::RandomState::new()
            .build_hasher()
            .finish()
    };
    format!("{:016x}{:016x}", part(), part())
}

/// A number from 0 to 1.
pub(super) fn drawn() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let draw = std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish();
    (draw >> 11) as f64 / (1u64 << 53) as f64
}
