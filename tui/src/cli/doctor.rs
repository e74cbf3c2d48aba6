//! `perfdeck doctor`: what can't be seen, why, and the fix; of the host, or of the way to it.

use std::error::Error as _;
use std::io::{self, IsTerminal as _};

use anyhow::Result;
use perfdeck_bridge::Error;
use perfdeck_bridge::protocol::{BlindSpot, Blindness, DeckCost, Hello, Seen, Status, Timestamp};
use perfdeck_bridge::socket::{self, Discovery};
use serde::Serialize;

use super::{Outcome, connect};
use crate::format::{self, printable, width};
use crate::sight;
use crate::target::Target;

/// Blind spots that the text tells; the JSON has all.
const MAX_TOLD: usize = 12;
/// Other users' folders that are told.
const MAX_FOREIGN: usize = 4;
/// The text's width where no terminal says one, and the widest it gets.
const WIDE: usize = 100;
/// The narrowest that the text gets.
const NARROW: usize = 40;

/// What the command prints; what the host would say is null where there is none.
#[derive(Debug, Serialize)]
struct Report<'a> {
    service: Option<&'a str>,
    version: Option<&'a str>,
    pid: Option<u32>,
    started_at: Option<Timestamp>,
    blind_spots: &'a [BlindSpot],
    seen: &'a [Seen],
    deck: Option<&'a DeckCost>,
}

/// Tells what the host can't see.
pub(super) fn host(hello: &Hello, status: &Status) -> Result<Outcome> {
    let mut heading = hello.service.clone();
    if let Some(version) = &hello.version {
        heading = format!("{heading} {version}");
    }
    let report = Report {
        service: Some(&hello.service),
        version: hello.version.as_deref(),
        pid: Some(hello.pid),
        started_at: Some(hello.started_at),
        blind_spots: &status.blind_spots,
        seen: &status.seen,
        deck: Some(&status.deck),
    };
    outcome(&report, &format!("{heading} (pid {})", hello.pid))
}

/// Tells why no host can be reached; `None` if one can, or if the way to it was named.
pub(super) fn way(target: &Target) -> Option<Result<Outcome>> {
    if target.socket.is_some() || target.via.is_some() {
        return None;
    }
    let folders = socket::folders();
    let found = socket::discover_in(&folders);
    if !target.candidates().is_empty() {
        return None;
    }
    let looked: Vec<String> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    let mut spots = vec![no_host(target, &found, &looked.join(" and "))];
    spots.extend(found.problems.iter().map(closed));
    let foreign = socket::foreign_folders();
    spots.extend(
        foreign
            .iter()
            .take(MAX_FOREIGN)
            .map(|(path, uid)| BlindSpot {
                kind: "other_user".into(),
                blindness: Blindness::Note,
                what: format!(
                    "services of uid {uid}, whose sockets lie in {}",
                    path.display()
                ),
                why: "only that user and root may enter it".into(),
                fix: format!("perfdeck --via 'sudo -u #{uid} perfdeck relay'"),
            }),
    );
    let report = Report {
        service: None,
        version: None,
        pid: None,
        started_at: None,
        blind_spots: &spots,
        seen: &[],
        deck: None,
    };
    Some(outcome(&report, "no service"))
}

fn no_host(target: &Target, found: &Discovery, looked: &str) -> BlindSpot {
    let gone: Vec<String> = found
        .stale
        .iter()
        .filter_map(|path| path.file_name())
        .map(|name| format!("`{}`", name.to_string_lossy()))
        .collect();
    let gone = if gone.is_empty() {
        String::new()
    } else {
        format!("; of {} the service is gone", gone.join(", "))
    };
    BlindSpot {
        kind: "no_host".into(),
        blindness: Blindness::Blind,
        what: "a service to look at".into(),
        why: format!("{}: no socket answers in {looked}{gone}", connect::missing(target)),
        fix: "start it as this user; where it goes on without perfdeck (`start_or_off`), its log warns \
              `perfdeck is off` and says why"
            .into(),
    }
}

/// A folder whose sockets are not trusted, or can't be reached.
fn closed(problem: &Error) -> BlindSpot {
    let (kind, what, fix) = match problem {
        Error::UnsafeFolder { path, .. } => {
            let path = path.display();
            (
                "folder_unsafe",
                format!("services whose sockets lie in {path}"),
                format!("make it yours alone: `chmod 700 {path}`, or remove it if it is not yours"),
            )
        }
        _ => (
            "folder_closed",
            "services whose sockets lie in a folder that can't be read".to_owned(),
            "run perfdeck as the service's user".to_owned(),
        ),
    };
    let why = match problem {
        Error::UnsafeFolder { problem, .. } => problem.clone(),
        problem => match problem.source() {
            Some(source) => format!("{problem}: {source}"),
            None => problem.to_string(),
        },
    };
    BlindSpot {
        kind: kind.into(),
        blindness: Blindness::Blind,
        what,
        why,
        fix,
    }
}

fn outcome(report: &Report<'_>, heading: &str) -> Result<Outcome> {
    let room = if io::stdout().is_terminal() {
        crossterm::terminal::size().map_or(WIDE, |(columns, _)| usize::from(columns))
    } else {
        WIDE
    };
    Ok(Outcome {
        json: serde_json::to_value(report)?,
        text: text(report, heading, room.clamp(NARROW, WIDE)),
        failed: !report.blind_spots.is_empty(),
        left_out: 0,
    })
}

fn text(report: &Report<'_>, heading: &str, room: usize) -> String {
    let mut lines = Lines {
        room,
        text: String::new(),
    };
    lines.add(
        "",
        &format!(
            "{heading}: {}",
            sight::verdict(report.blind_spots, report.seen)
        ),
    );
    for spot in report.blind_spots.iter().take(MAX_TOLD) {
        lines.gap();
        lines.add(sight::word(spot.blindness), &spot.what);
        lines.add("why", &spot.why);
        lines.add("fix", &spot.fix);
    }
    if let Some(more) = report.blind_spots.len().checked_sub(MAX_TOLD + 1) {
        lines.gap();
        lines.add("", &format!("{} more: perfdeck doctor --json", more + 1));
    }
    if !report.seen.is_empty() || report.deck.is_some() {
        lines.gap();
    }
    for (place, seen) in report.seen.iter().enumerate() {
        let label = if place == 0 { "seen" } else { "" };
        lines.add(label, &format!("{}: {}", seen.what, seen.how));
    }
    if let Some(deck) = report.deck {
        let cost = format!(
            "{} of a core, {}, {}",
            format::share(deck.cpu_percent / 100.0),
            format::bytes(deck.memory_bytes as f64),
            format::plural(deck.viewers as usize, "viewer", "viewers"),
        );
        lines.add("deck", &cost);
        lines.add("dropped", &sight::dropped(&deck.dropped));
    }
    lines.text
}

/// Text with labels at its left, no wider than its room.
struct Lines {
    room: usize,
    text: String,
}

impl Lines {
    const LABEL: usize = 9;

    fn gap(&mut self) {
        self.text.push('\n');
    }

    /// Adds foreign text under a label; without any label at all it begins at the edge.
    fn add(&mut self, label: &str, text: &str) {
        let first = self.text.is_empty();
        let indent = if first { 0 } else { Self::LABEL };
        let text = printable(text, 1_000);
        let wrapped = format::wrap(&text, self.room.saturating_sub(indent), 12);
        for (place, line) in wrapped.iter().enumerate() {
            let label = if place == 0 { label } else { "" };
            let space = " ".repeat(indent.saturating_sub(width(label)));
            self.text.push_str(&format!("{label}{space}{line}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use perfdeck_bridge::protocol::State;
    use perfdeck_bridge::testing::{Sample, hello, updates};

    use super::*;

    fn status(sample: Sample) -> Status {
        let found = updates(sample)
            .into_iter()
            .find_map(|update| match &update.state {
                State::Status(status) => Some(Status::clone(status)),
                _ => None,
            });
        found.unwrap()
    }

    #[test]
    fn what_can_t_be_seen_is_a_failure_and_a_clean_bill_shows_its_evidence() {
        let mut status = status(Sample::Typical);
        let found = host(&hello(Sample::Typical), &status).unwrap();
        assert!(found.failed);
        for part in [
            "2 things can't be seen",
            "blind    commands to Redis",
            "why      the process has 4 connections",
            "fix      CREATE EXTENSION hypopg",
            "seen     requests: ",
            "dropped  nothing",
        ] {
            assert!(found.text.contains(part), "{part}\n{}", found.text);
        }
        status.blind_spots.clear();
        let clear = host(&hello(Sample::Typical), &status).unwrap();
        assert!(
            !clear.failed
                && clear
                    .text
                    .contains("Everything perfdeck looks for can be seen.")
        );
        assert!(clear.text.contains("pools: `primary`"), "{}", clear.text);
    }

    #[test]
    fn a_folder_that_may_not_be_read_is_told_with_whom_to_run_as() {
        let problem = Error::Io {
            operation: "read /run/user/7/perfdeck".to_owned(),
            source: io::ErrorKind::PermissionDenied.into(),
        };
        let spot = closed(&problem);
        assert_eq!(
            (&*spot.kind, spot.blindness),
            ("folder_closed", Blindness::Blind)
        );
        assert_eq!(
            spot.why,
            "could not read /run/user/7/perfdeck: permission denied"
        );
        assert_eq!(spot.fix, "run perfdeck as the service's user");
    }

    #[test]
    fn hostile_text_is_written_out_and_wrapped() {
        let status = status(Sample::Hostile);
        let text = host(&hello(Sample::Hostile), &status).unwrap().text;
        for line in text.lines() {
            assert!(
                width(line) <= WIDE && printable(line, 1_000) == line,
                "{line:?}"
            );
        }
    }
}
