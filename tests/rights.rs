//! What a viewer may not do, and what the database does not let the service do.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use perfdeck::{Builder, Risk};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::host::perfdeck;
use perfdeck_tests::postgres::Server;
use perfdeck_tests::wait::{Seen, within};
use serde_json::Value;
use sqlx::Executor;
use sqlx::postgres::{PgPool, PgPoolOptions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_service_does_not_allow_is_refused_with_the_line_that_would() -> Result<()> {
    let told = apply(Builder::new("rights"), "owner").await?;
    ensure!(told.contains(".allow(Risk::Schema)"), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_database_does_not_grant_fails_and_leaves_nothing() -> Result<()> {
    let told = apply(Builder::new("rights").allow(Risk::Schema), "reader").await?;
    ensure!(told.contains("does not own the table"), "{told}");
    Ok(())
}

/// Applies the index that a slow statement wants, with the pool of a role; returns why it was not made.
async fn apply(builder: Builder, role: &str) -> Result<String> {
    let server = Server::shared()?;
    let name = format!("rights_{role}");
    let owner = PgPool::connect(&server.database(&name)?).await?;
    owner
        .execute("CREATE TABLE parcels (id int PRIMARY KEY, sender int, note text)")
        .await?;
    let rows = "INSERT INTO parcels SELECT n, n % 30000, repeat('x', 80) FROM generate_series(1, 150000) n";
    owner.execute(rows).await?;
    owner.execute("ANALYZE parcels").await?;
    let folder = Folder::new()?;
    let (guard, deck) = builder.socket(folder.path().join("deck.sock")).start()?;
    let mut options = owner.connect_options().as_ref().clone();
    if role == "reader" {
        // Like a service whose login is not the owner of its tables.
        owner.execute("CREATE ROLE reader").await?;
        owner.execute("GRANT SELECT ON parcels TO reader").await?;
        options = options.options([("role", "reader")]);
    }
    let pool = deck.pool(
        "primary",
        PgPoolOptions::new()
            .max_connections(2)
            .connect_with(options)
            .await?,
    );
    let load = tokio::spawn(async move {
        for sender in 0.. {
            let query = sqlx::query("SELECT id, note FROM parcels WHERE sender = $1");
            if query.bind(sender % 30_000).fetch_all(&pool).await.is_err() {
                break;
            }
        }
    });

    let socket = deck.socket().context("the deck is on")?.to_owned();
    let runtime = folder.path().to_owned();
    let told = tokio::task::spawn_blocking(move || -> Result<String> {
        let at = socket.to_str().context("a path")?;
        let id = within(Duration::from_secs(40), "finding", || {
            let output = perfdeck(&runtime, &["recommendations", "--socket", at, "--json"])?;
            let found: Value = serde_json::from_slice(&output.stdout)?;
            Ok(match found[0]["id"].as_str() {
                Some(id) => Seen::Yes(id.to_owned()),
                None => Seen::NotYet("no finding".into()),
            })
        })?;
        let output = perfdeck(&runtime, &["apply", &id, "--socket", at, "--apply"])?;
        ensure!(output.status.code() == Some(1), "{output:?}");
        let sentences = String::from_utf8_lossy(&output.stderr).lines().count();
        ensure!(sentences == 1, "{output:?}");
        Ok(format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ))
    })
    .await??;
    ensure!(!load.is_finished(), "the service did not go on");
    load.abort();
    let indexes = "SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'perfdeck%'";
    let left: i64 = sqlx::query_scalar(indexes).fetch_one(&owner).await?;
    ensure!(left == 0, "{left} indexes were left");
    guard.stop();
    Ok(told)
}
