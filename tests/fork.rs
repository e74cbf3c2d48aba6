//! A process that forks.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::process::{Process, program};

/// Children, one after the other.
const TIMES: u32 = 1_000;

#[test]
fn promise_30_a_child_that_was_forked_has_an_inert_deck_and_its_parent_goes_on() -> Result<()> {
    let folder = Folder::new()?;
    let mut command = Command::new(program("examples/fork_node")?);
    command
        .arg(folder.path().join("fork.sock"))
        .arg(TIMES.to_string())
        .env_remove("PERFDECK");
    let mut node = Process::start(command)?;
    let status = node.end(Duration::from_secs(300))?;
    ensure!(status.success(), "{status}: {}", node.stderr());
    let said = node.stdout();
    let numbers: Vec<u64> = said
        .strip_prefix("forked ")
        .context("no last line")?
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    // What the children did is told by nobody, and what the parent did is all there.
    let [times, sent, told] = numbers[..] else {
        anyhow::bail!("{said}");
    };
    ensure!(
        times == u64::from(TIMES) && sent >= times && sent == told,
        "{said}"
    );
    Ok(())
}
