//! The off switch: nothing of perfdeck is there, and the service goes on.
//!
//! What is left costs what `tests/price.rs` holds it to, what `cargo bench -p perfdeck-peers --bench recording` counts in
//! instructions as "perfdeck, off", and what `--bench service` there measures beside the bare service.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::routing::get;
use perfdeck::Deck;
use perfdeck::cache::Policy;
use perfdeck_tests::folder::Folder;
use perfdeck_tests::footprint::Footprint;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::desk;

/// Set in the child, which is the service.
const CHILD: &str = "PERFDECK_TEST_CHILD";

/// The environment is a process's own, so the service is a child that is this same test.
#[test]
fn promise_14_switched_off_there_is_no_thread_socket_file_or_layer_and_the_service_goes_on()
-> Result<()> {
    if std::env::var_os(CHILD).is_some() {
        return desk::runtime()?.block_on(service());
    }
    // Shows that each look would find what must not be there.
    let on = run(None)?;
    // The socket, the ledger and the recording.
    ensure!(
        on.threads.contains("perfdeck-agent")
            && on.files == 3
            && on.began.contains("perfdeck-agent"),
        "switched on: {on:?}"
    );
    ensure!(
        on.sockets.contains("/off-") && on.sockets.contains("/ledger") && on.level == "debug true",
        "switched on: {on:?}"
    );
    for switch in ["off", "OFF"] {
        let off = run(Some(switch))?;
        let nothing = off.threads.is_empty() && off.sockets.is_empty() && off.files == 0;
        ensure!(
            nothing && off.began.is_empty(),
            "switched off by {switch:?}: {off:?}"
        );
        ensure!(
            off.level == "info false",
            "switched off by {switch:?}, events are made that only a deck would want: {off:?}"
        );
    }
    Ok(())
}

/// What the service has of perfdeck's.
#[derive(Debug)]
struct Told {
    /// Threads and open files that came with the deck, before anything else did.
    began: String,
    /// Threads, once it has served.
    threads: String,
    /// Open sockets and files in the runtime folder, once it has served.
    sockets: String,
    /// Files in the runtime folder.
    files: usize,
    /// The most verbose level that is made, and whether sqlx's events are.
    level: String,
}

/// Runs the service; returns what it told.
fn run(switch: Option<&str>) -> Result<Told> {
    let folder = Folder::new()?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args([
            "off::promise_14_switched_off_there_is_no_thread_socket_file_or_layer_and_the_service_goes_on",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .env("PERFDECK_RUNTIME_DIR", folder.path())
        .env_remove("PERFDECK");
    if let Some(switch) = switch {
        command.env("PERFDECK", switch);
    }
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}", output.status);
    let told = |name: &str| {
        let found = said.lines().find_map(|line| line.strip_prefix(name));
        found.with_context(|| format!("no {name} in {said}"))
    };
    Ok(Told {
        began: told("began: ")?.to_owned(),
        threads: told("threads: ")?.to_owned(),
        sockets: told("sockets: ")?.to_owned(),
        files: told("files: ")?.parse()?,
        level: told("level: ")?.to_owned(),
    })
}

#[expect(
    clippy::print_stderr,
    reason = "the child tells its parent what it saw"
)]
async fn service() -> Result<()> {
    let folder = Folder::new()?;
    let runtime = std::env::var("PERFDECK_RUNTIME_DIR")?;
    let before = Footprint::of_this_process()?;
    let (guard, deck) = perfdeck::Builder::new("off")
        .cache("reports", Policy::new())
        .ledger(Path::new(&runtime).join("ledger"))
        .record_to(Path::new(&runtime).join("flight"), 1 << 20)
        .start()?;
    // The host's own log, with its own filter: without perfdeck nothing below INFO is made.
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::sink)
        .with_filter(LevelFilter::INFO);
    tracing_subscriber::registry()
        .with(deck.layer())
        .with(log)
        .try_init()?;
    let began = begun(&deck, &before).await?;
    eprintln!("\nbegan: {}", began.join(", "));
    let pool = deck.pool("primary", desk::database(&folder.path().join("db")).await?);
    let rows = move || async move {
        let mut transaction = pool.begin().await.ok()?;
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM notes")
            .fetch_one(&mut *transaction)
            .await;
        transaction.commit().await.ok()?;
        count.ok()
    };
    let routes = Router::new()
        .route(
            "/rows",
            get(|| async move { format!("{:?}", rows().await) }),
        )
        .layer(deck.http_layer().headers(true));
    let address = desk::serve(routes).await?;
    let answer = desk::get(address, "/rows", "").await?;
    ensure!(answer.text() == "Some(40000)", "{answer:?}");
    ensure!(
        answer.header("x-response-time").is_some() == deck.is_on(),
        "{answer:?}"
    );

    let reports = deck.cache("reports");
    for load in [1, 2] {
        let loaded = reports.get_or_load("report", || async move { Ok::<_, ()>(load) });
        ensure!(loaded.await == Ok(1), "it is loaded once");
    }
    reports.invalidate_key("report");
    ensure!(reports.get::<i32>("report").is_none());
    deck.counter("reports.made").add(1);
    deck.gauge("reports.waiting").add(1.0);
    deck.histogram("reports.rows").record(1.0);
    metrics::with_local_recorder(&deck.metrics_recorder(), || {
        metrics::histogram!("reports.bytes").record(1.0);
    });
    monitored().await;

    if deck.is_on() {
        // With the first tick.
        desk::until("recording", || async {
            Ok(Path::new(&runtime).join("flight").exists().then_some(()))
        })
        .await?;
    }
    let whole = Footprint::of_this_process()?;
    let mut sockets: Vec<_> = whole.files.into_values().collect();
    sockets.retain(|file| file.contains(&runtime));
    let level = LevelFilter::current();
    let sqlx = tracing::enabled!(target: "sqlx::query", tracing::Level::DEBUG);
    eprintln!("\nthreads: {}", own_threads()?.join(" "));
    eprintln!("sockets: {}", sockets.join(" "));
    eprintln!("files: {}", files(Path::new(&runtime))?);
    eprintln!("level: {level} {sqlx}");
    guard.stop();
    Ok(())
}

#[perfdeck::monitor]
async fn monitored() {}

/// What came since `before`, once a deck that is on has named its thread.
async fn begun(deck: &Deck, before: &Footprint) -> Result<Vec<String>> {
    desk::until("thread of the deck", || async {
        let began = Footprint::of_this_process()?.since(before);
        let threads = began.threads.into_values();
        let seen: Vec<_> = threads.chain(began.files.into_values()).collect();
        let named = seen.iter().any(|name| name == "perfdeck-agent");
        Ok((named || !deck.is_on()).then_some(seen))
    })
    .await
}

fn own_threads() -> Result<Vec<String>> {
    // The test's program has a name of this kind, too, and threads without a name of their own take it over.
    let program = std::fs::read_to_string("/proc/self/comm")?;
    let mut names = Vec::new();
    for task in std::fs::read_dir("/proc/self/task")? {
        // It may have ended meanwhile.
        let Ok(name) = std::fs::read_to_string(task?.path().join("comm")) else {
            continue;
        };
        if name.starts_with("perfdeck") && name != program {
            names.push(name.trim().to_owned());
        }
    }
    Ok(names)
}

fn files(folder: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        // The locks and folders that a name takes are files, too.
        count += if path.is_dir() { files(&path)? } else { 1 };
    }
    Ok(count)
}
