//! What perfdeck's recording costs, beside its peers on the same work: `cargo bench -p perfdeck-peers --bench
//! recording`.
//!
//! A subscriber and a recorder are a process's own for good, so each row of each table is measured in processes of its own:
//! this program starts itself once for each row and each kind of measure. The rows of a table take turns, several rounds,
//! and the medians are printed, so that what the machine does over time falls on all of them.
//!
//! - *ns*: wall-clock time of an operation on one thread, criterion's median.
//! - *CPU*: processor time of the whole process for an operation, on one and on two threads. What a peer does later, on
//!   threads of its own, is in it: the clock is read after the peer has handed on all that it keeps.
//! - *instructions*: callgrind's count, if valgrind is on the `PATH`: that of a run of many operations less that of a run
//!   of few, so that a start costs nothing. Those of the threads that do the work and of all others stand apart.
//! - *lost*: how much of what was done the peer doesn't know at the end of the CPU measures.
//!
//! The first row of a table is the loop with nothing in it that records; the others are what they cost beyond it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark is run for what it prints"
)]

mod callgrind;
mod case;
mod job;
mod round;
mod table;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use perfdeck_peers::{callgrind as valgrind, machine};

use crate::case::{CASES, Case};
use crate::job::{Job, Measure};
use crate::round::Plan;

/// Measures perfdeck's recording beside its peers.
#[derive(Debug, Parser)]
#[command(
    name = "cargo bench -p perfdeck-peers --bench recording --",
    bin_name = "cargo bench -p perfdeck-peers --bench recording --"
)]
struct Arguments {
    /// The cases to measure; all without it
    #[arg(value_name = "CASE")]
    cases: Vec<String>,
    /// Measures only the rows whose name has this in it; the first row always is
    #[arg(long, value_name = "TEXT")]
    row: Option<String>,
    /// How often the rows take turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// One short round: tells whether everything runs, and no more
    #[arg(long)]
    quick: bool,
    /// Counts no instructions
    #[arg(long)]
    no_instructions: bool,
    /// Names the cases and their rows
    #[arg(long)]
    list: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
    /// What to measure in this process
    #[arg(long, hide = true, num_args = 3)]
    child: Option<Vec<String>>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(child) = &arguments.child {
        let [case, row, measure] = child.as_slice() else {
            anyhow::bail!("a case, a row and a measure");
        };
        return work(case, row, serde_json::from_str(measure)?);
    }
    let cases = chosen(&arguments.cases)?;
    if arguments.list {
        for case in cases {
            println!("{}: {}", case.name, case.title);
            for row in case.rows {
                println!("    {}", row.name);
            }
        }
        return Ok(());
    }
    let plan = plan(&arguments);
    println!("{}", machine::describe());
    for case in cases {
        let measured = round::measure(case, arguments.row.as_deref(), &plan)?;
        table::print(case, &measured);
    }
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Case>> {
    let found = |name: &String| CASES.iter().find(|case| case.name == name);
    for name in names {
        ensure!(found(name).is_some(), "no such case: {name} (see --list)");
    }
    let all = CASES.iter();
    Ok(all
        .filter(|case| names.is_empty() || names.iter().any(|name| name == case.name))
        .collect())
}

fn plan(arguments: &Arguments) -> Plan {
    let (rounds, length) = if arguments.quick {
        (1, Duration::from_millis(100))
    } else {
        (arguments.rounds, Duration::from_millis(300))
    };
    Plan {
        rounds,
        length,
        instructions: !arguments.no_instructions && valgrind::is_there(),
    }
}

/// Measures one row in this process, and tells the parent on the last line of the output.
fn work(case: &str, row: &str, measure: Measure) -> Result<()> {
    let case = CASES.iter().find(|known| known.name == case);
    let rows = case.context("no such case")?.rows;
    let row = rows.iter().find(|known| known.name == row);
    let row = row.context("no such row")?;
    let most = row.most;
    let report = (row.run)(&Job { measure, most })?;
    println!("\n{}", serde_json::to_string(&report)?);
    Ok(())
}
