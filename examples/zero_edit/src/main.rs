//! A service that perfdeck sees without one edited handler or query.
//!
//! What perfdeck needs is in [`main`]: the deck, one layer beside the service's own log, one layer around its router. The
//! statements are seen through the events that sqlx emits anyway, so what those don't tell isn't seen: errors, waits for a
//! connection, and the plan behind a missing index.

mod note;
mod visitor;

use std::time::Duration;

use tokio::net::TcpListener;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, fmt};

/// How long it serves without `--seconds N`.
const SECONDS: u64 = 60;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (_guard, deck) = perfdeck::Builder::new("zero-edit").start()?;

    // The filter stands on the log alone: over all layers it would hide sqlx's events from the deck.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = fmt::layer()
        .with_writer(std::io::stderr)
        .with_filter(filter);
    tracing_subscriber::registry()
        .with(deck.layer())
        .with(log)
        .init();

    let notes = note::router().await?.layer(deck.http_layer());

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tracing::info!(%address, socket = ?deck.socket(), "serving");
    tokio::spawn(axum::serve(listener, notes).into_future());
    let visitors = visitor::run(address);
    let _over = tokio::time::timeout(Duration::from_secs(seconds()?), visitors).await;
    tracing::info!("done");
    Ok(())
}

/// Reads `--seconds N`.
fn seconds() -> anyhow::Result<u64> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(SECONDS),
        (Some("--seconds"), Some(seconds)) => Ok(seconds.parse()?),
        _ => anyhow::bail!("usage: zero_edit [--seconds N]"),
    }
}
