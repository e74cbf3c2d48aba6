//! What the doctor's findings go by, gathered from services that really are so.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use perfdeck::{Builder, Deck, Pool};
use perfdeck_bridge::protocol::{BlindSpot, Blindness};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::host::perfdeck;
use perfdeck_tests::process::{Process, is_alone, program};
use serde_json::Value;
use sqlx::ConnectOptions as _;
use sqlx::Sqlite;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::desk;
use crate::doctor::told;

/// In a process of its own, which hears its own statements alone.
const ALONE: Duration = Duration::from_secs(60);

const COUNT: &str = "SELECT count(*) FROM notes";

/// Waits for a finding, and returns it.
async fn spot(deck: &Deck, kind: &str) -> Result<BlindSpot> {
    let status = told(deck, kind).await?;
    let found = status.blind_spots.iter().find(|spot| spot.kind == kind);
    Ok(found.context("it was there")?.clone())
}

#[test]
fn statement_logging_that_is_off_is_found_beside_a_pool_and_without_one() -> Result<()> {
    const THIS: &str =
        "blind::statement_logging_that_is_off_is_found_beside_a_pool_and_without_one";
    if !is_alone(THIS, ALONE)? {
        return Ok(());
    }
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let file = folder.path().join("db");
        desk::database(&file).await?.close().await;
        let socket = folder.path().join("deck.sock");
        let (guard, deck) = Builder::new("silent").socket(socket).start()?;
        tracing_subscriber::registry()
            .with(deck.layer())
            .try_init()?;
        let silent = SqliteConnectOptions::new()
            .filename(&file)
            .disable_statement_logging();
        let silent = SqlitePoolOptions::new().connect_with(silent).await?;
        let routes = Router::new()
            .route("/notes", get(past))
            .with_state(silent.clone())
            .layer(deck.http_layer());
        let address = desk::serve(routes).await?;
        ensure!(desk::get(address, "/notes", "").await?.text() == "40000");
        let found = spot(&deck, "no_statements").await?;
        ensure!(found.blindness == Blindness::Partly, "{found:?}");

        // A connection of the deck's own pool, and the statement past it.
        let pool = deck.pool("primary", silent);
        drop(pool.acquire().await?);
        desk::until("a pool's connection", || async {
            let found = spot(&deck, "no_statements").await?;
            Ok((found.blindness == Blindness::Blind).then_some(()))
        })
        .await?;
        guard.stop();
        Ok(())
    })
}

/// Counts past any pool of the deck's.
async fn past(State(pool): State<sqlx::SqlitePool>) -> Result<String, StatusCode> {
    let count = sqlx::query_scalar::<_, i64>(COUNT).fetch_one(&pool).await;
    let count = count.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(count.to_string())
}

#[test]
fn statements_past_the_pool_are_not_counted_as_the_pools() -> Result<()> {
    const THIS: &str = "blind::statements_past_the_pool_are_not_counted_as_the_pools";
    if !is_alone(THIS, ALONE)? {
        return Ok(());
    }
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let database = desk::database(&folder.path().join("db")).await?;
        let socket = folder.path().join("deck.sock");
        let (guard, deck) = Builder::new("both").socket(socket).start()?;
        tracing_subscriber::registry()
            .with(deck.layer())
            .try_init()?;
        let pool = deck.pool("primary", database);
        // One text both ways, of which SQLite's driver tells no request on its own thread.
        let both = |State(pool): State<Pool<Sqlite>>| async move {
            let one = past(State(pool.inner().clone())).await?;
            let other = sqlx::query_scalar::<_, i64>(COUNT).fetch_one(&pool).await;
            Ok::<_, StatusCode>(format!("{one} {:?}", other.ok()))
        };
        let routes = Router::new()
            .route("/notes", get(both))
            .with_state(pool)
            .layer(deck.http_layer());
        let address = desk::serve(routes).await?;
        for _ in 0..5 {
            let answer = desk::get(address, "/notes", "").await?;
            ensure!(answer.text() == "40000 Some(40000)", "{answer:?}");
        }
        // A second connection has set itself up past the pool as well.
        desk::until("five past the pool", || async {
            let found = spot(&deck, "statements_unattributed").await?;
            let numbers: Vec<u64> = found
                .what
                .split(' ')
                .filter_map(|word| word.parse().ok())
                .collect();
            let five = matches!(*numbers, [past, all] if past >= 5 && all == past + 5);
            Ok((five && found.why.contains("SQLite's driver")).then_some(()))
        })
        .await?;
        guard.stop();
        Ok(())
    })
}

#[test]
fn statements_of_tasks_that_left_their_request_are_found_through_the_pool_too() -> Result<()> {
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let socket = folder.path().join("deck.sock");
        let (guard, deck) = Builder::new("astray").socket(socket).start()?;
        let pool = deck.pool("primary", desk::database(&folder.path().join("db")).await?);
        let astray = |State(pool): State<Pool<Sqlite>>| async move {
            let count = sqlx::query_scalar::<_, i64>(COUNT);
            let here = count.fetch_one(&pool).await.ok();
            let there = tokio::spawn(async move {
                let count = sqlx::query_scalar::<_, i64>(COUNT);
                count.fetch_one(&pool).await.ok()
            });
            format!("{here:?} {:?}", there.await.ok())
        };
        let routes = Router::new()
            .route("/notes", get(astray))
            .with_state(pool.clone())
            .layer(deck.http_layer());
        let address = desk::serve(routes).await?;
        desk::get(address, "/notes", "").await?;
        // What never ran in a request is background work, as the first of these.
        sqlx::query("SELECT 1").execute(&pool).await?;
        let found = spot(&deck, "statements_unattributed").await?;
        ensure!(found.blindness == Blindness::Note, "{found:?}");
        ensure!(found.what.contains("1 of 3"), "{found:?}");
        guard.stop();
        Ok(())
    })
}

#[test]
fn a_connection_to_redis_is_found() -> Result<()> {
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let socket = folder.path().join("deck.sock");
        // Redis's port on an address that no server takes by itself.
        let listener = TcpListener::bind("127.77.0.1:6379")?;
        let _connection = TcpStream::connect(listener.local_addr()?)?;
        let (guard, deck) = Builder::new("talks").socket(socket).start()?;
        let found = spot(&deck, "redis_not_wrapped").await?;
        ensure!(found.why.contains("a connection to port 6379"), "{found:?}");
        guard.stop();
        Ok(())
    })
}

#[test]
fn recordings_for_which_there_is_no_room_are_found() -> Result<()> {
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let socket = folder.path().join("deck.sock");
        let (guard, deck) = Builder::new("drops").socket(socket).start()?;
        // More numbers of all sizes than a deck has room for.
        for name in 0..900 {
            let histogram = deck.histogram(&format!("sizes-{name}"));
            (-32..40).for_each(|power| histogram.record(2_f64.powi(power)));
        }
        spot(&deck, "recordings_dropped").await?;
        guard.stop();
        Ok(())
    })
}

#[test]
fn a_stripped_service_is_found_and_one_with_symbols_is_not() -> Result<()> {
    let folder = Folder::new()?;
    let stripped = folder.path().join("demo");
    let output = Command::new("strip")
        .arg("-o")
        .args([&stripped, &program("demo")?])
        .output()
        .context("strip can't be run: it is in the package binutils")?;
    ensure!(output.status.success(), "{output:?}");
    for (demo, expected) in [(stripped, true), (program("demo")?, false)] {
        let mut command = Command::new(demo);
        command
            .args(["--headless", "--json", "--no-load", "--healthy"])
            .env("PERFDECK_RUNTIME_DIR", folder.path())
            .env("TMPDIR", folder.path())
            .env_remove("PERFDECK");
        let mut process = Process::start(command)?;
        process.line(1, Duration::from_secs(120))?;
        let doctor = perfdeck(folder.path(), &["doctor", "--json"])?;
        let told: Value = serde_json::from_slice(&doctor.stdout)?;
        let spots = told["blind_spots"].as_array().context("no list")?;
        let found = spots.iter().any(|spot| spot["kind"] == "no_symbols");
        ensure!(found == expected, "{told:#}");
        process.signal(rustix::process::Signal::TERM)?;
        process.end(Duration::from_secs(20))?;
    }
    Ok(())
}

/// A service that runs as a user who may not make its folder goes on without a deck, and logs the fix.
#[test]
fn a_service_that_may_not_make_its_folder_logs_the_fix() -> Result<()> {
    const THIS: &str = "blind::a_service_that_may_not_make_its_folder_logs_the_fix";
    const CHILD: &str = "PERFDECK_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(std::io::stderr)
            .init();
        let (_guard, deck) = Builder::new("forbidden").start_or_off();
        ensure!(!deck.is_on());
        return Ok(());
    }
    // A user that no system has, in a folder of that user's that is read-only.
    const NOBODY: u32 = 60_125;
    let folder = Folder::new()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let parent = folder.path().join("parent");
    fs::create_dir(&parent)?;
    chown(&parent, Some(NOBODY), Some(NOBODY))
        .context("this needs root, or `unshare --map-root-user --map-auto cargo test`")?;
    fs::set_permissions(&parent, fs::Permissions::from_mode(0o500))?;
    // The folder of the build may be closed to others.
    let copy = folder.path().join("tests");
    fs::hard_link(std::env::current_exe()?, &copy)
        .or_else(|_| fs::copy(std::env::current_exe()?, &copy).map(drop))?;
    let output = Command::new(copy)
        .args([THIS, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .env("PERFDECK_RUNTIME_DIR", parent.join("run"))
        .env_remove("PERFDECK")
        .current_dir(Path::new("/"))
        .uid(NOBODY)
        .gid(NOBODY)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    for part in [
        "perfdeck is off",
        "ermission denied",
        "PERFDECK_RUNTIME_DIR",
    ] {
        ensure!(said.contains(part), "no `{part}`: {said}");
    }
    ensure!(
        fs::read_dir(&parent)?.next().is_none(),
        "something was left"
    );
    Ok(())
}
