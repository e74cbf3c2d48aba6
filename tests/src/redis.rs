//! A Redis server of the test's own: a temporary folder, a port of its own on the loopback, stopped when dropped.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

const START: Duration = Duration::from_secs(20);

/// A server, which can be stopped and started again at its address.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    port: u16,
    options: Vec<String>,
    child: Option<Child>,
}

/// Servers that make a cluster, each with a part of the keys.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    /// Starts three, and waits until each knows of all.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub fn start() -> anyhow::Result<Self> {
        let nodes: anyhow::Result<Vec<_>> = (0..3)
            .map(|_| {
                let bus = free_port()?.to_string();
                Server::with(&["--cluster-enabled", "yes", "--cluster-port", &bus])
            })
            .collect();
        let nodes = nodes?;
        for (node, slots) in
            nodes
                .iter()
                .zip([("0", "5460"), ("5461", "10922"), ("10923", "16383")])
        {
            node.ask(&["CLUSTER", "ADDSLOTSRANGE", slots.0, slots.1])?;
            for other in &nodes {
                let bus = other.options.last().map_or("", String::as_str);
                node.ask(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string(), bus])?;
            }
        }
        let since = Instant::now();
        for node in &nodes {
            while !node.ask(&["CLUSTER", "INFO"])?.contains("cluster_state:ok") {
                ensure!(since.elapsed() < START, "the cluster isn't one");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(Self { nodes })
    }

    /// Where its nodes are.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }
}

/// Free a moment ago; a server that finds it taken says so and ends.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

impl Server {
    /// Starts a server.
    ///
    /// # Errors
    ///
    /// When no Redis is installed, naming the package, or when it does not answer.
    pub fn start() -> anyhow::Result<Self> {
        Self::with(&[])
    }

    fn with(options: &[&str]) -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "perfdeck-redis-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).with_context(|| format!("could not make {}", folder.display()))?;
        let mut server = Self {
            folder,
            port: free_port()?,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            child: None,
        };
        server.restart()?;
        Ok(server)
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Its port on the loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Kills it, with all that it knew.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again, empty.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.stop();
        let log = fs::File::create(self.folder.join("log"))?;
        let child = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(&self.folder)
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .context("could not start redis-server: apt-get install redis-server")?;
        self.child = Some(child);
        let since = Instant::now();
        loop {
            match self.ask(&["PING"]) {
                Ok(answer) if answer == "+PONG\r\n" => return Ok(()),
                _ if since.elapsed() > START => {
                    let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                    bail!("redis-server does not answer: {log}");
                }
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Copies from now on what the server at a port of the loopback has and gets; returns when it has all that there is.
    ///
    /// # Errors
    ///
    /// When there is none, or it takes too long.
    pub fn follow(&self, port: u16) -> anyhow::Result<()> {
        self.ask(&["REPLICAOF", "127.0.0.1", &port.to_string()])?;
        let since = Instant::now();
        while !self
            .ask(&["INFO", "replication"])?
            .contains("master_link_status:up")
        {
            ensure!(since.elapsed() < START, "port {port} can't be followed");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Goes on by itself with what it has copied so far.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub fn promote(&self) -> anyhow::Result<()> {
        self.ask(&["REPLICAOF", "NO", "ONE"])?;
        Ok(())
    }

    /// Sends one command on a connection of its own, and returns what comes back at once, as it stands in the protocol.
    ///
    /// # Errors
    ///
    /// When there is no server, or no answer in two seconds.
    pub fn ask(&self, command: &[&str]) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        let mut frame = format!("*{}\r\n", command.len());
        for part in command {
            frame.push_str(&format!("${}\r\n{part}\r\n", part.len()));
        }
        stream.write_all(frame.as_bytes())?;
        let mut answer = vec![0; 64 * 1024];
        let length = stream.read(&mut answer)?;
        answer.truncate(length);
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
