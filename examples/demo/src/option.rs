//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

/// A support desk that is slow in the ways real services are, with perfdeck attached.
#[derive(Debug, Clone, Parser)]
#[command(name = "demo", version)]
pub struct Options {
    /// Runs without the terminal UI; attach with `perfdeck` from another terminal
    #[arg(long)]
    pub(crate) headless: bool,

    /// Stops after so many seconds of serving; without it the service runs until it is interrupted
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,

    /// Uses a PostgreSQL server, in a schema of its own that is dropped at the end, instead of embedded SQLite
    #[arg(long, value_name = "URL")]
    pub(crate) postgres: Option<String>,

    /// Shares its caches with the other instances of the service that name the same Redis, and counts messages there
    #[arg(long, value_name = "URL")]
    pub(crate) redis: Option<String>,

    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,

    /// Requests a second that the load sends, whether or not the service keeps up
    #[arg(long, value_name = "N", default_value_t = 40.0, value_parser = rate)]
    pub(crate) rate: f64,

    /// Ends the load after so many requests, and prints the summary then; the service goes on
    #[arg(long, value_name = "N", conflicts_with = "no_load")]
    pub(crate) requests: Option<u64>,

    /// Sends no load
    #[arg(long)]
    pub(crate) no_load: bool,

    /// The service's name, as viewers see it
    #[arg(long, value_name = "NAME", default_value = "support-desk")]
    pub(crate) service: String,

    /// Is the same service well kept: with its indexes, and its sessions read in one batch
    #[arg(long)]
    pub(crate) healthy: bool,

    /// Renames every table and column, by this seed
    #[arg(long, value_name = "SEED")]
    pub(crate) rename: Option<u64>,

    /// Keeps the ledger of actions in this file
    #[arg(long, value_name = "PATH")]
    pub(crate) ledger: Option<PathBuf>,

    /// Records what viewers would see to this file, of at most 64 MiB; `perfdeck replay` shows it
    #[arg(long, value_name = "PATH")]
    pub(crate) record_to: Option<PathBuf>,

    /// Tells where in the code statements are called from
    #[arg(long)]
    pub(crate) call_sites: bool,

    /// Tells each response's cost in its headers
    #[arg(long)]
    pub(crate) headers: bool,

    /// Prints the start and the summary as JSON, one document a line
    #[arg(long)]
    pub(crate) json: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 100_000.0 => Ok(rate),
        _ => Err("must be over 0 and at most 100000".to_owned()),
    }
}
