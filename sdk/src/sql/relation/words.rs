//! What a text changes that the parser can't read, or that is too long for it, by its words.

use super::super::token::{Kind, Token, Tokens};
use super::{Changes, named};

/// Words of statements that change something, or may.
const CHANGING: &[&str] = &[
    "ALTER", "ATTACH", "CALL", "CREATE", "DELETE", "DETACH", "DO", "DROP", "EXECUTE", "IMPORT",
    "INSERT", "INTO", "MERGE", "REFRESH", "REPLACE", "TRUNCATE", "UPDATE",
];
/// Words that statements begin with which change nothing if none of those follows.
const READING: &[&str] = &[
    "ANALYZE", "EXPLAIN", "PRAGMA", "SELECT", "SET", "SHOW", "TABLE", "VACUUM", "VALUES", "WITH",
];

/// Reads what a text changes: nothing if no word of it says so, one table if it is one plain `INSERT`, else anything.
pub(super) fn changes(sql: &str) -> Changes {
    let mut words: Vec<Token<'_>> = Vec::new();
    let mut ended = false;
    let mut table = None;
    for token in Tokens::new(sql) {
        let Ok(token) = token else {
            return Changes::Anything;
        };
        // A second statement.
        if ended {
            return Changes::Anything;
        }
        ended = token.kind == Kind::Mark(b';');
        let is = |word: &str| token.kind == Kind::Word && token.text.eq_ignore_ascii_case(word);
        match words.as_slice() {
            [] if is("INSERT") => {}
            [] if READING.iter().any(|word| is(word)) => {}
            [] => return Changes::Anything,
            [insert] if is_insert(insert) && !is("INTO") => return Changes::Anything,
            [insert, ..] if is_insert(insert) => {
                // The name, after its schema's and a dot.
                if words.len() == 2 || words.len() == 4 && dots(&words) {
                    table = name(&token);
                } else if words.len() > 2 && CHANGING.iter().any(|word| is(word)) {
                    let follows = |word: &str| {
                        words
                            .last()
                            .is_some_and(|last| last.text.eq_ignore_ascii_case(word))
                    };
                    // `ON CONFLICT .. DO UPDATE`.
                    let own = is("DO") || is("UPDATE") && follows("DO");
                    if !own {
                        return Changes::Anything;
                    }
                }
            }
            // `FOR NO KEY UPDATE` locks what is read.
            [.., last] if is("UPDATE") && last.text.eq_ignore_ascii_case("KEY") => {}
            _ if CHANGING.iter().any(|word| is(word)) => return Changes::Anything,
            _ => {}
        }
        if words.len() > 8 {
            words.truncate(7);
        }
        words.push(token);
    }
    match (words.first(), table) {
        (Some(insert), Some(table)) if is_insert(insert) => Changes::Tables(vec![table]),
        (Some(insert), None) if is_insert(insert) => Changes::Anything,
        (Some(_), _) => Changes::Tables(Vec::new()),
        (None, _) => Changes::Tables(Vec::new()),
    }
}

fn is_insert(token: &Token<'_>) -> bool {
    token.text.eq_ignore_ascii_case("INSERT")
}

fn dots(words: &[Token<'_>]) -> bool {
    words
        .last()
        .is_some_and(|last| last.kind == Kind::Mark(b'.'))
}

fn name(token: &Token<'_>) -> Option<Box<str>> {
    match token.kind {
        Kind::Word => Some(named(token.text)),
        Kind::Quoted | Kind::Backtick => {
            let inner = token.text.get(1..token.text.len().saturating_sub(1))?;
            // One with an escape in it is not worth the reading.
            (!inner.contains(['"', '`', '\\']) && token.text.starts_with(['"', '`']))
                .then(|| named(inner))
        }
        _ => None,
    }
}
