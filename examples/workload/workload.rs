//! Runs a workload against a database for a while, as a service with perfdeck inside would, and writes what perfdeck advises
//! on its indexes.
//!
//! cargo run --release --example workload -- --database-url URL --file F --seconds N --rate CALLS_PER_SECOND \
//!     [--unused-after SECONDS] [--commit] --advise-json OUT
//!
//! The file is `[{"id", "sql", "weight", "params": [[...], ...]}]`. What writes is rolled back, unless `--commit`.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use perfdeck::Deck;
use perfdeck::protocol::IndexAdvice;

mod item;
mod postgres;
mod run;
mod sqlite;

use item::Item;

/// How long the deck may take for its advice, with a slow database.
const ADVICE: Duration = Duration::from_secs(120);
/// The deck counts what ran once a second.
const COUNTED: Duration = Duration::from_millis(2_200);

/// Runs a workload against a database, and writes what perfdeck advises on its indexes.
#[derive(Debug, Parser)]
#[command(name = "workload")]
struct Options {
    /// The database: postgres://… or sqlite:PATH
    #[arg(long, value_name = "URL")]
    database_url: String,

    /// The workload: [{"id", "sql", "weight", "params": [[...], ...]}]
    #[arg(long)]
    file: PathBuf,

    /// How long it runs
    #[arg(long, value_name = "N")]
    seconds: u64,

    /// Calls a second, of all statements together; fewer where the database is slower
    #[arg(long, value_name = "CALLS_PER_SECOND")]
    rate: f64,

    /// How long nobody must have looked anything up in an index for it to be called unused
    #[arg(long, value_name = "SECONDS", default_value_t = 604_800)]
    unused_after: u64,

    /// Keep what the statements write
    #[arg(long)]
    commit: bool,

    /// Where the advice goes, `-` for standard output
    #[arg(long, value_name = "OUT")]
    advise_json: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    ensure!(
        options.rate.is_finite() && options.rate > 0.0,
        "the rate is {}, and has to be more than 0",
        options.rate
    );
    ensure!(options.seconds > 0, "it has to run for a second at least");
    let items = Item::read(&options.file)?;
    let (guard, deck) = perfdeck::Builder::new("workload")
        .version(env!("CARGO_PKG_VERSION"))
        .sample_arguments(true)
        .start()
        .context("could not start perfdeck")?;
    ensure!(
        deck.is_on(),
        "perfdeck is off: unset PERFDECK to have its advice"
    );
    let terms = run::Terms {
        seconds: options.seconds,
        rate: options.rate,
        commit: options.commit,
    };
    let url = &options.database_url;
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let database = postgres::Database::open(&deck, url).await?;
        run::run(database, &items, &terms).await?;
    } else if url.starts_with("sqlite:") {
        let database = sqlite::Database::open(&deck, url).await?;
        run::run(database, &items, &terms).await?;
    } else {
        bail!("the database's URL begins with neither postgres:// nor sqlite:");
    }
    tokio::time::sleep(COUNTED).await;
    let advice = advice(&deck, Duration::from_secs(options.unused_after)).await?;
    write(&options.advise_json, &advice)?;
    drop(deck);
    guard.stop();
    Ok(())
}

async fn advice(deck: &Deck, unused_after: Duration) -> anyhow::Result<Vec<IndexAdvice>> {
    let started = std::time::Instant::now();
    let advice = tokio::time::timeout(ADVICE, deck.index_advice(unused_after)).await;
    let advice = advice.context("the advice took too long")?;
    let advice = match advice {
        Ok(advice) => advice,
        Err(refusal) => bail!("perfdeck has no advice: {}", refusal.message),
    };
    tell(format!(
        "{} statements of advice, after {:.1} s",
        advice.len(),
        started.elapsed().as_secs_f64()
    ));
    for one in &advice {
        tell(format!("  {}", one.sql));
    }
    Ok(advice)
}

fn write(path: &Path, advice: &[IndexAdvice]) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(advice)?;
    text.push('\n');
    if path.as_os_str() == "-" {
        io::stdout().write_all(text.as_bytes())?;
        return Ok(());
    }
    fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
}

/// Says something to whoever watches.
fn tell(line: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}", line.as_ref());
}
