//! No literal leaves the process: marked ones in statements, errors and panics, and every way out looked through.

use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use perfdeck::{Pool, Risk};
use perfdeck_bridge::protocol::{Evidence, State as Told, Topic};
use perfdeck_bridge::recording::Recording;
use perfdeck_tests::folder::Folder;
use perfdeck_tests::literals::{self, Dialect};
use perfdeck_tests::postgres::Server;
use perfdeck_tests::process::is_alone;
use perfdeck_tests::wait::{Seen, within};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Executor, Postgres, Sqlite, SqlitePool};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::{desk, recording};

/// All statements run in an unoptimised build, and a finding is waited for.
const LIMIT: Duration = Duration::from_secs(300);
const A_MOMENT: Duration = Duration::from_secs(20);

/// Run alone, for it hears of all events and some statements write into the working directory.
#[test]
fn promise_23_no_literal_leaves_the_process() -> Result<()> {
    const THIS: &str = "literals::promise_23_no_literal_leaves_the_process";
    if !is_alone(THIS, LIMIT)? {
        return Ok(());
    }
    let elsewhere = Folder::new()?;
    std::env::set_current_dir(elsewhere.path())?;
    let folder = Folder::new()?;
    let (flight, ledger) = (folder.path().join("flight"), folder.path().join("ledger"));
    let (guard, deck) = perfdeck::Builder::new("promise-23")
        .socket(folder.path().join("deck.sock"))
        .record_to(&flight, 8 << 20)
        .ledger(&ledger)
        .allow(Risk::Schema)
        .start()?;
    // Statements are heard of twice: from the pools, and from sqlx's events.
    let log = fmt::layer()
        .with_writer(|| Log)
        .with_filter(Targets::new().with_target("perfdeck", tracing::Level::TRACE));
    tracing_subscriber::registry()
        .with(deck.layer())
        .with(log)
        .try_init()?;
    let server = Server::start()?;
    let told = desk::runtime()?.block_on(async {
        let notes = deck.pool("primary", sqlite(&elsewhere.path().join("db")).await?);
        let mut ran = 0;
        for dialect in Dialect::ALL {
            for sql in literals::statements(dialect) {
                // Most are wrong, and tell so with their literals in the message.
                let _ = sqlx::query(AssertSqlSafe(sql)).execute(&notes).await;
                ran += 1;
            }
            // What some of them began, and what others have filled.
            let _ = notes.inner().execute("ROLLBACK").await;
            notes
                .inner()
                .execute("DELETE FROM notes WHERE id > 100")
                .await?;
        }
        ensure!(ran >= 1_500, "{ran} statements");
        let reports = postgres(&server).await?;
        let reports = deck.pool("reports", reports);
        for sql in literals::statements(Dialect::Postgres) {
            // The driver does not speak it without more words of its own.
            if !sql.starts_with("COPY (") {
                let _ = sqlx::query(AssertSqlSafe(sql)).execute(&reports).await;
            }
        }

        let routes = Router::new()
            .route("/tickets/{id}", get(searches))
            .route("/taken/{id}", get(taken))
            .route("/panics/{id}", get(panics))
            .with_state(Pools { notes, reports })
            .layer(deck.http_layer().headers(true));
        let address = desk::serve(routes).await?;
        let load = tokio::spawn(async move {
            loop {
                for path in [
                    "/tickets/s3cr3t?q=s3cr3t",
                    "/taken/s3cr3t",
                    "/panics/s3cr3t",
                    "/s3cr3t",
                ] {
                    let _ = desk::get(address, path, "X-Token: s3cr3t\r\n").await;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let client = desk::viewer(&deck, false).await?;
        desk::until("request that panicked", || async {
            let Told::Requests(requests) = desk::now(&client, Topic::Requests).await? else {
                bail!("no requests");
            };
            let mut routes = requests.routes.iter();
            let panicked = routes.any(|row| row.route == "GET /panics/{id}" && row.cancelled > 3);
            Ok(panicked.then_some(()))
        })
        .await?;
        let missing = desk::until("missing index", || desk::finding(&client, "missing_index"));
        let missing = missing.await?;
        let Evidence::MissingIndex(evidence) = &missing.evidence else {
            bail!("{missing:?}")
        };
        let lines = evidence.plan_before.iter();
        let mut filters = lines.filter(|line| {
            let line = line.as_str();
            line.contains("Filter: (ticket = ") && line.contains('?')
        });
        ensure!(
            filters.next().is_some(),
            "no literal was planned: {missing:?}"
        );
        let mut told = vec![serde_json::to_string(&missing)?];
        told.extend(desk::everything(&client).await?);
        told.push(desk::applied(&client, &missing).await?);
        told.extend(desk::everything(&client).await?);
        load.abort();
        anyhow::Ok(told)
    })?;
    let whole = told.join("\n");
    for seen in [
        "<unparsable ",
        "ticket = ?",
        "GET /taken/{id}",
        "GET /panics/{id}",
        "\"status\":409",
        "create_index",
    ] {
        ensure!(whole.contains(seen), "{seen} was not told of");
    }
    let recorded = within(A_MOMENT, "recorded action", || {
        let recording = Recording::open(&flight)?;
        let text = recording::text(&recording)?;
        let whole = [
            "<unparsable ",
            "ticket = ?",
            "create_index",
            "GET /taken/{id}",
        ];
        Ok(match whole.iter().find(|part| !text.contains(**part)) {
            None => Seen::Yes(text),
            Some(missing) => Seen::NotYet(format!("no {missing}")),
        })
    })?;
    guard.stop();
    silent("an answer", &whole)?;
    silent("the recording", &recorded)?;
    silent("the log", &String::from_utf8_lossy(&log_lines()))?;
    // The ledger and the ring's packed blocks, as they lie on the disk.
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder.path())? {
        let path = entry?.path();
        let bytes = std::fs::read(&path)?;
        silent(
            &path.display().to_string(),
            &String::from_utf8_lossy(&bytes),
        )?;
        files.extend((!bytes.is_empty()).then_some(path));
    }
    ensure!(
        files.contains(&flight) && files.contains(&ledger),
        "{files:?}"
    );
    Ok(())
}

fn silent(what: &str, text: &str) -> Result<()> {
    match literals::told(text) {
        Some(near) => bail!("{what} has a literal: {near:?}"),
        None => Ok(()),
    }
}

/// One connection, so that what a statement leaves behind can be put right.
async fn sqlite(file: &Path) -> Result<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect_with(options).await?;
    pool.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, ticket TEXT, body TEXT)")
        .await?;
    pool.execute("CREATE UNIQUE INDEX taken ON notes (ticket) WHERE id < 100")
        .await?;
    pool.execute("INSERT INTO notes VALUES (1, 's3cr3t-taken', 'a note')")
        .await?;
    Ok(pool)
}

async fn postgres(server: &Server) -> Result<sqlx::PgPool> {
    let pool = PgPoolOptions::new().max_connections(4);
    let pool = pool.connect(&server.database("promise_23")?).await?;
    for sql in [
        "CREATE TABLE notes (id serial PRIMARY KEY, ticket text, body text)",
        "CREATE TABLE taken (ticket text UNIQUE)",
        "INSERT INTO notes (ticket, body) SELECT 'ticket-' || i % 8000, 'a note of some length' \
         FROM generate_series(1, 60000) i",
        "INSERT INTO taken VALUES ('s3cr3t 4711471147')",
        "ANALYZE",
    ] {
        pool.execute(sql).await?;
    }
    Ok(pool)
}

#[derive(Clone)]
struct Pools {
    notes: Pool<Sqlite>,
    reports: Pool<Postgres>,
}

/// Looks for what a literal in the statement's own text says, without an index.
async fn searches(State(pools): State<Pools>) -> Result<&'static str, StatusCode> {
    let sql = "SELECT body FROM notes WHERE ticket = 's3cr3t 4711471147'";
    let found = sqlx::query(sql).fetch_all(&pools.reports).await;
    found.map(|_| "done").map_err(failed)
}

/// Fails as servers do that quote the value: `Key (ticket)=(...) already exists`.
async fn taken(State(pools): State<Pools>) -> Result<&'static str, StatusCode> {
    let one = sqlx::query("INSERT INTO notes (id, ticket) VALUES (2, 's3cr3t-taken')");
    let one = one.execute(&pools.notes).await;
    let two = sqlx::query("INSERT INTO taken VALUES ('s3cr3t 4711471147')");
    let two = two.execute(&pools.reports).await;
    let quoted = match &two {
        Err(sqlx::Error::Database(error)) => {
            let error = error.downcast_ref::<sqlx::postgres::PgDatabaseError>();
            error
                .detail()
                .is_some_and(|detail| detail.contains("s3cr3t"))
        }
        _ => false,
    };
    if one.is_ok() || !quoted {
        return Err(StatusCode::IM_A_TEAPOT);
    }
    Err(StatusCode::CONFLICT)
}

async fn panics(State(pools): State<Pools>) -> Result<&'static str, StatusCode> {
    let lost = sqlx::query("SELECT body FROM nowhere WHERE ticket = 's3cr3t'");
    let Err(error) = lost.fetch_all(&pools.notes).await else {
        return Ok("there is such a table");
    };
    looked_up(&error.to_string())
}

#[perfdeck::monitor]
#[expect(clippy::panic, reason = "that is what it does")]
fn looked_up(why: &str) -> Result<&'static str, StatusCode> {
    panic!("s3cr3t 4711471147: {why}")
}

fn failed(_: sqlx::Error) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

/// What perfdeck has logged.
fn log_lines() -> MutexGuard<'static, Vec<u8>> {
    static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        log_lines().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
