//! Nothing is tuned to the demo: neither to its names, nor to its being ill.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use perfdeck::{Pool, Risk};
use perfdeck_bridge::Source;
use perfdeck_bridge::client::Client;
use perfdeck_bridge::protocol::{ActRequest, Intent, LedgerRow, LedgerStatus, PlanId, Verdict};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::host::Host;
use sqlx::{AssertSqlSafe, Connection, Sqlite, SqliteConnection};
use tokio::task::JoinHandle;

use crate::desk;

use crate::journey::{RATE, SOON, apply, check_helped, diagnose};

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
    // Thrice as long as the others have to be found.
    while host.age() < 3 * SOON {
        let findings = host.json(&["recommendations", "--all"])?;
        ensure!(findings == serde_json::json!([]), "{findings:#}");
        std::thread::sleep(Duration::from_millis(500));
    }
    let requests = host.json(&["requests"])?;
    let rows = requests["routes"].as_array().context("a list")?;
    let called = rows
        .iter()
        .filter(|row| row["requests"].as_u64() >= Some(5));
    ensure!(
        called.count() == 8,
        "not every route was called: {requests:#}"
    );
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
    // Refused, since the state is no longer the one that was judged.
    let id = diagnosis.documents["id"].as_str().unwrap_or_default();
    let output = host.perfdeck(&["apply", id, "--apply", "--json"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(1) && said.contains("on documents already"),
        "{output:?}"
    );
    let rows = host.json(&["ledger"])?;
    ensure!(rows == serde_json::json!([]), "{rows:#}");
    Ok(())
}

#[test]
fn an_index_made_between_preview_and_apply_is_no_merit() -> Result<()> {
    desk::runtime()?.block_on(async {
        let shop = Shop::open(2, 0).await?;
        let plan = shop.plan().await?;
        shop.sql("CREATE INDEX by_hand ON notes (ticket)").await?;
        shop.client.act(ActRequest::Apply(plan)).await?;
        let ended = |row: &LedgerRow| row.status != LedgerStatus::Running;
        let row = desk::any_row(&shop.client, "end", ended).await?;
        ensure!(row.status == LedgerStatus::Refused, "{row:#?}");
        ensure!(
            row.message.contains("changed since the preview"),
            "{row:#?}"
        );
        Ok(())
    })
}

#[test]
fn an_index_that_another_takes_over_from_is_no_merit() -> Result<()> {
    desk::runtime()?.block_on(async {
        let shop = Shop::open(2, 0).await?;
        let row = shop.apply().await?;
        // As quick as before, and not by what perfdeck made.
        shop.sql("CREATE INDEX by_hand ON notes (ticket)").await?;
        shop.sql(&format!("DROP INDEX {}", row.target)).await?;
        let row = shop.verdict().await?;
        ensure!(row.verdict == Verdict::NoChange, "{row:#?}");
        ensure!(row.message.contains("does not use it any more"), "{row:#?}");
        let gain = row.realised.as_ref().context("it was measured")?;
        ensure!(
            gain.p95_seconds_after < gain.p95_seconds_before,
            "nobody took over: {row:#?}"
        );
        Ok(())
    })
}

#[test]
fn a_change_of_load_without_an_index_is_no_merit() -> Result<()> {
    desk::runtime()?.block_on(async {
        let shop = Shop::open(2, 4).await?;
        // The users wait for each other while the window before fills.
        tokio::time::sleep(Duration::from_secs(15)).await;
        let row = shop.apply().await?;
        // Most users leave, and the index is taken away: what gets quicker now does so without it.
        shop.leave.iter().for_each(JoinHandle::abort);
        shop.sql(&format!("DROP INDEX {}", row.target)).await?;
        let row = shop.verdict().await?;
        let modest = [Verdict::NoChange, Verdict::NotEnoughTraffic];
        ensure!(modest.contains(&row.verdict), "{row:#?}");
        // It is the comparison that said so, and not the database when it was asked whose merit it is.
        ensure!(!row.message.contains("the database"), "{row:#?}");
        Ok(())
    })
}

/// A small service with an index missing, and its users.
struct Shop {
    client: Client,
    file: PathBuf,
    /// Those that go when they are told to.
    leave: Vec<JoinHandle<()>>,
    _guard: perfdeck::Guard,
    _folder: Folder,
}

impl Shop {
    /// Opens with users that stay, and users that may leave.
    async fn open(stay: u64, leave: u64) -> Result<Self> {
        let folder = Folder::new()?;
        let file = folder.path().join("db");
        let (guard, deck) = perfdeck::Builder::new("shop")
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
        users(stay).for_each(drop);
        Ok(Self {
            client: desk::viewer(&deck, false).await?,
            file,
            leave: users(leave).collect(),
            _guard: guard,
            _folder: folder,
        })
    }

    /// Waits for the advice and previews it.
    async fn plan(&self) -> Result<PlanId> {
        let found = || desk::finding(&self.client, "missing_index");
        let missing = desk::until("missing index", found).await?;
        // As long as it takes to have something to compare with.
        tokio::time::sleep(Duration::from_secs(5)).await;
        desk::preview(&self.client, Intent::Apply(missing.id)).await
    }

    /// Follows the advice, and returns the row when the index is there.
    async fn apply(&self) -> Result<LedgerRow> {
        let plan = self.plan().await?;
        self.client.act(ActRequest::Apply(plan)).await?;
        let done = |row: &LedgerRow| row.status == LedgerStatus::Done;
        desk::row(&self.client, "index", done).await
    }

    async fn verdict(&self) -> Result<LedgerRow> {
        let measured = |row: &LedgerRow| row.verdict != Verdict::Measuring;
        desk::row(&self.client, "verdict", measured).await
    }

    /// Does something to its database that perfdeck is not told of.
    async fn sql(&self, sql: &str) -> Result<()> {
        let mut database = SqliteConnection::connect(&self.file.to_string_lossy()).await?;
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut database)
            .await?;
        Ok(())
    }
}

async fn browse(address: SocketAddr, user: u64) {
    for number in 0.. {
        // Who asks again at once asks more when the answers come sooner: another load is another comparison.
        tokio::time::sleep(Duration::from_millis(20)).await;
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
