//! One run, from the empty database to the summary.

use std::io::Write;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::option::Options;
use crate::service::{Desk, Reading};
use crate::store::Store;
use crate::{background, load, schema, seed, service};

/// Seeds, serves and cleans up.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let store = Arc::new(Store::open(&options).await?);
    let end = interrupted()?;
    let outcome = tokio::select! {
        outcome = serve(&options, &store) => outcome,
        () = end => Ok(()),
    };
    store.remove().await?;
    outcome
}

async fn serve(options: &Options, store: &Arc<Store>) -> anyhow::Result<()> {
    fill(options, store).await?;
    let desk = Desk {
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
    tokio::spawn(background::run(Arc::clone(store)));
    tokio::spawn(axum::serve(listener, service::router(desk)).into_future());
    headless(options, address).await
}

async fn fill(options: &Options, store: &Store) -> anyhow::Result<()> {
    let start = std::time::Instant::now();
    schema::create(store).await?;
    seed::fill(store, |rows| say(&format!("\rseeding: {rows} rows"))).await?;
    if options.healthy {
        schema::create_indexes(store).await?;
    }
    say(&format!(" in {:.1} s\n", start.elapsed().as_secs_f64()));
    Ok(())
}

/// Serves until the time is over, and for ever without one.
async fn headless(options: &Options, address: SocketAddr) -> anyhow::Result<()> {
    if options.json {
        print(&json!({ "address": address }).to_string())?;
    } else {
        print(&format!("listening on {address}"))?;
    }
    let mut over = pin!(async {
        match options.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    });
    if !options.no_load {
        let plan = load::Plan {
            rate: options.rate,
            requests: options.requests,
        };
        let (stop, stopped) = oneshot::channel();
        let mut load = pin!(load::run(address, plan, stopped));
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
