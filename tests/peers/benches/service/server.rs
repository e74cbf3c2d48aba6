//! A serving process, as the load sees it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use perfdeck_peers::environment;
use perfdeck_tests::process::Process;

use crate::host::{Addresses, Answer, Question};
use crate::outfit::Outfit;
use crate::route::Route;

/// To start, to answer, and to end, under valgrind.
const PATIENCE: Duration = Duration::from_secs(180);

/// A service in one outfit; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    address: SocketAddr,
    control: BufReader<TcpStream>,
}

impl Server {
    /// Starts this program with a command that lacks its arguments, and waits until it serves.
    pub(crate) fn start(
        mut command: Command,
        outfit: &Outfit,
        route: &Route,
        processor: Option<usize>,
    ) -> Result<Self> {
        environment::clear(&mut command);
        command.envs(outfit.environment.iter().copied());
        command.args(["--child", outfit.name, route.name]);
        if let Some(processor) = processor {
            command.args(["--processor", &processor.to_string()]);
        }
        let mut process = Process::start(command)?;
        let line = process.line(1, PATIENCE)?;
        let addresses: Addresses = serde_json::from_str(&line)?;
        let control = TcpStream::connect(addresses.control)?;
        control.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            process,
            address: addresses.service,
            control: BufReader::new(control),
        })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn ask(&mut self, question: Question) -> Result<Answer> {
        let answer = self.line(question);
        answer.with_context(|| format!("{question:?}: {}", self.process.stderr()))
    }

    fn line(&mut self, question: Question) -> Result<Answer> {
        let question = serde_json::to_string(&question)? + "\n";
        self.control.get_mut().write_all(question.as_bytes())?;
        let mut line = String::new();
        self.control.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Lets it end as a service does.
    pub(crate) fn end(mut self) -> Result<()> {
        self.control.get_ref().shutdown(Shutdown::Both)?;
        let status = self.process.end(PATIENCE)?;
        ensure!(status.success(), "{status}: {}", self.process.stderr());
        Ok(())
    }
}
