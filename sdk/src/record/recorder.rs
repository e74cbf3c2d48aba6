//! The way in: every observer records through this.

use std::cell::RefCell;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;

use super::scope::{self, Remote, Scope};
use super::shard::Shard;
use super::table::{OTHER_ID, Tables};

/// Shards before threads share them.
const MAX_SHARDS: usize = 64;
/// Tries on a shared shard before a recording is dropped and counted.
const TRIES: usize = 16;

thread_local! {
    static LOCAL: RefCell<Vec<Local>> = const { RefCell::new(Vec::new()) };
}

static NEXT_RECORDER: AtomicU64 = AtomicU64::new(0);

/// Where observers leave what they see.
#[derive(Debug)]
pub(crate) struct Recorder {
    id: u64,
    seed: RandomState,
    shards: Mutex<Vec<Arc<Shard>>>,
    next_shared: AtomicUsize,
    lost: AtomicU64,
}

/// One statement that has run.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    pub(crate) sql: &'a str,
    pub(crate) nanos: u64,
    pub(crate) rows: u64,
    pub(crate) failed: bool,
    pub(crate) pool: Option<u16>,
    /// The request that it ran for, where that is not the one on this thread.
    pub(crate) remote: Option<&'a Remote>,
}

/// How a request's response was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    Answered { failed: bool },
    Cancelled,
}

#[derive(Debug)]
struct Local {
    recorder: u64,
    shard: Arc<Shard>,
    owned: bool,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            id: NEXT_RECORDER.fetch_add(1, Ordering::Relaxed),
            seed: RandomState::default(),
            shards: Mutex::default(),
            next_shared: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
        }
    }

    /// Counts a request's arrival.
    pub(crate) fn request_started(&self, route: &Route) {
        self.write(|tables| tables.requests.entry(route.hash, || route.name()).started += 1);
    }

    /// Files a request when its response's head is ready, or never will be.
    pub(crate) fn request_head(&self, route: &Route, head: Head, nanos: u64) {
        self.write(|tables| {
            let sums = tables.requests.entry(route.hash, || route.name());
            match head {
                Head::Answered { failed } => {
                    sums.requests += 1;
                    sums.errors += u64::from(failed);
                    sums.head.record_nanos(nanos);
                }
                Head::Cancelled => sums.cancelled += 1,
            }
        });
    }

    /// Files a request's end: `body` is how its body ended, `None` where there was no head.
    pub(crate) fn request_end(&self, route: &Route, body: Option<BodyEnd>, scope: &Scope) {
        let work = scope.total();
        self.write(|tables| {
            let sums = tables.requests.entry(route.hash, || route.name());
            sums.ended += 1;
            match body {
                Some(BodyEnd::Whole { nanos }) => sums.body.record_nanos(nanos),
                Some(BodyEnd::Failed) => sums.errors += 1,
                Some(BodyEnd::Cancelled) => sums.cancelled += 1,
                None => {}
            }
            sums.file(&work, scope.pool_wait_nanos);
        });
    }

    pub(crate) fn query(&self, query: &Query<'_>) {
        let hash = self.seed.hash_one(query.sql);
        let attributed = query.remote.is_some() || scope::is_present();
        let mut statement = OTHER_ID;
        self.write(|tables| {
            let (id, sums) = tables.statement(hash, query.sql);
            statement = id;
            sums.calls += 1;
            sums.errors += u64::from(query.failed);
            sums.rows += query.rows;
            sums.unattributed += u64::from(!attributed);
            sums.times.record_nanos(query.nanos);
            if let Some(pool) = query.pool {
                sums.pool = pool + 1;
            }
        });
        match query.remote {
            Some(remote) => remote.query(statement, query.nanos),
            None => scope::query(statement, query.nanos),
        }
    }

    /// Counts a slow statement where the others can't be seen: it says nothing of rates.
    pub(crate) fn slow_only(&self) {
        self.write(|tables| tables.slow_only += 1);
    }

    pub(crate) fn acquire(&self, pool: u16, nanos: u64, timed_out: bool) {
        scope::pool_wait(nanos);
        self.write(|tables| {
            let sums = tables.pool(pool);
            sums.acquires += 1;
            sums.timeouts += u64::from(timed_out);
            sums.waits.record_nanos(nanos);
        });
    }

    pub(crate) fn function(&self, name: &'static str, nanos: u64, failed: bool) {
        let hash = self.seed.hash_one(name);
        self.write(|tables| {
            let sums = tables.functions.entry(hash, || name.into());
            sums.calls += 1;
            sums.errors += u64::from(failed);
            sums.times.record_nanos(nanos);
        });
    }

    /// Names a route for the calls above.
    pub(crate) fn route(&self, method: &http::Method, template: Option<&str>) -> Route {
        let template: Arc<str> = template.unwrap_or(UNMATCHED).into();
        // Methods are the client's to invent; what is not of the standard is one key.
        let method = standard(method.as_str());
        Route {
            hash: self.seed.hash_one((method, &*template)),
            method,
            template,
        }
    }

    /// Lends every shard's tables, half by half.
    pub(crate) fn drain(&self, mut drain: impl FnMut(&mut Tables)) {
        let shards = self
            .shards
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for shard in shards {
            shard.drain(&mut drain);
        }
    }

    /// Recordings that found no shard, since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn write(&self, write: impl FnOnce(&mut Tables)) {
        let mut write = Some(write);
        let written = LOCAL.try_with(|local| {
            let Ok(mut local) = local.try_borrow_mut() else {
                return false;
            };
            let shard = self.shard(&mut local);
            (0..TRIES).any(|_| {
                shard.write(|tables| {
                    if let Some(write) = write.take() {
                        write(tables);
                    }
                })
            })
        });
        if !written.unwrap_or(false) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn shard<'a>(&self, local: &'a mut Vec<Local>) -> &'a Shard {
        let place = match local.iter().position(|local| local.recorder == self.id) {
            Some(place) => place,
            None => {
                local.push(self.register());
                local.len() - 1
            }
        };
        &local[place].shard
    }

    /// Once a thread: a shard that a thread before has left, a new one, or one that is shared.
    fn register(&self) -> Local {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shard) = shards.iter().find(|shard| shard.take()) {
            return Local {
                recorder: self.id,
                shard: Arc::clone(shard),
                owned: true,
            };
        }
        if shards.len() < MAX_SHARDS {
            let shard = Arc::new(Shard::default());
            shard.take();
            shards.push(Arc::clone(&shard));
            return Local {
                recorder: self.id,
                shard,
                owned: true,
            };
        }
        let next = self.next_shared.fetch_add(1, Ordering::Relaxed) % shards.len();
        Local {
            recorder: self.id,
            shard: Arc::clone(&shards[next]),
            owned: false,
        }
    }
}

/// The bucket of requests that no route matched.
pub(crate) const UNMATCHED: &str = "<unmatched>";

/// A route's key.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    hash: u64,
    method: &'static str,
    template: Arc<str>,
}

/// How a response's body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    Whole { nanos: u64 },
    Failed,
    Cancelled,
}

impl Route {
    fn name(&self) -> Arc<str> {
        format!("{} {}", self.method, self.template).into()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if self.owned {
            self.shard.retire();
        }
    }
}

fn standard(method: &str) -> &'static str {
    const STANDARD: [&str; 10] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY",
    ];
    STANDARD
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("_OTHER")
}

#[cfg(test)]
mod tests;
