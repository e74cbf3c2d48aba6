//! A PostgreSQL server of the test's own: a temporary folder, a Unix socket, no TCP, stopped when dropped.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

/// The superuser that the server is made with.
pub const USER: &str = "perfdeck";

const OLDEST: u32 = 15;
const INSTALL: &str = "apt-get install postgresql-15 postgresql-15-hypopg";
const START: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub struct Server {
    installation: Installation,
    owner: Option<Owner>,
    folder: PathBuf,
    child: Child,
}

#[derive(Debug, Clone)]
struct Installation {
    binaries: PathBuf,
    extensions: PathBuf,
}

/// Whom the server runs as where the tests run as root, which PostgreSQL refuses.
#[derive(Debug, Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Server {
    /// Starts a server.
    ///
    /// # Errors
    ///
    /// When no PostgreSQL is installed, naming the package, or when it does not start, with its own words.
    pub fn start() -> anyhow::Result<Self> {
        let installation = Installation::find()?;
        let owner = Owner::if_root()?;
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "perfdeck-pg-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).with_context(|| format!("could not make {}", folder.display()))?;
        if let Some(owner) = owner {
            chown(&folder, Some(owner.uid), Some(owner.gid))
                .context("could not give the folder away")?;
        }
        let made = run(command(&installation, owner, "initdb")
            .arg("-D")
            .arg(folder.join("data"))
            .args([
                "-U",
                USER,
                "-A",
                "trust",
                "--no-sync",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
            ]));
        if let Err(error) = made {
            let _ = fs::remove_dir_all(&folder);
            return Err(error);
        }
        let log = fs::File::create(folder.join("log"))?;
        let mut server = command(&installation, owner, "postgres");
        server
            .arg("-D")
            .arg(folder.join("data"))
            .arg("-k")
            .arg(&folder);
        for setting in [
            "listen_addresses=",
            "fsync=off",
            "full_page_writes=off",
            "jit=off",
            "max_connections=60",
            "shared_buffers=64MB",
            "autovacuum=off",
        ] {
            server.args(["-c", setting]);
        }
        if installation.has("pg_stat_statements") {
            server.args(["-c", "shared_preload_libraries=pg_stat_statements"]);
        }
        let child = server
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn();
        let child = child.context("could not start postgres")?;
        let mut server = Self {
            installation,
            owner,
            folder,
            child,
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Returns the server that tests of this process share; it lives as long as one of them holds it.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub fn shared() -> anyhow::Result<Arc<Self>> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }

    /// Makes an empty database and returns its URL; `name` is a plain word.
    ///
    /// # Errors
    ///
    /// When it can't be made.
    pub fn database(&self, name: &str) -> anyhow::Result<String> {
        run(command(&self.installation, self.owner, "createdb")
            .arg("-h")
            .arg(&self.folder)
            .args(["-U", USER, name]))?;
        Ok(self.url(name))
    }

    /// Returns the URL of a database that exists.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://{USER}@localhost/{database}?host={}",
            self.folder.display()
        )
    }

    /// Returns the folder with the server's socket.
    #[must_use]
    pub fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// Checks that an extension can be created here.
    ///
    /// # Errors
    ///
    /// Names the package that is missing.
    pub fn require(&self, extension: &str) -> anyhow::Result<()> {
        ensure!(
            self.installation.has(extension),
            "PostgreSQL has no extension {extension} in {}: {INSTALL}",
            self.installation.extensions.display()
        );
        Ok(())
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let ready = command(&self.installation, self.owner, "pg_isready")
                .arg("-h")
                .arg(&self.folder)
                .stdout(Stdio::null())
                .status()
                .context("could not run pg_isready")?;
            if ready.success() {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() || started.elapsed() > START {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("postgres did not start:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped = command(&self.installation, self.owner, "pg_ctl")
            .args(["stop", "-m", "immediate", "-D"])
            .arg(self.folder.join("data"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !stopped.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Installation {
    /// Finds the newest server on the machine.
    fn find() -> anyhow::Result<Self> {
        let mut versions: Vec<u32> = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|version| *version >= OLDEST && binaries(*version).join("initdb").exists())
            .collect();
        versions.sort_unstable();
        // One with hypopg is worth more than a newer one without.
        let with_hypopg = versions
            .iter()
            .rev()
            .find(|version| extensions(**version).join("hypopg.control").exists());
        let Some(version) = with_hypopg.or(versions.last()) else {
            bail!("no PostgreSQL {OLDEST} or later is installed: {INSTALL}");
        };
        Ok(Self {
            binaries: binaries(*version),
            extensions: extensions(*version),
        })
    }

    fn has(&self, extension: &str) -> bool {
        self.extensions
            .join(format!("{extension}.control"))
            .exists()
    }
}

impl Owner {
    fn if_root() -> anyhow::Result<Option<Self>> {
        if fs::metadata("/proc/self")?.uid() != 0 {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").context("could not read /etc/passwd")?;
        for name in ["postgres", "nobody"] {
            let entry = users
                .lines()
                .map(|line| line.split(':').collect::<Vec<_>>());
            let entry = entry
                .filter(|fields| fields.first() == Some(&name))
                .find_map(|fields| {
                    Some(Self {
                        uid: fields.get(2)?.parse().ok()?,
                        gid: fields.get(3)?.parse().ok()?,
                    })
                });
            if entry.is_some() {
                return Ok(entry);
            }
        }
        bail!("PostgreSQL refuses to run as root, and there is no user postgres or nobody")
    }
}

fn binaries(version: u32) -> PathBuf {
    format!("/usr/lib/postgresql/{version}/bin").into()
}

fn extensions(version: u32) -> PathBuf {
    format!("/usr/share/postgresql/{version}/extension").into()
}

fn command(installation: &Installation, owner: Option<Owner>, name: &str) -> Command {
    let mut command = Command::new(installation.binaries.join(name));
    // The current folder may be closed to the server's user.
    command
        .current_dir("/")
        .env("LC_ALL", "C.UTF-8")
        .env_remove("PGPORT");
    if let Some(owner) = owner {
        command.uid(owner.uid).gid(owner.gid);
    }
    command
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("could not run {:?}", command.get_program()))?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{:?} failed: {words}",
        command.get_program()
    );
    Ok(())
}
