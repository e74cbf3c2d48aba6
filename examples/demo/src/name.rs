//! The names of tables and columns, and what `--rename` does to them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// Every table and column of the schema.
const NAMES: [&str; 29] = [
    "author",
    "body",
    "bytes",
    "chat_messages",
    "chat_sessions",
    "client_key",
    "created_at",
    "documents",
    "email",
    "embed_codes",
    "id",
    "last_message_at",
    "messages",
    "name",
    "origin",
    "plan",
    "position",
    "sent_at",
    "session_id",
    "started_at",
    "state",
    "status",
    "subject",
    "title",
    "uploaded_at",
    "uploader_id",
    "users",
    "workspace_id",
    "workspaces",
];

/// Turns the statements as they are written in the code into those that are run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    renamed: Option<HashMap<&'static str, String>>,
}

impl Names {
    /// Renames every table and column by `seed`, so that nothing can be recognised by its name.
    pub(crate) fn renamed(seed: u64) -> Self {
        let other = |(index, name)| (name, alias(seed, index));
        Self {
            renamed: Some((0_u64..).zip(NAMES).map(other).collect()),
        }
    }

    /// Returns what each name in the code is called in the database.
    pub(crate) fn all(&self) -> BTreeMap<&'static str, Cow<'static, str>> {
        let names = NAMES.into_iter();
        names.map(|name| (name, self.text(name))).collect()
    }

    /// Returns the statement to run.
    pub(crate) fn sql(&self, text: &'static str) -> SqlStr {
        match self.text(text) {
            Cow::Borrowed(text) => text.into_sql_str(),
            // Nothing but the fixed words above was exchanged, for letters and digits.
            Cow::Owned(text) => AssertSqlSafe(text).into_sql_str(),
        }
    }

    /// Returns the text with its names exchanged.
    pub(crate) fn text(&self, text: &'static str) -> Cow<'static, str> {
        let Some(renamed) = &self.renamed else {
            return Cow::Borrowed(text);
        };
        let mut out = String::with_capacity(text.len() * 2);
        let mut rest = text;
        while !rest.is_empty() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (name, after) = rest.split_at(word);
            out.push_str(renamed.get(name).map_or(name, String::as_str));
            let gap = after.find(is_word).unwrap_or(after.len());
            let (gap, after) = after.split_at(gap);
            out.push_str(gap);
            rest = after;
        }
        Cow::Owned(out)
    }
}

/// A pronounceable word that is unlikely to be a keyword, and different for each index.
fn alias(seed: u64, index: u64) -> String {
    let mut bits = crate::seed::scramble(seed ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut word = String::new();
    for _ in 0..4 {
        word.push(char::from(b"bdfgklmnprstvz"[(bits % 14) as usize]));
        bits /= 14;
        word.push(char::from(b"aeiou"[(bits % 5) as usize]));
        bits /= 5;
    }
    format!("{word}{index}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_are_renamed_and_nothing_else() {
        let names = Names::renamed(7);
        let text = names.text("SELECT id, email FROM users WHERE workspace_id = $1");
        assert!(text.starts_with("SELECT "), "{text}");
        assert!(text.ends_with(" = $1"), "{text}");
        for name in ["id,", "email", "users", "workspace_id"] {
            assert!(!text.contains(name), "{text}");
        }
    }

    #[test]
    fn every_name_of_the_schema_is_renamed() {
        let names = Names::renamed(7);
        for statement in crate::schema::TABLES.iter().chain(&crate::schema::INDEXES) {
            let text = names.text(statement);
            for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                let is_keyword = word.chars().all(|c| !c.is_ascii_lowercase());
                let is_alias = word.ends_with(|c: char| c.is_ascii_digit());
                assert!(is_keyword || is_alias, "`{word}` in {text}");
            }
        }
    }
}
