//! The way from a slow service to a measured gain, as steps that several tests take.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use perfdeck_tests::host::Host;
use serde_json::Value;

/// How soon after the start a cause must be known, and after the fix its gain.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Requests a second that an unoptimised build can answer on a machine that also does other work.
pub(crate) const RATE: &str = "20";

/// What is wrong with the demo.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    /// The missing index on the documents.
    pub(crate) documents: Value,
    /// The missing index on the embed codes.
    pub(crate) embed_codes: Value,
    /// The sessions that are read one by one.
    pub(crate) sessions: Value,
}

/// Waits until the three causes are known.
pub(crate) fn diagnose(host: &Host) -> Result<Diagnosis> {
    let left = SOON.saturating_sub(host.age());
    let diagnosis = host.json_within(left, "diagnosis", &["recommendations"], |all| {
        pick(host, all)
    })?;
    check_index(
        host,
        &diagnosis.documents,
        &["workspace_id", "status", "uploaded_at"],
    )?;
    check_index(host, &diagnosis.embed_codes, &["client_key"])?;
    check_n_plus_one(&diagnosis.sessions)?;
    Ok(diagnosis)
}

fn pick(host: &Host, findings: &Value) -> Option<Diagnosis> {
    let missing = |table: &str, last: &str| {
        let (table, last) = (host.name(table), host.name(last));
        find(findings, "missing_index", |evidence| {
            let found = evidence["table"].as_str().unwrap_or_default();
            let column = columns(evidence).and_then(|columns| columns.last().copied());
            let is_table = found == table || found.ends_with(&format!(".{table}"));
            is_table && column == Some(last)
        })
    };
    Some(Diagnosis {
        documents: missing("documents", "uploaded_at")?,
        embed_codes: missing("embed_codes", "client_key")?,
        sessions: find(findings, "n_plus_one", |evidence| {
            evidence["route"] == "GET /workspaces/{workspace}/sessions"
        })?,
    })
}

fn find(findings: &Value, kind: &str, is_it: impl Fn(&Value) -> bool) -> Option<Value> {
    let mut findings = findings.as_array()?.iter();
    let found = findings.find(|finding| finding["kind"] == kind && is_it(&finding["evidence"]));
    found.cloned()
}

/// Returns the columns of the index that is missing, without their directions.
fn columns(evidence: &Value) -> Option<Vec<&str>> {
    let columns = evidence["columns"].as_array()?.iter();
    columns
        .map(|column| column.as_str()?.split(' ').next())
        .collect()
}

/// Checks a missing index on these columns, of which the last comes last.
fn check_index(host: &Host, finding: &Value, wished: &[&str]) -> Result<()> {
    let evidence = &finding["evidence"];
    let mut proposed = columns(evidence).context("an index has columns")?;
    let mut wished: Vec<&str> = wished.iter().map(|column| host.name(column)).collect();
    proposed.sort_unstable();
    wished.sort_unstable();
    ensure!(proposed == wished, "{finding:#}");
    ensure!(finding["status"] == "ready", "{finding:#}");
    ensure!(finding["action"]["kind"] == "create_index", "{finding:#}");
    ensure!(finding["action"]["risk"] == "schema", "{finding:#}");
    for plan in ["plan_before", "plan_after"] {
        let steps = evidence[plan].as_array();
        ensure!(steps.is_some_and(|steps| !steps.is_empty()), "{finding:#}");
    }
    ensure!(number(&evidence["calls_per_second"])? > 0.0, "{finding:#}");
    ensure!(number(&finding["score_points"])? > 0.0, "{finding:#}");
    let impact = &finding["impact"];
    let (now, after) = (
        number(&impact["p95_seconds_now"])?,
        number(&impact["p95_seconds_after"])?,
    );
    ensure!(after < now, "{finding:#}");
    Ok(())
}

fn check_n_plus_one(finding: &Value) -> Result<()> {
    let per_request = &finding["evidence"]["queries_per_request"];
    // The page has 20 sessions, and small workspaces have fewer.
    let p95 = number(&per_request["p95"])?;
    ensure!((15.0..=21.0).contains(&p95), "{finding:#}");
    let max = number(&per_request["max"])?;
    ensure!((p95..=21.0).contains(&max), "{finding:#}");
    ensure!(finding["status"] == "code", "{finding:#}");
    ensure!(finding["action"].is_null(), "{finding:#}");
    Ok(())
}

/// Applies a finding and returns the ledger's row when its gain is known.
pub(crate) fn apply(host: &Host, finding: &Value) -> Result<Value> {
    let route = finding["impact"]["route"].as_str();
    await_traffic(host, route.context("it serves a route")?)?;
    let id = finding["id"].as_str().context("a finding has an id")?;
    let dry = host.json(&["apply", id])?;
    ensure!(dry["applied"] == false, "{dry:#}");
    let done = host.json(&["apply", id, "--apply"])?;
    ensure!(done["row"]["status"] == "done", "{done:#}");
    verdict(host, &done["row"]["id"])
}

/// Waits until a route has had enough requests to compare others with.
pub(crate) fn await_traffic(host: &Host, route: &str) -> Result<()> {
    let limit = Duration::from_secs(60);
    host.json_within(limit, "traffic", &["requests"], |requests| {
        let mut rows = requests["routes"].as_array()?.iter();
        let row = rows.find(|row| row["route"] == route)?;
        (row["requests"].as_u64()? >= 80).then_some(())
    })
}

/// Waits for the verdict on a row of the ledger and returns the row.
pub(crate) fn verdict(host: &Host, id: &Value) -> Result<Value> {
    host.json_within(SOON, "verdict", &["ledger"], |rows| {
        let row = rows.as_array()?.iter().find(|row| row["id"] == *id)?;
        (row["verdict"] != "measuring").then(|| row.clone())
    })
}

/// Checks that a row tells a gain, and that it was measured in more than a few requests.
pub(crate) fn check_helped(row: &Value) -> Result<()> {
    check_gain(row)?;
    for count in ["n_before", "n_after"] {
        ensure!(number(&row["realised"][count])? >= 10.0, "{count}: {row:#}");
    }
    Ok(())
}

/// Checks that a row tells a gain that was promised, and measured in two windows that don't overlap.
pub(crate) fn check_gain(row: &Value) -> Result<()> {
    ensure!(row["verdict"] == "helped", "{row:#}");
    for gain in ["predicted", "realised"] {
        let before = number(&row[gain]["p95_seconds_before"])?;
        let after = number(&row[gain]["p95_seconds_after"])?;
        ensure!(after < before, "{gain}: {row:#}");
    }
    let realised = &row["realised"];
    let until = realised["window_before"]["to"].as_str();
    let from = realised["window_after"]["from"].as_str();
    // Moments of one form are in the order of their texts.
    ensure!(
        until.is_some() && until <= from,
        "the windows overlap: {row:#}"
    );
    let [low, high] = [&row["interval"][0], &row["interval"][1]];
    ensure!(
        number(low)? < number(high)? && number(high)? < 0.0,
        "{row:#}"
    );
    Ok(())
}

pub(crate) fn number(value: &Value) -> Result<f64> {
    value
        .as_f64()
        .with_context(|| format!("{value} is no number"))
}
