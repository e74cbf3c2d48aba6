//! The command line: every question and every act without the screens.
//!
//! A command makes one [`Outcome`], which is printed as one JSON document or as a table. Nothing is changed unless
//! `--apply` was given.

mod args;
mod connect;
mod database;
mod diff;
mod doctor;
mod exemplar;
mod history;
mod record;
mod relay;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod verb;
mod wait;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{CommandFactory as _, Parser as _};
use serde_json::json;

use self::args::{Args, Verb};
use crate::error::sentence;
use crate::format::printable;
use crate::sight::left_out;
use crate::target::Target;
use crate::theme::{Colours, Glyphs, Theme};

/// What came of a command.
#[derive(Debug)]
struct Outcome {
    json: serde_json::Value,
    text: String,
    /// The command ran, but what it was to do was not done.
    failed: bool,
    /// Rows that the host had no room for in its answer.
    left_out: u64,
}

impl Outcome {
    /// Says that so many rows are not in it; an object has them as a field.
    fn lacking(mut self, rows: u64) -> Self {
        if let serde_json::Value::Object(fields) = &mut self.json {
            fields.insert("left_out".to_owned(), rows.into());
        }
        self.left_out = rows;
        self
    }

    /// What is said beside it, on standard error: a document that is an object says it itself.
    fn aside(&self, json: bool) -> Option<String> {
        let silent = self.left_out == 0 || (json && self.json.is_object());
        (!silent).then(|| format!("perfdeck: {} for want of room", left_out(self.left_out)))
    }
}

/// Runs the command line and returns its exit code: 0 if it did what was asked, 1 if it failed or the doctor found
/// something, 2 if it was not understood.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            // Nobody is left to tell if the stream is closed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let json = args.global.json;
    let done = match &args.verb {
        None | Some(Verb::Attach) => {
            crate::runtime::show(args.global.target(), theme(args.global.ascii)).map(|()| false)
        }
        Some(Verb::Replay { file }) => {
            let target = Target {
                recording: Some(file.clone()),
                ..args.global.target()
            };
            replay(target, theme(args.global.ascii)).map(|()| false)
        }
        Some(Verb::Relay) => relay::run(args.global.target()).map(|()| false),
        Some(Verb::Completions { shell }) => {
            clap_complete::generate(*shell, &mut Args::command(), "perfdeck", &mut io::stdout());
            Ok(false)
        }
        Some(verb) => answer(verb, &args),
    };
    match done {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::FAILURE,
        Err(error) => {
            complain(&error, json);
            ExitCode::FAILURE
        }
    }
}

/// Shows a recording's screens; what is none is told before the terminal is taken.
fn replay(target: Target, theme: Theme) -> Result<()> {
    target.replay().transpose()?;
    crate::runtime::show(target, theme)
}

fn answer(verb: &Verb, args: &Args) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("could not start the event loop")?;
    let outcome = runtime.block_on(verb::run(verb, &args.global))?;
    let aside = outcome.aside(args.global.json);
    let text = if args.global.json {
        format!("{}\n", outcome.json)
    } else {
        outcome.text
    };
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.context("could not write to standard output")?,
    }
    if let Some(aside) = aside {
        let _ = writeln!(io::stderr(), "{aside}");
    }
    Ok(outcome.failed)
}

fn complain(error: &anyhow::Error, json: bool) {
    let sentence = sentence(error);
    let line = if json {
        json!({ "error": sentence }).to_string()
    } else {
        // A list of hosts has lines of its own; everything in them is made harmless.
        let lines: Vec<String> = sentence
            .lines()
            .map(|line| printable(line, 1_000))
            .collect();
        format!("perfdeck: {}", lines.join("\n"))
    };
    let _ = writeln!(io::stderr(), "{line}");
}

/// Chooses the colours by the terminal's word and the user's.
pub(crate) fn theme(ascii: bool) -> Theme {
    let set = |name: &str| std::env::var(name).unwrap_or_default();
    let colours = if !set("NO_COLOR").is_empty() || set("TERM") == "dumb" {
        Colours::None
    } else if ["truecolor", "24bit"].contains(&set("COLORTERM").as_str())
        || set("TERM").ends_with("-direct")
    {
        Colours::True
    } else {
        Colours::Sixteen
    };
    let glyphs = if ascii {
        Glyphs::Ascii
    } else {
        Glyphs::Unicode
    };
    Theme {
        colours,
        glyphs,
        stale: false,
    }
}
