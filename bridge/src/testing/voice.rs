use std::cell::Cell;

use super::Sample;
use crate::protocol::Redacted;

/// How a sample speaks: plainly, or with something harmful in each text.
#[derive(Debug)]
pub(super) struct Voice {
    hostile: bool,
    said: Cell<usize>,
}

impl Voice {
    pub(super) const fn of(sample: Sample) -> Self {
        Self {
            hostile: matches!(sample, Sample::Hostile),
            said: Cell::new(0),
        }
    }

    /// Returns a voice of the same kind that begins anew, so that what it says leaves the turns of this one alone.
    pub(super) const fn aside(&self) -> Self {
        Self {
            hostile: self.hostile,
            said: Cell::new(0),
        }
    }

    /// Returns the text; a hostile voice works the next of [`HARM`] into it, so that each kind meets many fields.
    pub(super) fn say(&self, text: &str) -> String {
        if !self.hostile {
            return text.to_owned();
        }
        let turn = self.said.get();
        self.said.set(turn + 1);
        let harm = HARM[turn % HARM.len()];
        let middle = (0..=text.len() / 2)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        let (head, tail) = text.split_at(middle);
        let long = if turn % 29 == 7 {
            "w".repeat(3_000)
        } else {
            String::new()
        };
        format!("{head}{harm}{tail}{long}")
    }

    /// Says a statement or a line of a plan; a sample's have no literals to begin with.
    pub(super) fn redacted(&self, text: &str) -> Redacted {
        Redacted::through(|text| self.say(text), text)
    }

    /// Says each of a plan's lines.
    pub(super) fn plan(&self, lines: &[&str]) -> Vec<Redacted> {
        lines.iter().map(|line| self.redacted(line)).collect()
    }

    /// Says each of a list.
    pub(super) fn all(&self, texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| self.say(text)).collect()
    }
}

/// What terminals were attacked with: control sequences in 7 and 8 bits, controls, bidirectional overrides, invisible
/// and combining characters, wide characters.
const HARM: [&str; 23] = [
    "\x1b[31m",
    "\x1b[2J\x1b[H",
    "\x1b]0;owned\x07",
    "\x1b]8;;https://example.invalid\x1b\\",
    "\x1b]52;c;cm0gLXJmIC8=\x07",
    "\x1bP1$r0q\x1b\\",
    "\x1b_payload\x1b\\",
    "\u{9b}2J",
    "\u{9d}0;owned\u{9c}",
    "\u{85}",
    "\r",
    "\n",
    "\t",
    "\0",
    "\x7f\x08\x08",
    "\u{202e}drowssap\u{202c}",
    "\u{2066}\u{2069}\u{200f}",
    "\u{200b}\u{200d}\u{feff}\u{ad}",
    "👩\u{200d}👩\u{200d}👧\u{200d}👦",
    "宽字符",
    "e\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}",
    "\u{e0041}\u{e007f}",
    "\u{2028}\u{2029}\u{fffd}",
];
