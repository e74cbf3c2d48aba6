//! The words that are written in capitals; others are names and are folded to small letters.

/// A word that statements are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keyword {
    pub(super) text: &'static str,
    pub(super) says: Says,
    packed: u128,
}

/// What a keyword says of what stands around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    Plain,
    /// It is a value itself.
    Constant,
    /// A name follows.
    Name,
    /// A value follows.
    Value,
    /// As in `IS NOT` and `IS DISTINCT FROM`.
    Not,
    From,
    /// A query begins.
    Query,
    Into,
    Between,
    And,
    By,
    In,
    Array,
    Values,
    To,
}

/// Sorted, so that those of one letter stand together.
const KEYWORDS: [Keyword; 102] = [
    word("ALL", Says::Plain),
    word("ALTER", Says::Plain),
    word("ANALYZE", Says::Plain),
    word("AND", Says::And),
    word("ANY", Says::Plain),
    word("ARRAY", Says::Array),
    word("AS", Says::Name),
    word("ASC", Says::Plain),
    word("BEGIN", Says::Plain),
    word("BETWEEN", Says::Between),
    word("BY", Says::By),
    word("CASE", Says::Plain),
    word("CAST", Says::Plain),
    word("COLLATE", Says::Plain),
    word("COMMIT", Says::Plain),
    word("CONFLICT", Says::Plain),
    word("COPY", Says::Plain),
    word("CREATE", Says::Plain),
    word("CROSS", Says::Plain),
    word("DEFAULT", Says::Value),
    word("DELETE", Says::Query),
    word("DESC", Says::Plain),
    word("DISTINCT", Says::Not),
    word("DO", Says::Plain),
    word("DROP", Says::Plain),
    word("ELSE", Says::Value),
    word("END", Says::Plain),
    word("ESCAPE", Says::Value),
    word("EXCEPT", Says::Plain),
    word("EXECUTE", Says::Plain),
    word("EXISTS", Says::Plain),
    word("EXPLAIN", Says::Plain),
    word("FALSE", Says::Constant),
    word("FETCH", Says::Plain),
    word("FILTER", Says::Plain),
    word("FIRST", Says::Plain),
    word("FOR", Says::Plain),
    word("FROM", Says::From),
    word("FULL", Says::Plain),
    word("GLOB", Says::Value),
    word("GROUP", Says::Plain),
    word("HAVING", Says::Plain),
    word("ILIKE", Says::Value),
    word("IN", Says::In),
    word("INDEX", Says::Name),
    word("INNER", Says::Plain),
    word("INSERT", Says::Plain),
    word("INTERSECT", Says::Plain),
    word("INTERVAL", Says::Value),
    word("INTO", Says::Into),
    word("IS", Says::Value),
    word("JOIN", Says::Name),
    word("LAST", Says::Plain),
    word("LATERAL", Says::Plain),
    word("LEFT", Says::Plain),
    word("LIKE", Says::Value),
    word("LIMIT", Says::Value),
    word("LOCKED", Says::Plain),
    word("MATCH", Says::Value),
    word("MATERIALIZED", Says::Plain),
    word("MERGE", Says::Plain),
    word("NATURAL", Says::Plain),
    word("NOT", Says::Not),
    word("NOTHING", Says::Plain),
    word("NULL", Says::Constant),
    word("NULLS", Says::Plain),
    word("OFFSET", Says::Value),
    word("ON", Says::Plain),
    word("OR", Says::Plain),
    word("ORDER", Says::Plain),
    word("OUTER", Says::Plain),
    word("OVER", Says::Plain),
    word("PARTITION", Says::Plain),
    word("PRAGMA", Says::Plain),
    word("RECURSIVE", Says::Plain),
    word("REGEXP", Says::Value),
    word("RELEASE", Says::Plain),
    word("REPLACE", Says::Plain),
    word("RETURNING", Says::Plain),
    word("RIGHT", Says::Plain),
    word("ROLLBACK", Says::Plain),
    word("ROWS", Says::Plain),
    word("SAVEPOINT", Says::Plain),
    word("SELECT", Says::Query),
    word("SET", Says::Plain),
    word("SKIP", Says::Plain),
    word("SOME", Says::Plain),
    word("TABLE", Says::Name),
    word("THEN", Says::Value),
    word("TO", Says::To),
    word("TRUE", Says::Constant),
    word("TRUNCATE", Says::Plain),
    word("UNION", Says::Plain),
    word("UNIQUE", Says::Plain),
    word("UPDATE", Says::Name),
    word("USING", Says::Plain),
    word("VACUUM", Says::Plain),
    word("VALUES", Says::Values),
    word("WHEN", Says::Value),
    word("WHERE", Says::Plain),
    word("WINDOW", Says::Plain),
    word("WITH", Says::Plain),
];

/// Where the words of each letter begin, and behind the last where they end.
const LETTERS: [u8; 27] = letters();

const LONGEST: usize = 12;

/// Finds the keyword that `word` is, in any case.
pub(super) fn find(word: &str) -> Option<&'static Keyword> {
    let bytes = word.as_bytes();
    let letter = usize::from(bytes.first()?.to_ascii_uppercase().wrapping_sub(b'A'));
    if bytes.len() > LONGEST || letter >= LETTERS.len() - 1 {
        return None;
    }
    let packed = pack(bytes);
    let [first, end] = [LETTERS.get(letter)?, LETTERS.get(letter + 1)?];
    let words = KEYWORDS.get(usize::from(*first)..usize::from(*end))?;
    words.iter().find(|keyword| keyword.packed == packed)
}

const fn word(text: &'static str, says: Says) -> Keyword {
    let packed = pack(text.as_bytes());
    Keyword { text, says, packed }
}

/// The first bytes as one number, in capitals.
const fn pack(mut bytes: &[u8]) -> u128 {
    let mut packed = 0;
    while let [first, rest @ ..] = bytes {
        packed = packed << 8 | first.to_ascii_uppercase() as u128;
        bytes = rest;
    }
    packed
}

const fn letters() -> [u8; 27] {
    let mut ends = [0; 27];
    let mut at = 0;
    while at < KEYWORDS.len() {
        // Each word moves the beginnings of all later letters.
        let mut letter = (KEYWORDS[at].text.as_bytes()[0] - b'A') as usize + 1;
        while letter < ends.len() {
            ends[letter] += 1;
            letter += 1;
        }
        at += 1;
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_is_found_in_any_case() {
        for keyword in KEYWORDS {
            let text = keyword.text;
            assert_eq!(find(text).map(|found| found.text), Some(text));
            let small = text.to_lowercase();
            assert_eq!(find(&small).map(|found| found.text), Some(text));
            assert!(text.len() <= LONGEST);
        }
        for other in [
            "documents",
            "",
            "selec",
            "selects",
            "{ANY",
            "\u{e4}nd",
            "materialized_",
        ] {
            assert!(find(other).is_none(), "{other}");
        }
    }
}
