//! The same loop against a PostgreSQL server of the test's own.

use std::time::Duration;

use anyhow::{Result, ensure};
use perfdeck_tests::host::Host;
use perfdeck_tests::postgres::Server;
use sqlx::{Connection, PgConnection};

use crate::journey::{RATE, apply, check_helped, diagnose};

#[tokio::test]
async fn with_hypopg_the_plan_is_verified_and_the_gain_measured() -> Result<()> {
    let server = Server::start()?;
    server.require("hypopg")?;
    let url = server.database("desk")?;
    let mut admin = PgConnection::connect(&url).await?;
    sqlx::query("CREATE EXTENSION hypopg")
        .execute(&mut admin)
        .await?;
    loop_on(&url, "verified")?;
    check_left_clean(&mut admin, &["hypopg", "plpgsql"]).await
}

#[tokio::test]
async fn without_hypopg_it_is_estimated_and_no_extension_appears() -> Result<()> {
    let server = Server::start()?;
    let url = server.database("desk")?;
    let mut admin = PgConnection::connect(&url).await?;
    loop_on(&url, "estimated")?;
    check_left_clean(&mut admin, &["plpgsql"]).await
}

fn loop_on(url: &str, confidence: &str) -> Result<()> {
    let mut host = Host::start(&["--postgres", url, "--rate", RATE])?;
    let diagnosis = diagnose(&host)?;
    for finding in [&diagnosis.documents, &diagnosis.embed_codes] {
        ensure!(finding["confidence"] == confidence, "{finding:#}");
    }
    let doctor = host.perfdeck(&["doctor", "--json"])?;
    let doctor: serde_json::Value = serde_json::from_slice(&doctor.stdout)?;
    let spots = doctor["blind_spots"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let missing = spots.iter().any(|spot| spot["kind"] == "hypopg_missing");
    ensure!(missing == (confidence == "estimated"), "{doctor:#}");
    let row = apply(&host, &diagnosis.documents)?;
    check_helped(&row)?;
    let undone = host.json(&["undo", &row["id"].to_string(), "--apply"])?;
    ensure!(undone["row"]["status"] == "done", "{undone:#}");
    host.process.signal(rustix::process::Signal::TERM)?;
    ensure!(host.process.end(Duration::from_secs(20))?.success());
    Ok(())
}

/// Checks that only these extensions are there, and no schema of the demo.
async fn check_left_clean(admin: &mut PgConnection, extensions: &[&str]) -> Result<()> {
    let present: Vec<String> =
        sqlx::query_scalar("SELECT extname::text FROM pg_extension ORDER BY 1")
            .fetch_all(&mut *admin)
            .await?;
    ensure!(present == extensions, "{present:?}");
    let left: Vec<String> =
        sqlx::query_scalar("SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'support%'")
            .fetch_all(admin)
            .await?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}
