//! The way in: every observer records through this.

mod command;

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;
use http::Method;

use super::command::Names;
use super::room::Budget;
use super::scope::{self, Call, Remote, Scope};
use super::shard::Shard;
use super::site::{Pair, Sites};
use super::statements::{Place, Statement};
use super::table::{Body, Head, Ran, Tables};
use crate::sql;

/// Shards that a thread has for itself.
const OWN: usize = 60;
/// Shards that all further threads share; more would need more memory for the same keys.
const SHARED: usize = 8;
/// Tries on shared shards in a row, and how often those that have one are let go on before a recording is dropped and counted.
const TRIES: usize = 64;
const YIELDS: usize = 4;
/// Routes that a thread remembers to have named.
const KNOWN: usize = 64;
/// The most bytes of a route's template that its name has whole.
const NAME: usize = 256;
/// What all shards may take.
pub(crate) const SHARD_BYTES: usize = 8 * 1024 * 1024;

thread_local! {
    static LOCALS: RefCell<Vec<Local>> = const { RefCell::new(Vec::new()) };
    /// What this thread recorded into last, so that the way of every recording is one look: it has no destructor.
    static LAST: Cell<Option<Own>> = const { Cell::new(None) };
}

/// Where observers leave what they see.
#[derive(Debug)]
pub(crate) struct Recorder {
    seed: RandomState,
    budget: &'static Budget,
    own: Box<[Desk]>,
    shared: Box<[Shard<Tables>]>,
    /// Of all threads that share.
    shared_known: Known,
    next_shared: AtomicUsize,
    /// Requests that arrived on threads that share.
    started: AtomicU64,
    /// Goes up whenever names of routes were forgotten, and have to be told again.
    forgotten: AtomicU32,
    lost: AtomicU64,
    sites: Sites,
    /// The monitored functions, by their number.
    functions: Mutex<Vec<&'static str>>,
    names: Names,
    /// The process that the agent is in.
    process: u32,
    /// Nobody collects any more what is recorded.
    closed: AtomicBool,
}

/// What one thread at a time has for itself, apart from its neighbours' in what processors hand each other as a whole.
#[derive(Debug)]
#[repr(align(128))]
struct Desk {
    shard: Shard<Tables>,
    known: Known,
}

/// Routes that were named already, each in the place of its hash, together with what `forgotten` was.
#[derive(Debug)]
struct Known([AtomicU64; KNOWN]);

/// A recorder's desk for this thread.
#[derive(Debug, Clone, Copy)]
struct Own {
    recorder: &'static Recorder,
    desk: &'static Desk,
}

/// What one thread has of a recorder; the desk is given back when it ends.
#[derive(Debug)]
struct Local {
    recorder: &'static Recorder,
    /// `None` where it shares.
    desk: Option<&'static Desk>,
}

/// A route's key, with what names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route<'r> {
    pub(crate) hash: u64,
    method: &'static str,
    template: &'r str,
}

/// A statement's event while it is read.
#[derive(Debug)]
pub(crate) struct Heard<'t> {
    seed: &'t RandomState,
    tables: &'t mut Tables,
    text: u64,
    place: Option<Place>,
    unknown: Option<String>,
}

/// The bucket of requests that no route matched.
pub(crate) const UNMATCHED: &str = "<unmatched>";

impl Recorder {
    /// Makes one for as long as the process lives: who records holds no reference count.
    pub(crate) fn new() -> &'static Self {
        let budget: &'static Budget = Box::leak(Box::new(Budget::new(SHARD_BYTES)));
        let shard = || Shard::new(|| Tables::new(budget));
        let desk = || Desk {
            shard: shard(),
            known: Known::new(),
        };
        Box::leak(Box::new(Self {
            seed: RandomState::default(),
            budget,
            own: (0..OWN).map(|_| desk()).collect(),
            shared: (0..SHARED).map(|_| shard()).collect(),
            shared_known: Known::new(),
            next_shared: AtomicUsize::new(0),
            started: AtomicU64::new(0),
            forgotten: AtomicU32::new(0),
            lost: AtomicU64::new(0),
            sites: Sites::new(),
            functions: Mutex::default(),
            names: Names::default(),
            process: std::process::id(),
            closed: AtomicBool::new(false),
        }))
    }

    /// Whether what is recorded is collected.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Relaxed)
    }

    /// Collects nothing any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Whether this is the agent's process. A child that was forked has no agent, and locks that other threads held at that
    /// moment are held in it for ever: there the recorder is closed, and nothing further is waited for.
    #[cold]
    fn is_at_home(&self) -> bool {
        let at_home = self.process == std::process::id();
        if !at_home {
            self.close();
        }
        at_home
    }

    /// Names a route for the calls below.
    #[inline]
    pub(crate) fn route<'r>(&self, method: &Method, template: Option<&'r str>) -> Route<'r> {
        let template = template.unwrap_or(UNMATCHED);
        // Methods are the client's to invent; what is not of the standard is one key.
        let (number, method) = standard(method);
        let mut hasher = self.seed.build_hasher();
        hasher.write(template.as_bytes());
        Route {
            hash: hasher.finish() ^ number,
            method,
            template,
        }
    }

    /// Counts a request's arrival, and sees to it that its route has a name.
    #[inline]
    pub(crate) fn request_started(&'static self, route: &Route<'_>) {
        let known = match self.desk() {
            Some(desk) => {
                desk.shard.start();
                &desk.known
            }
            None => {
                self.started.fetch_add(1, Ordering::Relaxed);
                &self.shared_known
            }
        };
        if !known.has(route.hash, self.forgotten.load(Ordering::Relaxed)) {
            self.introduce(route, known);
        }
    }

    /// Files a request when its response's head is ready, or never will be.
    #[inline]
    pub(crate) fn request_head(&'static self, route: u64, head: &Head) {
        self.write(|tables| tables.head(route, head));
    }

    /// Files a request's end: `body` is how its body ended, `None` where there was no head; `head` where it was not filed
    /// yet.
    #[inline]
    pub(crate) fn request_end(
        &'static self,
        head: Option<&Head>,
        body: Option<Body>,
        scope: &Scope,
    ) {
        self.write(|tables| tables.ended(head, body, scope));
    }

    /// Files a statement that has run, for the present request.
    #[cfg(test)]
    pub(crate) fn query(&'static self, sql: &str, ran: &Ran) {
        self.query_of(None, sql, ran);
    }

    /// Files a statement that has run, for the present request or that of `remote`.
    #[inline]
    pub(crate) fn query_of(&'static self, remote: Option<&Remote>, sql: &str, ran: &Ran) {
        let text = self.seed.hash_one(sql);
        let filed = self.write(|tables| {
            let place = tables.statements.find(text)?;
            Some(tables.statements.file(place, ran, &mut tables.room))
        });
        let id = match filed {
            Some(Some(id)) => id,
            // It is taken apart while nothing is held.
            Some(None) => self.new_query(text, sql, ran),
            None => return,
        };
        let call = ran.call(id);
        let route = match remote {
            None => scope::query(&call),
            Some(remote) => remote.query(&call),
        };
        let pair = Pair {
            route,
            statement: id,
        };
        self.sites.pass(pair, || true);
    }

    /// Where the agent asks for call sites.
    pub(crate) const fn sites(&self) -> &Sites {
        &self.sites
    }

    /// Files a statement that an event tells: `read` reads it, and says how it ran. Returns what its request counts.
    ///
    /// The event is read while the tables are held, so that its text is looked up where it lies and not copied.
    #[inline]
    pub(crate) fn hear(
        &'static self,
        read: impl FnOnce(&mut Heard<'_>) -> Option<Ran>,
    ) -> Option<Call> {
        let mut new = None;
        let filed = self.write(|tables| {
            let mut heard = Heard {
                seed: &self.seed,
                tables,
                text: 0,
                place: None,
                unknown: None,
            };
            let ran = read(&mut heard)?;
            let Some(place) = heard.place else {
                new = heard.unknown.map(|sql| (heard.text, sql, ran));
                return None;
            };
            let id = tables.statements.file(place, &ran, &mut tables.room);
            Some(ran.call(id))
        });
        match (filed.flatten(), new) {
            (None, Some((text, sql, ran))) => Some(ran.call(self.new_query(text, &sql, &ran))),
            (filed, _) => filed,
        }
    }

    /// Counts a slow statement where the others can't be seen: it says nothing of rates.
    pub(crate) fn slow_only(&'static self) {
        self.write(|tables| tables.slow_only += 1);
    }

    #[inline]
    pub(crate) fn acquire(&'static self, pool: u16, nanos: u64, timed_out: bool) {
        scope::pool_wait(pool, nanos);
        self.write(|tables| tables.acquire(pool, nanos, timed_out));
    }

    /// Files a call of a function, by the number that [`Self::number`] gives.
    #[inline]
    pub(crate) fn function(&'static self, number: u16, nanos: u64, failed: bool) {
        self.write(|tables| tables.function(number, nanos, failed));
    }

    /// Numbers a function, once in a process.
    #[cold]
    pub(crate) fn number(&self, name: &'static str) -> u16 {
        if !self.is_at_home() {
            return u16::MAX;
        }
        let mut functions = self
            .functions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Generic functions are one in the source and have one name.
        let known = functions.iter().position(|known| *known == name);
        let number = known.unwrap_or_else(|| {
            functions.push(name);
            functions.len() - 1
        });
        u16::try_from(number).unwrap_or(u16::MAX)
    }

    /// The function of that number.
    pub(crate) fn function_name(&self, number: usize) -> Option<&'static str> {
        let functions = self
            .functions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        functions.get(number).copied()
    }

    /// Lends every shard's tables, half by half.
    pub(super) fn drain(&self, mut drain: impl FnMut(&mut Tables)) {
        let own = self.own.iter().map(|desk| &desk.shard);
        for shard in own.chain(&self.shared) {
            shard.drain(&mut drain);
        }
    }

    /// Goes through all halves as a drain does, and leaves what is in them; tells of each whether threads share it, and its
    /// number.
    #[cfg(test)]
    pub(crate) fn halves(&self, mut look: impl FnMut(bool, usize)) {
        let mut numbers = 0_usize..;
        self.drain(|_| {
            let number = numbers.next().unwrap_or_default();
            match number.checked_sub(2 * OWN) {
                Some(number) => look(true, number),
                None => look(false, number),
            }
        });
    }

    /// Gives the shards' memory back, once nobody drains them any more.
    pub(crate) fn forget(&self) {
        self.sites.forget();
        self.drain(|tables| {
            let emptied = Tables::new(self.budget);
            std::mem::replace(tables, emptied).room.settle(0);
        });
    }

    /// What all shards hold, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.budget.held()
    }

    /// Recordings that found no shard, since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Requests that arrived since the start.
    pub(super) fn started(&self) -> u64 {
        let own: u64 = self.own.iter().map(|desk| desk.shard.started()).sum();
        own + self.started.load(Ordering::Relaxed)
    }

    /// Says that names of routes were forgotten.
    pub(super) fn forget_names(&self) {
        self.forgotten.fetch_add(1, Ordering::Relaxed);
    }

    #[cold]
    fn introduce(&'static self, route: &Route<'_>, known: &Known) {
        if !self.is_at_home() {
            return;
        }
        let forgotten = self.forgotten.load(Ordering::Relaxed);
        let told = self.write(|tables| tables.introduce(route.hash, || route.name()));
        if told == Some(true) {
            known.add(route.hash, forgotten);
        }
    }

    #[cold]
    fn new_query(&'static self, text: u64, sql: &str, ran: &Ran) -> u64 {
        let (id, statement) = Statement::of(sql);
        let filed = self.write(|tables| {
            let room = &mut tables.room;
            tables.statements.file_new(text, id, statement, ran, room)
        });
        filed.unwrap_or(id)
    }

    #[inline(always)]
    fn write<R>(&'static self, write: impl FnOnce(&mut Tables) -> R) -> Option<R> {
        match self.desk().and_then(|desk| desk.shard.enter()) {
            Some(mut tables) => Some(write(&mut tables)),
            None => self.share(write),
        }
    }

    /// This thread's desk; `None` where it shares, and at its end.
    #[inline(always)]
    fn desk(&'static self) -> Option<&'static Desk> {
        match LAST.get() {
            Some(last) if std::ptr::eq(last.recorder, self) => Some(last.desk),
            _ => self.find_desk(),
        }
    }

    /// Finds what this thread has, or gives it a desk: one that a thread before has left or that is new, or none where all
    /// are in use.
    #[cold]
    fn find_desk(&'static self) -> Option<&'static Desk> {
        let found = LOCALS.try_with(|locals| {
            let mut locals = locals.try_borrow_mut().ok()?;
            let known = locals
                .iter()
                .find(|local| std::ptr::eq(local.recorder, self));
            if let Some(local) = known {
                return local.desk;
            }
            if !self.is_at_home() {
                return None;
            }
            let desk = self.own.iter().find(|desk| desk.shard.occupy());
            let recorder = self;
            locals.push(Local { recorder, desk });
            desk
        });
        let desk = found.ok().flatten()?;
        let recorder = self;
        LAST.set(Some(Own { recorder, desk }));
        Some(desk)
    }

    #[cold]
    fn share<R>(&'static self, write: impl FnOnce(&mut Tables) -> R) -> Option<R> {
        if !self.is_open() {
            return None;
        }
        for _ in 0..=YIELDS {
            let first = self.next_shared.fetch_add(1, Ordering::Relaxed) % SHARED;
            let mut shards = self.shared.iter().cycle().skip(first).take(TRIES);
            if let Some(mut tables) = shards.find_map(Shard::enter) {
                return Some(write(&mut tables));
            }
            // All who have one were stopped meanwhile: there are more threads than processors, and this one gives way.
            std::thread::yield_now();
        }
        self.lost.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl Heard<'_> {
    /// Takes the statement's text.
    #[inline]
    pub(crate) fn text(&mut self, sql: &str) {
        self.text = self.seed.hash_one(sql);
        self.place = self.tables.statements.find(self.text);
        if self.place.is_none() {
            self.unknown = Some(sql.to_owned());
        }
    }
}

impl Known {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; KNOWN])
    }

    #[inline]
    fn has(&self, hash: u64, forgotten: u32) -> bool {
        self.place(hash).load(Ordering::Relaxed) == Self::mark(hash, forgotten)
    }

    fn add(&self, hash: u64, forgotten: u32) {
        self.place(hash)
            .store(Self::mark(hash, forgotten), Ordering::Relaxed);
    }

    /// What tells that a route was named since names were last forgotten.
    #[inline]
    const fn mark(hash: u64, forgotten: u32) -> u64 {
        // Not the bits that tell methods apart.
        hash ^ (forgotten as u64) << 8
    }

    #[inline]
    fn place(&self, hash: u64) -> &AtomicU64 {
        &self.0[hash as usize % KNOWN]
    }
}

impl Route<'_> {
    /// The name; of a template that is too long its beginning, and a hash, so that two of them stay two.
    fn name(&self) -> Arc<str> {
        let Self {
            method, template, ..
        } = self;
        format!("{method} {}", sql::name::bounded(template, NAME)).into()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Some(desk) = self.desk {
            // What runs on this thread after this finds its desk no more.
            LAST.set(None);
            desk.shard.vacate();
        }
    }
}

/// A method's name, and a number that tells its routes' hashes apart.
#[inline]
const fn standard(method: &Method) -> (u64, &'static str) {
    match *method {
        Method::GET => (0, "GET"),
        Method::POST => (1 << 60, "POST"),
        Method::PUT => (2 << 60, "PUT"),
        Method::DELETE => (3 << 60, "DELETE"),
        Method::PATCH => (4 << 60, "PATCH"),
        Method::HEAD => (5 << 60, "HEAD"),
        Method::OPTIONS => (6 << 60, "OPTIONS"),
        Method::CONNECT => (7 << 60, "CONNECT"),
        Method::TRACE => (8 << 60, "TRACE"),
        Method::QUERY => (9 << 60, "QUERY"),
        _ => (10 << 60, "_OTHER"),
    }
}

#[cfg(test)]
mod tests;
