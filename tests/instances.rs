//! Two instances of a service that share a Redis.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use perfdeck_tests::host::Host;
use perfdeck_tests::http;
use perfdeck_tests::redis::Server;
use serde_json::Value;

use crate::pty::attach;

const A_MOMENT: Duration = Duration::from_secs(10);
/// What the SDK promises.
const BOUND: Duration = Duration::from_millis(1_250);

#[test]
fn an_invalidation_in_one_instance_is_seen_in_the_other_and_on_both_screens() -> Result<()> {
    let mut redis = Server::start()?;
    let url = redis.url();
    let arguments = ["--no-load", "--redis", &url];
    let one = Host::start(&arguments)?;
    let other = one.start_beside(&arguments)?;
    // Until both have seen the namespace, which nobody has invalidated yet.
    for host in [&one, &other] {
        host.get("/workspaces/7/analytics")?;
        entries(host, 1)?;
    }
    std::thread::sleep(BOUND);
    for host in [&one, &other] {
        host.get("/workspaces/7/analytics")?;
        host.get("/workspaces/8/analytics")?;
        entries(host, 2)?;
    }
    // What one has loaded the other has taken.
    let taken = entries(&other, 2)?["shared_hits"].as_u64();
    ensure!(taken > Some(0), "{taken:?} taken from Redis");
    let (mut screen, mut others) = (attach(&one)?, attach(&other)?);
    for screen in [&mut screen, &mut others] {
        screen.press("4")?;
        screen.shows("stale for at most 1.25s", A_MOMENT)?;
        screen.shows("entries 2", A_MOMENT)?;
    }

    let message = r#"{"author":"ops","body":"hello"}"#;
    let path = "/workspaces/7/sessions/1/messages";
    let mut added = None;
    // Sessions belong to workspaces; one of the first is one of this workspace's.
    for session in 1..=200 {
        let path = format!("/workspaces/7/sessions/{session}/messages");
        let answer = http::send(one.address(), "POST", &path, message)?;
        if answer.status == 201 {
            added = Some(session);
            break;
        }
    }
    ensure!(added.is_some(), "no session of workspace 7 for {path}");
    for host in [&one, &other] {
        entries(host, 1).context("the entry of workspace 7")?;
    }
    for screen in [&screen, &others] {
        screen.shows("entries 1", A_MOMENT)?;
    }
    others_followed(&other)?;

    // An operator's clear reaches both as well.
    let cleared = one.json(&["cache", "clear", "analytics", "--apply"])?;
    for host in [&one, &other] {
        entries(host, 0)?;
    }
    for screen in [&screen, &others] {
        screen.shows("entries 0", A_MOMENT)?;
    }
    one.json(&["undo", &cleared["row"]["id"].to_string(), "--apply"])?;
    entries(&one, 1)?;

    redis.stop();
    for screen in [&screen, &others] {
        screen.shows("Redis doesn't answer", A_MOMENT)?;
    }
    ensure!(
        one.get("/workspaces/7/analytics")?.status == 200,
        "the service goes on"
    );
    redis.restart()?;
    for screen in [&screen, &others] {
        screen.hides("Redis doesn't answer", A_MOMENT)?;
    }
    for screen in [&mut screen, &mut others] {
        screen.press("q")?;
        ensure!(screen.end(A_MOMENT)?.success());
    }
    Ok(())
}

fn entries(host: &Host, expected: u64) -> Result<Value> {
    let what = format!("{expected} entries");
    host.json_within(A_MOMENT, &what, &["cache", "stats"], |rows| {
        let mut rows = rows.as_array()?.iter();
        let row = rows.find(|row| row["namespace"] == "analytics")?;
        (row["entries"] == expected).then(|| row.clone())
    })
}

fn others_followed(host: &Host) -> Result<()> {
    let told = host.perfdeck(&["cache", "stats"])?;
    let told = String::from_utf8(told.stdout)?;
    ensure!(told.contains("stale for at most 1.25s, "), "{told}");
    ensure!(!told.contains(", 0 followed"), "{told}");
    Ok(())
}
