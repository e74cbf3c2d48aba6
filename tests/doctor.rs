//! What `perfdeck doctor` finds, and what it doesn't.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::routing::get;
use perfdeck::{Builder, Deck};
use perfdeck_bridge::protocol::{State, Status, Topic};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::host::{Host, perfdeck};
use perfdeck_tests::schema;
use serde_json::Value;

use crate::desk;

/// Expects a document of the schema, and returns its exit code and what was found.
fn found(output: &Output) -> Result<(Option<i32>, Vec<Value>)> {
    let said = String::from_utf8_lossy(&output.stderr);
    let printed: Value =
        serde_json::from_slice(&output.stdout).with_context(|| said.to_string())?;
    let problems = schema::problems("doctor", &printed);
    ensure!(problems.is_empty(), "{problems:#?}");
    let spots = printed["blind_spots"].as_array().context("a list")?;
    Ok((output.status.code(), spots.clone()))
}

fn kinds(spots: &[Value]) -> Vec<&str> {
    spots
        .iter()
        .filter_map(|spot| spot["kind"].as_str())
        .collect()
}

#[test]
fn the_doctor_says_where_it_looked_in_vain() -> Result<()> {
    let folder = Folder::new()?;
    let (code, spots) = found(&perfdeck(folder.path(), &["doctor", "--json"])?)?;
    ensure!(
        code == Some(1) && kinds(&spots) == ["no_host"],
        "{spots:#?}"
    );
    let text = perfdeck(folder.path(), &["doctor"])?;
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let looked = folder.path().display().to_string();
    ensure!(
        text.contains(&looked) && text.contains("start_or_off"),
        "{text}"
    );
    Ok(())
}

#[test]
fn the_doctor_names_a_folder_that_others_may_enter_and_the_fix() -> Result<()> {
    let folder = Folder::new()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let (code, spots) = found(&perfdeck(folder.path(), &["doctor", "--json"])?)?;
    ensure!(code == Some(1), "{spots:#?}");
    ensure!(kinds(&spots) == ["no_host", "folder_unsafe"], "{spots:#?}");
    let fix = format!("chmod 700 {}", folder.path().display());
    let told = spots.get(1).and_then(|spot| spot["fix"].as_str());
    ensure!(told.is_some_and(|told| told.contains(&fix)), "{told:?}");
    Ok(())
}

#[test]
fn a_service_that_may_not_serve_in_its_folder_logs_the_fix() -> Result<()> {
    let folder = Folder::new()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let log = folder.path().join("log");
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(fs::File::create(&log)?)
        .finish();
    let (_guard, deck) = tracing::subscriber::with_default(subscriber, || {
        let builder = Builder::new("closed").socket(folder.path().join("deck.sock"));
        builder.start_or_off()
    });
    ensure!(!deck.is_on());
    let said = fs::read_to_string(&log)?;
    for part in [
        "perfdeck is off",
        "others may enter it",
        "PERFDECK_RUNTIME_DIR",
    ] {
        ensure!(said.contains(part), "no `{part}`: {said}");
    }
    Ok(())
}

#[test]
fn the_doctor_names_the_process_that_left_its_socket() -> Result<()> {
    let folder = Folder::new()?;
    let left = folder.path().join("gone-4000000-1.sock");
    drop(std::os::unix::net::UnixListener::bind(&left)?);
    let (_, spots) = found(&perfdeck(folder.path(), &["doctor", "--json"])?)?;
    let why = spots.first().and_then(|spot| spot["why"].as_str());
    let gone = "of `gone-4000000-1.sock` the service is gone";
    ensure!(why.is_some_and(|why| why.contains(gone)), "{why:?}");
    Ok(())
}

#[test]
fn the_doctor_has_nothing_to_find_in_the_demo() -> Result<()> {
    let host = Host::start(&["--no-load", "--healthy"])?;
    host.get("/workspaces/3/analytics")?;
    // The deck's first ticks show what its layer hears, and the request.
    let seen = |printed: &Value| {
        let seen = printed["seen"].as_array()?;
        let what: Vec<&str> = seen
            .iter()
            .filter_map(|seen| seen["what"].as_str())
            .collect();
        // Without load no database was asked for advice.
        let all = ["requests", "statements", "pools", "caches"];
        all.iter().all(|wanted| what.contains(wanted)).then_some(())
    };
    host.json_within(Duration::from_secs(20), "evidence", &["doctor"], seen)?;
    let text = host.perfdeck(&["doctor"])?;
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    ensure!(
        text.contains("Everything perfdeck looks for can be seen."),
        "{text}"
    );
    Ok(())
}

/// Waits until the deck's viewers are told of a blind spot.
pub(crate) async fn told(deck: &Deck, kind: &str) -> Result<Box<Status>> {
    let client = desk::viewer(deck, false).await?;
    desk::until(kind, || async {
        let State::Status(status) = desk::now(&client, Topic::Status).await? else {
            bail!("no status");
        };
        let there = status.blind_spots.iter().any(|spot| spot.kind == kind);
        Ok(there.then_some(status))
    })
    .await
}

#[test]
fn the_doctor_names_a_layer_outside_the_router_and_a_second_deck() -> Result<()> {
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let start = |name: &str| Builder::new(name).socket(folder.path().join(name)).start();
        let (first_guard, _first) = start("one.sock")?;
        let (guard, deck) = start("two.sock")?;
        told(&deck, "second_deck").await?;

        // Around a router that is the other's fallback, the layer is where no template is known.
        let inner = Router::new().route("/notes/{id}", get(|| async { "a note" }));
        let routes = Router::new()
            .fallback_service(inner)
            .layer(deck.http_layer());
        let address = desk::serve(routes).await?;
        let answer = desk::get(address, "/notes/7", "").await?;
        ensure!(answer.status == 200, "{}", answer.status);
        told(&deck, "no_route_template").await?;

        let socket = deck
            .socket()
            .and_then(|path| path.to_str())
            .context("a path")?
            .to_owned();
        let path = folder.path().to_owned();
        let doctor = move || perfdeck(&path, &["doctor", "--json", "--socket", &socket]);
        let (code, spots) = found(&tokio::task::spawn_blocking(doctor).await??)?;
        ensure!(code == Some(1), "{spots:#?}");
        let kinds = kinds(&spots);
        let there = |kind| kinds.contains(&kind);
        ensure!(
            there("no_route_template") && there("second_deck"),
            "{kinds:?}"
        );
        guard.stop();
        first_guard.stop();
        Ok(())
    })
}
