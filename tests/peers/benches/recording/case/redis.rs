//! A command to Redis, a real server's, over loopback.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use perfdeck_peers::peer::deck::Perfdeck;
use perfdeck_tests::redis::Server;
use redis::AsyncCommands;
use redis::aio::{ConnectionLike, ConnectionManager};
use tokio::runtime::{Builder, Runtime};

use super::{Case, OFF, Row};
use crate::job::{Job, Report};

pub(super) const CASE: Case = Case {
    name: "redis",
    title: "A command to Redis",
    about: "One `GET` of 40 bytes through a `ConnectionManager` on a runtime of one thread, and its answer; the server is a \
            process of its own. What a row costs beyond the first is perfdeck's.",
    rows: &[
        Row::new("redis-rs 1.8 alone", alone).at_most(20_000),
        Row::new("perfdeck `deck.redis`", perfdeck).at_most(20_000),
        Row::new("perfdeck `deck.redis`, off", perfdeck)
            .environment(OFF)
            .at_most(20_000),
    ],
};

fn alone(job: &Job) -> Result<Report> {
    ask(job, |connection| connection)
}

fn perfdeck(job: &Job) -> Result<Report> {
    let perfdeck = Perfdeck::start()?;
    ask(job, |connection| {
        perfdeck.deck.redis("sessions", connection)
    })
}

/// Starts a server and asks it through what `wrap` makes of a connection.
fn ask<C: ConnectionLike + Send + Sync>(
    job: &Job,
    wrap: impl Fn(ConnectionManager) -> C + Sync,
) -> Result<Report> {
    let server = Server::start()?;
    let url = server.url();
    let key = "workspace:7:documents:published:00000001";
    connect(&url)?.block(|mut connection| async move {
        let kept: redis::RedisResult<()> = connection.set(key, "0".repeat(40)).await;
        kept
    })?;
    let answers = AtomicU64::new(0);
    let worker = || {
        let connected =
            connect(&url).map(|Connected { runtime, manager }| (runtime, wrap(manager)));
        let mut connected = connected.ok();
        let answers = &answers;
        move |_| {
            // What is not answered, for there was no connection or for another reason, is told as lost.
            let Some((runtime, connection)) = &mut connected else {
                return;
            };
            let answer: redis::RedisResult<String> = runtime.block_on(connection.get(key));
            answers.fetch_add(u64::from(black_box(answer).is_ok()), Ordering::Relaxed);
        }
    };
    let settle = || Ok(());
    job.measure(worker, settle, |_| {
        Ok(Some(answers.load(Ordering::Relaxed)))
    })
}

/// A connection on a runtime of its own.
struct Connected {
    runtime: Runtime,
    manager: ConnectionManager,
}

impl Connected {
    fn block<F: Future<Output = redis::RedisResult<()>>>(
        self,
        work: impl FnOnce(ConnectionManager) -> F,
    ) -> Result<()> {
        Ok(self.runtime.block_on(work(self.manager))?)
    }
}

fn connect(url: &str) -> Result<Connected> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let client = redis::Client::open(url)?;
    let manager = runtime
        .block_on(ConnectionManager::new(client))
        .context("connect to the server")?;
    Ok(Connected { runtime, manager })
}
