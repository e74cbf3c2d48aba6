//! In = out: what perfdeck counts is what was sent.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use perfdeck_tests::host::Host;
use serde_json::Value;

#[test]
fn requests_are_as_many_as_the_load_sent() -> Result<()> {
    let mut host = Host::start(&["--healthy", "--rate", "150", "--requests", "1500"])?;
    let sent = host.summary(Duration::from_secs(120))?;
    ensure!(sent["requests"] == 1_500, "{sent:#}");
    let seen = host.json(&["requests"])?;
    ensure!(seen["requests"] == sent["requests"], "{seen:#}\n{sent:#}");
    ensure!(seen["cancelled"] == 0, "{seen:#}");

    let mut counted = by_route(&seen["routes"], |row| {
        Some((row["requests"].as_u64()?, row["errors"].as_u64()?))
    })?;
    // Work outside requests stands beside them.
    counted.retain(|route, _| route.starts_with("GET ") || route.starts_with("POST "));
    let expected = by_route(&sent["routes"], |row| {
        let statuses = row["statuses"].as_object()?.iter();
        let errors = statuses.filter(|(status, _)| status.starts_with('5'));
        let errors = errors.filter_map(|(_, count)| count.as_u64()).sum();
        Some((row["requests"].as_u64()?, errors))
    })?;
    assert_eq!(counted, expected);
    Ok(())
}

/// Requests and errors, by route.
type Counts = BTreeMap<String, (u64, u64)>;

fn by_route(rows: &Value, count: impl Fn(&Value) -> Option<(u64, u64)>) -> Result<Counts> {
    let rows = rows.as_array().context("routes are a list")?.iter();
    rows.map(|row| {
        let route = row["route"].as_str().context("a route has a name")?;
        let counts = count(row).with_context(|| format!("no counts in {row:#}"))?;
        Ok((route.to_owned(), counts))
    })
    .collect()
}
