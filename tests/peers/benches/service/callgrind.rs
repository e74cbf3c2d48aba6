//! Counting the instructions of a request.

use anyhow::{Context, Result};
use perfdeck_peers::callgrind::{Instructions, Run, Total};
use perfdeck_tests::load::Client;

use crate::host::Question;
use crate::outfit::{Outfit, WORK};
use crate::route::Route;
use crate::server::Server;

/// A run of few requests and one of many; what the many cost more is theirs.
const FEW: u64 = 500;
const MANY: u64 = 4_500;

/// What marks the threads of sqlx that run SQLite.
const STATEMENT: &str = "sqlite3_step";

/// Counts what a request takes, with the service kept to a processor.
pub(crate) fn count(
    outfit: &Outfit,
    route: &Route,
    processor: Option<usize>,
) -> Result<Instructions> {
    eprintln!("{}: instructions of {}", route.name, outfit.name);
    let count = |requests| {
        let total = run(outfit, route, processor, requests);
        total.with_context(|| format!("{} on {} under callgrind", outfit.name, route.name))
    };
    Ok(Instructions::between(count(FEW)?, count(MANY)?, MANY - FEW))
}

/// Asks over one connection: with more, how many answers a wake-up brings is a matter of luck.
fn run(outfit: &Outfit, route: &Route, processor: Option<usize>, requests: u64) -> Result<Total> {
    let run = Run::new()?;
    let mut server = Server::start(run.command()?, outfit, route, processor)?;
    let mut client = Client::connect(server.address(), 1)?;
    client.load(|number, caller| route.ask(caller, number, requests))?;
    server.ask(Question::Settle)?;
    server.end()?;
    run.total(&[WORK, STATEMENT])
}
