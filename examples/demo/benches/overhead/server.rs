//! The demo as a process of its own, and what the system says of it.

use std::fs::DirBuilder;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// The unit of the times in `/proc`, the same on every Linux that Rust runs on.
const TICKS_A_SECOND: f64 = 100.0;

/// Whether a server has perfdeck at work in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Perfdeck {
    On,
    Off,
}

impl Perfdeck {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

/// A demo that serves; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
    _folder: Folder,
}

impl Server {
    /// Starts the demo and waits until it serves.
    pub(crate) fn start(perfdeck: Perfdeck, workers: usize) -> Result<Self> {
        let name = perfdeck.name();
        let folder = Folder::new(name)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
        command
            .args([
                "--headless",
                "--json",
                "--no-load",
                "--healthy",
                "--service",
            ])
            .arg(format!("overhead-{name}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        // Nothing that was meant for another host.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("PERFDECK") {
                command.env_remove(variable);
            }
        }
        command
            .env("PERFDECK_RUNTIME_DIR", folder.path())
            .env("TMPDIR", folder.path())
            .env("TOKIO_WORKER_THREADS", workers.to_string());
        if perfdeck == Perfdeck::Off {
            command.env("PERFDECK", "off");
        }
        let mut process = command.spawn().context("cannot start the demo")?;
        let output = process.stdout.take();
        let mut server = Self {
            process,
            address: ([127, 0, 0, 1], 0).into(),
            _folder: folder,
        };
        let mut line = String::new();
        BufReader::new(output.context("stdout is a pipe")?).read_line(&mut line)?;
        let start: serde_json::Value = serde_json::from_str(&line).context("it does not serve")?;
        server.address = start["address"].as_str().context("no address")?.parse()?;
        anyhow::ensure!(
            start["socket"].is_string() == (perfdeck == Perfdeck::On),
            "perfdeck is not {name} in the server that has it {name}"
        );
        Ok(server)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the processor time that the process took so far, in seconds, to a hundredth.
    pub(crate) fn processor_seconds(&self) -> Result<f64> {
        let text = self.proc("stat")?;
        // The name before the parenthesis may hold anything.
        let (_, rest) = text.rsplit_once(')').context("a strange /proc/PID/stat")?;
        let ticks = |field: usize| -> Result<f64> {
            let text = rest.split_whitespace().nth(field);
            Ok(text.context("a short /proc/PID/stat")?.parse()?)
        };
        // The 14th and 15th field: in user mode and in the kernel.
        Ok((ticks(11)? + ticks(12)?) / TICKS_A_SECOND)
    }

    /// Returns the memory that the process has resident, in MiB.
    pub(crate) fn resident_mebibytes(&self) -> Result<f64> {
        let text = self.proc("status")?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kibibytes.context("no VmRSS")?.parse::<f64>()? / 1024.0)
    }

    fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.process.id());
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder of the server's own for its socket and its database; removed with it.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("overhead-{}-{name}", std::process::id()));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in a temporary folder hurts nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
