//! The built programs, started as a user starts them.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{Seen, within};

/// Returns a program of this workspace that `cargo build --bins` made beside the tests.
///
/// # Errors
///
/// If it was not built.
pub fn program(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(|deps| deps.parent());
    let path = folder
        .context("the tests have no target folder")?
        .join(name);
    ensure!(
        path.is_file(),
        "{} is not built: `tests/run` builds it",
        path.display()
    );
    Ok(path)
}

/// Runs a test in a process of its own; tells whether this is that process, which is to go on with the test.
///
/// For tests of what tracing's subscribers hear: a process decides once which callsites anybody wants, and with other tests
/// beside it that decision can fall between two of them.
///
/// # Errors
///
/// If the test fails there, or is not over within `limit`.
pub fn is_alone(test: &str, limit: Duration) -> Result<bool> {
    is_alone_under(&[], test, limit)
}

/// Tells whether this process is the test's own, and runs it in one under a program that is given it as its arguments if it
/// is not.
///
/// # Errors
///
/// As [`is_alone`].
pub fn is_alone_under(wrapper: &[&str], test: &str, limit: Duration) -> Result<bool> {
    const ALONE: &str = "PERFDECK_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return Ok(true);
    }
    let this = std::env::current_exe()?;
    let mut words = wrapper
        .iter()
        .map(OsString::from)
        .chain([this.into_os_string()]);
    let mut command = Command::new(words.next().unwrap_or_default());
    command
        .args(words)
        .args([test, "--exact", "--nocapture"])
        .env(ALONE, "1")
        .env_remove("PERFDECK");
    let mut child = Process::start(command)?;
    let status = child.end(limit)?;
    ensure!(status.success(), "{status}: {}", child.stderr());
    ensure!(
        child.stdout().contains("1 passed"),
        "there is no test {test}"
    );
    Ok(false)
}

/// A running program; killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Process {
    /// Starts a command and collects what it prints.
    ///
    /// # Errors
    ///
    /// If it can't be started.
    pub fn start(mut command: Command) -> Result<Self> {
        let name = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stdout = Lines::collect(child.stdout.take().context("stdout is a pipe")?)?;
        let stderr = Lines::collect(child.stderr.take().context("stderr is a pipe")?)?;
        Ok(Self {
            name,
            child,
            stdout,
            stderr,
        })
    }

    /// Waits until so many lines were printed to stdout, and returns the last of them.
    ///
    /// # Errors
    ///
    /// If the time is over or the program ends first; the error has what it said to stderr.
    pub fn line(&mut self, number: usize, limit: Duration) -> Result<String> {
        let what = format!("line {number} from {}", self.name);
        within(limit, &what, || {
            // Asked first: a program that has ended prints no more.
            let ended = self.child.try_wait()?;
            if let Some(line) = self.stdout.get(number - 1) {
                return Ok(Seen::Yes(line));
            }
            let why = self.stderr.text();
            ensure!(
                ended.is_none() || !self.stdout.is_whole(),
                "{} ended without line {number}: {why}",
                self.name
            );
            Ok(Seen::NotYet(why))
        })
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// If the time is over first.
    pub fn end(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("end of {}", self.name);
        within(limit, &what, || {
            Ok(match self.child.try_wait()? {
                Some(status) if self.stdout.is_whole() && self.stderr.is_whole() => {
                    Seen::Yes(status)
                }
                _ => Seen::NotYet(self.stderr.text()),
            })
        })
    }

    /// Sends a signal.
    ///
    /// # Errors
    ///
    /// If the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid(), signal)?;
        Ok(())
    }

    /// Tells whether it runs.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Returns what it printed to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Returns what it printed to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Returns its id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines that a program printed, collected by a thread that ends with the program.
#[derive(Debug, Clone, Default)]
struct Lines {
    inner: Arc<Mutex<Collected>>,
}

#[derive(Debug, Default)]
struct Collected {
    lines: Vec<String>,
    whole: bool,
}

impl Lines {
    fn collect(from: impl Read + Send + 'static) -> Result<Self> {
        let lines = Self::default();
        let own = lines.clone();
        std::thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || {
                for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    own.lock().lines.push(line);
                }
                own.lock().whole = true;
            })?;
        Ok(lines)
    }

    fn get(&self, index: usize) -> Option<String> {
        self.lock().lines.get(index).cloned()
    }

    fn text(&self) -> String {
        self.lock().lines.join("\n")
    }

    fn is_whole(&self) -> bool {
        self.lock().whole
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
