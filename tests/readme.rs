//! What the README shows is code that compiles.

use anyhow::{Result, ensure};
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use perfdeck::Pool;
use sqlx::Postgres;

#[expect(dead_code, reason = "that it compiles is the test")]
#[rustfmt::skip]
async fn embedded(url: String) -> Result<Router> {
    let (_guard, deck) = perfdeck::Builder::new("support-desk")
        .version(env!("CARGO_PKG_VERSION"))
        .allow(perfdeck::Risk::Schema)               // let viewers create indexes; off unless you say so
        .start()?;
    let pool = deck.pool("primary", sqlx::PgPool::connect(&url).await?);
    let app = Router::new().route("/documents", get(documents)).with_state(pool).layer(deck.http_layer());
    Ok(app)
}

#[expect(dead_code, reason = "that it compiles is the test")]
#[rustfmt::skip]
async fn limits() -> Result<usize> {
    use perfdeck::Rule;

    let (_guard, deck) = perfdeck::Builder::new("support-desk")
        .threshold(Rule::ResponseTimeP95, 1.5)                          // seconds
        .route_threshold("GET /export", Rule::ResponseTimeP95, 30.0)
        .start()?;
    deck.set_threshold(Rule::ErrorRate, 2.0)?;                          // percent, from the next tick on
    let cleared = deck.clear_alerts().await;
    Ok(cleared)
}

async fn documents(State(pool): State<Pool<Postgres>>) -> String {
    let titles = sqlx::query_scalar("SELECT title FROM documents").fetch_all(&pool);
    let titles: Vec<String> = titles.await.unwrap_or_default();
    titles.join("\n")
}

#[test]
fn the_embedding_that_the_readme_shows_compiles() -> Result<()> {
    check("let (_guard, deck)", 6)?;
    check("use perfdeck::Rule;", 8)
}

/// Looks for the README's example of so many lines that begins with `first` in this file.
fn check(first: &str, length: usize) -> Result<()> {
    let readme = include_str!("../README.md");
    let lines =
        |text: &str| -> Vec<String> { text.lines().map(|line| line.trim().to_owned()).collect() };
    let shown = readme
        .split("```rust,ignore\n")
        .find(|example| example.starts_with(first))
        .and_then(|rest| rest.split("```").next())
        .unwrap_or_default();
    let (shown, here) = (lines(shown), lines(include_str!("readme.rs")));
    ensure!(shown.len() == length, "{shown:?}");
    ensure!(
        here.windows(shown.len()).any(|part| part == shown),
        "the README shows other lines"
    );
    Ok(())
}
