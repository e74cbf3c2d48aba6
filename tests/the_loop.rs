//! Seen, explained, fixed and measured, on embedded SQLite.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use perfdeck_tests::host::Host;
use serde_json::Value;

use crate::journey::{RATE, apply, check_gain, check_helped, diagnose, verdict};

/// The agent publishes once a second.
const A_FEW_TICKS: Duration = Duration::from_secs(5);

#[test]
fn a_missing_index_is_found_created_measured_and_undone() -> Result<()> {
    let host = Host::start(&["--service", "loop", "--rate", RATE])?;
    let diagnosis = diagnose(&host)?;
    ensure!(diagnosis.documents["confidence"] == "verified");

    let row = apply(&host, &diagnosis.documents)?;
    check_helped(&row)?;

    let undone = host.json(&["undo", &row["id"].to_string(), "--apply"])?;
    ensure!(undone["row"]["undo_of"] == row["id"], "{undone:#}");
    let rows = host.json(&["ledger"])?;
    let first = rows.as_array().context("the ledger is a list")?.last();
    ensure!(
        first.is_some_and(|first| first["status"] == "undone"),
        "{rows:#}"
    );
    Ok(())
}

#[test]
fn as_a_visitor_does_it_both_indexes_help() -> Result<()> {
    // The demo's own rate, and each remedy as soon as it is seen.
    let host = Host::start(&["--service", "demo"])?;
    let diagnosis = diagnose(&host)?;
    for finding in [&diagnosis.documents, &diagnosis.embed_codes] {
        let id = finding["id"].as_str().context("a finding has an id")?;
        let done = host.json(&["apply", id, "--apply"])?;
        ensure!(done["row"]["status"] == "done", "{done:#}");
        check_gain(&verdict(&host, &done["row"]["id"])?)?;
    }
    Ok(())
}

#[test]
fn a_cleared_cache_is_empty_and_an_undo_fills_it_again() -> Result<()> {
    let host = Host::start(&["--no-load"])?;
    let analytics = |workspace: u32| host.get(&format!("/workspaces/{workspace}/analytics"));
    let first = analytics(7)?;
    ensure!(first.status == 200, "{first:?}");
    ensure!(analytics(7)?.body == first.body);
    analytics(8)?;
    let before = cache_when(&host, |row| row["misses"] == 2 && row["hits"] == 1)?;
    ensure!(before["entries"] == 2 && before["loads"] == 2, "{before:#}");

    let dry = host.json(&["cache", "clear", "analytics"])?;
    ensure!(dry["applied"] == false, "{dry:#}");
    let cleared = host.json(&["cache", "clear", "analytics", "--apply"])?;
    cache_when(&host, |row| row["entries"] == 0)?;

    analytics(7)?;
    cache_when(&host, |row| row["misses"] == 3 && row["loads"] == 3)?;

    // What was loaded since has taken its predecessor's place; the other one is there again.
    host.json(&["undo", &cleared["row"]["id"].to_string(), "--apply"])?;
    analytics(8)?;
    let after = cache_when(&host, |row| row["hits"] == 2)?;
    ensure!(after["loads"] == 3 && after["misses"] == 3, "{after:#}");
    Ok(())
}

fn cache_when(host: &Host, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
    host.json_within(
        A_FEW_TICKS,
        "cache as awaited",
        &["cache", "stats"],
        |rows| {
            let mut rows = rows.as_array()?.iter();
            let row = rows.find(|row| row["namespace"] == "analytics")?;
            is_it(row).then(|| row.clone())
        },
    )
}
