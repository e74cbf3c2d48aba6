//! The one place where a name becomes part of a statement, and where perfdeck names what it makes.

use super::error::Error;

/// The bytes that PostgreSQL keeps of a name.
const LONGEST_NAME: usize = 63;
const PREFIX: &str = "perfdeck_";

/// Quotes a name from the catalog, for PostgreSQL and SQLite alike.
///
/// # Errors
///
/// Refuses an empty name, and one with a NUL or another control character: no tool of the database's owner shows such a
/// name truthfully, so nobody could check what is about to run.
pub(crate) fn quote(name: &str) -> Result<String, Error> {
    if name.is_empty() || name.chars().any(is_forbidden) {
        return Err(Error::refused(
            "quote a name",
            "it is empty or has control characters",
        ));
    }
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for letter in name.chars() {
        if letter == '"' {
            quoted.push('"');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    Ok(quoted)
}

/// Quotes a table, with its schema where there is one.
pub(crate) fn quote_qualified(schema: Option<&str>, name: &str) -> Result<String, Error> {
    match schema {
        Some(schema) => Ok(format!("{}.{}", quote(schema)?, quote(name)?)),
        None => quote(name),
    }
}

/// Names an index: `perfdeck_<table>_<columns>`, and where that is longer than 63 bytes or has anything but letters,
/// digits and underscores in it, cut and ended with 8 digits of a hash of the whole.
///
/// `identity` tells two indexes apart whose tables and columns read the same, by their schema and directions.
pub(crate) fn index_name(table: &str, columns: &[&str], identity: &str) -> String {
    let full = format!("{PREFIX}{table}_{}", columns.join("_"));
    let safe = full
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if safe && full.len() <= LONGEST_NAME && identity.is_empty() {
        return full;
    }
    let hash = crate::sql::stable_hash(format!("{full}\0{identity}").as_bytes()) as u32;
    let mut name: String = full
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() || letter == '_' {
                letter
            } else {
                '_'
            }
        })
        .take(LONGEST_NAME - 9)
        .collect();
    name.push_str(&format!("_{hash:08x}"));
    name
}

/// Returns whether a name could have been made by [`index_name`].
pub(crate) fn is_own_index(name: &str) -> bool {
    name.starts_with(PREFIX) && name.len() <= LONGEST_NAME
}

/// Control characters, and those that turn or hide the text around them.
fn is_forbidden(letter: char) -> bool {
    letter.is_control()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quoted_name_has_its_quotes_doubled() {
        assert_eq!(quote("documents").unwrap(), "\"documents\"");
        assert_eq!(
            quote("a\"; DROP TABLE b; --").unwrap(),
            "\"a\"\"; DROP TABLE b; --\""
        );
        assert_eq!(quote_qualified(Some("s"), "t").unwrap(), "\"s\".\"t\"");
    }

    #[test]
    fn a_name_with_control_characters_is_refused() {
        for name in ["", "a\0b", "a\nb", "a\x1b[2Jb", "a\u{9b}b"] {
            assert!(quote(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn an_index_is_named_after_its_table_and_columns() {
        assert_eq!(
            index_name("documents", &["workspace_id", "status"], ""),
            "perfdeck_documents_workspace_id_status"
        );
    }

    #[test]
    fn a_long_or_odd_index_name_is_cut_and_told_apart() {
        let long = "x".repeat(80);
        let (one, other) = (index_name(&long, &["a"], ""), index_name(&long, &["b"], ""));
        assert_eq!(one.len(), 63);
        assert_ne!(one, other);
        assert_ne!(index_name("t", &["a b"], ""), index_name("t", &["a-b"], ""));
        assert_ne!(index_name("t", &["a"], "desc"), index_name("t", &["a"], ""));
    }

    proptest! {
        #[test]
        fn an_index_name_is_short_and_plain(table in ".*", columns in prop::collection::vec(".*", 1..5)) {
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            let name = index_name(&table, &columns, "");
            prop_assert!(is_own_index(&name));
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        }

        #[test]
        fn a_quoted_name_is_one_token(name in "\\PC+") {
            prop_assume!(!name.chars().any(char::is_control));
            let quoted = quote(&name).unwrap();
            let inner = &quoted[1..quoted.len() - 1];
            prop_assert_eq!(inner.replace("\"\"", ""). contains('"'), false);
            prop_assert_eq!(inner.replace("\"\"", "\""), name);
        }
    }
}
