//! What the command line changes of a running service's caches, and takes back.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use perfdeck::Builder;
use perfdeck::cache::{Namespace, Policy};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::host::{Host, perfdeck};
use perfdeck_tests::schema::{of_command, problems};
use perfdeck_tests::wait::{Seen, within};
use serde_json::Value;

/// A running deck's socket, and the folder that it is in.
#[derive(Clone)]
struct At {
    folder: PathBuf,
    socket: String,
}

impl At {
    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let all = [arguments, &["--socket", &self.socket, "--json"]].concat();
        let output = perfdeck(&self.folder, &all)?;
        ensure!(output.status.success(), "{output:?}");
        let printed = serde_json::from_slice(&output.stdout)?;
        let problems = problems(of_command(arguments), &printed);
        ensure!(problems.is_empty(), "{arguments:?}: {problems:#?}");
        Ok(printed)
    }

    /// What is refused, in words, by an exit status.
    fn refused(&self, arguments: &[&str]) -> Result<(Option<i32>, String)> {
        let output = perfdeck(
            &self.folder,
            &[arguments, &["--socket", &self.socket]].concat(),
        )?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((output.status.code(), told))
    }

    /// The cache `users`, once it is as it should be.
    fn users(&self, is: impl Fn(&Value) -> bool) -> Result<Value> {
        within(Duration::from_secs(10), "cache", || {
            let rows = self.json(&["cache", "stats"])?;
            let row = rows.as_array().and_then(|rows| rows.first()).cloned();
            Ok(match row {
                Some(row) if is(&row) => Seen::Yes(row),
                _ => Seen::NotYet(format!("{rows:#}")),
            })
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caches_are_resized_retimed_and_warmed_by_the_command_line() -> Result<()> {
    let folder = Folder::new()?;
    let policy = Policy::new().capacity(1_000).ttl(Duration::from_secs(300));
    let (guard, deck) = Builder::new("caches")
        .socket(folder.path().join("deck.sock"))
        .cache("users", policy)
        .start()?;
    let users = deck.cache("users");
    let doubles = users.read_through(|key: u64| async move { Ok::<_, ()>(key * 2) });
    for key in 0..200 {
        ensure!(doubles.get(&key).await == Ok(key * 2));
    }
    let socket = deck.socket().context("the deck is on")?;
    let at = At {
        folder: folder.path().to_owned(),
        socket: socket.to_str().context("a path")?.to_owned(),
    };
    tokio::task::spawn_blocking(move || commands(&at, &users)).await??;
    guard.stop();
    Ok(())
}

fn commands(at: &At, users: &Namespace) -> Result<()> {
    // Without --apply nothing happens.
    let dry = at.json(&["cache", "resize", "users", "--capacity", "20"])?;
    ensure!(
        dry["applied"] == false && dry["preview"]["kind"] == "resize_cache",
        "{dry:#}"
    );
    at.users(|row| row["capacity"] == 1_000 && row["entries"] == 200)?;

    let done = at.json(&["cache", "resize", "users", "--capacity", "20", "--apply"])?;
    ensure!(
        done["row"]["message"] == "users: 1000 entries -> 20 entries",
        "{done:#}"
    );
    at.users(|row| row["capacity"] == 20 && row["entries"].as_u64() < Some(30))?;
    let row = done["row"]["id"].to_string();
    at.json(&["undo", &row, "--apply"])?;
    at.users(|row| row["capacity"] == 1_000)?;

    let done = at.json(&["cache", "ttl", "users", "1h", "--apply"])?;
    ensure!(done["row"]["message"] == "users: 5 min -> 1 h", "{done:#}");
    at.users(|row| row["ttl_seconds"] == 3_600.0)?;

    users.invalidate();
    let done = at.json(&["cache", "warm", "users", "--apply"])?;
    ensure!(done["row"]["status"] == "done", "{done:#}");
    ensure!(
        done["row"]["message"] == "200 of 200 keys, 200 loaded",
        "{done:#}"
    );
    ensure!(users.get::<u64>(&7) == Some(14));
    at.users(|row| row["entries"] == 200 && row["refreshes"] == 200)?;

    let cases: [(&[&str], i32, &str); 5] = [
        (
            &["cache", "resize", "users", "--capacity", "0"],
            1,
            "holds nothing",
        ),
        (
            &["cache", "resize", "users", "--bytes", "1MiB"],
            1,
            "counts entries",
        ),
        (
            &["cache", "ttl", "nobody", "5m"],
            1,
            "no such cache: nobody",
        ),
        (&["cache", "ttl", "users", "soon"], 2, "soon"),
        (&["cache", "resize", "users"], 2, "--capacity"),
    ];
    for (arguments, status, words) in cases {
        let (code, told) = at.refused(arguments)?;
        ensure!(
            code == Some(status) && told.contains(words),
            "{arguments:?}: {code:?} {told}"
        );
    }
    Ok(())
}

#[test]
fn caches_that_are_bypassed_load_each_time_and_the_doctor_says_so() -> Result<()> {
    let host = Host::start_with(
        &["--service", "bypass", "--healthy", "--rate", "20"],
        &[("PERFDECK_CACHE", "bypass")],
    )?;
    let (limit, asked) = (Duration::from_secs(30), ["cache", "stats"]);
    let row = host.json_within(limit, "loads", &asked, |rows| {
        let mut rows = rows.as_array().into_iter().flatten();
        rows.find(|row| row["loads"].as_u64() > Some(3)).cloned()
    })?;
    ensure!(row["entries"] == 0 && row["hits"] == 0, "{row:#}");
    ensure!(row["misses"].as_u64() >= row["loads"].as_u64(), "{row:#}");
    let doctor = host.perfdeck(&["doctor"])?;
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    ensure!(told.contains("PERFDECK_CACHE=bypass"), "{told}");
    Ok(())
}
