//! The headers that say what a response cost, as a client reads them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::routing::get;
use perfdeck::cache::Policy;
use perfdeck_tests::folder::Folder;
use perfdeck_tests::http::Response;

use crate::desk;

const NAMES: [&str; 6] = [
    "x-response-time",
    "x-request-id",
    "x-cache",
    "x-db-queries",
    "x-db-time",
    "x-memory-usage",
];

#[test]
fn each_header_says_what_the_response_cost() -> Result<()> {
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let (guard, with, _) = services(&folder).await?;

        let plain = desk::get(with, "/plain", "").await?;
        for name in NAMES {
            ensure!(plain.header(name).is_some(), "{name} in {plain:?}");
        }
        ensure!(millis(&plain, "x-response-time")? >= 20.0, "{plain:?}");
        ensure!(plain.header("x-db-queries") == Some("0"), "{plain:?}");
        ensure!(plain.header("x-db-time") == Some("0.00ms"), "{plain:?}");
        ensure!(plain.header("x-cache") == Some("NONE"), "{plain:?}");

        let queries = desk::get(with, "/queries", "").await?;
        ensure!(queries.header("x-db-queries") == Some("3"), "{queries:?}");
        let (database, whole) = (
            millis(&queries, "x-db-time")?,
            millis(&queries, "x-response-time")?,
        );
        ensure!(database > 0.0 && database <= whole, "{queries:?}");

        let first = desk::get(with, "/cached", "").await?;
        ensure!(first.header("x-cache") == Some("MISS"), "{first:?}");
        let second = desk::get(with, "/cached", "").await?;
        ensure!(second.header("x-cache") == Some("HIT"), "{second:?}");
        ensure!(second.body == first.body);

        // The agent reads it once a second.
        desk::until("memory", || async {
            let plain = desk::get(with, "/plain", "").await?;
            let told = plain.header("x-memory-usage").context("no memory")?;
            let (whole, tenths) = told
                .strip_suffix("MB")
                .and_then(|told| told.split_once('.'))
                .context("not in megabytes")?;
            ensure!(tenths.len() == 1, "{told}");
            Ok((whole.parse::<u32>()? > 1).then_some(()))
        })
        .await?;
        guard.stop();
        Ok(())
    })
}

#[test]
fn a_sane_request_id_is_kept_and_any_other_replaced() -> Result<()> {
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let (guard, with, _) = services(&folder).await?;
        let longest = "a".repeat(128);
        for kept in ["7f3a-c0ffee_1.2:3/4+5=@", &longest] {
            let answer = desk::get(with, "/plain", &format!("X-Request-ID: {kept}\r\n")).await?;
            ensure!(answer.header("x-request-id") == Some(kept), "{answer:?}");
        }
        let too_long = "a".repeat(129);
        let mut made = Vec::new();
        for replaced in [
            "",
            "two words",
            "<script>",
            "\u{1b}[2J",
            "a\"b",
            "é",
            &too_long,
        ] {
            let header = format!("X-Request-ID: {replaced}\r\n");
            let answer = desk::get(with, "/plain", &header).await?;
            // The server itself may refuse a control character.
            if answer.status == 400 {
                continue;
            }
            let id = answer.header("x-request-id").context("no id")?;
            ensure!(
                id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{replaced:?} became {id:?}"
            );
            made.push(id.to_owned());
        }
        ensure!(made.len() >= 5);
        made.sort();
        made.dedup();
        ensure!(made.len() >= 5, "ids repeat: {made:?}");
        guard.stop();
        Ok(())
    })
}

#[test]
fn the_services_own_server_timing_stays() -> Result<()> {
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let (guard, with, without) = services(&folder).await?;
        let timings = |answer: &Response| -> Vec<String> {
            let found = answer
                .headers
                .iter()
                .filter(|(name, _)| name == "server-timing");
            found.map(|(_, value)| value.clone()).collect()
        };
        let plain = timings(&desk::get(with, "/plain", "").await?);
        ensure!(
            plain.len() == 2 && plain.contains(&"app;dur=1".to_owned()),
            "{plain:?}"
        );
        let queries = timings(&desk::get(with, "/queries", "").await?).join(", ");
        ensure!(queries.starts_with("total;dur="), "{queries}");
        ensure!(
            queries.contains(", db;dur=") && queries.contains(";desc=\"3 queries\""),
            "{queries}"
        );
        let cached = timings(&desk::get(with, "/cached", "").await?).join(", ");
        ensure!(cached.ends_with(", cache;desc=miss"), "{cached}");

        let silent = desk::get(without, "/plain", "X-Request-ID: 7\r\n").await?;
        ensure!(timings(&silent) == ["app;dur=1"], "{silent:?}");
        for name in NAMES {
            ensure!(silent.header(name).is_none(), "{name} in {silent:?}");
        }
        guard.stop();
        Ok(())
    })
}

/// The same service with the headers and without.
async fn services(folder: &Folder) -> Result<(perfdeck::Guard, SocketAddr, SocketAddr)> {
    let (guard, deck) = perfdeck::Builder::new("headers")
        .socket(folder.path().join("deck.sock"))
        .cache("reports", Policy::new())
        .start()?;
    let pool = desk::database(&folder.path().join("db")).await?;
    let pool = deck.pool("primary", pool);
    let reports = deck.cache("reports");
    let routes = Router::new()
        .route(
            "/plain",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                ([("server-timing", "app;dur=1")], "plain")
            }),
        )
        .route(
            "/queries",
            get(move || async move {
                for _ in 0..3 {
                    let counted = sqlx::query("SELECT count(*) FROM notes WHERE body > 'a'");
                    if counted.fetch_one(&pool).await.is_err() {
                        return "failed";
                    }
                }
                "queries"
            }),
        )
        .route(
            "/cached",
            get(move || async move {
                let loaded = reports.get_or_load("report", || async { Ok::<_, ()>("cached") });
                loaded.await.unwrap_or("failed")
            }),
        );
    let with = routes.clone().layer(deck.http_layer().headers(true));
    let without = routes.layer(deck.http_layer());
    Ok((guard, desk::serve(with).await?, desk::serve(without).await?))
}

fn millis(answer: &Response, name: &str) -> Result<f64> {
    let told = answer.header(name).context("no such header")?;
    let number = told.strip_suffix("ms").context("not in milliseconds")?;
    let (_, decimals) = number.split_once('.').context("no decimals")?;
    ensure!(decimals.len() == 2, "{told}");
    Ok(number.parse()?)
}
