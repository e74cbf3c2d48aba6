//! Which host is meant, and how it is reached.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use perfdeck_bridge::client::{Client, Options};
use perfdeck_bridge::recording::{Recording, Replay};
use perfdeck_bridge::socket::{self, Found};
use tokio::process::{Child, Command};

/// A host, as far as the user has said which.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) service: Option<String>,
    pub(crate) pid: Option<u32>,
    pub(crate) socket: Option<PathBuf>,
    pub(crate) via: Option<String>,
    pub(crate) read_only: bool,
    /// A recording, instead of a host.
    pub(crate) recording: Option<PathBuf>,
}

/// A host that answers, and what has to live as long as the connection.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) client: Client,
    _relay: Option<Child>,
}

impl Target {
    /// Opens the recording that was named; `None` if none was.
    pub(crate) fn replay(&self) -> Option<Result<Replay>> {
        let path = self.recording.as_ref()?;
        let replay = Recording::open(path).and_then(Replay::new);
        Some(replay.with_context(|| format!("could not replay {}", path.display())))
    }

    /// Returns the running hosts that could be meant.
    pub(crate) fn candidates(&self) -> Vec<Found> {
        let mut found = socket::discover();
        found.retain(|found| {
            self.service
                .as_ref()
                .is_none_or(|service| is_named(found, service))
                && self.pid.is_none_or(|pid| found.pid == pid)
        });
        found
    }

    /// Attaches to the socket or through the command that was named; `None` if neither was.
    pub(crate) async fn attach_named(&self) -> Option<Result<Attached>> {
        if let Some(command) = &self.via {
            return Some(self.attach_via(command).await);
        }
        let socket = self.socket.as_ref()?;
        Some(self.attach(socket).await)
    }

    /// Attaches to the host that listens at a socket.
    pub(crate) async fn attach(&self, socket: &std::path::Path) -> Result<Attached> {
        let client = Client::connect(socket, self.options()).await?;
        Ok(Attached {
            client,
            _relay: None,
        })
    }

    async fn attach_via(&self, command: &str) -> Result<Attached> {
        let command = self.relay(command);
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(&command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("could not run sh")?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("could not open the streams of `{command}`");
        };
        match Client::over(output, input, self.options()).await {
            Ok(client) => {
                if let Some(errors) = child.stderr.take() {
                    // Nobody reads it, and a full pipe would stop the relay.
                    tokio::spawn(discard(errors));
                }
                Ok(Attached {
                    client,
                    _relay: Some(child),
                })
            }
            Err(error) => {
                let _ = child.start_kill();
                let word = last_words(&mut child).await;
                let word = word
                    .map(|word| format!(": it says \"{word}\""))
                    .unwrap_or_default();
                Err(error).with_context(|| format!("could not attach through `{command}`{word}"))
            }
        }
    }

    /// Returns the command that ends in a relay, which needs not be written out.
    fn relay(&self, command: &str) -> String {
        if command.split_whitespace().any(|word| word == "relay") {
            return command.to_owned();
        }
        let mut command = format!("{command} perfdeck relay");
        if let Some(service) = &self.service {
            command.push_str(&format!(" --service '{}'", service.replace('\'', r"'\''")));
        }
        if let Some(pid) = self.pid {
            command.push_str(&format!(" --pid {pid}"));
        }
        command
    }

    fn options(&self) -> Options {
        let viewer = concat!("perfdeck ", env!("CARGO_PKG_VERSION")).to_owned();
        Options {
            viewer,
            read_only: self.read_only,
        }
    }
}

async fn discard(mut errors: tokio::process::ChildStderr) {
    let _ = tokio::io::copy(&mut errors, &mut tokio::io::sink()).await;
}

/// Returns the last line that a command wrote before it ended, at most 4 KiB back.
async fn last_words(child: &mut Child) -> Option<String> {
    use tokio::io::AsyncReadExt as _;

    let errors = child.stderr.take()?;
    let mut said = Vec::new();
    let mut errors = errors.take(4_096);
    let reading = errors.read_to_end(&mut said);
    let _ = tokio::time::timeout(std::time::Duration::from_millis(200), reading).await;
    let said = String::from_utf8_lossy(&said);
    said.lines()
        .rfind(|line| !line.trim().is_empty())
        .map(|line| line.trim().to_owned())
}

/// Tells whether a socket is of the service: its name holds letters, digits and `.`, `_`, `-` of the service's, and may
/// be cut.
fn is_named(found: &Found, service: &str) -> bool {
    let plain = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    if found.service == service {
        return true;
    }
    let foreign = service.chars().any(|char| !plain(char)) || service.len() > 40;
    let mut letters = service.chars();
    foreign
        && found.service.chars().all(|there| {
            letters
                .next()
                .is_some_and(|wanted| wanted == there || !plain(wanted))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_run_where_the_command_leads() {
        let check = |target: &Target, command: &str, expected: &str| {
            assert_eq!(target.relay(command), expected);
        };
        let any = Target::default();
        check(&any, "ssh host", "ssh host perfdeck relay");
        check(
            &any,
            "sudo -u app perfdeck relay --pid 7",
            "sudo -u app perfdeck relay --pid 7",
        );
        let named = Target {
            service: Some("it's".into()),
            pid: Some(7),
            ..Target::default()
        };
        check(
            &named,
            "ssh host",
            r"ssh host perfdeck relay --service 'it'\''s' --pid 7",
        );
    }

    #[test]
    fn a_service_is_found_by_its_socket_s_name() {
        let check = |name: &str, service: &str, expected| {
            let found = Found {
                service: name.into(),
                pid: 1,
                path: PathBuf::new(),
                uid: 0,
            };
            assert_eq!(is_named(&found, service), expected, "{name} {service}");
        };
        check("checkout", "checkout", true);
        check("checkout", "check", false);
        check("my_shop", "my shop", true);
        check("my_shop", "my_shoe", false);
    }
}
