//! The tick, and the best file to read first: merge the shards, judge, verify, measure, publish.
//!
//! The agent is one named thread with a runtime of its own, so that a blocked host is shown and not suffered. It owns
//! everything that is not a shard; whoever wants something of it sends a [`Command`].

mod act;
pub(crate) mod budget;
#[cfg(feature = "cache")]
pub(crate) mod curve;
#[cfg(test)]
mod fault;
#[cfg(feature = "_sqlx")]
mod health;
mod held;
pub(crate) mod history;
pub(crate) mod life;
pub(crate) mod metric;
pub(crate) mod sight;
#[cfg(feature = "cache")]
mod trial;
mod verify;

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cpu_time::ThreadTime;
use perfdeck_bridge::board::Board;
use perfdeck_bridge::protocol::{
    ActReply, ActRequest, Answer, Change, FindingId, Hello, Level, Question, Refusal, RefusalCode,
    Timestamp, Topic, Update,
};
#[cfg(feature = "recording")]
use perfdeck_bridge::recording::{Progress, Sink};
use perfdeck_bridge::server::{Caller, Stats};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use self::budget::{Budget, Limits};
use self::history::{CacheHistory, Numbers};
use self::metric::Metrics;
use self::sight::Sight;
use self::verify::Verified;
use crate::act::Plans;
use crate::act::ledger::Ledger;
use crate::act::measure::Measurement;
use crate::clock::Clock;
use crate::judge::alert::{self, Thresholds};
use crate::judge::facts::Facts;
use crate::judge::window::Window;
use crate::judge::{self, Judgement, Verdicts};
use crate::observe::Eyes;
use crate::observe::host::{HostProbe, HostSample};
use crate::observe::layer::Installed;
use crate::pools::Pools;
use crate::record::store::Store;

/// How often the shards are merged.
const TICK: Duration = Duration::from_secs(1);
/// Seconds between two looks at what the layer hears.
const PROBE_EVERY: u64 = 10;
/// Changes that are told.
const MAX_CHANGES: usize = 50;
/// Commands that wait for the agent.
pub(crate) const COMMANDS: usize = 64;

/// What others want of the agent.
#[derive(Debug)]
pub(crate) enum Command {
    Ask(Question, oneshot::Sender<Result<Answer, Refusal>>),
    Act(
        Caller,
        ActRequest,
        oneshot::Sender<Result<ActReply, Refusal>>,
    ),
    /// The host's own wish: which indexes to make and drop, those that nobody looked up for so long among them.
    #[cfg(all(feature = "advisor", feature = "_sqlx"))]
    Advise(
        Duration,
        oneshot::Sender<Result<Vec<perfdeck_bridge::protocol::IndexAdvice>, Refusal>>,
    ),
    /// The host's own wish; answered with how many alerts were cleared.
    ClearAlerts(oneshot::Sender<Result<usize, Refusal>>),
}

/// What work that runs beside the tick came to.
#[derive(Debug)]
pub(crate) enum Event {
    Verified(Verified),
    #[cfg(feature = "_sqlx")]
    Looked(health::Looked),
    Act(act::Event),
}

/// What an agent is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) hello: Hello,
    pub(crate) eyes: &'static Eyes,
    pub(crate) pools: Arc<Pools>,
    #[cfg(feature = "cache")]
    pub(crate) caches: crate::cache::Caches,
    pub(crate) board: Board,
    pub(crate) stats: Arc<Stats>,
    pub(crate) ledger: Ledger,
    pub(crate) limits: Arc<alert::Shared>,
    pub(crate) store: Store,
    pub(crate) budget: Limits,
    pub(crate) first_deck: bool,
    #[cfg(feature = "recording")]
    pub(crate) recording: Option<(Sink, Progress)>,
    /// How often an agent of this deck died.
    pub(crate) deaths: u32,
    /// How often a step of theirs panicked.
    pub(crate) panics: u64,
    pub(crate) commands: mpsc::Receiver<Command>,
}

/// The deck's own thread.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) hello: Hello,
    pub(crate) eyes: &'static Eyes,
    pub(crate) clock: Clock,
    pub(crate) pools: Arc<Pools>,
    #[cfg(feature = "cache")]
    pub(crate) caches: crate::cache::Caches,
    pub(crate) store: Store,
    pub(crate) host: HostSample,
    pub(crate) numbers: Numbers,
    #[cfg(feature = "cache")]
    pub(crate) cache_rows: Vec<crate::cache::Row>,
    #[cfg(feature = "cache")]
    pub(crate) curves: curve::Curves,
    #[cfg(feature = "cache")]
    pub(crate) trials: trial::Trials,
    pub(crate) cache_history: HashMap<Arc<str>, CacheHistory>,
    pub(crate) metrics: Metrics,
    pub(crate) window: Window,
    /// The rules' limits of this tick.
    pub(crate) thresholds: Arc<Thresholds>,
    pub(crate) verdicts: Verdicts,
    pub(crate) ledger: Ledger,
    pub(crate) changes: Vec<Change>,
    pub(crate) verified: Verified,
    pub(crate) stats: Arc<Stats>,
    pub(crate) board: Board,
    pub(crate) second: u64,
    pub(crate) cpu: Cpu,
    pub(crate) budget: Budget,
    pub(crate) first_deck: bool,
    pub(crate) sight: Sight,
    #[cfg(feature = "recording")]
    pub(crate) recording: Option<(Sink, Progress)>,
    /// The rules' limits, which the host may set at any time.
    limits: Arc<alert::Shared>,
    probe: HostProbe,
    judgement: Judgement,
    pub(crate) facts: Facts,
    #[cfg(feature = "_sqlx")]
    pub(crate) health: health::Health,
    plans: Plans,
    measurements: Vec<Measurement>,
    acting: HashMap<String, act::Acting>,
    /// What each applied finding made, for its undo.
    made: HashMap<FindingId, act::Made>,
    /// How often an agent of this deck died before this one.
    pub(crate) deaths: u32,
    /// How often a step panicked, of those as well.
    pub(crate) panics: u64,
    /// When the last action was done.
    last_done: Option<u64>,
    /// The last clear of each namespace that may be undone.
    #[cfg(feature = "cache")]
    cleared: HashMap<String, act::Cleared>,
    /// What was changed of caches and may be taken back, by the row.
    #[cfg(feature = "cache")]
    altered: HashMap<perfdeck_bridge::protocol::LedgerId, Vec<act::Altered>>,
    #[cfg(feature = "cache")]
    warmths: Vec<act::Warmth>,
    verifying: bool,
    /// How often indexes were looked up.
    #[cfg(all(feature = "advisor", feature = "_sqlx"))]
    watched: HashMap<String, verify::round::Watched>,
    /// When the databases may be asked again.
    #[cfg(all(feature = "advisor", feature = "_sqlx"))]
    rested_at: u64,
    /// The statements of the last round, and when it was.
    asked: BTreeSet<u64>,
    asked_at: u64,
    events: mpsc::Sender<Event>,
    inbox: mpsc::Receiver<Event>,
    commands: mpsc::Receiver<Command>,
}

/// A part of a tick.
type Step = fn(&mut Agent);

/// The agent thread's processor time.
#[derive(Debug, Default)]
pub(crate) struct Cpu {
    last: Duration,
    recent: std::collections::VecDeque<f64>,
}

impl Agent {
    pub(crate) fn new(parts: Parts) -> Self {
        let (events, inbox) = mpsc::channel(COMMANDS);
        Self {
            hello: parts.hello,
            clock: parts.eyes.clock.clone(),
            eyes: parts.eyes,
            pools: parts.pools,
            #[cfg(feature = "cache")]
            caches: parts.caches,
            store: parts.store,
            host: HostSample::default(),
            numbers: Numbers::default(),
            #[cfg(feature = "cache")]
            cache_rows: Vec::new(),
            #[cfg(feature = "cache")]
            curves: curve::Curves::default(),
            #[cfg(feature = "cache")]
            trials: trial::Trials::default(),
            cache_history: HashMap::new(),
            metrics: Metrics::default(),
            window: Window::default(),
            thresholds: parts.limits.get(),
            verdicts: Verdicts::default(),
            ledger: parts.ledger,
            changes: Vec::new(),
            verified: Verified::default(),
            stats: parts.stats,
            board: parts.board,
            second: 0,
            cpu: Cpu::default(),
            budget: Budget::new(parts.budget),
            first_deck: parts.first_deck,
            sight: Sight::default(),
            #[cfg(feature = "recording")]
            recording: parts.recording,
            limits: parts.limits,
            probe: HostProbe::new(),
            judgement: Judgement::default(),
            facts: Facts::default(),
            #[cfg(feature = "_sqlx")]
            health: health::Health::default(),
            plans: Plans::default(),
            measurements: Vec::new(),
            acting: HashMap::new(),
            made: HashMap::new(),
            deaths: parts.deaths,
            panics: parts.panics,
            last_done: None,
            #[cfg(feature = "cache")]
            cleared: HashMap::new(),
            #[cfg(feature = "cache")]
            altered: HashMap::new(),
            #[cfg(feature = "cache")]
            warmths: Vec::new(),
            verifying: false,
            #[cfg(all(feature = "advisor", feature = "_sqlx"))]
            watched: HashMap::new(),
            #[cfg(all(feature = "advisor", feature = "_sqlx"))]
            rested_at: 0,
            asked: BTreeSet::new(),
            asked_at: 0,
            events,
            inbox,
            commands: parts.commands,
        }
    }

    /// Takes a dead agent apart for the next one. What it knew stays behind: nobody can tell what of it is sound.
    pub(crate) fn into_parts(mut self) -> Parts {
        self.ledger.interrupt();
        #[cfg(feature = "cache")]
        self.give_up_curves();
        #[cfg(feature = "cache")]
        self.give_up_trials();
        Parts {
            hello: self.hello,
            eyes: self.eyes,
            pools: self.pools,
            #[cfg(feature = "cache")]
            caches: self.caches,
            board: self.board,
            stats: self.stats,
            ledger: self.ledger,
            limits: self.limits,
            store: Store::after(self.store),
            budget: self.budget.limits,
            first_deck: self.first_deck,
            #[cfg(feature = "recording")]
            recording: self.recording,
            deaths: self.deaths,
            panics: self.panics,
            commands: self.commands,
        }
    }

    /// Runs until every handle of the deck is gone.
    pub(crate) async fn run(&mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let board = self.board.clone();
        let begun = match self.deaths {
            0 => (Level::Good, format!("{} started", self.service())),
            _ => (
                Level::Near,
                "perfdeck's agent died, and was started anew".into(),
            ),
        };
        self.changed(begun.0, begun.1);
        loop {
            tokio::select! {
                _ = tick.tick() => self.tick(),
                command = self.commands.recv() => match command {
                    Some(command) => self.guarded("command", |agent| agent.obey(command)),
                    None => break,
                },
                Some(event) = self.inbox.recv() => self.guarded("event", |agent| agent.take(event)),
                () = board.interest() => self.guarded("interest", |agent| agent.publish()),
            }
        }
        self.board.close();
    }

    fn tick(&mut self) {
        #[cfg(test)]
        fault::kill(self);
        #[cfg(test)]
        fault::stall(self);
        self.second = self.clock.now().0 / 1_000_000_000;
        for (what, step) in Self::STEPS {
            self.guarded(what, step);
        }
    }

    /// What a tick does, in this order.
    const STEPS: [(&'static str, Step); 15] = [
        ("merge", |agent| {
            agent.store.drain(agent.eyes.recorder, agent.second);
        }),
        ("sites", |agent| {
            agent.store.seek_sites(agent.eyes.recorder, &agent.clock);
        }),
        ("host", Self::look_at_host),
        ("caches", Self::observe_caches),
        ("curves", Self::predict),
        ("metrics", Self::observe_metrics),
        ("window", |agent| {
            agent.thresholds = agent.limits.get();
            agent.window = crate::publish::window(agent);
        }),
        ("trials", Self::try_caches),
        ("judge", Self::judge),
        ("measure", Self::measure),
        ("numbers", Self::push_numbers),
        ("verify", Self::ask_databases),
        ("publish", |agent| agent.publish()),
        ("cost", |agent| agent.cpu.tick()),
        ("budget", Self::keep_budget),
    ];

    /// Does one thing; where that panics, the panic is counted, and the agent goes on with the next.
    fn guarded(&mut self, what: &'static str, step: impl FnOnce(&mut Self)) {
        let guarded = AssertUnwindSafe(|| {
            #[cfg(test)]
            fault::strike(&self.hello.service);
            step(self);
        });
        if catch_unwind(guarded).is_err() {
            self.panics += 1;
            // Once: what panics now will do so each second.
            if self.panics == 1 {
                tracing::warn!(step = what, "perfdeck's agent panicked, and goes on");
            }
        }
    }

    fn look_at_host(&mut self) {
        self.host = self.probe.sample();
        self.eyes
            .rss_bytes
            .store(self.host.rss_bytes.unwrap_or(0), Ordering::Relaxed);
        let heard = Installed::load(&self.eyes.layer);
        let due = heard == Installed::Unproved || self.second.is_multiple_of(PROBE_EVERY);
        if heard != Installed::No && due {
            self.prove_layer();
        }
        self.sight.look(&self.clock, self.second);
    }

    /// Asks on a thread of its own; see [`Installed::probe`].
    fn prove_layer(&self) {
        let eyes = self.eyes;
        let prove = move || Installed::probe().store(&eyes.layer);
        // Without a thread the state stays what it was, and the next tick tries again.
        let _ = std::thread::Builder::new()
            .name("perfdeck-probe".into())
            .spawn(prove);
    }

    /// Of the advisor's rounds and the looks at health one is under way at a time.
    fn ask_databases(&mut self) {
        self.verify();
        #[cfg(feature = "_sqlx")]
        self.look_at_databases();
    }

    fn judge(&mut self) {
        let before: Vec<_> = self
            .verdicts
            .alerts
            .iter()
            .map(|alert| (alert.id.clone(), alert.state))
            .collect();
        let now = self.now();
        self.verdicts = judge::step(
            &mut self.judgement,
            &self.window,
            &self.facts,
            &self.thresholds,
            now,
        );
        let mut changes = Vec::new();
        for alert in &self.verdicts.alerts {
            use perfdeck_bridge::protocol::AlertState::{Firing, Resolved};
            let was = before
                .iter()
                .find(|(id, _)| *id == alert.id)
                .map(|(_, state)| *state);
            if was != Some(alert.state) && alert.state == Firing {
                changes.push((Level::Over, alert.message.clone()));
            } else if was == Some(Firing) && alert.state == Resolved {
                changes.push((Level::Good, format!("over: {}", alert.message)));
            }
        }
        for (level, text) in changes {
            self.changed(level, text);
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Verified(verified) => self.verified(verified),
            #[cfg(feature = "_sqlx")]
            Event::Looked(looked) => self.looked(looked),
            Event::Act(event) => self.acted(event),
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Ask(question, reply) => {
                let _ = reply.send(self.answer(&question));
            }
            Command::Act(caller, request, reply) => self.act(caller, request, reply),
            #[cfg(all(feature = "advisor", feature = "_sqlx"))]
            Command::Advise(unused_after, reply) => self.advise(unused_after, reply),
            Command::ClearAlerts(reply) => {
                let _ = reply.send(self.clear_own_alerts());
            }
        }
    }

    fn answer(&self, question: &Question) -> Result<Answer, Refusal> {
        let unknown = |what: &str| Refusal::new(RefusalCode::Unknown, format!("no such {what}"));
        match question {
            Question::Now(topic) => Ok(Answer::Now(self.state(*topic))),
            Question::Query(id) => crate::publish::query::detail(self, id)
                .map(Answer::Query)
                .ok_or_else(|| unknown("query")),
            Question::Route(route) => crate::publish::request::detail(self, route)
                .map(Answer::Route)
                .ok_or_else(|| unknown("route")),
            Question::Exemplars(route) => crate::publish::exemplar::of_route(self, route)
                .map(Answer::Exemplars)
                .ok_or_else(|| unknown("route")),
            Question::Exemplar(which) => crate::publish::exemplar::one(self, which)
                .map(Answer::Exemplar)
                .ok_or_else(|| unknown("kept request")),
            Question::History(request) => crate::publish::history::history(self, request)
                .map(Answer::History)
                .ok_or_else(|| unknown("history")),
            Question::Numbers => {
                let names = self.numbers.names().map(str::to_owned);
                Ok(Answer::Numbers(names.collect()))
            }
        }
    }

    fn publish(&self) {
        for topic in self.board.followed().collect::<Vec<_>>() {
            self.board.publish(self.state(topic));
        }
    }

    fn state(&self, topic: Topic) -> Arc<Update> {
        Arc::new(Update {
            at: self.now(),
            state: crate::publish::state(self, topic),
            left_out: 0,
        })
    }

    /// Notes something for the list of what changed.
    pub(crate) fn changed(&mut self, level: Level, text: String) {
        if self.changes.len() == MAX_CHANGES {
            self.changes.remove(0);
        }
        self.changes.push(Change {
            at: self.now(),
            text,
            level,
        });
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.timestamp(self.clock.now())
    }

    fn service(&self) -> String {
        match &self.hello.version {
            Some(version) => format!("{} {version}", self.hello.service),
            None => self.hello.service.clone(),
        }
    }
}

impl Cpu {
    fn tick(&mut self) {
        let now = ThreadTime::try_now().map_or(self.last, |time| time.as_duration());
        if self.recent.len() == 60 {
            self.recent.pop_front();
        }
        self.recent
            .push_back(now.saturating_sub(self.last).as_secs_f64());
        self.last = now;
    }

    /// The share of one core over the last minute, in percent.
    pub(crate) fn percent(&self) -> f64 {
        self.recent.iter().sum::<f64>() / self.recent.len().max(1) as f64 * 100.0
    }
}

#[cfg(test)]
mod tests;
