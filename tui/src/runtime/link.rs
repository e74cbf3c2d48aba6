use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use perfdeck_bridge::protocol::Topic;
use perfdeck_bridge::recording::Replay;
use perfdeck_bridge::socket::{self, Found};
use perfdeck_bridge::{Error, Source as _};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, sleep_until};

use super::{Order, now};
use crate::error::sentence;
use crate::keymap::Travel;
use crate::model::{Candidate, Reel};
use crate::msg::{LinkMsg, Msg};
use crate::target::{Attached, Target};

/// The first wait before a lost host is called again; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest wait before a lost host is called again.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A recording's ticks, where it goes on by itself.
const TICK: Duration = Duration::from_secs(1);

const MINUTE: Duration = Duration::from_secs(60);

/// The link's ends of the channels.
pub(super) struct Ends {
    pub(super) follow: watch::Receiver<Vec<Topic>>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) travels: mpsc::Receiver<Travel>,
}

/// Keeps a host attached, and finds it again by its service's name when its process was replaced.
pub(super) struct Link {
    target: Target,
    host: Option<Candidate>,
    msgs: mpsc::Sender<Msg>,
}

impl Link {
    pub(super) const fn new(
        target: Target,
        host: Option<Candidate>,
        msgs: mpsc::Sender<Msg>,
    ) -> Self {
        Self { target, host, msgs }
    }

    /// Runs until the screens are left.
    pub(super) async fn keep(mut self, ends: Ends) {
        match self.target.replay() {
            Some(Ok(replay)) => return self.play(replay, ends).await,
            Some(Err(error)) => {
                return self.tell(LinkMsg::Unreadable(sentence(&error))).await;
            }
            None => {}
        }
        let Ends {
            mut follow,
            mut orders,
            travels: _travels,
        } = ends;
        let mut wait = FIRST_WAIT;
        loop {
            self.tell(LinkMsg::Connecting).await;
            let lost = match self.attach().await {
                Ok(attached) => match self.serve(attached, &mut follow, &mut orders).await {
                    Some(lost) => {
                        wait = FIRST_WAIT;
                        lost
                    }
                    None => return,
                },
                Err(error) => error,
            };
            let retry_at = now().after(wait);
            let until = Instant::now() + wait;
            self.tell(match lost.downcast_ref::<Error>() {
                Some(Error::Incompatible { theirs, ours }) => LinkMsg::Incompatible {
                    theirs: *theirs,
                    ours: *ours,
                },
                _ => LinkMsg::Lost {
                    reason: sentence(&lost),
                    retry_at,
                },
            })
            .await;
            if !self.refuse_until(until, &mut orders).await {
                return;
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Shows a recording, at its end first.
    async fn play(&self, replay: Replay, mut ends: Ends) {
        let hello = replay.recording().hello().clone();
        self.tell(LinkMsg::Attached(Box::new(hello))).await;
        let topics = ends.follow.borrow_and_update().clone();
        let mut subscription = replay.subscribe(&topics);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut playing = false;
        let mut requests = JoinSet::new();
        self.tell(reel(&replay, playing)).await;
        loop {
            let moved = tokio::select! {
                Some(published) = subscription.next() => {
                    let update = Msg::Update(Arc::clone(&published.update));
                    if self.msgs.send(update).await.is_err() {
                        return;
                    }
                    continue;
                }
                changed = ends.follow.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    subscription.follow(&ends.follow.borrow_and_update().clone());
                    continue;
                }
                order = ends.orders.recv() => {
                    let Some(order) = order else { return };
                    requests.spawn(order.done(Arc::new(replay.clone())));
                    continue;
                }
                Some(Ok(msg)) = requests.join_next() => {
                    if self.msgs.send(msg).await.is_err() {
                        return;
                    }
                    continue;
                }
                Some(travel) = ends.travels.recv() => match travel {
                    Travel::Play => {
                        playing = !playing;
                        Ok(false)
                    }
                    Travel::Earlier => replay.step(-1),
                    Travel::Later => replay.step(1),
                    Travel::MinuteEarlier => replay.seek(replay.at().before(MINUTE)),
                    Travel::MinuteLater => replay.seek(replay.at().after(MINUTE)),
                },
                _ = ticks.tick(), if playing => {
                    let moved = replay.step(1);
                    playing = matches!(moved, Ok(true));
                    moved
                }
            };
            match moved {
                Ok(_) => self.tell(reel(&replay, playing)).await,
                Err(error) => {
                    playing = false;
                    let reason = sentence(&error.into());
                    self.tell(LinkMsg::Unreadable(reason)).await;
                }
            }
        }
    }

    async fn attach(&mut self) -> Result<Attached> {
        if let Some(attached) = self.target.attach_named().await {
            // A socket's name dies with its process, its service's doesn't.
            let gone = |error: &anyhow::Error| {
                matches!(
                    error.downcast_ref(),
                    Some(Error::Stale { .. } | Error::Io { .. })
                )
            };
            match (attached, &self.host) {
                (Err(error), Some(_)) if gone(&error) => {}
                (attached, _) => {
                    self.remember();
                    return attached;
                }
            }
        }
        let found = self.choose()?;
        let attached = self.target.attach(&found.socket).await?;
        self.host = Some(found);
        Ok(attached)
    }

    /// Learns the service's name of a socket that was named by its path.
    fn remember(&mut self) {
        if self.host.is_none()
            && let Some(path) = &self.target.socket
        {
            let found = self
                .target
                .candidates()
                .into_iter()
                .find(|found| found.path == *path);
            self.host = found.map(candidate);
        }
    }

    fn choose(&self) -> Result<Candidate> {
        if let Some(host) = &self.host {
            // Also where one process was named: it is gone, and another may do its service's work.
            let mut found = socket::discover();
            found.retain(|found| found.service == host.service && found.uid == host.uid);
            let same = found.iter().position(|found| found.pid == host.pid);
            let chosen = same.unwrap_or(0);
            if found.is_empty() {
                return Err(anyhow!("`{}` no longer runs", host.service));
            }
            return Ok(candidate(found.swap_remove(chosen)));
        }
        let mut found = self.target.candidates();
        if found.len() > 1 {
            return Err(anyhow!(
                "several services run now: leave, and name one with --service"
            ));
        }
        let none = || anyhow!("no service with perfdeck runs here that you may attach to");
        found.pop().map(candidate).ok_or_else(none)
    }

    /// Carries everything between the host and the model; returns why it ended, or `None` if the screens were left.
    async fn serve(
        &self,
        attached: Attached,
        follow: &mut watch::Receiver<Vec<Topic>>,
        orders: &mut mpsc::Receiver<Order>,
    ) -> Option<anyhow::Error> {
        let client = &attached.client;
        let hello = match client.hello().await {
            Ok(hello) => hello,
            Err(error) => return Some(error.into()),
        };
        self.tell(LinkMsg::Attached(Box::new(hello))).await;
        let topics = follow.borrow_and_update().clone();
        let mut subscription = client.subscribe(&topics);
        let mut requests = JoinSet::new();
        loop {
            let msg = tokio::select! {
                error = client.closed() => return Some(error.into()),
                published = subscription.next() => match published {
                    Some(published) => Msg::Update(Arc::clone(&published.update)),
                    None => return Some(client.closed().await.into()),
                },
                changed = follow.changed() => {
                    changed.ok()?;
                    subscription.follow(&follow.borrow_and_update().clone());
                    continue;
                }
                order = orders.recv() => {
                    requests.spawn(order?.done(Arc::new(client.clone())));
                    continue;
                }
                Some(Ok(msg)) = requests.join_next() => msg,
            };
            self.msgs.send(msg).await.ok()?;
        }
    }

    /// Refuses what is asked of a host that is not there; returns false if the screens were left.
    async fn refuse_until(&self, until: Instant, orders: &mut mpsc::Receiver<Order>) -> bool {
        loop {
            tokio::select! {
                () = sleep_until(until) => return true,
                order = orders.recv() => {
                    let Some(order) = order else { return false };
                    let refused = order.refused("the host is not there");
                    if self.msgs.send(refused).await.is_err() {
                        return false;
                    }
                }
            }
        }
    }

    async fn tell(&self, msg: LinkMsg) {
        // A closed channel shows at the next order.
        let _ = self.msgs.send(Msg::Link(msg)).await;
    }
}

fn reel(replay: &Replay, playing: bool) -> LinkMsg {
    let before = replay.block();
    LinkMsg::Recorded(Reel {
        at: replay.at(),
        before,
        after: replay.recording().len().saturating_sub(before + 1),
        playing,
    })
}

fn candidate(found: Found) -> Candidate {
    Candidate {
        service: found.service,
        pid: found.pid,
        uid: found.uid,
        socket: found.path,
    }
}
