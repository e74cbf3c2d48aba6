//! Floor 1: the text of a statement and what it means. Pure; knows no database.

/// A statement without its literals.
#[derive(Debug, Clone)]
pub(crate) struct Fingerprint {
    pub(crate) id: u64,
    pub(crate) text: String,
}

pub(crate) fn fingerprint(sql: &str) -> Fingerprint {
    Fingerprint {
        id: sql.len() as u64,
        text: sql.into(),
    }
}
