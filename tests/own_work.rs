//! The deck does not watch itself: what its agent runs, logs and asks is in no number that it tells.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use axum::Router;
use axum::routing::get;
use perfdeck::Deck;
use perfdeck_bridge::client::Client;
use perfdeck_bridge::protocol::{Confidence, Queries, Requests, State, Topic};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::process::is_alone;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::desk;

/// The statement that only the layers hear, and how often it is run.
const HEARD: &str = "SELECT count(*) FROM notes WHERE id > ?";
const TIMES: u64 = 40;
/// The statement that runs through the named pool until the agent has asked the planner about it.
const NAMED: &str = "SELECT body FROM notes WHERE ticket = ?";
/// A deadlock ends here; the test takes some seconds.
const LIMIT: Duration = Duration::from_secs(150);

static LINES: AtomicU64 = AtomicU64::new(0);

#[test]
fn promise_33_no_self_observation_with_everything_traced_and_the_layer_installed_twice()
-> Result<()> {
    const THIS: &str = "own_work::promise_33_no_self_observation_with_everything_traced_and_the_layer_installed_twice";
    if is_alone(THIS, LIMIT)? {
        desk::runtime()?.block_on(service())?;
    }
    Ok(())
}

async fn service() -> Result<()> {
    let folder = Folder::new()?;
    let start = |name: &str| {
        let socket = folder.path().join(format!("{name}.sock"));
        perfdeck::Builder::new(name).socket(socket).start()
    };
    let (guard, deck) = start("watched")?;
    let (other_guard, other) = start("beside")?;
    let file = folder.path().join("db");
    desk::database(&file).await?.close().await;
    // One connection, which is open before anybody listens: another one would begin with statements of its own.
    let database = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(SqliteConnectOptions::new().filename(&file))
        .await?;
    tracing_subscriber::registry()
        .with(deck.layer())
        .with(deck.layer())
        .with(other.layer())
        .with(deck.layer())
        .with(fmt::layer().with_writer(|| Counted))
        .try_init()?;
    let watched = desk::viewer(&deck, true).await?;
    let beside = desk::viewer(&other, true).await?;

    for number in 0..TIMES {
        let query = sqlx::query(HEARD).bind(number as i64);
        query.fetch_one(&database).await?;
    }
    let routes = Router::new()
        .route("/", get(|| async { tracing::trace!("a host's own line") }))
        .layer(deck.http_layer());
    let address = desk::serve(routes).await?;
    for _ in 0..TIMES {
        desk::get(address, "/", "").await?;
    }
    let named = advised(&deck, &watched, database).await?;

    desk::until("count", || async {
        let (mine, theirs) = (told(&watched).await?, told(&beside).await?);
        // Catalogues, plans and what-ifs of the agent's would stand here as well.
        let mine = calls(&mine.0, mine.1.requests);
        let theirs = calls(&theirs.0, theirs.1.requests);
        let all = vec![(NAMED.to_owned(), named), (HEARD.to_owned(), TIMES)];
        let heard = vec![(HEARD.to_owned(), TIMES)];
        let more = |seen: &[(String, u64)], most: &[(String, u64)]| {
            let known =
                |row: &(String, u64)| most.iter().any(|most| most.0 == row.0 && row.1 <= most.1);
            !seen.iter().all(known)
        };
        ensure!(
            !more(&mine.0, &all) && !more(&theirs.0, &heard) && mine.1 <= TIMES && theirs.1 == 0,
            "more is told than the host did: {mine:?}, the other deck {theirs:?}"
        );
        Ok((mine == (all, TIMES) && theirs == (heard, 0)).then_some(()))
    })
    .await?;
    ensure!(LINES.load(Ordering::Relaxed) > TIMES, "nothing was traced");
    guard.stop();
    other_guard.stop();
    Ok(())
}

/// Runs the statement that lacks an index until the agent has asked the planner; returns how often.
async fn advised(deck: &Deck, client: &Client, database: SqlitePool) -> Result<u64> {
    let pool = deck.pool("primary", database);
    let mut ran = 0;
    for _ in 0..1_000 {
        for _ in 0..10 {
            let ticket = format!("ticket-{ran}");
            sqlx::query(NAMED).bind(ticket).fetch_all(&pool).await?;
            ran += 1;
        }
        let finding = desk::finding(client, "missing_index").await?;
        if finding.is_some_and(|finding| finding.confidence == Confidence::Verified) {
            return Ok(ran);
        }
    }
    bail!("the agent asked nobody about an index in {ran} statements")
}

async fn told(client: &Client) -> Result<(Queries, Requests)> {
    let queries = desk::now(client, Topic::Queries).await?;
    let requests = desk::now(client, Topic::Requests).await?;
    match (queries, requests) {
        (State::Queries(queries), State::Requests(requests)) => Ok((queries, requests)),
        other => bail!("{other:?}"),
    }
}

/// Each statement's text with its calls, and the requests.
fn calls(queries: &Queries, requests: u64) -> (Vec<(String, u64)>, u64) {
    let rows = queries.queries.iter();
    let mut calls: Vec<_> = rows
        .map(|row| (row.text.as_str().to_owned(), row.calls))
        .collect();
    calls.sort();
    (calls, requests)
}

/// A log that is counted.
struct Counted;

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.fetch_add(1, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
