//! How a deck is made.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use perfdeck_bridge::board::Board;
use perfdeck_bridge::protocol::{Hello, PROTOCOL_VERSION, Risk, Role};
#[cfg(feature = "recording")]
use perfdeck_bridge::recording::{Progress, Sink};
use perfdeck_bridge::server::Stats;
use perfdeck_bridge::socket::{self, Listener};
use tokio::sync::{mpsc, watch};

use crate::act::ledger::Ledger;
use crate::agent::budget::Limits;
use crate::agent::{COMMANDS, Command, Parts, life};
use crate::clock::{Clock, Moment};
use crate::deck::{Core, Deck, Guard, Host, Running};
use crate::error::{Error, Kind};
use crate::judge::alert::{self, Rule, Thresholds, Unfit};
use crate::observe::{Eyes, monitor};
use crate::pools::Pools;
use crate::record::store::Store;

/// The longest name of a service.
const MAX_NAME: usize = 200;
/// What helps where the socket can't be served.
const OWN_FOLDER: &str = "give it a folder of mode 0700 that is the service's user's own, by `Builder::socket` or \
     PERFDECK_RUNTIME_DIR";

/// The least that a deck can work with.
pub(crate) const LEAST_MEMORY: usize = 16 * 1024 * 1024;

/// Connections of a pool of sqlx, unless told.
#[cfg(feature = "redis")]
const ORIGIN_LIMIT: usize = 10;

/// Makes a deck; see [`Builder::start`].
///
/// # Examples
///
/// ```no_run
/// # fn main() -> Result<(), perfdeck::Error> {
/// let (_guard, deck) = perfdeck::Builder::new("support-desk")
///     .version(env!("CARGO_PKG_VERSION"))
///     .allow(perfdeck::Risk::Schema)
///     .start()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    service: String,
    version: Option<String>,
    allows: Vec<Risk>,
    ledger: Option<PathBuf>,
    socket: Option<PathBuf>,
    budget: Limits,
    call_sites: bool,
    #[cfg(feature = "cache")]
    missing_caches: bool,
    #[cfg(all(feature = "_sqlx", feature = "advisor"))]
    sample_arguments: bool,
    #[cfg(feature = "recording")]
    recording: Option<Sink>,
    #[cfg(feature = "cache")]
    policies: Vec<(String, crate::cache::Policy)>,
    #[cfg(feature = "redis")]
    redis: Option<crate::cache::Url>,
    #[cfg(feature = "redis")]
    origin_limit: usize,
    thresholds: Thresholds,
    /// The first limit that could not be set.
    unfit: Option<Unfit>,
}

impl Builder {
    /// Begins with the service's name, by which viewers find it.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            version: None,
            allows: vec![Risk::Cache, Risk::Deck],
            ledger: None,
            socket: None,
            budget: Limits::default(),
            call_sites: false,
            #[cfg(feature = "cache")]
            missing_caches: true,
            #[cfg(all(feature = "_sqlx", feature = "advisor"))]
            sample_arguments: false,
            #[cfg(feature = "recording")]
            recording: None,
            #[cfg(feature = "cache")]
            policies: Vec::new(),
            #[cfg(feature = "redis")]
            redis: None,
            #[cfg(feature = "redis")]
            origin_limit: ORIGIN_LIMIT,
            thresholds: Thresholds::default(),
            unfit: None,
        }
    }

    /// Sets the service's own version, which viewers are shown.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Lets viewers of the service's own user apply actions of a class.
    ///
    /// Each class is allowed by itself: to allow [`Risk::Schema`] lets them create and drop indexes with the rights of the
    /// pool's role, and nothing else. [`Risk::Cache`] and [`Risk::Deck`] are allowed from the start.
    pub fn allow(mut self, risk: Risk) -> Self {
        if !self.allows.contains(&risk) {
            self.allows.push(risk);
        }
        self
    }

    /// Keeps the ledger in a file, so that it survives a restart.
    ///
    /// Each change is a line of JSON, written and synced before the action has its effect; if it can't be written, nothing
    /// is applied. The file is made with mode 0600. Without a path the last 1,000 rows are kept in memory.
    pub fn ledger(mut self, path: impl Into<PathBuf>) -> Self {
        self.ledger = Some(path.into());
        self
    }

    /// Serves on a socket of this path, and not in the runtime folder where viewers look by themselves.
    ///
    /// Its folder must belong to this user and be closed to all others.
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    /// Says whether statements tell where in the service's code they are called from; off if nothing is said.
    ///
    /// One stack is taken of each statement and route, on the thread that has just run it, once both have been seen. It
    /// takes some 70 us, for a hundred frames, and is done at most four times a second and 1,000 times in all. A statement
    /// that ran once is not told, and of several places in one route the first that was seen is. Whoever takes a backtrace
    /// or panics while the deck's own thread resolves one waits for it, since std has one lock for both.
    ///
    /// It is off for std's sake, which loads the executable's debug information to resolve the first stack and keeps it:
    /// of a service with 90 MB of that it took 0.4 s of the deck's own thread, 60 MB of memory and 64 MB of the file's
    /// pages, as a panic's backtrace does. [`Builder::memory_limit`] does not count it.
    ///
    /// With `debug = "limited"` in the profile a call site is functions and lines, with `"line-tables-only"` lines, without
    /// debug information functions, and in a stripped executable nothing, which the doctor tells. SQLite's statements need
    /// the deck's pool: the layer hears of them on a thread that their caller is not on.
    pub const fn call_sites(mut self, told: bool) -> Self {
        self.call_sites = told;
        self
    }

    /// Lets the arguments of some calls through the deck's pools be kept for index advice; off if nothing is said.
    ///
    /// Without them PostgreSQL's planner is asked with values from its own statistics, which are seldom those that the
    /// service asks for. Of each statement at most 8 calls' are kept, each of at most 4 KiB, 2 MiB in all, for ten minutes,
    /// in memory only and as the driver encoded them; they are used to `EXPLAIN` the statement on the server that it was
    /// for, and never decoded, printed or stored anywhere else. Plans are told without any expression then.
    #[cfg(all(feature = "_sqlx", feature = "advisor"))]
    pub const fn sample_arguments(mut self, kept: bool) -> Self {
        self.sample_arguments = kept;
        self
    }

    /// Records what viewers would see to a file ring of at most `bytes`, 1 MiB at least, which outlives the process.
    ///
    /// After a crash, a SIGKILL or an out-of-memory kill `perfdeck replay FILE` shows its last minutes; nothing survives the
    /// machine's own end. A second of a service of ten routes takes some 8 KiB, so 64 MiB hold two hours of it. The file has
    /// mode 0600 and holds no literal of a statement. That of the process before is kept as `FILE.previous`. A file that can't
    /// be written is no error: the status says so, and each tick tries again.
    #[cfg(feature = "recording")]
    pub fn record_to(mut self, path: impl Into<PathBuf>, bytes: u64) -> Self {
        self.recording = Some(Sink::new(path, bytes));
        self
    }

    /// Sets what the deck may hold in all, 32 MiB if nothing is said and 16 MiB at least; cached values are not counted.
    ///
    /// Where it would take more it gives something up, level by level ([`crate::protocol::BudgetLevel`]), and says so in its
    /// status and to `perfdeck doctor`.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.budget.memory_bytes = bytes.max(LEAST_MEMORY);
        self
    }

    /// Sets what the deck's own thread may take of one core over a minute, in percent, as [`Builder::memory_limit`] does for
    /// memory; 1 % if nothing is said, and 10 % in builds with debug assertions, whose code is not optimised.
    ///
    /// A limit that is no number or negative is an error of [`Builder::start`].
    pub fn cpu_limit(mut self, percent: f64) -> Self {
        self.budget.cpu_percent = percent;
        self
    }

    /// Sets whether functions under `#[monitor(cacheable)]`, queries and `GET` routes are looked at for whether a cache
    /// would answer them; on by default.
    ///
    /// The eight that take the most time are watched. Their calls are counted, and of some, at most a thousand a second of
    /// each, what they ask and what they return is hashed where they run. Off, that is never so.
    #[cfg(feature = "cache")]
    pub const fn missing_caches(mut self, looked_for: bool) -> Self {
        self.missing_caches = looked_for;
        self
    }

    /// Sets a cache namespace's policy, over what the functions that use it say.
    #[cfg(feature = "cache")]
    pub fn cache(mut self, namespace: impl Into<String>, policy: crate::cache::Policy) -> Self {
        self.policies.push((namespace.into(), policy));
        self
    }

    /// Shares invalidations, and the values of functions that say `redis`, with all instances of the service that name
    /// the same Redis.
    ///
    /// `url` is as the crate `redis` reads it, such as `redis://127.0.0.1:6379/0`. An instance follows another's
    /// invalidation within milliseconds, and within 1.25 s whatever messages are lost. While it can't reach Redis it
    /// serves an entry for at most 5 s, and its own invalidations wait until Redis is back. It talks to Redis on a
    /// thread of its own, `perfdeck-cache`. Redis has to be 6.2 or newer.
    ///
    /// An address that can't be read is an error of [`Builder::start`]; a Redis that can't be reached is none.
    #[cfg(feature = "redis")]
    pub fn redis(mut self, url: impl Into<String>) -> Self {
        self.redis = Some(crate::cache::Url::new(url));
        self
    }

    /// Does the same through a Redis Cluster, of which some nodes are named; they know the others.
    ///
    /// A service behind Sentinel gives [`Builder::redis`] an address that follows its master, a name or a proxy that
    /// moves with it: the connection is made anew after a failover, and what a master lost that a lagging replica
    /// never had is noticed by its generations, and invalid.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let nodes = ["redis://10.0.0.1:6379", "redis://10.0.0.2:6379"];
    /// let (_guard, deck) = perfdeck::Builder::new("support-desk").redis_cluster(nodes).start_or_off();
    /// ```
    #[cfg(feature = "redis-cluster")]
    pub fn redis_cluster<U: Into<String>>(mut self, nodes: impl IntoIterator<Item = U>) -> Self {
        let nodes = nodes.into_iter().map(Into::into).collect();
        self.redis = Some(crate::cache::Url::Cluster(nodes));
        self
    }

    /// Sets how many loads of shared values run at a time while Redis can't be asked; 10 unless told, which is as many
    /// connections as a pool of sqlx has.
    ///
    /// Without Redis each instance loads for itself: the limit keeps a Redis that died from taking the database along.
    /// A load that has waited for 5 s runs all the same, since those before it may be waiting for what it brings.
    #[cfg(feature = "redis")]
    pub const fn origin_limit(mut self, loads: usize) -> Self {
        self.origin_limit = loads;
        self
    }

    /// Sets the limit of a rule that alerts, in the rule's own unit; [`Deck::set_threshold`] sets it later on.
    ///
    /// A limit that is no number, is negative, or is a share of more than 100 percent is an error of [`Builder::start`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn main() -> Result<(), perfdeck::Error> {
    /// use perfdeck::Rule;
    ///
    /// let (_guard, deck) = perfdeck::Builder::new("support-desk")
    ///     .threshold(Rule::ResponseTimeP95, 1.5)
    ///     .route_threshold("GET /export", Rule::ResponseTimeP95, 30.0)
    ///     .start()?;
    /// // A campaign begins.
    /// deck.set_threshold(Rule::CpuPercent, 95.0)?;
    /// # Ok(()) }
    /// ```
    pub fn threshold(mut self, rule: Rule, limit: f64) -> Self {
        let set = self.thresholds.set(rule, limit);
        self.unfit = self.unfit.or(set.err());
        self
    }

    /// Sets a limit of one route's own, by [`Rule::ResponseTimeP95`] or [`Rule::ErrorRate`].
    ///
    /// The route is named as the screens name it, `GET /export` say, and is judged on its own requests; the service's limit
    /// goes on judging all requests, those of the route among them. At most 200 such limits can be set, each of a name of at
    /// most 200 bytes; what does not fit is an error of [`Builder::start`], as in [`Builder::threshold`].
    pub fn route_threshold(mut self, route: impl AsRef<str>, rule: Rule, limit: f64) -> Self {
        let set = self.thresholds.set_route(route.as_ref(), rule, limit);
        self.unfit = self.unfit.or(set.err());
        self
    }

    /// Starts the deck: one thread, and one socket in the user's private runtime folder.
    ///
    /// It stops when the guard and every [`Deck`] are dropped, or on [`Guard::stop`]. With `PERFDECK=off` in the
    /// environment, or without the feature `enabled`, nothing is started: the deck's layers and pools then pass through
    /// what they wrap. A deck that has stopped keeps some hundred kilobytes until the process ends, since whoever records
    /// holds no count of references.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`] if the name is empty or too long, or a limit can't be one; [`Error::is_bind`] if the socket
    /// can't be served safely. A service that would rather run unobserved goes on with [`Builder::start_or_off`].
    pub fn start(self) -> Result<(Guard, Deck), Error> {
        if self.service.is_empty() || self.service.len() > MAX_NAME {
            return Err(Kind::Config(format!(
                "a service's name has 1 to {MAX_NAME} bytes, and not {}",
                self.service.len()
            ))
            .into());
        }
        if let Some(unfit) = self.unfit {
            return Err(Kind::Config(unfit.to_string()).into());
        }
        let cpu = self.budget.cpu_percent;
        if cpu.is_nan() || cpu < 0.0 {
            return Err(Kind::Config(format!(
                "the deck's share of the processor is a number of percent from 0 on, and not {cpu}"
            ))
            .into());
        }
        #[cfg(feature = "redis")]
        if let Some(Err(error)) = self
            .redis
            .as_ref()
            .map(|redis| redis.address(&self.service))
        {
            return Err(Kind::Config(format!("the address of Redis: {error}")).into());
        }
        if is_off() {
            return Ok(self.off());
        }
        let bound = match &self.socket {
            Some(path) => socket::bind_at(path),
            None => socket::bind(&self.service),
        };
        let listener = bound.map_err(Kind::Bind)?;
        let ledger = match &self.ledger {
            Some(path) => Ledger::open(path).map_err(|source| Kind::Ledger {
                path: path.display().to_string(),
                source,
            })?,
            None => Ledger::default(),
        };
        self.launch(listener, ledger)
    }

    /// Starts the deck, or goes on without where that fails, with a warning in the log.
    pub fn start_or_off(self) -> (Guard, Deck) {
        match self.clone().start() {
            Ok(started) => started,
            Err(error) => {
                let first = std::error::Error::source(&error);
                let causes = std::iter::successors(first, |cause| cause.source());
                let causes: Vec<String> = causes.map(ToString::to_string).collect();
                let cause = causes.join(": ");
                let fix = error.is_bind().then_some(OWN_FOLDER);
                tracing::warn!(%error, cause, fix, "perfdeck is off");
                self.off()
            }
        }
    }

    fn off(self) -> (Guard, Deck) {
        #[cfg(feature = "cache")]
        {
            let caches = self.caches(false);
            caches.install();
            (Guard::off(), Deck::off(caches))
        }
        #[cfg(not(feature = "cache"))]
        (Guard::off(), Deck::off())
    }

    #[cfg(feature = "cache")]
    fn caches(&self, metered: bool) -> crate::cache::Caches {
        let mut caches = crate::cache::Caches::new(metered);
        if is_bypassed() {
            tracing::warn!("perfdeck's caches keep nothing: PERFDECK_CACHE=bypass");
            caches = caches.bypass();
        }
        #[cfg(feature = "redis")]
        if let Some(redis) = &self.redis {
            let joined = redis
                .address(&self.service)
                .map_err(|error| error.to_string())
                .and_then(|address| {
                    caches
                        .join(address, self.origin_limit)
                        .map_err(|error| error.to_string())
                });
            if let Err(error) = joined {
                // A service that has to start all the same.
                tracing::warn!(
                    error,
                    "perfdeck's caches share nothing with other instances"
                );
            }
        }
        for (namespace, policy) in &self.policies {
            caches.policy(namespace, policy);
        }
        caches
    }

    fn launch(self, listener: Listener, ledger: Ledger) -> Result<(Guard, Deck), Error> {
        let clock = Clock::new();
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            service: self.service.clone(),
            version: self.version.clone(),
            pid: std::process::id(),
            started_at: clock.timestamp(Moment(0)),
            sdk: env!("CARGO_PKG_VERSION").into(),
            role: Role::Control,
            allows: self.allows.clone(),
        };
        let eyes = Eyes::new(clock);
        #[cfg(all(feature = "_sqlx", feature = "advisor"))]
        if self.sample_arguments {
            eyes.samples.turn_on();
        }
        #[cfg(feature = "cache")]
        if !self.missing_caches {
            eyes.repeats.turn_off();
        }
        #[cfg(feature = "cache")]
        let caches = self.caches(true);
        let pools = Arc::new(Pools::default());
        let limits = Arc::new(alert::Shared::new(self.thresholds));
        let board = Board::new();
        let path = listener.path().to_owned();
        let (commands, inbox) = mpsc::channel::<Command>(COMMANDS);
        let (stop, stopped) = watch::channel(false);
        let mut parts = Parts {
            hello: hello.clone(),
            eyes,
            pools: Arc::clone(&pools),
            #[cfg(feature = "cache")]
            caches: caches.clone(),
            board: board.clone(),
            stats: Arc::new(Stats::default()),
            ledger,
            limits: Arc::clone(&limits),
            store: Store::new().with_sites(self.call_sites),
            budget: self.budget,
            first_deck: false,
            #[cfg(feature = "recording")]
            recording: self.recording.map(|sink| (sink, Progress::default())),
            deaths: 0,
            panics: 0,
            commands: inbox,
        };
        let host = Arc::new(Host {
            hello,
            board,
            commands,
        });
        let served = Arc::clone(&host);
        let (running, ended) = std::sync::mpsc::sync_channel(0);
        let (hand, handed) = std::sync::mpsc::sync_channel(1);
        let agent = move || {
            let _running = running;
            if let Ok(parts) = handed.recv() {
                life::run(parts, listener, served, stopped);
            }
        };
        let thread = std::thread::Builder::new()
            .name("perfdeck-agent".into())
            .spawn(agent)
            .map_err(Kind::Thread)?;
        // Attributes use a deck that there is.
        parts.first_deck = monitor::install(eyes);
        #[cfg(feature = "cache")]
        caches.install();
        let _ = hand.send(parts);
        let process = std::process::id();
        let core = Core {
            eyes,
            pools,
            limits,
            #[cfg(feature = "cache")]
            caches: caches.clone(),
            socket: path,
            host,
            stop: stop.clone(),
        };
        let agent = Running {
            stop,
            thread,
            ended: Mutex::new(ended),
            process,
        };
        Ok((Guard::new(agent), Deck::on(core)))
    }
}

fn is_off() -> bool {
    !cfg!(feature = "enabled")
        || std::env::var("PERFDECK").is_ok_and(|value| value.eq_ignore_ascii_case("off"))
}

/// Whether caches keep nothing, for whoever suspects one of them.
#[cfg(feature = "cache")]
fn is_bypassed() -> bool {
    std::env::var("PERFDECK_CACHE").is_ok_and(|value| value.eq_ignore_ascii_case("bypass"))
}
