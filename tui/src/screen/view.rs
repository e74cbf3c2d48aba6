use perfdeck_bridge::protocol::{Level, Timestamp};

use crate::format::printable;
use crate::model::Data;
use crate::theme::Role;
use crate::widget::{Piece, piece};

/// What every view reads: the shown states and the moment they speak of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) data: &'a Data,
    pub(crate) now: Timestamp,
    /// Whether it is a recording, in which no key acts.
    pub(crate) recorded: bool,
}

/// A screen's answer in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) level: Level,
    pub(crate) text: String,
    /// Since when, where there is room for it.
    pub(crate) since: Option<String>,
    /// The key that leads on, and where to.
    pub(crate) hint: Option<(&'static str, &'static str)>,
}

impl Verdict {
    pub(crate) fn new(level: Level, text: impl Into<String>) -> Self {
        Self {
            level,
            text: text.into(),
            since: None,
            hint: None,
        }
    }

    /// Says that nothing was told yet.
    pub(crate) fn waiting() -> Self {
        Self::new(Level::Good, "Waiting for the host's first numbers.")
    }

    pub(crate) fn hint(self, key: &'static str, words: &'static str) -> Self {
        Self {
            hint: Some((key, words)),
            ..self
        }
    }
}

/// Makes a table's cell of foreign text.
pub(crate) fn host(text: &str, role: Role) -> Piece {
    piece(printable(text, 512), role)
}
