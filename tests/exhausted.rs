//! A service without a free file descriptor: what needs none goes on, and the deck is reached again once there are some.

use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use perfdeck::{Guard, Pool};
use perfdeck_bridge::client::{Client, Options};
use perfdeck_bridge::protocol::{State as Told, Status, Topic};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::http::Kept;
use perfdeck_tests::process::Process;
use perfdeck_tests::wait::{Seen, within};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sqlx::Sqlite;
use tokio::time::timeout;

use crate::desk;

/// Set in the child, which is the service: the folder that it works in.
const CHILD: &str = "PERFDECK_TEST_CHILD";
const THIS: &str =
    "exhausted::promise_2_without_file_descriptors_no_request_fails_and_the_deck_comes_back";
const START: Duration = Duration::from_secs(60);
const EXHAUSTED: Duration = Duration::from_secs(8);
/// Of a core, that the deck's thread may take while nobody can be let in; in an unoptimised build.
const MOST_CPU: f64 = 0.05;

#[test]
fn promise_2_without_file_descriptors_no_request_fails_and_the_deck_comes_back() -> Result<()> {
    if let Some(folder) = std::env::var_os(CHILD) {
        return desk::runtime()?.block_on(service(Path::new(&folder)));
    }
    let folder = Folder::new()?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args([THIS, "--exact", "--nocapture"])
        .env(CHILD, folder.path())
        .env_remove("PERFDECK");
    let mut process = Process::start(command)?;
    let written = within(START, "address", || {
        Ok(
            match std::fs::read_to_string(folder.path().join("address")) {
                Ok(address) => Seen::Yes(address),
                Err(_) => Seen::NotYet(process.stderr()),
            },
        )
    })?;
    let address: SocketAddr = written.parse()?;
    desk::runtime()?
        .block_on(exhaust(address, &folder.path().join("deck.sock"), &process))
        .with_context(|| format!("the service says {}", process.stderr()))?;
    ensure!(process.is_running()?);
    Ok(())
}

async fn exhaust(address: SocketAddr, socket: &Path, process: &Process) -> Result<()> {
    let attach = || Client::connect(socket, Options::default());
    let attached = attach().await?;
    let mut kept = Kept::open(address)?;
    let mut sent = 0;
    let mut rows = |kept: &mut Kept| -> Result<()> {
        let answer = kept.get("/rows")?;
        ensure!(
            answer.status == 200 && answer.text() == "40000",
            "{answer:?}"
        );
        sent += 1;
        Ok(())
    };
    for _ in 0..20 {
        rows(&mut kept)?;
    }
    let before = status(&attached).await?;

    ensure!(kept.get("/take")?.text() == "none is left");
    let (began, cpu) = (Instant::now(), agent_seconds(process)?);
    let queued = socket.to_owned();
    let waiting = tokio::spawn(async move { Client::connect(&queued, Options::default()).await });
    while began.elapsed() < EXHAUSTED {
        rows(&mut kept)?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let took = (agent_seconds(process)? - cpu) / began.elapsed().as_secs_f64();
    // By its own limit, or it still waits.
    let let_in = timeout(Duration::from_secs(1), waiting).await;
    ensure!(
        !matches!(let_in, Ok(Ok(Ok(_)))),
        "a viewer was let in without a file"
    );
    let meanwhile = status(&attached).await?;
    ensure!(took < MOST_CPU, "the deck's thread took {took} of a core");
    // Nor does a second deck harm anybody that can't be started now.
    ensure!(kept.get("/starts")?.text() == "refused, and off");

    ensure!(kept.get("/give")?.text() == "some are left");
    let fresh = timeout(Duration::from_secs(5), attach()).await??;
    for _ in 0..20 {
        rows(&mut kept)?;
    }
    for client in [&attached, &fresh] {
        desk::until("every request", || async {
            let Told::Requests(requests) = desk::now(client, Topic::Requests).await? else {
                anyhow::bail!("no requests");
            };
            let mut routes = requests.routes.iter();
            let row = routes.find(|row| row.route == "GET /rows");
            Ok(row
                .filter(|row| row.requests == sent && row.errors == 0)
                .map(|_| ()))
        })
        .await?;
    }
    let after = status(&fresh).await?;
    for (when, status) in [
        ("before", &before),
        ("meanwhile", &meanwhile),
        ("after", &after),
    ] {
        ensure!(
            status.deck.agent_deaths == 0 && status.deck.agent_panics == 0,
            "{when}: {status:#?}"
        );
    }
    // The recorder's file was open before, so each tick of that time is in it.
    let blocks = |status: &Status| status.recording.as_ref().map_or(0, |state| state.blocks);
    let error = meanwhile
        .recording
        .as_ref()
        .and_then(|state| state.error.clone());
    ensure!(
        error.is_none() && blocks(&meanwhile) >= blocks(&before) + EXHAUSTED.as_secs() - 2,
        "{before:#?} {meanwhile:#?}"
    );
    Ok(())
}

async fn status(client: &Client) -> Result<Box<Status>> {
    match desk::now(client, Topic::Status).await? {
        Told::Status(status) => Ok(status),
        other => anyhow::bail!("{other:?}"),
    }
}

/// The processor time of the deck's thread.
fn agent_seconds(process: &Process) -> Result<f64> {
    let tasks = format!("/proc/{}/task", process.pid().as_raw_nonzero());
    for task in std::fs::read_dir(tasks)? {
        let stat = std::fs::read_to_string(task?.path().join("stat"))?;
        if let Some((_, fields)) = stat.split_once("(perfdeck-agent) ") {
            let fields: Vec<_> = fields.split(' ').collect();
            let ticks =
                |at: usize| -> Result<f64> { Ok(fields.get(at).context("a short line")?.parse()?) };
            // User's and system's, in hundredths of a second.
            return Ok((ticks(11)? + ticks(12)?) / 100.0);
        }
    }
    anyhow::bail!("there is no thread of the deck's")
}

async fn service(folder: &Path) -> Result<()> {
    let (_guard, deck) = perfdeck::Builder::new("exhausted")
        .socket(folder.join("deck.sock"))
        .record_to(folder.join("flight"), 4 << 20)
        .start()?;
    let pool = deck.pool("primary", desk::database(&folder.join("db")).await?);
    let whole = getrlimit(Resource::Nofile);
    let second = folder.join("second.sock");
    let routes = Router::new()
        .route("/rows", get(rows))
        .with_state(pool)
        .layer(deck.http_layer())
        // No number below three is free, and no other may be taken: what is open stays.
        .route("/take", get(move || limit(Some(3), whole, "none is left")))
        .route(
            "/give",
            get(move || limit(whole.current, whole, "some are left")),
        )
        .route("/starts", get(|| async move { starts(&second) }));
    let address = desk::serve(routes).await?;
    // Whole or not at all.
    let name = folder.join("address");
    std::fs::write(name.with_extension("new"), address.to_string())?;
    std::fs::rename(name.with_extension("new"), name)?;
    pending().await
}

async fn rows(State(pool): State<Pool<Sqlite>>) -> Result<String, StatusCode> {
    let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM notes");
    let count = count.fetch_one(&pool).await;
    count
        .map(|count| count.to_string())
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn limit(
    current: Option<u64>,
    whole: Rlimit,
    done: &'static str,
) -> Result<&'static str, StatusCode> {
    let limit = Rlimit { current, ..whole };
    setrlimit(Resource::Nofile, limit).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let is_open = std::fs::File::open("/proc/self/stat").is_ok();
    if is_open == (current == whole.current) {
        Ok(done)
    } else {
        Err(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

fn starts(socket: &Path) -> &'static str {
    let builder = perfdeck::Builder::new("second").socket(socket);
    let refused = builder.clone().start().is_err();
    let (guard, deck): (Guard, _) = builder.start_or_off();
    let off = !deck.is_on();
    guard.stop();
    if refused && off {
        "refused, and off"
    } else {
        "it started"
    }
}
