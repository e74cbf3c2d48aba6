//! Limits that the service sets, and alerts that it or a viewer clears.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use perfdeck::protocol::{Alert, AlertState, LedgerStatus, State, Topic};
use perfdeck::{Builder, Deck, Rule};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::host::perfdeck;
use perfdeck_tests::schema;
use serde_json::Value;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};

use crate::desk;

/// A pool of one connection, for which nobody waits long.
async fn pool() -> Result<SqlitePool> {
    let options = SqlitePoolOptions::new().max_connections(1);
    let options = options.acquire_timeout(Duration::from_millis(20));
    Ok(options.connect("sqlite::memory:").await?)
}

/// Lets so many waits for the pool's one connection run out of time.
async fn run_out_of_time(pool: &perfdeck::Pool<sqlx::Sqlite>, times: usize) -> Result<()> {
    let held = pool.acquire().await?;
    for _ in 0..times {
        ensure!(pool.acquire().await.is_err());
    }
    drop(held);
    Ok(())
}

/// Waits until the alerts are as they should be, firing first.
async fn alerts(
    deck: &Deck,
    what: &str,
    expected: &[(&str, AlertState, f64)],
) -> Result<Vec<Alert>> {
    desk::until(what, || async {
        let alerts = deck.alerts().await;
        let told: Vec<_> = alerts
            .iter()
            .map(|alert| (&*alert.subject, alert.state, alert.threshold))
            .collect();
        Ok((told == expected).then_some(alerts))
    })
    .await
}

#[test]
fn a_service_sets_limits_and_clears_its_alerts() -> Result<()> {
    use AlertState::{Firing, Resolved};
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let (guard, deck) = Builder::new("limits")
            .socket(folder.path().join("deck.sock"))
            .threshold(Rule::PoolTimeouts, 3.0)
            // A busy machine is not what this is about.
            .threshold(Rule::CpuPercent, 100.0)
            .threshold(Rule::MemoryPercent, 100.0)
            .start()?;
        let pool = deck.pool("primary", pool().await?);
        run_out_of_time(&pool, 4).await?;
        alerts(&deck, "an alert", &[("primary", Firing, 3.0)]).await?;

        deck.set_threshold(Rule::PoolTimeouts, 50.0)?;
        alerts(&deck, "its end", &[("primary", Resolved, 50.0)]).await?;
        let refused = deck.set_threshold(Rule::PoolTimeouts, f64::NAN);
        ensure!(refused.is_err_and(|error| error.is_config()));

        deck.set_threshold(Rule::PoolTimeouts, 3.0)?;
        let again = [("primary", Firing, 3.0), ("primary", Resolved, 50.0)];
        alerts(&deck, "the alert again", &again).await?;
        ensure!(deck.clear_alerts().await == 2 && deck.alerts().await.is_empty());
        ensure!(deck.clear_alerts().await == 0, "nothing is left to clear");
        // The time-outs are still of the last minute: a tick later the alert must not be back.
        run_out_of_time(&pool, 1).await?;
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < Duration::from_secs(3) {
            ensure!(deck.alerts().await.is_empty());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // It was over once.
        deck.set_threshold(Rule::PoolTimeouts, 50.0)?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        deck.set_threshold(Rule::PoolTimeouts, 3.0)?;
        alerts(&deck, "a new alert", &again[..1]).await?;

        let client = desk::viewer(&deck, true).await?;
        let State::Ledger(ledger) = desk::now(&client, Topic::Ledger).await? else {
            bail!("no ledger");
        };
        ensure!(ledger.rows.len() == 1, "{ledger:?}");
        let row = ledger.rows.first().context("a row")?;
        ensure!(row.actor == "host" && row.action == "clear_alerts" && row.undo.is_none());
        ensure!(row.status == LedgerStatus::Done && row.message == "cleared 2 alerts");
        guard.stop();
        ensure!(deck.clear_alerts().await == 0, "a deck that has stopped");
        Ok(())
    })
}

#[test]
fn a_route_is_judged_by_its_own_limit() -> Result<()> {
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let (guard, deck) = Builder::new("routes")
            .socket(folder.path().join("deck.sock"))
            .threshold(Rule::ErrorRate, 90.0)
            .route_threshold("GET /flaky", Rule::ErrorRate, 10.0)
            .start()?;
        let failing = || async { StatusCode::INTERNAL_SERVER_ERROR };
        let routes = Router::new()
            .route("/flaky", get(failing))
            .route("/sound", get(|| async { "well" }))
            .layer(deck.http_layer());
        let address = desk::serve(routes).await?;
        // A third fails: within the service's limit, over the route's.
        for _ in 0..25 {
            for path in ["/flaky", "/sound", "/sound"] {
                desk::get(address, path, "").await?;
            }
        }
        let of_route = |alert: &&Alert| alert.rule == "error_rate";
        let alert = desk::until("the route's alert", || async {
            Ok(deck.alerts().await.iter().find(of_route).cloned())
        })
        .await?;
        ensure!(alert.subject == "GET /flaky", "{alert:?}");
        ensure!((alert.value, alert.threshold) == (100.0, 10.0), "{alert:?}");
        deck.remove_route_threshold("GET /flaky", Rule::ErrorRate);
        desk::until("its end", || async {
            Ok(deck
                .alerts()
                .await
                .iter()
                .all(|alert| !of_route(&alert))
                .then_some(()))
        })
        .await?;
        guard.stop();
        Ok(())
    })
}

#[test]
fn a_limit_that_can_t_be_keeps_the_deck_from_starting() -> Result<()> {
    let folder = Folder::new()?;
    let start = |builder: Builder| {
        let started = builder.socket(folder.path().join("deck.sock")).start();
        started
            .map(drop)
            .map_err(|error| (error.is_config(), error.to_string()))
    };
    let new = || Builder::new("limits");
    let told = |text: &str| Err((true, text.to_owned()));
    for limit in [f64::NAN, f64::INFINITY, -0.5] {
        let found = start(new().threshold(Rule::ResponseTimeP95, limit));
        let text = format!("a limit of response_time_p95 is a number from 0 on, and not {limit}");
        ensure!(found == told(&text), "{found:?}");
    }
    let found = start(new().route_threshold("GET /", Rule::CpuPercent, 50.0));
    let text = "a route has no cpu_percent: set a limit of response_time_p95 or error_rate";
    ensure!(found == told(text), "{found:?}");
    let mut many = new();
    for number in 0..201 {
        many = many.route_threshold(format!("GET /{number}"), Rule::ErrorRate, 1.0);
    }
    ensure!(start(many) == told("200 limits of routes are set already"));
    Ok(())
}

/// Runs `perfdeck` and reads its document, which is as its schema says.
fn printed(folder: &Folder, socket: &str, arguments: &[&str]) -> Result<Value> {
    let all = [arguments, &["--json", "--socket", socket]].concat();
    let output = perfdeck(folder.path(), &all)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {said}");
    let printed = serde_json::from_slice(&output.stdout)?;
    let problems = schema::problems(schema::of_command(arguments), &printed);
    ensure!(problems.is_empty(), "{problems:#?}");
    Ok(printed)
}

#[test]
fn the_command_line_shows_limits_and_clears_alerts_for_who_may_act() -> Result<()> {
    let folder = Folder::new()?;
    let runtime = desk::runtime()?;
    let (guard, deck) = Builder::new("limits")
        .socket(folder.path().join("deck.sock"))
        .route_threshold("GET /export", Rule::ResponseTimeP95, 30.0)
        .threshold(Rule::CpuPercent, 100.0)
        .threshold(Rule::MemoryPercent, 100.0)
        .start()?;
    runtime.block_on(async {
        let pool = deck.pool("primary", pool().await?);
        run_out_of_time(&pool, 1).await?;
        let firing = [("primary", AlertState::Firing, 0.0)];
        alerts(&deck, "an alert", &firing).await
    })?;
    let socket = deck.socket().and_then(|path| path.to_str());
    let socket = socket.context("a path")?;

    let told = printed(&folder, socket, &["alerts"])?;
    let limits = told["limits"].as_array().context("limits")?;
    let of_route = limits.iter().find(|rule| rule["route"] == "GET /export");
    let of_route = of_route.context("the route's limit")?;
    ensure!(
        of_route["limit"] == 30.0 && of_route["default_limit"] == 2.0,
        "{of_route}"
    );
    ensure!(told["rules"] == 8 && limits.len() == 8, "{told:#}");

    let dry = printed(&folder, socket, &["alerts", "--clear"])?;
    ensure!(
        dry["applied"] == false && dry["preview"]["risk"] == "deck",
        "{dry:#}"
    );
    let clear = ["alerts", "--clear", "--apply", "--socket", socket];
    let refused = perfdeck(folder.path(), &[&clear[..], &["--read-only"]].concat())?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(refused.status.code() == Some(1), "{said}");
    let still = printed(&folder, socket, &["alerts"])?;
    ensure!(still["alerts"][0]["state"] == "firing", "{still:#}");

    let done = perfdeck(folder.path(), &clear)?;
    let said = String::from_utf8_lossy(&done.stdout);
    ensure!(
        said.starts_with("done: clear_alerts alerts: cleared an alert"),
        "{said}"
    );
    let told = printed(&folder, socket, &["alerts"])?;
    ensure!(told["alerts"] == Value::Array(Vec::new()), "{told:#}");
    guard.stop();
    Ok(())
}
