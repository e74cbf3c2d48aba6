//! A process in a time namespace, whose monotonic clocks are years ahead of the machine's or begin at nothing.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::routing::get;
use perfdeck::cache::{Namespace, Policy};
use perfdeck_bridge::Source;
use perfdeck_bridge::protocol::{
    Answer, HistoryOf, HistoryRequest, Question, State, Timestamp, Topic,
};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::process::is_alone_under;
use serde_json::Value;

use crate::desk;

const THIS: &str =
    "time::promise_32_time_jumps_in_a_namespace_bring_no_negative_duration_and_no_refresh_storm";
/// What a request takes, at least.
const TAKES: Duration = Duration::from_millis(20);
/// How long there is load, and how often its entry is out of date meanwhile.
const LOAD: Duration = Duration::from_secs(6);
const TTL: Duration = Duration::from_secs(1);

#[test]
fn promise_32_time_jumps_in_a_namespace_bring_no_negative_duration_and_no_refresh_storm()
-> Result<()> {
    let decade = 10 * 365 * 86_400;
    for offset in [decade, 2 - uptime()?] {
        let offset = offset.to_string();
        let mut wrapper = vec!["unshare", "--time", "--fork", "--kill-child"];
        if !rustix::process::geteuid().is_root() {
            wrapper.push("-r");
        }
        wrapper.extend(["--monotonic", &offset, "--boottime", &offset]);
        if is_alone_under(&wrapper, THIS, Duration::from_secs(120))? {
            return desk::runtime()?.block_on(elsewhen());
        }
    }
    Ok(())
}

/// Whole seconds since the machine began.
fn uptime() -> Result<i64> {
    let told = fs::read_to_string("/proc/uptime")?;
    let seconds = told.split('.').next().context("no uptime")?;
    Ok(seconds.parse()?)
}

async fn elsewhen() -> Result<()> {
    let own = fs::read_link("/proc/self/ns/time")?;
    ensure!(
        own != fs::read_link(format!("/proc/{}/ns/time", parent()?))?,
        "no namespace"
    );
    let folder = Folder::new()?;
    let (guard, deck) = perfdeck::Builder::new("elsewhen")
        .socket(folder.path().join("deck.sock"))
        .cache("users", Policy::new().ttl(TTL))
        .start()?;
    let users = deck.cache("users");
    let handler = move || ask(users.clone());
    let routes = Router::new()
        .route("/users", get(handler))
        .layer(deck.http_layer());
    let address = desk::serve(routes).await?;
    let start = Instant::now();
    let mut callers = Vec::new();
    for _ in 0..4 {
        callers.push(tokio::spawn(async move {
            while start.elapsed() < LOAD {
                desk::get(address, "/users", "").await?;
            }
            anyhow::Ok(())
        }));
    }
    for caller in callers {
        caller.await??;
    }
    let took = start.elapsed();
    tokio::time::sleep(Duration::from_millis(1_500)).await;

    let client = desk::viewer(&deck, true).await?;
    // One load each time that the entry was out of date, and not one a request.
    let State::Caches(caches) = desk::now(&client, Topic::Caches).await? else {
        bail!("no caches");
    };
    let row = caches.namespaces.first().context("no namespace")?;
    let (least, most) = (took.as_secs() / 2, took.as_secs() + 2);
    ensure!(
        (least..=most).contains(&row.loads) && row.hits > 10 * row.loads,
        "{row:?} after {took:?}"
    );
    let State::Requests(requests) = desk::now(&client, Topic::Requests).await? else {
        bail!("no requests");
    };
    let route = requests.routes.first().context("no route")?;
    let least = TAKES.as_secs_f64() * 0.98;
    ensure!(
        (least..1.0).contains(&route.p50_seconds) && (least..5.0).contains(&route.p99_seconds),
        "{route:?}"
    );
    for topic in Topic::ALL {
        let Answer::Now(update) = client.ask(Question::Now(topic)).await? else {
            bail!("no state");
        };
        let wall = Timestamp::from(SystemTime::now());
        let age = wall.since(update.at).max(update.at.since(wall));
        ensure!(
            age < Duration::from_secs(30),
            "{topic:?} is told {age:?} off"
        );
        negative(&serde_json::to_value(&update.state)?, "")?;
    }
    let of = HistoryRequest::of(HistoryOf::Route("GET /users".into()));
    let Answer::History(history) = client.ask(Question::History(of)).await? else {
        bail!("no history");
    };
    negative(&serde_json::to_value(&history)?, "")?;
    guard.stop();
    Ok(())
}

/// Answers as a handler would that finds in a cache what it needs.
async fn ask(users: Namespace) -> &'static str {
    tokio::time::sleep(TAKES).await;
    let found = users.get_or_load(&7, async || Ok::<_, std::fmt::Error>("Ada"));
    found.await.unwrap_or("nobody")
}

/// Fails for a duration, an age or a share below nothing.
fn negative(value: &Value, at: &str) -> Result<()> {
    match value {
        Value::Number(number) => {
            let names = ["seconds", "ratio", "share", "percent", "age"];
            let told = names.iter().any(|name| at.contains(name));
            ensure!(!told || number.as_f64() >= Some(0.0), "{at} is {number}");
        }
        Value::Array(values) => {
            for value in values {
                negative(value, at)?;
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                negative(value, &format!("{at}.{name}"))?;
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
    Ok(())
}

/// The process that unshared, which is where the machine's own time is.
fn parent() -> Result<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    Ok(line.context("no parent")?.trim().to_owned())
}
