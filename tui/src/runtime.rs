//! The only place with channels, a clock and a terminal: it turns what happens into messages and does what effects ask.

mod input;
mod link;
mod terminal;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use perfdeck_bridge::protocol::{ActRequest, Question, Timestamp, Topic};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use self::terminal::Terminal;
use crate::draw::draw;
use crate::effect::Effect;
use crate::error::sentence;
use crate::keymap::Travel;
use crate::model::{Candidate, Model};
use crate::msg::Msg;
use crate::target::Target;
use crate::theme::Theme;
use crate::update::{topics, update};

/// The shortest time between two frames, 30 a second.
const FRAME: Duration = Duration::from_millis(33);

/// How often the model is told the time.
const TICK: Duration = Duration::from_millis(200);

/// Messages that wait to be taken; whoever sends more waits.
const INBOX: usize = 64;

/// What the link is asked.
#[derive(Debug)]
enum Order {
    Ask(Question),
    Act(ActRequest),
}

/// Returns the time.
pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// Shows the terminal's screens until the user leaves, on a thread and a runtime of its own.
///
/// # Errors
///
/// If there is no terminal.
pub(crate) fn show(target: Target, theme: Theme) -> Result<()> {
    let thread = std::thread::Builder::new()
        .name("perfdeck-tui".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.context("could not start the event loop")?;
            let shown = runtime.block_on(drive(target, theme));
            // Nothing that still runs is worth waiting for.
            runtime.shutdown_background();
            shown
        })
        .context("could not start a thread")?;
    match thread.join() {
        Ok(shown) => shown,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

async fn drive(target: Target, theme: Theme) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("could not watch SIGTERM")?;
    // A terminal in raw mode sends ctrl-c as a key, other programs send the signal.
    let mut interrupt = signal(SignalKind::interrupt()).context("could not watch SIGINT")?;
    let mut hang_up = signal(SignalKind::hangup()).context("could not watch SIGHUP")?;
    let mut terminal = Terminal::enter()?;
    let mut keys = crossterm::event::EventStream::new();
    let (sender, mut inbox) = mpsc::channel(INBOX);
    let mut world = World::new(target, sender);
    let mut model = Model::new(now());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut next_frame = Instant::now();
    let hosts = world.begin();
    if let Some(hosts) = hosts {
        update(&mut model, Msg::Hosts(hosts));
    }
    loop {
        let msg = tokio::select! {
            biased;
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => return Ok(()),
            () = sleep_until(next_frame), if model.dirty => {
                terminal.draw(|area, buffer| draw(&model, theme, buffer, area))?;
                model.dirty = false;
                next_frame = Instant::now() + FRAME;
                continue;
            }
            key = keys.next() => match key {
                Some(Ok(event)) => input::message(event),
                // Without keys nobody can leave.
                Some(Err(_)) | None => return Ok(()),
            },
            msg = inbox.recv() => msg,
            _ = ticks.tick() => None,
        };
        let clock = Msg::Tick(now());
        for msg in [Some(clock), msg].into_iter().flatten() {
            for effect in update(&mut model, msg) {
                if effect == Effect::Quit {
                    return Ok(());
                }
                world.execute(effect);
            }
        }
    }
}

/// The other ends of the channels.
struct World {
    target: Target,
    msgs: mpsc::Sender<Msg>,
    follow: watch::Sender<Vec<Topic>>,
    orders: mpsc::Sender<Order>,
    travels: mpsc::Sender<Travel>,
    link: Option<link::Ends>,
}

impl World {
    fn new(target: Target, msgs: mpsc::Sender<Msg>) -> Self {
        let (follow, followed) = watch::channel(topics(crate::screen::Screen::Overview));
        let (orders, taken) = mpsc::channel(INBOX);
        let (travels, ways) = mpsc::channel(INBOX);
        Self {
            target,
            msgs,
            follow,
            orders,
            travels,
            link: Some(link::Ends {
                follow: followed,
                orders: taken,
                travels: ways,
            }),
        }
    }

    /// Calls the host, or returns those between which the user must choose.
    fn begin(&mut self) -> Option<Vec<Candidate>> {
        let named = [&self.target.socket, &self.target.recording];
        if named.iter().all(|path| path.is_none()) && self.target.via.is_none() {
            let found = self.target.candidates();
            if found.len() > 1 {
                let candidates = found.into_iter().map(|found| Candidate {
                    service: found.service,
                    pid: found.pid,
                    uid: found.uid,
                    socket: found.path,
                });
                return Some(candidates.collect());
            }
        }
        self.call(None);
        None
    }

    fn call(&mut self, chosen: Option<Candidate>) {
        let Some(ends) = self.link.take() else {
            return;
        };
        let link = link::Link::new(self.target.clone(), chosen, self.msgs.clone());
        tokio::spawn(link.keep(ends));
    }

    fn execute(&mut self, effect: Effect) {
        match effect {
            Effect::Quit => {}
            Effect::Attach(candidate) => self.call(Some(candidate)),
            Effect::Follow(topics) => {
                self.follow.send_replace(topics);
            }
            Effect::Ask(question) => self.order(Order::Ask(question)),
            Effect::Act(request) => self.order(Order::Act(request)),
            Effect::Travel(travel) => {
                // A key that is held down outruns the disk at worst.
                let _ = self.travels.try_send(travel);
            }
        }
    }

    fn order(&self, order: Order) {
        // The bound is far above what keys can ask; an order that finds no room is answered like one that failed.
        if let Err(error) = self.orders.try_send(order) {
            let (mpsc::error::TrySendError::Full(order) | mpsc::error::TrySendError::Closed(order)) =
                error;
            let msgs = self.msgs.clone();
            tokio::spawn(async move {
                let refused = order.refused("the host is not there");
                let _ = msgs.send(refused).await;
            });
        }
    }
}

impl Order {
    fn refused(self, why: &str) -> Msg {
        match self {
            Self::Ask(question) => Msg::Answered(question, Err(why.to_owned())),
            Self::Act(request) => Msg::Acted(request, Err(why.to_owned())),
        }
    }

    async fn done(self, source: Arc<dyn perfdeck_bridge::Source>) -> Msg {
        match self {
            Self::Ask(question) => {
                let answer = source.ask(question.clone()).await;
                Msg::Answered(question, answer.map_err(|error| sentence(&error.into())))
            }
            Self::Act(request) => {
                let reply = source.act(request.clone()).await;
                Msg::Acted(request, reply.map_err(|error| sentence(&error.into())))
            }
        }
    }
}
