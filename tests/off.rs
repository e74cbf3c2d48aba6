//! The off switch: nothing of perfdeck is there, and the service goes on.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::routing::get;
use perfdeck::cache::Policy;
use perfdeck_tests::folder::Folder;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::desk;

/// Set in the child, which is the service.
const CHILD: &str = "PERFDECK_TEST_CHILD";

/// The environment is a process's own, so the service is a child that is this same test.
#[test]
fn switched_off_it_has_no_thread_and_no_socket_and_the_service_goes_on() -> Result<()> {
    if std::env::var_os(CHILD).is_some() {
        return desk::runtime()?.block_on(service());
    }
    let (threads, files) = run(None)?;
    ensure!(
        threads == "perfdeck-agent" && files == 1,
        "switched on: threads {threads:?}, {files} files"
    );
    for off in ["off", "OFF"] {
        let (threads, files) = run(Some(off))?;
        ensure!(
            threads.is_empty() && files == 0,
            "switched off by {off:?}: threads {threads:?}, {files} files"
        );
    }
    Ok(())
}

/// Runs the service; returns perfdeck's threads and how many files were in its runtime folder.
fn run(switch: Option<&str>) -> Result<(String, usize)> {
    let folder = Folder::new()?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args([
            "off::switched_off_it_has_no_thread_and_no_socket_and_the_service_goes_on",
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
    Ok((told("threads: ")?.to_owned(), told("files: ")?.parse()?))
}

#[expect(
    clippy::print_stderr,
    reason = "the child tells its parent what it saw"
)]
async fn service() -> Result<()> {
    let folder = Folder::new()?;
    let (guard, deck) = perfdeck::Builder::new("off")
        .cache("reports", Policy::new())
        .start()?;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(deck.layer()))?;
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

    eprintln!("\nthreads: {}", own_threads()?.join(" "));
    let runtime = std::env::var_os("PERFDECK_RUNTIME_DIR").context("a runtime folder")?;
    eprintln!("files: {}", files(Path::new(&runtime))?);
    guard.stop();
    Ok(())
}

#[perfdeck::monitor]
async fn monitored() {}

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
