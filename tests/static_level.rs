//! A service built as `tracing`'s documentation recommends for release: its events below a level are not in the binary.
//!
//! Features of a crate are one in a workspace, so the service is a package of its own, built here: without optimisation,
//! since what decides is that it has no debug assertions, and without sqlx, whose event any program can make.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::host::perfdeck;
use perfdeck_tests::process::Process;
use perfdeck_tests::wait::{Seen, within};
use serde_json::Value;

const MANIFEST: &str = r#"
[package]
name = "service"
edition = "2024"

[dependencies]
perfdeck = { path = "SDK" }
tracing = { version = "0.1", features = ["release_max_level_info"] }
tracing-subscriber = { version = "0.3", default-features = false, features = ["registry"] }

[profile.dev]
debug = false
debug-assertions = false
incremental = false

[workspace]
"#;

const MAIN: &str = r#"
use tracing_subscriber::layer::SubscriberExt as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (_guard, deck) = perfdeck::Builder::new("service").start()?;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(deck.layer()))?;
    println!("ready");
    loop {
        tracing::debug!(
            target: "sqlx::query",
            summary = "SELECT 1",
            db.statement = "",
            rows_affected = 0_u64,
            rows_returned = 1_u64,
            elapsed_secs = 0.001,
        );
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
"#;

#[test]
fn the_doctor_names_a_build_whose_debug_events_were_compiled_out() -> Result<()> {
    let folder = Folder::new()?;
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = folder.path().join("service");
    fs::create_dir_all(package.join("src"))?;
    let sdk = tests.join("../sdk").display().to_string();
    fs::write(package.join("Cargo.toml"), MANIFEST.replace("SDK", &sdk))?;
    fs::write(package.join("src/main.rs"), MAIN)?;
    // The same versions as everywhere, none of which has to be asked for.
    fs::copy(tests.join("../Cargo.lock"), package.join("Cargo.lock"))?;
    let target = folder.path().join("target");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--offline", "--manifest-path"])
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");

    let runtime = Folder::new()?;
    let mut command = Command::new(target.join("debug/service"));
    command
        .env("PERFDECK_RUNTIME_DIR", runtime.path())
        .env_remove("PERFDECK");
    let mut service = Process::start(command)?;
    service.line(1, Duration::from_secs(30))?;
    within(Duration::from_secs(30), "what the doctor says", || {
        let told = perfdeck(runtime.path(), &["doctor", "--json"])?;
        let told: Value = serde_json::from_slice(&told.stdout)?;
        let spots = told["blind_spots"].as_array().context("a list")?;
        let named = |spot: &&Value| spot["kind"] == "debug_compiled_out";
        let Some(spot) = spots.iter().find(named) else {
            return Ok(Seen::NotYet(format!("{told:#}")));
        };
        let fix = spot["fix"].as_str().context("a fix")?;
        if spot["blindness"] != "blind" || !fix.contains("max_level") {
            bail!("{spot:#}");
        }
        Ok(Seen::Yes(()))
    })
}
