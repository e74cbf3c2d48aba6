//! Nothing is tuned to the demo: neither to its names, nor to its being ill.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use perfdeck::{Pool, Risk};
use perfdeck_bridge::Source;
use perfdeck_bridge::protocol::{ActRequest, Intent, LedgerRow, LedgerStatus, Verdict};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::host::Host;
use sqlx::{AssertSqlSafe, Connection, Sqlite, SqliteConnection};

use crate::desk;

use crate::journey::{RATE, SOON, apply, check_helped, diagnose, number, verdict};

#[test]
fn other_names_have_the_same_findings() -> Result<()> {
    for seed in ["7", "1009"] {
        let host = Host::start(&["--rename", seed, "--rate", RATE])?;
        let diagnosis = diagnose(&host)?;
        check_helped(&apply(&host, &diagnosis.documents)?)?;
    }
    Ok(())
}

#[test]
fn a_healthy_service_has_no_finding() -> Result<()> {
    let host = Host::start(&["--healthy", "--rate", RATE])?;
    // As long as the others have to be found.
    while host.age() < SOON {
        let findings = host.json(&["recommendations", "--all"])?;
        ensure!(findings == serde_json::json!([]), "{findings:#}");
        std::thread::sleep(Duration::from_millis(500));
    }
    let status = host.json(&["status"])?;
    let rate = number(&status["current_metrics"]["requests_per_second"])?;
    ensure!(rate > 5.0, "there was no load to judge: {status:#}");
    Ok(())
}

#[tokio::test]
async fn an_index_made_behind_its_back_is_no_merit() -> Result<()> {
    let host = Host::start(&["--rate", RATE])?;
    let diagnosis = diagnose(&host)?;
    let mut database = SqliteConnection::connect(&host.database()?.to_string_lossy()).await?;
    sqlx::query("CREATE INDEX behind ON documents (workspace_id, status, uploaded_at DESC)")
        .execute(&mut database)
        .await?;
    let id = diagnosis.documents["id"].as_str().unwrap_or_default();
    let output = host.perfdeck(&["apply", id, "--apply", "--json"])?;
    if output.status.success() {
        let done: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let row = verdict(&host, &done["row"]["id"])?;
        let modest = ["no_change", "not_enough_traffic"].map(serde_json::Value::from);
        ensure!(modest.contains(&row["verdict"]), "{row:#}");
    } else {
        // Refused, since the state is no longer the one that was judged.
        let rows = host.json(&["ledger"])?;
        ensure!(!rows.to_string().contains("helped"), "{rows:#}");
    }
    Ok(())
}

#[test]
fn a_change_of_load_without_an_index_is_no_merit() -> Result<()> {
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let file = folder.path().join("db");
        let (guard, deck) = perfdeck::Builder::new("load")
            .socket(folder.path().join("deck.sock"))
            .allow(Risk::Schema)
            .start()?;
        let pool = deck.pool("primary", desk::database(&file).await?);
        let routes = Router::new()
            .route("/tickets/{ticket}", get(ticket))
            .route("/search", get(search))
            .with_state(pool)
            .layer(deck.http_layer());
        let address = desk::serve(routes).await?;
        let users = |count| (0..count).map(|user| tokio::spawn(browse(address, user)));
        let (stay, leave): (Vec<_>, Vec<_>) = (users(2).collect(), users(4).collect());

        let client = desk::viewer(&deck, false).await?;
        let found = || desk::finding(&client, "missing_index");
        let missing = desk::until("missing index", found).await?;
        // The users wait for each other while the window before fills.
        tokio::time::sleep(Duration::from_secs(15)).await;
        let plan = desk::preview(&client, Intent::Apply(missing.id.clone())).await?;
        client.act(ActRequest::Apply(plan)).await?;
        let done = |row: &LedgerRow| row.status == LedgerStatus::Done;
        let row = desk::row(&client, "index", done).await?;

        // Most users leave, and the index is taken away: what gets quicker now does so without it.
        leave.iter().for_each(tokio::task::JoinHandle::abort);
        let mut database = SqliteConnection::connect(&file.to_string_lossy()).await?;
        let drop = AssertSqlSafe(format!("DROP INDEX {}", row.target));
        sqlx::query(drop).execute(&mut database).await?;
        let measured = |row: &LedgerRow| row.verdict != Verdict::Measuring;
        let row = desk::row(&client, "verdict", measured).await?;
        let modest = [Verdict::NoChange, Verdict::NotEnoughTraffic];
        ensure!(modest.contains(&row.verdict), "{row:#?}");
        stay.iter().for_each(tokio::task::JoinHandle::abort);
        guard.stop();
        Ok(())
    })
}

async fn browse(address: SocketAddr, user: u64) {
    for number in 0.. {
        let path = format!("/tickets/ticket-{}", (number * 13 + user) % 8_000);
        let _ = desk::get(address, &path, "").await;
        if number % 4 == 0 {
            let _ = desk::get(address, "/search", "").await;
        }
    }
}

async fn ticket(State(pool): State<Pool<Sqlite>>, Path(ticket): Path<String>) -> String {
    let query = sqlx::query_scalar("SELECT body FROM notes WHERE ticket = ?").bind(ticket);
    let bodies: Vec<String> = query.fetch_all(&pool).await.unwrap_or_default();
    bodies.join("\n")
}

async fn search(State(pool): State<Pool<Sqlite>>) -> String {
    let query =
        sqlx::query_scalar("SELECT count(*) FROM notes WHERE body LIKE '%nothing of the sort%'");
    let count: Result<i64, _> = query.fetch_one(&pool).await;
    count.unwrap_or_default().to_string()
}
