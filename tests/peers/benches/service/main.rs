//! What perfdeck costs a whole service, beside its peers: `cargo bench -p perfdeck-peers --bench service`.
//!
//! One axum service on SQLite, built once, starts in different outfits: bare, with perfdeck, with each of its peers. Each
//! serves in a process of its own with one worker thread; the load comes from this process, over loopback, from connections
//! that stay open and ask again when they are answered. The service has one processor for all its threads, the load the
//! others: so what a library does on threads of its own costs throughput, too, as it does on a machine that is busy.
//!
//! An outfit is never compared with a bare service of some other minute. Each round starts the two one after the other,
//! which of them is first alternates, and the ratio is that of the pair. The median of the rounds is given with its
//! quartiles.
//!
//! - *requests a second* and *p99* are what the load saw.
//! - *CPU* is the processor time of the service's process for a request, read after the peer has handed on all that it
//!   keeps, so what it does on threads of its own counts.
//! - *instructions* are callgrind's, beyond those of the bare service, if valgrind is on the `PATH`: the requests of one
//!   connection, a run of many less a run of few, so that a start costs nothing. Those of the runtime's worker and of
//!   SQLite's threads stand before the plus, those of all others after it. What goes by the clock does so under valgrind,
//!   too, where all else takes fifty times as long: of perfdeck's ticks there are far too many for each request.
//! - *lost* is how much of the load the peer doesn't know of at the end, in the worst round.
//!
//! At the end stands what was promised, and whether it is so. The exit status doesn't depend on it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark is run for what it prints"
)]

mod bar;
mod callgrind;
mod database;
mod host;
mod outfit;
mod processor;
mod round;
mod route;
mod server;
mod spread;
mod table;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use perfdeck_peers::{callgrind as valgrind, machine};

use crate::outfit::{OUTFITS, Outfit};
use crate::round::{CONNECTIONS, Plan};
use crate::route::{ROUTES, Route};

/// Measures a service with perfdeck beside the same with its peers.
#[derive(Debug, Parser)]
#[command(
    name = "cargo bench -p perfdeck-peers --bench service --",
    bin_name = "cargo bench -p perfdeck-peers --bench service --"
)]
struct Arguments {
    /// Measures only the outfits whose name has this in it; the bare service always is
    #[arg(long, value_name = "TEXT")]
    row: Option<String>,
    /// How many pairs there are of each outfit and the bare service
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// One short round: tells whether everything runs, and no more
    #[arg(long)]
    quick: bool,
    /// Counts no instructions
    #[arg(long)]
    no_instructions: bool,
    /// Names the routes and the outfits
    #[arg(long)]
    list: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
    /// The outfit and the route to serve in this process
    #[arg(long, hide = true, num_args = 2)]
    child: Option<Vec<String>>,
    /// The processor that the service keeps to
    #[arg(long, hide = true)]
    processor: Option<usize>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(child) = &arguments.child {
        let [outfit, route] = child.as_slice() else {
            anyhow::bail!("an outfit and a route");
        };
        if let Some(processor) = arguments.processor {
            processor::keep_to(processor)?;
        }
        return host::serve(find_outfit(outfit)?, find_route(route)?);
    }
    if arguments.list {
        ROUTES.iter().for_each(|route| println!("{}", route.name));
        OUTFITS
            .iter()
            .for_each(|outfit| println!("    {}", outfit.name));
        return Ok(());
    }
    let outfits = chosen(arguments.row.as_deref())?;
    // First, for it counts the processors that are this process's own.
    println!("{}", machine::describe());
    let plan = plan(&arguments)?;
    println!(
        "{CONNECTIONS} connections, each asking again when answered; {}; {} rounds",
        plan.processor.map_or(
            "service and load on the one processor",
            |_| "the service on one processor, the load on the others"
        ),
        plan.rounds
    );
    let mut measured = Vec::new();
    for route in ROUTES {
        let rows = round::measure(route, &outfits, &plan)?;
        table::print(route, &rows);
        measured.push((route, rows));
    }
    table::print_notes(&outfits);
    bar::print(&measured);
    Ok(())
}

fn find_outfit(name: &str) -> Result<&'static Outfit> {
    let found = OUTFITS.iter().find(|outfit| outfit.name == name);
    found.context("no such outfit")
}

fn find_route(name: &str) -> Result<&'static Route> {
    let found = ROUTES.into_iter().find(|route| route.name == name);
    found.context("no such route")
}

/// Returns the outfits that are compared with the bare service.
fn chosen(text: Option<&str>) -> Result<Vec<&'static Outfit>> {
    let others = OUTFITS.iter().skip(1);
    let chosen = others.filter(|outfit| text.is_none_or(|text| outfit.name.contains(text)));
    let chosen: Vec<_> = chosen.collect();
    ensure!(!chosen.is_empty(), "no such outfit (see --list)");
    Ok(chosen)
}

fn plan(arguments: &Arguments) -> Result<Plan> {
    Ok(Plan {
        rounds: if arguments.quick { 1 } else { arguments.rounds },
        shorter: if arguments.quick { 20 } else { 1 },
        instructions: !arguments.no_instructions && valgrind::is_there(),
        processor: processor::share()?,
    })
}
