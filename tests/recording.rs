//! The flight recorder: what is left of a process that is gone, and what recording costs one that is not.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::num::NonZero;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use perfdeck_bridge::protocol::{State, Timestamp};
use perfdeck_bridge::recording::Recording;
use perfdeck_tests::folder::Folder;
use perfdeck_tests::host::{Host, perfdeck};
use perfdeck_tests::process::program;
use perfdeck_tests::terminal::Terminal;
use perfdeck_tests::wait::{Seen, within};
use portable_pty::CommandBuilder;
use rustix::process::Signal;
use serde_json::Value;

const A_MOMENT: Duration = Duration::from_secs(20);

#[test]
fn promise_28_crash_evidence_survives() -> Result<()> {
    // The system's killer sends the first; a panic that aborts and a stack that overflows end in the second.
    for signal in [Signal::KILL, Signal::ABORT] {
        let folder = Folder::new()?;
        let file = folder.path().join("flight");
        let path = file.to_string_lossy().into_owned();
        let mut host = Host::start(&["--rate", "60", "--record-to", &path])?;
        let told = host.json_within(A_MOMENT, "some ticks", &["status"], |status| {
            let recording = &status["recording"];
            (recording["blocks"].as_u64()? >= 8).then(|| recording.clone())
        })?;
        ensure!(told["error"].is_null() && told["lost"] == 0, "{told:#}");
        // Its body never comes, so it is under way until the end.
        let mut waiting = TcpStream::connect(host.address())?;
        waiting.write_all(
            b"POST /workspaces/3/sessions/7/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
              content-length: 99\r\n\r\n{",
        )?;
        let seen = host.json(&["requests"])?;
        // What was told just now is in the file with the next tick.
        let ticks = told["blocks"].as_u64().context("no ticks")? + 2;
        host.json_within(A_MOMENT, "further ticks", &["status"], |status| {
            (status["recording"]["blocks"].as_u64()? >= ticks).then_some(())
        })?;

        host.process.signal(signal)?;
        let killed = Timestamp::from(SystemTime::now());
        host.process.end(A_MOMENT)?;

        let recording = Recording::open(&file)?;
        let last = recording.len().checked_sub(1).context("no tick")?;
        let age = killed.since(recording.at(last).context("no time")?);
        ensure!(
            age <= Duration::from_millis(1_500),
            "{signal:?}: {age:?} old"
        );
        let left = replayed(folder.path(), &path, &["requests"])?;
        let count = |requests: &Value| requests["requests"].as_u64();
        ensure!(
            count(&left) >= count(&seen),
            "{signal:?}: {left:#}\n{seen:#}"
        );
        let under_way = in_flight(&recording, last)?;
        ensure!(
            under_way == Some(true),
            "{signal:?}: the last tick tells of {under_way:?} in flight"
        );
    }
    Ok(())
}

/// Tells whether a tick saw requests under way; `None` where it says nothing of them.
fn in_flight(recording: &Recording, tick: usize) -> Result<Option<bool>> {
    let states = recording.states(tick)?;
    let now = states.iter().find_map(|update| match &update.state {
        State::Overview(overview) => overview.vitals.in_flight.now,
        _ => None,
    });
    Ok(now.map(|now| now > 0.0))
}

/// Runs `perfdeck` on a recording and reads its one document.
fn replayed(runtime: &Path, file: &str, arguments: &[&str]) -> Result<Value> {
    let arguments = [arguments, &["--json", "--recording", file]].concat();
    let output = perfdeck(runtime, &arguments)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {said}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn a_recording_is_made_from_outside_and_travelled_in_the_screens() -> Result<()> {
    let host = Host::start(&["--rate", "40"])?;
    let file = host.runtime().join("outside");
    let path = file.to_string_lossy().into_owned();
    let done = host.json(&["record", "--seconds", "6", "-o", &path])?;
    ensure!(
        done["ended"] == "the time is over" && done["error"].is_null(),
        "{done:#}"
    );
    let ticks = done["ticks"].as_u64().context("no ticks")?;
    ensure!((3..=8).contains(&ticks), "{done:#}");

    let recording = Recording::open(&file)?;
    ensure!(recording.len() as u64 == ticks && recording.damaged() == 0);
    let clock = |block| -> Result<String> {
        let at = recording.at(block).context("no such tick")?.to_string();
        Ok(at[11..19].to_owned())
    };
    let mut command = CommandBuilder::new(program("perfdeck")?);
    command.args(["replay", &path]);
    command.env("TERM", "xterm-256color");
    let size = |cells| NonZero::new(cells).context("no size");
    let mut terminal = Terminal::start(command, size(120)?, size(40)?)?;
    terminal.shows(
        &format!("recording {}, its end", clock(recording.len() - 1)?),
        A_MOMENT,
    )?;
    terminal.press("2")?;
    terminal.shows("GET /workspaces", A_MOMENT)?;
    terminal.press("\x1b[D\x1b[D")?;
    terminal.shows(
        &format!("recording {}", clock(recording.len() - 3)?),
        A_MOMENT,
    )?;
    terminal.press("[")?;
    terminal.shows(&format!("recording {}", clock(0)?), A_MOMENT)?;
    // It plays to its end by itself.
    terminal.press(" ")?;
    terminal.shows("playing", A_MOMENT)?;
    terminal.shows("its end", A_MOMENT)?;
    terminal.press("7")?;
    terminal.press("q")?;
    ensure!(terminal.end(A_MOMENT)?.success());

    let refused = perfdeck(host.runtime(), &["undo", "1", "--recording", &path])?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(!refused.status.success(), "{said}");
    ensure!(
        said.contains("this is a recording: nothing can be changed in it"),
        "{said}"
    );
    let none = perfdeck(host.runtime(), &["replay", "/etc/hostname"])?;
    let said = String::from_utf8_lossy(&none.stderr);
    ensure!(
        said.contains("this is no recording of perfdeck's"),
        "{said}"
    );
    Ok(())
}

#[test]
fn promise_27_a_full_disk_is_told_and_harms_nobody() -> Result<()> {
    let folder = Folder::new()?;
    let disk = folder.path().join("disk");
    fs::create_dir(&disk)?;
    let disk_path = disk.to_string_lossy().into_owned();
    // A mebibyte of which all but 64 KiB is taken, in a namespace that goes with the host.
    let script = "mount -t tmpfs -o size=1m none \"$0\" && \
         dd if=/dev/zero of=\"$0/filler\" bs=64k count=15 status=none && exec \"$@\"";
    let root = rustix::process::geteuid().is_root();
    let namespace = if root { "-m" } else { "-rm" };
    let wrapper = ["unshare", namespace, "sh", "-c", script, &disk_path];
    let file = disk.join("flight").to_string_lossy().into_owned();
    let mut host = Host::start_under(
        &wrapper,
        &["--healthy", "--rate", "60", "--record-to", &file],
        &[],
    )?;
    let full = |status: &Value| {
        let recording = &status["recording"];
        let error = recording["error"].as_str()?;
        let spots = status["blind_spots"].as_array()?;
        let told = spots.iter().any(|spot| spot["kind"] == "recording_failed");
        (error == "No space left on device" && told).then_some(())
    };
    host.json_within(Duration::from_secs(60), "full disk", &["status"], full)?;
    // The host goes on, and so does everything else.
    ensure!(host.process.is_running()?);
    let before = host.json(&["requests"])?["requests"].as_u64();
    host.json_within(A_MOMENT, "more requests", &["requests"], |requests| {
        (requests["requests"].as_u64() > before).then_some(())
    })?;
    let requests = host.json(&["requests"])?;
    // Some deliveries of webhooks are refused on purpose.
    let routes = requests["routes"].as_array().context("no routes")?;
    let failed = |row: &&Value| {
        row["errors"] != 0
            && !row["route"]
                .as_str()
                .is_some_and(|name| name.contains("webhooks"))
    };
    ensure!(routes.iter().find(failed).is_none(), "{requests:#}");

    let inside = format!(
        "/proc/{}/root{disk_path}",
        host.process.pid().as_raw_nonzero()
    );
    fs::remove_file(Path::new(&inside).join("filler"))?;
    host.json_within(A_MOMENT, "recovery", &["status"], |status| {
        status["recording"]["error"].is_null().then_some(())
    })?;
    // What was recorded before and after the gap is there.
    let read = || Recording::open(&Path::new(&inside).join("flight"));
    within(A_MOMENT, "tick after the gap", || {
        let recording = read()?;
        let last = recording.len().checked_sub(1).context("no tick")?;
        let states = recording.states(last)?;
        let at = recording.at(last).context("no time")?;
        let age = Timestamp::from(SystemTime::now()).since(at);
        Ok(if states.len() >= 9 && age < Duration::from_secs(3) {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{} topics, {age:?} old", states.len()))
        })
    })
}

/// Everything that a recording tells, in words.
pub(crate) fn text(recording: &Recording) -> Result<String> {
    let mut text = format!("{:?}", recording.hello());
    for block in 0..recording.len() {
        for update in recording.states(block)? {
            text.push_str(&format!("{:?}", update.state));
        }
    }
    Ok(text)
}
