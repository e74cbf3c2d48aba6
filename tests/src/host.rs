//! The demo as a host, and the command line against it.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::folder::Folder;
use crate::http::{self, Response};
use crate::process::{Process, program};
use crate::schema;
use crate::wait::{Seen, within};

/// Seeding and starting, in an unoptimised build on a busy machine.
const START: Duration = Duration::from_secs(120);

/// A service under load needs the machine for itself: one at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A running demo whose sockets nobody else sees.
#[derive(Debug)]
pub struct Host {
    /// The demo itself.
    pub process: Process,
    address: SocketAddr,
    socket: Option<PathBuf>,
    names: Value,
    since: Instant,
    runtime: Folder,
    /// None in an instance that runs beside another.
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Host {
    /// Starts the demo without its terminal, with further arguments, and waits until it serves.
    ///
    /// # Errors
    ///
    /// If it does not serve; the error has what it said.
    pub fn start<A: AsRef<OsStr>>(arguments: &[A]) -> Result<Self> {
        Self::start_with(arguments, &[])
    }

    /// Starts the demo as [`Self::start`] does, with further environment variables.
    ///
    /// # Errors
    ///
    /// If it does not serve; the error has what it said.
    pub fn start_with<A: AsRef<OsStr>>(
        arguments: &[A],
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        Self::start_under(&[], arguments, environment)
    }

    /// Starts the demo as [`Self::start_with`] does, by a command that runs what follows it, such as `nice`.
    ///
    /// # Errors
    ///
    /// If it does not serve; the error has what it said.
    pub fn start_under<A: AsRef<OsStr>>(
        wrapper: &[&str],
        arguments: &[A],
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Self::launch(wrapper, arguments, environment, Some(turn))
    }

    /// Starts another instance beside this one.
    ///
    /// # Errors
    ///
    /// If it does not serve; the error has what it said.
    pub fn start_beside<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Self> {
        Self::launch(&[], arguments, &[], None)
    }

    fn launch<A: AsRef<OsStr>>(
        wrapper: &[&str],
        arguments: &[A],
        environment: &[(&str, &str)],
        turn: Option<MutexGuard<'static, ()>>,
    ) -> Result<Self> {
        let runtime = Folder::new()?;
        let demo = program("demo")?;
        let mut command = match wrapper {
            [] => Command::new(demo),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(demo);
                command
            }
        };
        command
            .args(["--headless", "--json"])
            .args(arguments)
            .env("PERFDECK_RUNTIME_DIR", runtime.path())
            .env("TMPDIR", runtime.path())
            .env_remove("PERFDECK")
            .envs(environment.iter().copied());
        let mut process = Process::start(command)?;
        let start: Value = serde_json::from_str(&process.line(1, START)?)?;
        let address = start["address"].as_str().context("no address")?.parse()?;
        let socket = start["socket"].as_str().map(PathBuf::from);
        Ok(Self {
            process,
            address,
            socket,
            names: start["names"].clone(),
            since: Instant::now(),
            runtime,
            _turn: turn,
        })
    }

    /// Returns where it serves HTTP.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the socket of its deck; `None` with `PERFDECK=off`.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// Returns the folder of its socket.
    #[must_use]
    pub fn runtime(&self) -> &Path {
        self.runtime.path()
    }

    /// Returns what a table or column is called in its database.
    #[must_use]
    pub fn name<'a>(&'a self, in_the_code: &'a str) -> &'a str {
        self.names[in_the_code].as_str().unwrap_or(in_the_code)
    }

    /// Returns the file of its embedded database.
    ///
    /// # Errors
    ///
    /// If it has none.
    pub fn database(&self) -> Result<PathBuf> {
        for entry in std::fs::read_dir(self.runtime())? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "sqlite") {
                return Ok(path);
            }
        }
        anyhow::bail!("there is no database in {}", self.runtime().display())
    }

    /// Returns for how long it has served.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Sends it a GET request.
    ///
    /// # Errors
    ///
    /// If there is no whole answer.
    pub fn get(&self, path: &str) -> Result<Response> {
        http::get(self.address, path)
    }

    /// Runs `perfdeck` against it, whatever comes of it.
    ///
    /// # Errors
    ///
    /// If the program can't be run.
    pub fn perfdeck(&self, arguments: &[&str]) -> Result<Output> {
        perfdeck(self.runtime.path(), arguments)
    }

    /// Runs `perfdeck` with `--json` against it and reads its one document.
    ///
    /// # Errors
    ///
    /// If it exits with anything but 0, or prints anything but one document of its schema.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.perfdeck(&[arguments, &["--json"]].concat())?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "perfdeck {arguments:?} exits with {}: {said}",
            output.status
        );
        let printed = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("perfdeck {arguments:?} prints no JSON: {said}"))?;
        let problems = schema::problems(schema::of_command(arguments), &printed);
        ensure!(
            problems.is_empty(),
            "perfdeck {arguments:?} is against its schema: {problems:#?}"
        );
        Ok(printed)
    }

    /// Asks again and again until the answer is as wished, at most for `limit`.
    ///
    /// # Errors
    ///
    /// If the time is over; the error has the last answer.
    pub fn json_within<T>(
        &self,
        limit: Duration,
        what: &str,
        arguments: &[&str],
        mut pick: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T> {
        within(limit, what, || {
            let answer = self.json(arguments)?;
            Ok(match pick(&answer) {
                Some(picked) => Seen::Yes(picked),
                None => Seen::NotYet(format!("{answer:#}")),
            })
        })
    }

    /// Waits for the load's own count.
    ///
    /// # Errors
    ///
    /// If the load does not end in time.
    pub fn summary(&mut self, limit: Duration) -> Result<Value> {
        Ok(serde_json::from_str(&self.process.line(2, limit)?)?)
    }
}

/// Runs `perfdeck` for the hosts in a folder.
///
/// # Errors
///
/// If the program can't be run.
pub fn perfdeck(runtime: &Path, arguments: &[&str]) -> Result<Output> {
    Command::new(program("perfdeck")?)
        .args(arguments)
        .env("PERFDECK_RUNTIME_DIR", runtime)
        .env_remove("PERFDECK")
        .output()
        .context("cannot run perfdeck")
}
