//! Commands to Redis through the demo's own connection: counted as the server counts them, told everywhere, and kept.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::host::{Host, perfdeck};
use perfdeck_tests::http;
use perfdeck_tests::redis::Server;
use serde_json::Value;

use crate::pty::attach;

const A_MOMENT: Duration = Duration::from_secs(10);
const ROUTE: &str = "POST /workspaces/{workspace}/sessions/{session}/messages";

#[test]
fn commands_to_redis_are_told_by_the_service_on_the_screens_and_in_a_recording() -> Result<()> {
    let mut redis = Server::start()?;
    let folder = Folder::new()?;
    let recording = folder.path().join("desk.flight").display().to_string();
    let host = Host::start(&[
        "--no-load",
        "--redis",
        &redis.url(),
        "--record-to",
        &recording,
    ])?;
    let posted = post_messages(&host, 20)?;
    let told = rows(&host, "INCRBY", posted)?;
    for (command, calls, pipelined) in [
        ("INCRBY", posted, posted),
        ("EXPIRE", posted, posted),
        ("GET", posted, 0),
        ("<pipeline>", posted, 0),
    ] {
        let row = row(&told, command).with_context(|| format!("no {command} in {told}"))?;
        let seen = [&row["calls"], &row["pipelined"], &row["errors"]].map(Value::as_u64);
        ensure!(
            seen == [Some(calls), Some(pipelined), Some(0)],
            "{command}: {row}"
        );
        ensure!(row["round_trip"] == (command == "<pipeline>"), "{row}");
        // A time that one of many commands took is known to nobody.
        ensure!(row["p95_seconds"].is_null() == (pipelined > 0), "{row}");
    }
    let stats = redis.ask(&["INFO", "commandstats"])?;
    ensure!(
        stats.contains(&format!("cmdstat_expire:calls={posted},")),
        "{stats}"
    );

    let one = host.json(&["exemplar", "--of", ROUTE, "--percentile", "100"])?;
    let steps = one["steps"].as_array().context("no steps")?;
    let trips = steps.iter().filter(|step| step["kind"] == "redis");
    let trips: Vec<_> = trips.filter_map(|step| step["name"].as_str()).collect();
    ensure!(trips == ["minute <pipeline>", "minute GET"], "{one}");
    let doctor = host.json(&["status"])?["seen"].to_string();
    ensure!(doctor.contains("through `minute`"), "{doctor}");

    let mut screen = attach(&host)?;
    screen.press("9")?;
    screen.shows("<pipeline>", A_MOMENT)?;

    redis.stop();
    let failed = post_messages(&host, 12)?;
    let told = rows(&host, "INCRBY", posted + failed)?;
    let incr = row(&told, "INCRBY").context("no INCRBY")?;
    ensure!(incr["errors"].as_u64() == Some(failed), "{incr}");
    screen.shows("on the Redis connection `minute` fail", A_MOMENT)?;
    screen.press("q")?;
    ensure!(screen.end(A_MOMENT)?.success());

    let kept = perfdeck(
        host.runtime(),
        &["redis", "--json", "--recording", &recording],
    )?;
    let kept: Value = serde_json::from_slice(&kept.stdout)?;
    let kept = row(&kept, "INCRBY").with_context(|| format!("no INCRBY in {kept}"))?;
    ensure!(kept["calls"].as_u64() >= Some(posted), "{kept}");
    Ok(())
}

/// Posts so many messages to a session; returns the number.
fn post_messages(host: &Host, number: u64) -> Result<u64> {
    let sessions: Value = serde_json::from_slice(&host.get("/workspaces/7/sessions")?.body)?;
    let session = &sessions[0]["id"];
    let path = format!("/workspaces/7/sessions/{session}/messages");
    let message = r#"{"author":"ops","body":"hello"}"#;
    for _ in 0..number {
        let answer = http::send(host.address(), "POST", &path, message)?;
        ensure!(answer.status == 201, "{path}: {}", answer.text());
    }
    Ok(number)
}

/// Waits until a command was counted so often, and returns all.
fn rows(host: &Host, command: &str, calls: u64) -> Result<Value> {
    let what = format!("{calls} calls of {command}");
    host.json_within(A_MOMENT, &what, &["redis"], |told| {
        let row = row(told, command)?;
        (row["calls"].as_u64()? >= calls).then(|| told.clone())
    })
}

fn row<'a>(told: &'a Value, command: &str) -> Option<&'a Value> {
    let mut rows = told["redis"].as_array()?.iter();
    rows.find(|row| row["command"] == command)
}
