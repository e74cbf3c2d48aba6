//! What statements of one shape have in common: their text without literals, and an id that outlives the process.

mod keyword;
#[cfg(test)]
mod tests;
mod verb;
mod writer;

use self::writer::Writer;
use super::hash;
use super::token::{Kind, Token, Tokens};

/// The shape of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprint {
    /// The same for the same shape in every process; of a text that can't be read, the hash of all of it.
    pub(super) id: u64,
    /// The statement in one line, with `?` for every literal and parameter; at most [`MAX_TEXT`] bytes.
    pub(super) text: String,
}

/// The bytes that a fingerprint's text may have; a longer one ends in `…`, and its id still covers the whole.
pub(crate) const MAX_TEXT: usize = 4_096;

const UNPARSABLE: &str = "<unparsable ";

/// Gives the shape of any text, in time linear to its length.
///
/// Case, white space, comments and the length of `IN` lists, arrays and multi-row `VALUES` don't count. Where a literal
/// can't be told for certain, because it is not closed or because dialects disagree about its end, the text is
/// `<unparsable …>` with a hash: better to show nothing than a secret. A bare `"..."` where a value belongs counts as one,
/// since SQLite and MySQL would take it so; where a column may be and a column could be called that, it is taken for one,
/// unless a name in backticks says that the text isn't PostgreSQL's.
pub(super) fn fingerprint(sql: &str) -> Fingerprint {
    if is_own_mark(sql) {
        return Fingerprint {
            id: hash::stable(sql.as_bytes()),
            text: sql.to_owned(),
        };
    }
    let mut writer = Writer::new(sql);
    let mut tokens = Tokens::new(sql);
    while let Some(token) = tokens.next() {
        let Ok(token) = token else {
            let id = hash::stable(sql.as_bytes());
            return Fingerprint {
                id,
                text: format!("{UNPARSABLE}{id:016x}>"),
            };
        };
        if writer.ends_at(&token) {
            break;
        }
        writer.take(&token, &tokens);
    }
    writer.finish()
}

/// Returns whether the text is one statement, so nothing rides behind it when it is sent with words before it.
pub(crate) fn is_single_statement(sql: &str) -> bool {
    let mut ended = false;
    for token in Tokens::new(sql) {
        match token {
            Err(_) => return false,
            Ok(Token {
                kind: Kind::Mark(b';'),
                ..
            }) => ended = true,
            Ok(_) if ended => return false,
            Ok(_) => {}
        }
    }
    true
}

/// Counts tokens up to `limit`; a parser's tree is at most that deep.
#[cfg(any(feature = "advisor", feature = "query-cache"))]
pub(super) fn is_shorter_than(sql: &str, limit: usize) -> bool {
    let mut tokens = Tokens::new(sql);
    (0..limit).any(|_| tokens.next().is_none())
}

/// Replaces the literals of a plan or another text of the database by `?`, and keeps its lines and spaces.
///
/// Numbers are only replaced where `numbers` says so: a plan's costs are numbers as well. Gives `None` where the literals
/// can't be told for certain.
pub(super) fn redact(text: &str, numbers: bool) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for token in Tokens::new(text) {
        let token = token.ok()?;
        let start = token.text.as_ptr() as usize - text.as_ptr() as usize;
        out.push_str(text.get(end..start)?);
        end = start + token.text.len();
        let number = token
            .text
            .starts_with(|first: char| first.is_ascii_digit() || first == '.');
        let hidden = token.kind == Kind::Value && (numbers || !number);
        out.push_str(if hidden { "?" } else { token.text });
    }
    out.push_str(text.get(end..)?);
    Some(out)
}

fn is_own_mark(sql: &str) -> bool {
    sql.strip_prefix(UNPARSABLE)
        .and_then(|rest| rest.strip_suffix('>'))
        .is_some_and(|digits| {
            digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}
