//! What a statement does, where that changes how its words are read.

/// The first words of a statement, as far as they matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    None,
    Copy,
    /// `COPY ... FROM STDIN` was read: what follows is data, or says how it is written.
    Copied,
    /// `SET` and `PRAGMA`: bare words behind `=` or `TO` are values.
    Assign {
        assigned: bool,
    },
    Alter,
    /// `ALTER` of something whose settings a `SET` changes as a statement of its own does.
    Settings,
    /// It writes into a file, whose name is a value.
    Vacuum,
    Other,
}

impl Verb {
    /// Gives what the statement does, as known behind one more keyword (in capitals), name, or other token (empty).
    pub(super) fn then(self, word: &str) -> Self {
        match (self, word) {
            (Self::None, "COPY") => Self::Copy,
            (Self::None, "SET" | "PRAGMA") | (Self::Settings, "SET") => {
                Self::Assign { assigned: false }
            }
            (Self::None, "VACUUM") => Self::Vacuum,
            (Self::None, "ALTER") => Self::Alter,
            (Self::Alter, word) if has_settings(word) => Self::Settings,
            (Self::None | Self::Alter, _) => Self::Other,
            (verb, _) => verb,
        }
    }
}

fn has_settings(word: &str) -> bool {
    ["ROLE", "USER", "DATABASE", "SYSTEM"]
        .iter()
        .any(|kind| word.eq_ignore_ascii_case(kind))
}
