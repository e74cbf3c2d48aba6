//! The example that predicts and measures hit ratios on a trace.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use perfdeck_tests::process::program;
use serde_json::Value;

fn run(arguments: &[&str], trace: &str) -> Result<Output> {
    let mut child = Command::new(program("examples/cache_trace")?)
        .args(arguments)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("no standard input")?;
    // One that refuses its arguments reads none of it.
    let _ = input.write_all(trace.as_bytes());
    drop(input);
    Ok(child.wait_with_output()?)
}

fn rows(arguments: &[&str], trace: &str) -> Result<Vec<Value>> {
    let output = run(arguments, trace)?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && told.is_empty(), "{told}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn each_policy_and_capacity_is_predicted_and_measured() -> Result<()> {
    // Every key twice, twenty others between.
    let trace = (0..30_000).fold(String::new(), |mut trace, at: u32| {
        let key = at / 40 * 20 + at % 20;
        let _ = writeln!(trace, "key {key}");
        trace
    });
    let rows = rows(&["--capacities", "10,5000"], &trace)?;
    let names: Vec<_> = rows.iter().map(|row| &row["policy"]).collect();
    assert_eq!(
        names,
        ["default", "default", "lru", "lru", "tiny_lfu", "tiny_lfu"]
    );
    for row in &rows {
        let number = |name: &str| {
            row[name]
                .as_f64()
                .with_context(|| format!("{name} of {row}"))
        };
        let (predicted, measured) = (number("predicted")?, number("measured")?);
        assert!(
            (predicted - measured).abs() <= number("error_band")?,
            "{row}"
        );
        assert!(
            row["ttl"].is_null() && number("estimator_bytes")? > 1_000.0,
            "{row}"
        );
        // moka holds a batch of newcomers beyond its capacity, and keeps few of them.
        if row["policy"] == "default" {
            let expected = if row["capacity"] == 5_000 { 0.5 } else { 0.0 };
            assert!((measured - expected).abs() < 0.2, "{row}");
        }
    }
    Ok(())
}

#[test]
fn a_time_to_live_goes_by_the_seconds_of_the_trace() -> Result<()> {
    // One key a second, looked up six times.
    let trace = (0..20_000).fold(String::new(), |mut trace, at: u32| {
        let _ = writeln!(trace, "{}.5 {}", at * 10, at % 2);
        trace
    });
    for (ttl, expected) in [("15", 0.0), ("25", 0.5), ("1000", 0.98)] {
        for row in rows(&["--capacities", "100", "--ttl", ttl], &trace)? {
            let off = |name: &str| (row[name].as_f64().unwrap_or(9.0) - expected).abs();
            assert!(off("measured") < 0.01 && off("predicted") < 0.01, "{row}");
            assert_eq!(
                row["ttl"].as_f64().map(|ttl| ttl.to_string()).as_deref(),
                Some(ttl)
            );
        }
    }
    Ok(())
}

#[test]
fn what_can_not_be_told_is_said() -> Result<()> {
    let rows = rows(&["--capacities", "100"], "a\nb\na\n")?;
    assert!(
        rows.iter()
            .all(|row| row["predicted"].is_null() && row["measured"].is_f64())
    );
    let output = run(&["--capacities", "100"], "1 a\n2 b\nc\n")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !output.status.success() && told.contains("line 3"),
        "{told}"
    );
    for wrong in [
        &["--capacities", "x"][..],
        &["--capacities", "5", "--ttl", "-1"],
    ] {
        ensure!(!run(wrong, "a\n")?.status.success(), "{wrong:?}");
    }
    Ok(())
}
