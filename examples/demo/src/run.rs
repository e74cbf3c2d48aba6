//! One run, from the empty database to the summary.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use perfdeck::cache::Policy;
use perfdeck::{Deck, Guard, Risk};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::minute::Minute;
use crate::option::Options;
use crate::service::{Desk, Reading};
use crate::store::Store;
use crate::{background, load, schema, seed, service};

/// Seeds, serves and cleans up.
///
/// # Errors
///
/// If the deck can't start, the database can't be filled or removed, or the address can't be listened on.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let (guard, deck) = start_deck(&options)?;
    let store = Arc::new(Store::open(&options, &deck).await?);
    let end = interrupted()?;
    let outcome = tokio::select! {
        outcome = serve(&options, &deck, &store) => outcome,
        () = end => Ok(()),
    };
    guard.stop();
    store.remove().await?;
    outcome
}

/// The most that a recording takes.
const RECORDING_BYTES: u64 = 64 * 1024 * 1024;

fn start_deck(options: &Options) -> Result<(Guard, Deck), perfdeck::Error> {
    // Of 500 workspaces: what is asked for again has just been thrown away.
    let capacity = if options.healthy { 2_000 } else { 100 };
    let analytics = Policy::new()
        .ttl(Duration::from_secs(300))
        .capacity(capacity);
    let mut builder = perfdeck::Builder::new(&options.service)
        .version(env!("CARGO_PKG_VERSION"))
        .allow(Risk::Schema)
        .allow(Risk::Backend)
        .allow(Risk::Host)
        .call_sites(options.call_sites)
        .cache("analytics", analytics);
    if let Some(path) = &options.ledger {
        builder = builder.ledger(path);
    }
    if let Some(url) = &options.redis {
        builder = builder.redis(url);
    }
    if let Some(path) = &options.record_to {
        builder = builder.record_to(path, RECORDING_BYTES);
    }
    builder.start()
}

async fn serve(options: &Options, deck: &Deck, store: &Arc<Store>) -> anyhow::Result<()> {
    fill(options, store).await?;
    let minute = match &options.redis {
        Some(url) => Some(Minute::open(deck, url).context("that is no address of Redis")?),
        None => None,
    };
    let desk = Desk {
        minute,
        deck: deck.clone(),
        store: Arc::clone(store),
        reading: if options.healthy {
            Reading::Batched
        } else {
            Reading::OneByOne
        },
    };
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    let address = listener.local_addr()?;
    tokio::spawn(background::run(deck.clone(), Arc::clone(store)));
    tokio::spawn(axum::serve(listener, service::router(desk, options.headers)).into_future());
    if options.headless {
        announce(options, deck, store, address)?;
        headless(options, address).await
    } else {
        attached(options, deck, address).await
    }
}

async fn fill(options: &Options, store: &Store) -> anyhow::Result<()> {
    let start = std::time::Instant::now();
    schema::create(store).await?;
    seed::fill(store, |rows| {
        // A line that is written over is for eyes only.
        if std::io::stderr().is_terminal() {
            say(&format!("\rseeding: {rows} rows"));
        }
    })
    .await?;
    if options.healthy {
        schema::create_indexes(store).await?;
    }
    say(&format!(
        "\rseeded in {:.1} s      \n",
        start.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Tells where the service can be reached.
fn announce(
    options: &Options,
    deck: &Deck,
    store: &Store,
    address: SocketAddr,
) -> std::io::Result<()> {
    if options.json {
        let start = json!({
            "address": address,
            "socket": deck.socket(),
            "names": store.names().all(),
        });
        return print(&start.to_string());
    }
    let deck = match deck.socket() {
        Some(socket) => format!("deck at {}", socket.display()),
        None => "no deck".to_owned(),
    };
    print(&format!("listening on {address}, {deck}"))
}

/// Serves until the time is over, and for ever without one.
async fn headless(options: &Options, address: SocketAddr) -> anyhow::Result<()> {
    let mut over = pin!(async {
        match options.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    });
    if !options.no_load {
        let (stop, stopped) = oneshot::channel();
        let mut load = pin!(load::run(address, plan(options), stopped));
        let summary = tokio::select! {
            summary = &mut load => summary,
            () = &mut over => {
                drop(stop);
                load.await
            }
        };
        settle().await;
        if options.json {
            print(&serde_json::to_string(&summary)?)?;
        } else {
            print(summary.to_string().trim_end())?;
        }
        if options.requests.is_none() {
            return Ok(());
        }
    }
    over.await;
    Ok(())
}

/// Serves under load until the user leaves the terminal UI.
async fn attached(options: &Options, deck: &Deck, address: SocketAddr) -> anyhow::Result<()> {
    let socket = deck
        .socket()
        .context("perfdeck is off, so there is nothing to see: use --headless")?
        .to_owned();
    let (_stop, stopped) = oneshot::channel();
    if !options.no_load {
        tokio::spawn(load::run(address, plan(options), stopped));
    }
    tokio::task::spawn_blocking(move || perfdeck_tui::attach(socket)).await?
}

const fn plan(options: &Options) -> load::Plan {
    load::Plan {
        rate: options.rate,
        requests: options.requests,
    }
}

/// Waits until what was counted is also published.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(2_500)).await;
}

/// Completes when somebody wants the service to end.
fn interrupted() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn print(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Tells a person; nobody may be listening.
fn say(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "{text}");
    let _ = err.flush();
}
