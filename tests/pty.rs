//! The real program in a real terminal, against a real host.

use std::num::NonZero;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::host::{Host, perfdeck};
use perfdeck_tests::process::program;
use perfdeck_tests::terminal::Terminal;
use portable_pty::CommandBuilder;
use rustix::process::Signal;

use crate::journey::{RATE, SOON, await_traffic, check_helped, diagnose, verdict};

const A_MOMENT: Duration = Duration::from_secs(10);

#[test]
fn a_person_walks_the_screens_applies_a_fix_and_sees_its_gain() -> Result<()> {
    let host = Host::start(&["--service", "pty", "--rate", RATE])?;
    diagnose(&host)?;
    await_traffic(&host, "GET /workspaces/{workspace}/documents")?;
    let mut terminal = attach(&host)?;
    terminal.shows("pty", A_MOMENT)?;
    terminal.shows("live", A_MOMENT)?;
    ensure!(terminal.is_alternate(), "it draws over the shell's lines");

    for (key, sight) in [
        ("2", "GET /workspaces"),
        ("3", "SELECT"),
        ("4", "analytics"),
        ("6", "watched"),
        ("8", "Nothing was done yet"),
        ("7", "together worth"),
        ("1", "where the users' time goes"),
    ] {
        terminal.press(key)?;
        terminal.shows(sight, A_MOMENT)?;
    }
    terminal.press("?")?;
    terminal.shows("leave; the service goes on", A_MOMENT)?;
    // A key on its heels would be taken for one with alt.
    terminal.press("\x1b")?;
    terminal.hides("leave; the service goes on", A_MOMENT)?;

    // The first row about the documents, its preview, the table's name, and enter.
    terminal.press("7")?;
    terminal.shows("together worth", A_MOMENT)?;
    terminal.press("/documents\r")?;
    terminal.press("a")?;
    terminal.shows("CREATE INDEX", A_MOMENT)?;
    terminal.shows("type documents to go on", A_MOMENT)?;
    terminal.press("documents\r")?;
    terminal.press("8")?;
    terminal.shows("create_index", A_MOMENT)?;
    terminal.shows("helped", SOON)?;
    let rows = host.json(&["ledger"])?;
    check_helped(&verdict(&host, &rows[0]["id"])?)?;

    terminal.press("q")?;
    ensure!(terminal.end(A_MOMENT)?.success());
    terminal.is_restored(A_MOMENT)?;
    ensure!(host.get("/workspaces/1/documents")?.status == 200);
    Ok(())
}

#[test]
fn a_lost_host_leaves_its_numbers_and_the_terminal_can_be_left() -> Result<()> {
    let host = Host::start(&["--service", "pty", "--healthy"])?;
    let mut terminal = attach(&host)?;
    terminal.press("2")?;
    terminal.shows("GET /workspaces", SOON)?;
    drop(host);
    terminal.shows("lost", SOON)?;
    terminal.shows("GET /workspaces", A_MOMENT)?;
    terminal.press("q")?;
    ensure!(terminal.end(A_MOMENT)?.success());
    terminal.is_restored(A_MOMENT)?;
    Ok(())
}

#[test]
fn signals_end_it_and_the_terminal_is_restored() -> Result<()> {
    let host = Host::start(&["--service", "pty", "--healthy", "--no-load"])?;
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut terminal = attach(&host)?;
        terminal.shows("live", A_MOMENT)?;
        terminal.signal(signal)?;
        ensure!(terminal.end(A_MOMENT)?.success(), "{signal:?}");
        terminal.is_restored(A_MOMENT)?;
    }
    Ok(())
}

#[test]
fn a_service_that_starts_anew_is_found_again_also_where_its_process_was_named() -> Result<()> {
    let runtime = Folder::new()?;
    let place = runtime.path().to_str().context("a plain path")?;
    let start = || {
        let arguments = ["--service", "anew", "--healthy", "--no-load"];
        Host::start_with(&arguments, &[("PERFDECK_RUNTIME_DIR", place)])
    };
    let pid = || -> Result<String> {
        let listed = perfdeck(runtime.path(), &["ls", "--json"])?;
        let listed: serde_json::Value = serde_json::from_slice(&listed.stdout)?;
        Ok(listed[0]["pid"].to_string())
    };
    let former = start()?;
    let before = pid()?;
    let mut terminal = attach_in(runtime.path(), &["--pid", &before])?;
    terminal.shows("live", A_MOMENT)?;
    drop(former);
    terminal.shows("lost", SOON)?;
    let _host = start()?;
    let after = pid()?;
    ensure!(before != after, "{before} still runs");
    terminal.shows(&format!("attached to the new process {after}"), SOON)?;
    terminal.shows("live", A_MOMENT)?;
    terminal.press("q")?;
    ensure!(terminal.end(A_MOMENT)?.success());
    Ok(())
}

pub(crate) fn attach(host: &Host) -> Result<Terminal> {
    attach_in(host.runtime(), &[])
}

fn attach_in(runtime: &Path, arguments: &[&str]) -> Result<Terminal> {
    let mut command = CommandBuilder::new(program("perfdeck")?);
    command.args(arguments);
    command.env("PERFDECK_RUNTIME_DIR", runtime);
    command.env("TERM", "xterm-256color");
    let size = NonZero::new(120).zip(NonZero::new(40));
    let (columns, rows) = size.context("no size is zero")?;
    Terminal::start(command, columns, rows)
}
