//! Requests that are kept whole: which ones, and what is told of them.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use perfdeck::cache::Namespace;
use perfdeck::{Builder, Pool};
use perfdeck_bridge::Source;
use perfdeck_bridge::client::Client;
use perfdeck_bridge::protocol::{
    Answer, Exemplar, ExemplarStep, Exemplars, Kept, Question, RequestRow, State as Told, StepKind,
    Topic, WhichExemplar,
};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::postgres::Server;
use perfdeck_tests::process::is_alone;
use sqlx::Sqlite;
use sqlx::postgres::PgPool;
use tracing::Instrument as _;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::desk;

#[derive(Clone)]
struct Desk {
    pool: Pool<Sqlite>,
    prices: Namespace,
}

/// Three statements, one of them through a cache that knows the answer the second time.
async fn slow(State(desk): State<Desk>) -> Result<String, StatusCode> {
    let pool = desk.pool.clone();
    let price = desk.prices.get_or_load("price", || async move {
        let price = sqlx::query_scalar("SELECT count(*) FROM notes WHERE ticket = 'ticket-1'");
        price.fetch_one(&pool).await.map_err(|_| ())
    });
    let price: i64 = price.await.map_err(|()| StatusCode::BAD_GATEWAY)?;
    for sql in [
        "SELECT count(*) FROM notes WHERE body LIKE '%zzz%'",
        "SELECT max(id) FROM notes",
    ] {
        let ran = sqlx::query(sql).fetch_one(&desk.pool).await;
        ran.map_err(|_| StatusCode::BAD_GATEWAY)?;
    }
    Ok(price.to_string())
}

/// As many milliseconds as its path says; those of 7 fail.
async fn wait(Path(millis): Path<u64>) -> StatusCode {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    if millis == 7 {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::OK
    }
}

async fn kept(client: &Client, route: &str) -> Result<Exemplars> {
    match client.ask(Question::Exemplars(route.to_owned())).await? {
        Answer::Exemplars(kept) => Ok(kept),
        other => bail!("no exemplars but {other:?}"),
    }
}

async fn one(client: &Client, which: WhichExemplar) -> Result<Exemplar> {
    match client.ask(Question::Exemplar(which)).await? {
        Answer::Exemplar(exemplar) => Ok(exemplar),
        other => bail!("no exemplar but {other:?}"),
    }
}

async fn row(client: &Client, route: &str) -> Result<Option<RequestRow>> {
    let Told::Requests(requests) = desk::now(client, Topic::Requests).await? else {
        bail!("no requests");
    };
    Ok(requests.routes.into_iter().find(|row| row.route == route))
}

/// Waits until so many requests of a route are counted.
async fn counted(client: &Client, route: &str, requests: u64) -> Result<()> {
    desk::until("the requests", || async {
        let row = row(client, route).await?;
        Ok(row.filter(|row| row.requests == requests).map(drop))
    })
    .await
}

/// Its steps begin in order, within the request, and those of the request's own task follow each other.
fn sound(exemplar: &Exemplar) -> Result<()> {
    let whole = exemplar.row.duration_seconds;
    let mut last = 0.0;
    for step in &exemplar.steps {
        let end = step.offset_seconds + step.duration_seconds;
        ensure!(step.offset_seconds >= last, "{exemplar:#?}");
        ensure!(end <= whole * 1.001 + 1e-4, "{exemplar:#?}");
        last = step.offset_seconds;
    }
    let alone = |step: &&ExemplarStep| matches!(step.kind, StepKind::Query | StepKind::PoolWait);
    let steps = exemplar.steps.iter().filter(alone);
    let sum: f64 = steps.map(|step| step.duration_seconds).sum();
    ensure!(sum <= whole * 1.001 + 1e-4, "{sum} of {exemplar:#?}");
    Ok(())
}

#[test]
fn a_kept_request_holds_what_it_did_in_order() -> Result<()> {
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let builder = Builder::new("exemplars").socket(folder.path().join("deck.sock"));
        let (guard, deck) = builder.start()?;
        let pool = desk::database(&folder.path().join("db")).await?;
        let desk = Desk {
            pool: deck.pool("primary", pool.clone()),
            prices: deck.cache("prices"),
        };
        let routes = Router::new().route("/slow", get(slow)).with_state(desk);
        let address = desk::serve(routes.layer(deck.http_layer())).await?;
        let response = desk::get(address, "/slow", "").await?;
        ensure!(response.status == 200, "{response:?}");
        // The second finds no connection for a while.
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(pool.acquire().await?);
        }
        let second = tokio::spawn(desk::get(address, "/slow", ""));
        tokio::time::sleep(Duration::from_millis(120)).await;
        drop(held);
        let response = second.await??;
        ensure!(response.status == 200, "{response:?}");

        let client = desk::viewer(&deck, false).await?;
        counted(&client, "GET /slow", 2).await?;
        let list = kept(&client, "GET /slow").await?;
        ensure!(list.exemplars.len() == 2 && list.not_kept == 0, "{list:#?}");
        ensure!(
            list.exemplars.iter().all(|row| row.kept == Kept::Slow),
            "{list:#?}"
        );
        // The newest first: the second had its price in the cache.
        let [second, first] = list.exemplars.as_slice() else {
            bail!("{list:#?}");
        };
        ensure!((second.queries, first.queries) == (2, 3), "{list:#?}");
        use StepKind::{CacheLoad, CacheLookup, PoolWait, Query};
        for (row, expected) in [
            (second, [CacheLookup, PoolWait, Query, Query].as_slice()),
            (first, &[CacheLookup, CacheLoad, Query, Query, Query]),
        ] {
            let exemplar = one(&client, WhichExemplar::Id(row.id)).await?;
            sound(&exemplar)?;
            // A busy machine makes each wait a little.
            let long =
                |step: &&ExemplarStep| step.kind != PoolWait || step.duration_seconds >= 0.03;
            let kinds = exemplar.steps.iter().filter(long).map(|step| step.kind);
            ensure!(kinds.eq(expected.iter().copied()), "{exemplar:#?}");
            let hit = exemplar.steps.first().and_then(|step| step.hit);
            ensure!(hit == Some(row.id == second.id), "{exemplar:#?}");
            let named = |kind, name: &str| {
                let mut of_kind = exemplar.steps.iter().filter(|step| step.kind == kind);
                of_kind.all(|step| step.name == name)
            };
            ensure!(named(PoolWait, "primary") && named(CacheLookup, "prices"));
            let last = exemplar.steps.last().context("no step")?;
            let text = last.text.as_ref().context("no text")?;
            ensure!(text.as_str() == "SELECT max(id) FROM notes", "{text:?}");
            let literal = "zzz";
            ensure!(!format!("{exemplar:?}").contains(literal), "{exemplar:#?}");
        }
        let detail = client.ask(Question::Route("GET /slow".into())).await?;
        let Answer::Route(detail) = detail else {
            bail!("{detail:?}");
        };
        ensure!(detail.exemplars.len() == 2, "{detail:#?}");
        guard.stop();
        Ok(())
    })
}

#[test]
fn errors_are_kept_and_a_flood_of_them_is_bounded_and_counted() -> Result<()> {
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let builder = Builder::new("flood").socket(folder.path().join("deck.sock"));
        let (guard, deck) = builder.start()?;
        let routes = Router::new().route("/wait/{millis}", get(wait));
        let address = desk::serve(routes.layer(deck.http_layer())).await?;
        desk::get(address, "/wait/7", "").await?;
        let client = desk::viewer(&deck, false).await?;
        let route = "GET /wait/{millis}";
        counted(&client, route, 1).await?;
        let list = kept(&client, route).await?;
        let [error] = list.exemplars.as_slice() else {
            bail!("{list:#?}");
        };
        ensure!(error.kept == Kept::Failed && error.failed, "{error:?}");
        ensure!(error.status == Some(500), "{error:?}");
        ensure!(error.duration_seconds >= 0.007, "{error:?}");

        for _ in 0..400 {
            desk::get(address, "/wait/7", "").await?;
        }
        counted(&client, route, 401).await?;
        let list = kept(&client, route).await?;
        let errors = list.exemplars.iter().filter(|row| row.failed).count();
        // It takes some seconds, which may belong to two minutes.
        ensure!((16..=32).contains(&errors), "{errors} errors");
        ensure!(list.not_kept == 401 - errors as u64, "{}", list.not_kept);
        guard.stop();
        Ok(())
    })
}

#[test]
fn a_percentile_is_a_real_request_of_about_its_length() -> Result<()> {
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let builder = Builder::new("percentile").socket(folder.path().join("deck.sock"));
        let (guard, deck) = builder.start()?;
        let routes = Router::new().route("/wait/{millis}", get(wait));
        let address = desk::serve(routes.layer(deck.http_layer())).await?;
        for millis in [60, 1, 1, 1, 30, 1, 1, 1, 1, 1] {
            desk::get(address, &format!("/wait/{millis}"), "").await?;
        }
        let client = desk::viewer(&deck, false).await?;
        let route = "GET /wait/{millis}";
        counted(&client, route, 10).await?;
        let near = |percentile| {
            let route = route.to_owned();
            one(&client, WhichExemplar::Near { route, percentile })
        };
        let took = |exemplar: Exemplar| exemplar.row.duration_seconds;
        let (max, p50) = (took(near(100).await?), took(near(50).await?));
        ensure!((0.06..0.5).contains(&max), "{max}");
        ensure!((0.001..0.03).contains(&p50), "{p50}");
        let nobody = WhichExemplar::Near {
            route: "GET /nowhere".into(),
            percentile: 50,
        };
        ensure!(one(&client, nobody).await.is_err());
        guard.stop();
        Ok(())
    })
}

#[test]
fn a_request_under_way_is_told_with_its_age() -> Result<()> {
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let builder = Builder::new("running").socket(folder.path().join("deck.sock"));
        let (guard, deck) = builder.start()?;
        let routes = Router::new().route("/wait/{millis}", get(wait));
        let address = desk::serve(routes.layer(deck.http_layer())).await?;
        let client = desk::viewer(&deck, false).await?;
        let route = "GET /wait/{millis}";
        // A route has a row once a request of it has ended.
        desk::get(address, "/wait/1", "").await?;
        let waiting = [(); 3].map(|()| tokio::spawn(desk::get(address, "/wait/3000", "")));
        let three = desk::until("three under way", || async {
            Ok(row(&client, route).await?.filter(|row| row.in_flight == 3))
        });
        let oldest = three.await?.oldest_in_flight_seconds.context("no age")?;
        ensure!(oldest > 0.0 && oldest < 3.5, "{oldest}");
        for waiting in waiting {
            waiting.await??;
        }
        let none = desk::until("none under way", || async {
            Ok(row(&client, route).await?.filter(|row| row.in_flight == 0))
        });
        ensure!(none.await?.oldest_in_flight_seconds.is_none());
        guard.stop();
        Ok(())
    })
}

/// Statements of a request's spawned tasks are the request's, by either tier, where the task is in the request's span.
#[test]
fn what_is_spawned_in_a_request_s_span_is_the_request_s() -> Result<()> {
    const THIS: &str = "exemplars::what_is_spawned_in_a_request_s_span_is_the_request_s";
    if !is_alone(THIS, Duration::from_secs(120))? {
        return Ok(());
    }
    let server = Server::shared()?;
    let url = server.database("spawned")?;
    let folder = Folder::new()?;
    let builder = Builder::new("spawned").socket(folder.path().join("deck.sock"));
    let (guard, deck) = builder.start()?;
    // Without somebody who wants its spans, a host makes none.
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::sink);
    let layers = tracing_subscriber::registry().with(log).with(deck.layer());
    let _default = tracing::subscriber::set_default(layers);
    // On this thread alone, where the layers are.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let plain = PgPool::connect(&url).await?;
        let named = deck.pool("primary", plain.clone());
        let heard = move || async move {
            let span = tracing::info_span!("request");
            let statement =
                async move { sqlx::query("SELECT pg_sleep(0.02)").execute(&plain).await };
            let spawned = span.in_scope(|| tokio::spawn(statement.in_current_span()));
            spawned.await.is_ok_and(|ran| ran.is_ok()).to_string()
        };
        let wrapped = move || async move {
            let span = tracing::info_span!("request");
            let statement =
                async move { sqlx::query("SELECT pg_sleep(0.03)").execute(&named).await };
            let spawned = span.in_scope(|| tokio::spawn(statement.in_current_span()));
            spawned.await.is_ok_and(|ran| ran.is_ok()).to_string()
        };
        let routes = Router::new()
            .route("/heard", get(heard))
            .route("/wrapped", get(wrapped));
        let address = desk::serve(routes.layer(deck.http_layer())).await?;
        let client = desk::viewer(&deck, false).await?;
        for (path, least) in [("/heard", 0.02), ("/wrapped", 0.03)] {
            let answer = desk::get(address, path, "").await?;
            ensure!(answer.body == b"true"[..], "{answer:?}");
            let route = format!("GET {path}");
            counted(&client, &route, 1).await?;
            let which = WhichExemplar::Near {
                route,
                percentile: 50,
            };
            let exemplar = one(&client, which).await?;
            sound(&exemplar)?;
            let mut queries = exemplar
                .steps
                .iter()
                .filter(|step| step.kind == StepKind::Query);
            let query = queries.next().with_context(|| format!("{exemplar:#?}"))?;
            ensure!(query.duration_seconds >= least, "{exemplar:#?}");
            ensure!(queries.next().is_none(), "counted twice: {exemplar:#?}");
        }
        let Told::Queries(queries) = desk::now(&client, Topic::Queries).await? else {
            bail!("no queries");
        };
        ensure!(queries.unattributed == 0, "{queries:#?}");
        anyhow::Ok(())
    })?;
    guard.stop();
    Ok(())
}
