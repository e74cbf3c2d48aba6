//! The words that are written in capitals; others are names and are folded to small letters.

/// Sorted, so that it can be searched.
const KEYWORDS: &[&str] = &[
    "ALL",
    "ALTER",
    "ANALYZE",
    "AND",
    "ANY",
    "ARRAY",
    "AS",
    "ASC",
    "BEGIN",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COLLATE",
    "COMMIT",
    "CONFLICT",
    "COPY",
    "CREATE",
    "CROSS",
    "DEFAULT",
    "DELETE",
    "DESC",
    "DISTINCT",
    "DO",
    "DROP",
    "ELSE",
    "END",
    "ESCAPE",
    "EXCEPT",
    "EXECUTE",
    "EXISTS",
    "EXPLAIN",
    "FALSE",
    "FETCH",
    "FILTER",
    "FIRST",
    "FOR",
    "FROM",
    "FULL",
    "GLOB",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INDEX",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "LAST",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "LOCKED",
    "MATCH",
    "MATERIALIZED",
    "MERGE",
    "NATURAL",
    "NOT",
    "NOTHING",
    "NULL",
    "NULLS",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PRAGMA",
    "RECURSIVE",
    "REGEXP",
    "RELEASE",
    "REPLACE",
    "RETURNING",
    "RIGHT",
    "ROLLBACK",
    "ROWS",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "SKIP",
    "SOME",
    "TABLE",
    "THEN",
    "TO",
    "TRUE",
    "TRUNCATE",
    "UNION",
    "UNIQUE",
    "UPDATE",
    "USING",
    "VACUUM",
    "VALUES",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
];

const LONGEST: usize = 12;

/// Returns the keyword in capitals if `word` is one, in any case.
pub(super) fn find(word: &str) -> Option<&'static str> {
    if word.len() > LONGEST {
        return None;
    }
    let mut capitals = [0; LONGEST];
    let capitals = capitals.get_mut(..word.len())?;
    capitals.copy_from_slice(word.as_bytes());
    capitals.make_ascii_uppercase();
    let found = KEYWORDS
        .binary_search_by(|keyword| keyword.as_bytes().cmp(capitals))
        .ok()?;
    KEYWORDS.get(found).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_is_found_in_any_case() {
        for keyword in KEYWORDS {
            assert_eq!(find(keyword), Some(*keyword));
            assert_eq!(find(&keyword.to_lowercase()), Some(*keyword));
            assert!(keyword.len() <= LONGEST);
        }
        assert_eq!(find("documents"), None);
    }
}
