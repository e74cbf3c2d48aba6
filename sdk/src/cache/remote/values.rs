//! Values that instances share: one loads, the others take what it put into Redis.
//!
//! Whoever misses here asks Redis under the stamps that Redis has at that moment. A value that was made under the same
//! ones is as good as loaded. Else one instance takes the key's lease and loads, and the others look again until it is
//! there. What a lease's holder puts down carries the stamps from before its load, so that an invalidation meanwhile
//! makes it worthless, however late it comes. The lease spares loads; nothing is wrong where it is lost.
//!
//! Redis is asked only while the agreement on invalidations stands and nothing of the namespace waits to be told:
//! otherwise what it holds may be older than what this instance knows. Then each instance loads for itself, so many at a
//! time.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use redis::{RedisError, RedisResult, Script, ScriptInvocation};
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use super::lease::Lease;
use super::link::{Address, Connection, invoked};
use super::place::{Place, hashed};
use super::worker::{drawn, fresh, within};
use super::{Remote, TIMEOUT, envelope, script};

/// After so many failures one after the other Redis isn't asked until it has answered the worker again.
const FAILURES: u32 = 5;
/// The lease of a load whose time isn't known; else four times that, within the bounds.
const LEASE: Duration = Duration::from_secs(2);
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
const LONGEST_LEASE: Duration = Duration::from_secs(30);
/// Between two looks for what another instance loads.
const FIRST_LOOK: Duration = Duration::from_millis(25);
const LAST_LOOK: Duration = Duration::from_millis(200);
/// Values on their way to Redis; those beyond are not put down.
const FILLS: usize = 64;
/// A load that waits longer for its turn runs out of turn: the loads before it may be waiting for what it brings.
const TURN: Duration = Duration::from_secs(5);

/// Tells a lease, and the value that was loaded under it.
pub(in crate::cache) type Token = [u8; 16];
/// What a value was made under, as one hash of all.
pub(in crate::cache) type Stamp = [u8; 16];

/// How the values' part of the agreement is kept.
pub(super) struct Store {
    pub(super) runtime: Handle,
    address: Address,
    connection: OnceCell<Connection>,
    failures: AtomicU32,
    pub(super) fills: Arc<Semaphore>,
    /// Loads at a time while Redis isn't asked.
    turns: Arc<Semaphore>,
    stamp: Script,
    get: Script,
    lease: Script,
    fill: Script,
}

/// What became of the values that Redis was asked for; counts are since the start.
#[derive(Debug, Default)]
pub(in crate::cache) struct Tally {
    /// Look-ups that waited for another instance's load.
    pub(in crate::cache) waited: AtomicU64,
    /// Loads that no lease was to be had for.
    pub(in crate::cache) unleased: AtomicU64,
    /// Values that were not what they should be: foreign, broken or too long.
    pub(in crate::cache) undecodable: AtomicU64,
    /// Values that were loaded and not put down: too long, too late, or too many at once.
    pub(in crate::cache) not_stored: AtomicU64,
}

/// What is wanted of a value.
#[derive(Debug, Clone, Copy)]
pub(in crate::cache) struct Wanted {
    /// How long after its load it may be served.
    pub(in crate::cache) fresh: Option<Duration>,
    /// How long, after it was fresh, it may stand in for a load that fails.
    pub(in crate::cache) spare: Duration,
    /// How long the one that is held here will be fresh yet: no older one is wanted.
    pub(in crate::cache) held: Duration,
    /// What loads take here, as far as that is known.
    pub(in crate::cache) cost: Option<Duration>,
    /// A value that can't be used, whatever it says.
    pub(in crate::cache) but: Option<Token>,
}

/// A value from Redis.
#[derive(Debug)]
pub(in crate::cache) struct Fetched {
    pub(in crate::cache) token: Token,
    pub(in crate::cache) payload: Vec<u8>,
    pub(in crate::cache) age: Duration,
    /// How long it is fresh, from its load on.
    pub(in crate::cache) fresh: Option<Duration>,
    pub(in crate::cache) cost: Duration,
}

/// What Redis has to say of a value.
pub(in crate::cache) enum Answer {
    Value(Fetched),
    /// None that is wanted. There may be one to stand in, and the lease to put down what is loaded.
    Load(Option<Fetched>, Option<Lease>),
    /// Redis isn't asked; the load has its turn for as long as this is held.
    Alone(Option<OwnedSemaphorePermit>),
}

/// The epoch, all changes in it, and what a value of some stripes has to have been made under beside.
type Stamped = (String, u64, Vec<Vec<u8>>);
/// A value as it is read, and the milliseconds that are left to it.
type Read = (Option<Vec<u8>>, i64);

/// What was seen under a value's name.
struct Seen {
    /// Whether Redis has forgotten something that this instance knows to be invalid.
    is_behind: bool,
    stamp: Stamp,
    bytes: Option<Vec<u8>>,
    left: Duration,
}

impl Store {
    pub(super) fn new(runtime: Handle, address: Address, turns: usize) -> Self {
        Self {
            runtime,
            address,
            connection: OnceCell::new(),
            failures: AtomicU32::new(0),
            fills: Arc::new(Semaphore::new(FILLS)),
            turns: Arc::new(Semaphore::new(turns)),
            stamp: Script::new(script::STAMP),
            get: Script::new(script::GET),
            lease: Script::new(script::LEASE),
            fill: Script::new(script::FILL),
        }
    }

    /// Redis has answered the worker.
    pub(super) fn mend(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    fn is_broken(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES
    }

    async fn ask<T: redis::FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> RedisResult<T> {
        let asked = async {
            let connection = self.connection.get_or_try_init(|| self.address.connect());
            let mut connection = connection.await?.clone();
            invoked(call, &mut connection).await
        };
        let answer = within(asked).await;
        match &answer {
            Ok(_) => self.mend(),
            // What Redis refuses, it refuses in time.
            Err(error) if is_refusal(error) => {}
            Err(_) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
        answer
    }

    /// A script over a value and its lease.
    fn of_pair<'a>(&self, script: &'a Script, place: &Place) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.key(self.address.value(place))
            .key(self.address.lease(place));
        call
    }

    /// Takes the lease: 0 if it is taken, 1 if there is another value by now, 2 if somebody has it.
    async fn lease(
        &self,
        place: &Place,
        seen: &[u8],
        lease: &[u8],
        time: Duration,
    ) -> RedisResult<u8> {
        let mut call = self.of_pair(&self.lease, place);
        call.arg(seen).arg(lease).arg(time.as_millis() as u64);
        self.ask(&call).await
    }

    pub(super) async fn fill(
        &self,
        place: &Place,
        lease: &[u8],
        value: &[u8],
        time: Duration,
    ) -> RedisResult<bool> {
        let mut call = self.of_pair(&self.fill, place);
        call.arg(lease).arg(value).arg(time.as_millis() as u64);
        self.ask(&call).await
    }
}

impl Remote {
    /// Runs what asks Redis where there is a timer and a connection, for a caller who may have neither.
    pub(in crate::cache) fn fetch(
        self: &Arc<Self>,
        place: Place,
        wanted: Wanted,
    ) -> impl Future<Output = Answer> + use<> {
        let remote = Arc::clone(self);
        // A child that was forked has nobody who would run it.
        let asked = self.is_here().then(|| {
            self.store
                .runtime
                .spawn(async move { remote.answer(place, wanted).await })
        });
        async move {
            match asked {
                Some(asked) => asked.await.unwrap_or(Answer::Alone(None)),
                None => Answer::Alone(None),
            }
        }
    }

    /// Does the same for a thread that waits.
    pub(in crate::cache) fn fetch_blocking(
        self: &Arc<Self>,
        place: Place,
        wanted: Wanted,
    ) -> Answer {
        if !self.is_here() {
            return Answer::Alone(None);
        }
        let remote = Arc::clone(self);
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        drop(self.store.runtime.spawn(async move {
            let _ = answer.send(remote.answer(place, wanted).await);
        }));
        answered.recv().unwrap_or(Answer::Alone(None))
    }

    async fn answer(self: Arc<Self>, place: Place, wanted: Wanted) -> Answer {
        if self.is_usable() && self.has_told(&place.namespace).await {
            match self.obtain(place, wanted).await {
                Ok(Some(answer)) => return answer,
                Ok(None) => {}
                Err(error) if is_refusal(&error) => {
                    self.tally.unleased.fetch_add(1, Ordering::Relaxed);
                    return Answer::Load(None, None);
                }
                Err(_) => {}
            }
        }
        let turn = timeout(TURN, Arc::clone(&self.store.turns).acquire_owned()).await;
        Answer::Alone(turn.ok().and_then(Result::ok))
    }

    /// Obtains the value or the leave to load it; `None` while Redis knows less than this instance.
    async fn obtain(self: &Arc<Self>, place: Place, wanted: Wanted) -> RedisResult<Option<Answer>> {
        let time = wanted.cost.map_or(LEASE, |cost| {
            (cost * 4).clamp(SHORTEST_LEASE, LONGEST_LEASE)
        });
        // As long as the one who loads may have it, and a look more.
        let until = Instant::now() + time + SHORTEST_LEASE;
        let (mut pause, mut waited) = (FIRST_LOOK, false);
        let token = fresh_token();
        loop {
            let seen = self.see(&place).await?;
            if seen.is_behind {
                // Unless another invalidation has just overtaken the answer, the worker has to begin anew first.
                self.look.notify_one();
                if !self.is_usable() || Instant::now() >= until {
                    return Ok(None);
                }
                sleep(FIRST_LOOK).await;
                continue;
            }
            let found = self.found(&place, &seen);
            let spare = match found {
                Some(found) if wanted.is_met(&found) => return Ok(Some(Answer::Value(found))),
                found => found.filter(|found| wanted.stands_in(found)),
            };
            let bytes = seen.bytes.as_deref().unwrap_or_default();
            let lease = [token, seen.stamp].concat();
            match self
                .store
                .lease(&place, envelope::identity(bytes), &lease, time)
                .await?
            {
                0 => {
                    let lease = Lease::new(self, place, token, seen.stamp);
                    return Ok(Some(Answer::Load(spare, Some(lease))));
                }
                1 if Instant::now() < until => {}
                _ if Instant::now() < until => {
                    if !std::mem::replace(&mut waited, true) {
                        self.tally.waited.fetch_add(1, Ordering::Relaxed);
                    }
                    sleep(pause.mul_f64(0.5 + drawn() / 2.0)).await;
                    pause = (pause * 2).min(LAST_LOOK);
                }
                _ => {
                    self.tally.unleased.fetch_add(1, Ordering::Relaxed);
                    return Ok(Some(Answer::Load(spare, None)));
                }
            }
        }
    }

    async fn see(&self, place: &Place) -> RedisResult<Seen> {
        let store = &self.store;
        let mut stamp = store.stamp.prepare_invoke();
        stamp
            .key(store.address.generation(&place.namespace))
            .arg(fresh());
        place.stripes.iter().for_each(|stripe| {
            stamp.arg(*stripe);
        });
        let mut get = store.get.prepare_invoke();
        get.key(store.address.value(place)).arg(envelope::LONGEST);
        // Whichever comes first: a stamp older than the value is a miss, and an older value than the stamp has another.
        let asked = futures_util::future::try_join(store.ask(&stamp), store.ask(&get));
        let ((epoch, changes, stamp), (bytes, left)): (Stamped, Read) = asked.await?;
        let generations = self.generations();
        Ok(Seen {
            is_behind: generations.is_behind(&place.namespace, &epoch, changes),
            stamp: hashed(
                [epoch.as_bytes()]
                    .into_iter()
                    .chain(stamp.iter().map(Vec::as_slice)),
            )
            .0,
            bytes,
            left: Duration::from_millis(u64::try_from(left).unwrap_or(0)),
        })
    }

    /// What was seen, if it is what its name says and still valid.
    fn found(&self, place: &Place, seen: &Seen) -> Option<Fetched> {
        let bytes = seen.bytes.as_deref()?;
        let Some((header, payload)) = envelope::Header::opened(bytes) else {
            self.tally.undecoded();
            return None;
        };
        if header.fingerprint != place.fingerprint || header.check != place.check {
            self.tally.undecoded();
            return None;
        }
        (header.stamp == seen.stamp).then(|| Fetched {
            token: header.token,
            payload,
            // By the clock of Redis alone.
            age: header.kept.saturating_sub(seen.left),
            fresh: header.fresh,
            cost: header.cost,
        })
    }

    /// Whether Redis has what was invalidated here in the namespace, or gets it in time.
    async fn has_told(&self, namespace: &str) -> bool {
        let told = async {
            loop {
                let sent = self.sent.notified();
                if !self.waiting().owes(namespace) {
                    return;
                }
                sent.await;
            }
        };
        timeout(TIMEOUT, told).await.is_ok()
    }

    fn is_usable(&self) -> bool {
        self.state.attached.load(Ordering::Relaxed) && !self.store.is_broken()
    }
}

impl Tally {
    pub(in crate::cache) fn undecoded(&self) {
        self.undecodable.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn not_stored(&self) {
        self.not_stored.fetch_add(1, Ordering::Relaxed);
    }
}

impl Wanted {
    /// How long a value is fresh yet; nothing if it isn't.
    fn left(&self, found: &Fetched) -> Duration {
        let fresh = match (self.fresh, found.fresh) {
            (Some(here), Some(there)) => here.min(there),
            (here, there) => here.or(there).unwrap_or(Duration::MAX),
        };
        fresh.saturating_sub(found.age)
    }

    fn is_met(&self, found: &Fetched) -> bool {
        self.but != Some(found.token) && self.left(found) > self.held
    }

    fn stands_in(&self, found: &Fetched) -> bool {
        let fresh = self.fresh.unwrap_or(Duration::MAX);
        self.but != Some(found.token) && found.age < fresh.saturating_add(self.spare)
    }
}

/// Whether Redis answered, if not as it was asked to.
fn is_refusal(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        redis::ErrorKind::Server(_) | redis::ErrorKind::UnexpectedReturnType
    )
}

fn fresh_token() -> Token {
    hashed([fresh().as_bytes()].into_iter()).0
}
