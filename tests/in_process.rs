//! What the service itself asks its deck.

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::routing::get;
use perfdeck::cache::Policy;
use perfdeck::protocol::{HistoryOf, HistoryRequest, HistorySteps};
use perfdeck_tests::folder::Folder;

use crate::desk;

#[test]
fn the_service_reads_its_own_numbers() -> Result<()> {
    let runtime = desk::runtime()?;
    let folder = Folder::new()?;
    let (guard, deck) = perfdeck::Builder::new("in-process")
        .socket(folder.path().join("deck.sock"))
        .cache("reports", Policy::new())
        .start()?;
    runtime.block_on(async {
        let pool = deck.pool("primary", desk::database(&folder.path().join("db")).await?);
        deck.cache("reports").insert(&1, 1);
        let asked = pool.clone();
        let notes = move || async move {
            let rows = sqlx::query("SELECT body FROM notes WHERE ticket = ?").bind("ticket-7");
            let quick = sqlx::query("SELECT 1").fetch_one(&asked).await;
            format!(
                "{:?} {}",
                rows.fetch_all(&asked).await.map(|rows| rows.len()),
                quick.is_ok()
            )
        };
        let routes = Router::new()
            .route("/notes", get(notes))
            .layer(deck.http_layer());
        let address = desk::serve(routes).await?;
        let p95 = desk::until("own numbers", || async {
            ensure!(desk::get(address, "/notes", "").await?.status == 200);
            let now = deck.current().await.context("the deck is off")?;
            ensure!(now.error_rate == 0.0);
            Ok(now.response_time_p95)
        })
        .await?;
        ensure!(p95 > 0.0);
        // Until a first call that the machine held up is one of many.
        desk::until("the scan as the slowest", || async {
            desk::get(address, "/notes", "").await?;
            let slow = deck.slow_queries(1).await;
            ensure!(slow.len() == 1, "{slow:?}");
            Ok(slow[0].text.as_str().contains("FROM notes").then_some(()))
        })
        .await?;
        ensure!(deck.slow_queries(10).await.len() >= 2);
        let past = HistoryRequest::of(HistoryOf::Route("GET /notes".into()));
        let past = deck
            .history(past.width_seconds(1).percentiles([50.0]))
            .await;
        let past = past.context("no history of the route")?;
        let HistorySteps::Calls { steps, whole, .. } = past.steps else {
            bail!("no calls");
        };
        ensure!(whole.calls > 0 && whole.calls == steps.iter().map(|step| step.calls).sum::<u64>());
        ensure!(whole.percentiles_seconds.len() == 1, "{whole:?}");
        let unknown = HistoryRequest::of(HistoryOf::Number("no such number".into()));
        ensure!(deck.history(unknown).await.is_none());
        let pools = deck.pool_stats().await;
        ensure!(
            pools
                .iter()
                .any(|pool| pool.name == "primary" && pool.acquires > 0),
            "{pools:?}"
        );
        let caches = deck.cache_stats().await;
        ensure!(
            caches
                .iter()
                .any(|row| row.namespace == "reports" && row.entries == 1),
            "{caches:?}"
        );
        let found = desk::until("a recommendation", || async {
            desk::get(address, "/notes", "").await?;
            Ok(deck.recommendations().await.into_iter().next())
        })
        .await?;
        ensure!(found.kind == "missing_index", "{found:?}");
        ensure!(deck.alerts().await.iter().all(|alert| !alert.id.is_empty()));
        anyhow::Ok(())
    })?;
    guard.stop();
    // A deck that has stopped answers with nothing, and at once.
    runtime.block_on(async {
        ensure!(deck.current().await.is_none() && deck.slow_queries(5).await.is_empty());
        ensure!(deck.pool_stats().await.is_empty() && deck.recommendations().await.is_empty());
        Ok(())
    })
}
