//! The agent's thread, and what becomes of the deck where the agent dies: it is started anew once, then stays dark.
//!
//! Nobody watches from a thread of their own. The thread polls the agent behind a net for panics, so it learns of a death
//! as it happens, and the host's threads never meet one. Under `panic = "abort"` there is no net, and no host either.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use perfdeck_bridge::protocol::{
    Answer, DeckCost, Dropped, Question, Refusal, RefusalCode, State, Status, Topic, Update,
};
#[cfg(feature = "recording")]
use perfdeck_bridge::recording;
use perfdeck_bridge::socket::Listener;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::{Agent, Command, Parts, TICK};
use crate::deck::Host;
use crate::judge::doctor::{self, MOST_DEATHS};

/// How long the thread waits at its end for what can't be interrupted.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The agent's thread: a runtime of its own, the agent and the server.
pub(crate) fn run(
    parts: Parts,
    listener: Listener,
    host: Arc<Host>,
    stopped: watch::Receiver<bool>,
) {
    let eyes = parts.eyes;
    // What is not the agent's own doing gets here: the deck ends then, and nothing of the host's with it.
    if catch_unwind(AssertUnwindSafe(|| serve(parts, listener, host, stopped))).is_err() {
        tracing::warn!("perfdeck is off: its thread panicked");
    }
    eyes.close();
}

fn serve(parts: Parts, listener: Listener, host: Arc<Host>, mut stopped: watch::Receiver<bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Of those that it starts for what blocks.
        .thread_name("perfdeck-work")
        .build();
    let Ok(runtime) = runtime else {
        tracing::warn!("perfdeck is off: its runtime could not be made");
        return;
    };
    runtime.block_on(async move {
        let stats = Arc::clone(&parts.stats);
        #[cfg(feature = "recording")]
        if let Some((sink, progress)) = &parts.recording {
            // A viewer like any other, which ends with the board.
            let recorded = recording::record(host.observer(), sink.clone(), progress.clone());
            tokio::spawn(recorded);
        }
        let attach = move |caller| host.source(caller);
        let server = tokio::spawn(perfdeck_bridge::server::serve(listener, attach, stats));
        tokio::select! {
            // Ends as well when the guard and all decks are gone.
            _ = stopped.wait_for(|stop| *stop) => {}
            () = live(parts) => {}
        }
        server.abort();
        // What it holds is dropped here, so that the socket is gone when the thread is.
        let _ = server.await;
    });
    // Looking a name up can't be interrupted, and the host's end need not wait for it.
    runtime.shutdown_timeout(LAST_WORDS);
}

/// Runs an agent, and another one if it dies; the board, the socket and the viewers stay.
async fn live(mut parts: Parts) {
    loop {
        let mut agent = Agent::new(parts);
        if survives(agent.run()).await {
            return;
        }
        parts = agent.into_parts();
        parts.deaths += 1;
        if parts.deaths == MOST_DEATHS {
            break;
        }
        tracing::warn!("perfdeck's agent died, and is started anew");
    }
    tracing::warn!(
        "perfdeck's agent died again: nothing is observed until the service is restarted"
    );
    dark(parts).await;
}

/// Waits for the end; tells whether it came without a panic.
async fn survives(life: impl Future<Output = ()>) -> bool {
    let mut life = pin!(life);
    std::future::poll_fn(|context| {
        match catch_unwind(AssertUnwindSafe(|| life.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(true),
            Err(_) => Poll::Ready(false),
        }
    })
    .await
}

/// Says that the deck is dark, and throws away what the host still records.
async fn dark(mut parts: Parts) {
    // Else viewers would take the dead agent's last word for the present.
    for topic in Topic::ALL {
        parts.board.withdraw(topic);
    }
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let board = parts.board.clone();
    loop {
        tokio::select! {
            _ = tick.tick() => {
                parts.eyes.recorder.forget();
                tell(&parts);
            }
            command = parts.commands.recv() => match command {
                Some(command) => refuse(&parts, command),
                None => break,
            },
            () = board.interest() => tell(&parts),
        }
    }
    board.close();
}

fn tell(parts: &Parts) {
    if parts.board.followed().any(|topic| topic == Topic::Status) {
        parts.board.publish(status(parts));
    }
}

fn refuse(parts: &Parts, command: Command) {
    let refusal = || {
        Refusal::new(
            RefusalCode::Failed,
            "the deck's agent has died: see its status",
        )
    };
    // Whoever asked may have lost patience.
    match command {
        Command::Ask(Question::Now(Topic::Status), reply) => {
            let _ = reply.send(Ok(Answer::Now(status(parts))));
        }
        Command::Ask(_, reply) => {
            let _ = reply.send(Err(refusal()));
        }
        Command::Act(_, _, reply) => {
            let _ = reply.send(Err(refusal()));
        }
        Command::ClearAlerts(reply) => {
            let _ = reply.send(Err(refusal()));
        }
        #[cfg(all(feature = "advisor", feature = "_sqlx"))]
        Command::Advise(_, reply) => {
            let _ = reply.send(Err(refusal()));
        }
    }
}

/// All that a dark deck can say: that it is dark, and what it costs.
fn status(parts: &Parts) -> Arc<Update> {
    let eyes = parts.eyes;
    let deck = DeckCost {
        memory_bytes: (eyes.recorder.bytes() + eyes.custom.bytes()) as u64,
        dropped: Dropped {
            recordings: eyes.recorder.lost() + eyes.custom.dropped(),
            overflowed: eyes.custom.overflowed(),
            updates: parts.board.missed(),
            // Who counts them died.
            exemplars: 0,
        },
        viewers: parts.stats.viewers.load(Ordering::Relaxed) as u32,
        agent_deaths: parts.deaths,
        agent_panics: parts.panics,
        ..DeckCost::default()
    };
    Arc::new(Update {
        at: eyes.clock.timestamp(eyes.clock.now()),
        state: State::Status(Box::new(Status {
            deck,
            blind_spots: doctor::agent(parts.deaths, parts.panics)
                .into_iter()
                .collect(),
            ..Status::default()
        })),
        left_out: 0,
    })
}
