//! What tier 0 sees in each set-up of a host's subscriber, and that the host's own lines stay as they are.
//!
//! A subscriber is a process's own for good, and SQLite's driver speaks from its own thread, so each set-up is a process:
//! this program starts itself once for each, with the layer and without.

#![expect(
    clippy::print_stdout,
    reason = "it is a program that tells its parent what it saw"
)]

use std::io::Write;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Trial};
use perfdeck::Deck;
use perfdeck_bridge::Source;
use perfdeck_bridge::client::{Client, Options};
use perfdeck_bridge::protocol::{Answer, Queries, Question, State, Status, Topic};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::host::perfdeck;
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tracing_log::LogTracer;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Says which set-up this process is.
const SETUP: &str = "PERFDECK_TEST_SETUP";
const STATEMENTS: u64 = 50;
const LINES: usize = 50;

/// What `perfdeck status` says of statements that nobody can hear.
const FILTERED: &str = "a filter over the whole subscriber hides `sqlx::query`";

/// The doctor's clean bill.
const ALL_SEEN: &str = "Everything perfdeck looks for can be seen.";

/// Both tiers see the same statements, which count once.
const NAMED: &str = "alone, and the pool is named";

/// Every set-up, and whether statements can be heard in it.
const SETUPS: [(&str, bool); 8] = [
    ("alone", true),
    (NAMED, true),
    ("fmt with its own filter, then the deck", true),
    ("the deck, then fmt with its own filter", true),
    ("a global filter, then the deck", false),
    ("the deck, then a global filter", false),
    ("fmt().finish().with(the deck)", false),
    ("LogTracer", true),
];

fn main() -> Result<()> {
    if let Ok(setup) = std::env::var(SETUP) {
        let (setup, with_deck) = setup.split_once('|').context("a set-up and whether")?;
        return tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(child(setup, with_deck == "with"));
    }
    let trial =
        |(setup, heard): (&'static str, bool)| Trial::test(setup, move || Ok(check(setup, heard)?));
    libtest_mimic::run(&Arguments::from_args(), SETUPS.map(trial).into()).exit()
}

fn check(setup: &str, heard: bool) -> Result<()> {
    let (with, without) = (run(setup, "with")?, run(setup, "without")?);
    ensure!(
        with["lines"] == without["lines"],
        "the host's lines differ: {} with the deck, {} without",
        with["lines"],
        without["lines"]
    );
    let printed = with["lines"].as_array().map_or(0, Vec::len);
    let expected = if setup.starts_with("alone") { 0 } else { LINES };
    ensure!(
        printed == expected,
        "the host printed {printed} lines, and not {expected}"
    );
    let said = with["said"].as_str().context("nothing was said")?;
    if heard {
        ensure!(
            with["calls"] == STATEMENTS,
            "{} of {STATEMENTS} statements",
            with["calls"]
        );
        ensure!(with["attributed"] == 0, "nothing ran in a request");
        let blind = if setup == NAMED {
            json!([])
        } else {
            json!(["pool_not_named"])
        };
        ensure!(
            with["slow_only"] == false && with["blind"] == blind,
            "{with}"
        );
        ensure!(!said.contains(FILTERED), "{said}");
    } else {
        ensure!(
            with["calls"] == 0,
            "rates of slow statements alone would be wrong: {with}"
        );
        ensure!(with["slow_only"] == true, "{with}");
        let blind = json!(["sqlx_events_filtered", "pool_not_named"]);
        ensure!(with["blind"] == blind, "{with}");
        ensure!(said.contains(FILTERED), "{said}");
    }
    ensure!(
        said.contains("no pool was given") == (setup != NAMED),
        "{said}"
    );
    let doctor = with["doctor"].as_str().context("the doctor said nothing")?;
    let found = i64::from(setup != NAMED);
    ensure!(with["doctor_exit"] == found, "{doctor}");
    ensure!(doctor.contains(ALL_SEEN) == (setup == NAMED), "{doctor}");
    ensure!(
        doctor.contains("`sqlx::query=debug` to it") != heard,
        "{doctor}"
    );
    Ok(())
}

fn run(setup: &str, deck: &str) -> Result<Value> {
    let output = Command::new(std::env::current_exe()?)
        .env(SETUP, format!("{setup}|{deck}"))
        .env_remove("RUST_LOG")
        .output()?;
    ensure!(
        output.status.success(),
        "{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("what the set-up told")
}

async fn child(setup: &str, with_deck: bool) -> Result<()> {
    let folder = Folder::new()?;
    let (_guard, deck) = perfdeck::Builder::new("subscriber")
        .socket(folder.path().join("deck.sock"))
        .start()?;
    install(setup, with_deck.then_some(&deck))?;

    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("db"))
        .create_if_missing(true);
    if setup.contains("global filter") {
        // Slow ones are all that a filter over everything lets through.
        let slow = options
            .clone()
            .log_slow_statements(log::LevelFilter::Warn, Duration::ZERO);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(slow)
            .await?;
        for _ in 0..5 {
            sqlx::query("SELECT 1").execute(&pool).await?;
        }
        pool.close().await;
    }
    let pool = SqlitePoolOptions::new()
        .max_connections(2)
        .connect_with(options)
        .await?;
    let named = (setup == NAMED).then(|| deck.pool("primary", pool.clone()));
    for number in 0..STATEMENTS {
        let query = sqlx::query("SELECT count(*) FROM sqlite_schema WHERE rootpage > ?")
            .bind(number as i64);
        match &named {
            Some(pool) => query.fetch_one(pool).await?,
            None => query.fetch_one(&pool).await?,
        };
        if setup == "LogTracer" {
            log::info!("host line {number}");
        } else {
            tracing::info!("host line {number}");
        }
        log::debug!("not for the host");
        tracing::trace!("not for the host either");
    }
    let socket = deck.socket().context("the deck is on")?;
    let (queries, status) = told(socket).await?;
    let socket = socket.to_str().context("a path of text")?;
    let said = perfdeck(folder.path(), &["status", "--socket", socket])?;
    let doctor = perfdeck(folder.path(), &["doctor", "--socket", socket])?;
    let own = queries
        .queries
        .iter()
        .filter(|query| query.text.as_str().contains("rootpage"));
    let printed = String::from_utf8_lossy(&lines()).into_owned();
    println!(
        "{}",
        json!({
            "calls": own.map(|query| query.calls).sum::<u64>(),
            "attributed": queries.calls - queries.unattributed,
            "slow_only": queries.slow_only,
            "blind": status.blind_spots.iter().map(|spot| &*spot.kind).collect::<Vec<_>>(),
            "said": String::from_utf8_lossy(&said.stdout),
            "doctor": String::from_utf8_lossy(&doctor.stdout),
            "doctor_exit": doctor.status.code(),
            // A slow statement's line has its time in it.
            "lines": printed.lines().filter(|line| !line.contains("slow")).collect::<Vec<_>>(),
        })
    );
    Ok(())
}

/// The host's own layer; its type is another over each subscriber.
macro_rules! print {
    () => {
        fmt::layer()
            .without_time()
            .with_ansi(false)
            .with_writer(|| Sink)
    };
}

/// Sets the subscriber up as a host would.
fn install(setup: &str, deck: Option<&Deck>) -> Result<()> {
    let info = || EnvFilter::new("info");
    let registry = tracing_subscriber::registry();
    match setup {
        "alone" | NAMED => registry.with(deck.map(Deck::layer)).try_init()?,
        "fmt with its own filter, then the deck" => {
            registry
                .with(print!().with_filter(info()))
                .with(deck.map(Deck::layer))
                .try_init()?;
        }
        // As `tracing_subscriber` is mostly set up: `init` also makes `log`'s records into events.
        "the deck, then fmt with its own filter" => {
            registry
                .with(deck.map(Deck::layer))
                .with(print!().with_filter(info()))
                .try_init()?;
        }
        "LogTracer" => {
            LogTracer::init()?;
            let host = registry
                .with(deck.map(Deck::layer))
                .with(print!().with_filter(info()));
            tracing::subscriber::set_global_default(host)?;
        }
        "a global filter, then the deck" => {
            registry
                .with(info())
                .with(print!())
                .with(deck.map(Deck::layer))
                .try_init()?;
        }
        "the deck, then a global filter" => {
            registry
                .with(deck.map(Deck::layer))
                .with(print!())
                .with(info())
                .try_init()?;
        }
        "fmt().finish().with(the deck)" => {
            let host = fmt()
                .without_time()
                .with_ansi(false)
                .with_writer(|| Sink)
                .finish();
            host.with(deck.map(Deck::layer)).try_init()?;
        }
        other => anyhow::bail!("no such set-up: {other}"),
    }
    Ok(())
}

/// What the deck tells once it has told of everything, or of nothing for three ticks.
async fn told(socket: &std::path::Path) -> Result<(Queries, Box<Status>)> {
    let options = Options {
        viewer: "test".into(),
        read_only: true,
    };
    let client = Client::connect(socket, options).await?;
    let mut last = None;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let Answer::Now(queries) = client.ask(Question::Now(Topic::Queries)).await? else {
            continue;
        };
        let Answer::Now(status) = client.ask(Question::Now(Topic::Status)).await? else {
            continue;
        };
        if let (State::Queries(queries), State::Status(status)) = (&queries.state, &status.state) {
            last = Some((queries.clone(), status.clone()));
        }
    }
    last.context("the deck told nothing")
}

/// What the host has printed.
fn lines() -> MutexGuard<'static, Vec<u8>> {
    static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the host prints.
struct Sink;

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        lines().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
