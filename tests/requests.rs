//! How requests end, and what is theirs.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use perfdeck::{Builder, Pool};
use perfdeck_bridge::Source;
use perfdeck_bridge::protocol::{Answer, Question, State as Told, Topic};
use perfdeck_tests::folder::Folder;
use sqlx::Sqlite;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing_subscriber::layer::SubscriberExt;

use crate::desk;

/// Sends a request's head.
async fn send(to: SocketAddr, method: &str, path: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(to).await?;
    let head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}

#[test]
fn a_statement_of_a_request_that_was_given_up_is_the_requests() -> Result<()> {
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let builder = Builder::new("given-up").socket(folder.path().join("deck.sock"));
        let (guard, deck) = builder.start()?;
        let pool = desk::database(&folder.path().join("db")).await?;
        let routes = Router::new()
            .route("/slow", get(slow))
            .with_state(deck.pool("primary", pool))
            .layer(deck.http_layer());
        let address = desk::serve(routes).await?;
        let stream = send(address, "GET", "/slow").await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(stream);

        let client = desk::viewer(&deck, false).await?;
        let row = desk::until("end of the request", || async {
            let Told::Requests(requests) = desk::now(&client, Topic::Requests).await? else {
                bail!("no requests");
            };
            let mut routes = requests.routes.into_iter();
            Ok(routes.find(|row| row.route == "GET /slow" && row.cancelled == 1))
        });
        let row = row.await?;
        let detail = client.ask(Question::Route(row.route)).await?;
        let Answer::Route(detail) = detail else {
            bail!("no route but {detail:?}");
        };
        let calls: Vec<u64> = detail.statements.iter().map(|used| used.calls).collect();
        ensure!(calls == [1], "{detail:?}");
        guard.stop();
        Ok(())
    })
}

async fn slow(State(pool): State<Pool<Sqlite>>) -> String {
    let sql = "SELECT count(*) FROM (SELECT 1 FROM notes LIMIT 6000) a, (SELECT 1 FROM notes LIMIT 6000) b";
    let count: Result<i64, _> = sqlx::query_scalar(sql).fetch_one(&pool).await;
    count.unwrap_or_default().to_string()
}

#[test]
fn an_answer_without_a_body_was_not_given_up() -> Result<()> {
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let builder = Builder::new("bodiless").socket(folder.path().join("deck.sock"));
        let (guard, deck) = builder.start()?;
        let routes = Router::new().route("/ping", get(|| async { "pong" }));
        let address = desk::serve(routes.layer(deck.http_layer())).await?;
        let mut answer = Vec::new();
        let mut stream = send(address, "HEAD", "/ping").await?;
        stream.read_to_end(&mut answer).await?;
        ensure!(answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");

        let client = desk::viewer(&deck, false).await?;
        let row = desk::until("the request", || async {
            let Told::Requests(requests) = desk::now(&client, Topic::Requests).await? else {
                bail!("no requests");
            };
            Ok(requests.routes.into_iter().next())
        });
        let row = row.await?;
        ensure!(
            (row.route.as_str(), row.requests, row.cancelled) == ("HEAD /ping", 1, 0),
            "{row:?}"
        );
        guard.stop();
        Ok(())
    })
}

#[test]
fn two_decks_layers_stand_beside_each_other() -> Result<()> {
    let folder = Folder::new()?;
    let start = |name: &str| {
        let socket = folder.path().join(format!("{name}.sock"));
        Builder::new(name).socket(socket).start()
    };
    let (first_guard, first) = start("first")?;
    let (second_guard, second) = start("second")?;
    let layers = tracing_subscriber::registry()
        .with(first.layer())
        .with(second.layer());
    let _default = tracing::subscriber::set_default(layers);
    // On this thread alone, where the layers are.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let spans = || async { tracing::info_span!("inside").in_scope(|| "done") };
        let routes = Router::new().route("/", get(spans));
        let routes = routes.layer(first.http_layer()).layer(second.http_layer());
        let address = desk::serve(routes).await?;
        let response = desk::get(address, "/", "")
            .await
            .context("the handler panicked")?;
        ensure!(response.status == 200, "{}", response.status);
        anyhow::Ok(())
    })?;
    first_guard.stop();
    second_guard.stop();
    Ok(())
}
