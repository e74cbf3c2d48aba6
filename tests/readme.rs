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

async fn documents(State(pool): State<Pool<Postgres>>) -> String {
    let titles = sqlx::query_scalar("SELECT title FROM documents").fetch_all(&pool);
    let titles: Vec<String> = titles.await.unwrap_or_default();
    titles.join("\n")
}

#[test]
fn the_embedding_that_the_readme_shows_compiles() -> Result<()> {
    let readme = include_str!("../README.md");
    let lines =
        |text: &str| -> Vec<String> { text.lines().map(|line| line.trim().to_owned()).collect() };
    let shown = readme
        .split("```rust,ignore\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap_or_default();
    let (shown, here) = (lines(shown), lines(include_str!("readme.rs")));
    ensure!(shown.len() == 6, "{shown:?}");
    ensure!(
        here.windows(shown.len()).any(|part| part == shown),
        "the README shows other lines"
    );
    Ok(())
}
