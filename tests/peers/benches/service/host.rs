//! The process that serves in one outfit, and tells what it took.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result, anyhow};
use cpu_time::ProcessTime;
use perfdeck_tests::folder::Folder;
use serde::{Deserialize, Serialize};

use crate::database;
use crate::outfit::{Dressed, Known, Outfit, Settle};
use crate::route::Route;

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// Where the process listens; the first line that it prints.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Addresses {
    pub(crate) service: SocketAddr,
    /// For questions, one a line.
    pub(crate) control: SocketAddr,
}

/// What is asked of the process beside the load.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Question {
    /// How much processor time it took so far.
    Clock,
    /// The same, after the library has settled; once, at the end.
    Settle,
}

/// The answer, in a line.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) processor_seconds: f64,
    /// How many requests the library knows of, where it tells.
    pub(crate) known: Option<u64>,
}

/// Serves until the control connection is closed.
pub(crate) fn serve(outfit: &Outfit, route: &Route) -> Result<()> {
    let folder = Folder::new()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let pool = runtime.block_on(database::open(folder.path(), outfit.statement_log))?;
    let dressed = {
        let _context = runtime.enter();
        (outfit.dress)(pool)?
    };
    let Dressed {
        router,
        settle,
        known,
    } = dressed;
    let listener = runtime.block_on(tokio::net::TcpListener::bind(LOOPBACK))?;
    let control = TcpListener::bind(LOOPBACK)?;
    let addresses = Addresses {
        service: listener.local_addr()?,
        control: control.local_addr()?,
    };
    let service = axum::serve(listener, router);
    runtime.spawn(service.into_future());
    println!("{}", serde_json::to_string(&addresses)?);
    let (control, _) = control.accept()?;
    answer(&control, settle, known, route)
}

fn answer(control: &TcpStream, settle: Settle, known: Known, route: &Route) -> Result<()> {
    let mut end = Some((settle, known));
    for question in BufReader::new(control).lines() {
        let answer = match serde_json::from_str(&question?)? {
            Question::Clock => Answer {
                processor_seconds: processor_seconds(),
                known: None,
            },
            Question::Settle => {
                let (settle, known) = end.take().context("it has settled before")?;
                // On a thread of its own, since callgrind's count leaves this one out.
                let settled = std::thread::scope(|scope| scope.spawn(settle).join());
                settled.unwrap_or_else(|_| Err(anyhow!("the library did not settle")))?;
                Answer {
                    processor_seconds: processor_seconds(),
                    known: known(route)?,
                }
            }
        };
        let mut control = control;
        control.write_all((serde_json::to_string(&answer)? + "\n").as_bytes())?;
    }
    Ok(())
}

fn processor_seconds() -> f64 {
    ProcessTime::now().as_duration().as_secs_f64()
}
