//! Nothing is tuned to the demo: neither to its names, nor to its being ill.

use std::time::Duration;

use anyhow::{Result, ensure};
use perfdeck_tests::host::Host;
use sqlx::{Connection, SqliteConnection};

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
