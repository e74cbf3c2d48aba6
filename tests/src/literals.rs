//! Statements whose literals are marked, for tests that look for the marks in what perfdeck tells.
//!
//! A mark is a literal in the dialect whose statement it is, and a reader that knows no dialect must hide it all the same.
//! Most of the statements fail in any one database, which must tell no more than success.
//!
//! A plain word in double quotes where a column belongs, as in `SELECT "name" FROM t`, is a column in PostgreSQL and a
//! string in MySQL, and no text tells which. It is taken for a column, so no statement here has a mark there.

/// What may not be told: a word, a number, and the word's bytes in hexadecimal and binary.
pub const MARKS: [&str; 4] = ["s3cr3t", "4711471147", "733363723374", "0111001100110011"];

/// A way to write SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL's.
    Postgres,
    /// SQLite's.
    Sqlite,
    /// MySQL's, with backslashes in strings and double quotes around them.
    Mysql,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::Sqlite, Self::Mysql];
}

/// Literals, and texts that end inside one, of every dialect.
const LITERALS: [&str; 32] = [
    "'s3cr3t'",
    "'it''s s3cr3t'",
    "'''s3cr3t'",
    "'s3cr3t'''",
    "'s3cr3t\n\t s3cr3t'",
    "'s3cr3t' 's3cr3t'",
    "'s3cr3t'\n's3cr3t'",
    "'-- s3cr3t'",
    "'/* s3cr3t'",
    "'# s3cr3t */'",
    "'$$ s3cr3t $$'",
    "'\" s3cr3t \"'",
    "'` s3cr3t `'",
    "'; s3cr3t'",
    "'ünï\u{202e} s3cr3t 😀'",
    // What bytes that are no UTF-8 have become before anybody sees them.
    "'\u{fffd}\u{fffd} s3cr3t'",
    "'a\0 s3cr3t'",
    "('s3cr3t')",
    "lower('s3cr3t')",
    "coalesce(NULL, 's3cr3t', 4711471147)",
    "CAST('s3cr3t' AS char(7))",
    "CASE 's3cr3t' WHEN 's3cr3t' THEN 's3cr3t' ELSE 4711471147 END",
    "'{\"s3cr3t\": [\"s3cr3t\", {\"it''s\": 4711471147}]}'",
    "4711471147",
    "-4711471147",
    "+ - 4711471147.4711471147",
    "4711471147.4711471147e3",
    ".4711471147E-4711471147",
    "X'733363723374'",
    "/* s3cr3t ' \" */ 1",
    "/* /* s3cr3t */ 's3cr3t' */ 1",
    "1 -- s3cr3t ' \"\n",
];

/// Texts that end inside a literal or a comment, or whose ends are another's beginnings; behind the last of them.
const OPEN: [&str; 11] = [
    "'s3cr3t",
    "' s3cr3t '''",
    "E's3cr3t\\'",
    "X'733363723374",
    "\"s3cr3t \\\" s3cr3t",
    "/* s3cr3t",
    "/* s3cr3t /* */ 's3cr3t'",
    "$$ s3cr3t",
    "$a$ s3cr3t $b$ s3cr3t $A$",
    "1 -- s3cr3t",
    "1--' a\n', ' s3cr3t ', ' ', 1--' b\n'",
];

const POSTGRES_LITERALS: [&str; 30] = [
    "E's3cr3t'",
    "e'it\\'s s3cr3t'",
    "E'\\\\' || ' s3cr3t '",
    "E'a'\n'\\' s3cr3t '",
    "U&'\\0041 s3cr3t'",
    "u&'!0041 s3cr3t' UESCAPE '!'",
    "N's3cr3t'",
    "B'0111001100110011'",
    "0x4711471147",
    "4711471147_4711471147",
    "$$s3cr3t$$",
    "$$it's \" s3cr3t$$",
    "$s3cr3t$ s3cr3t $s3cr3t$",
    "$a$ s3cr3t $$ s3cr3t $b$ s3cr3t $a$",
    "$Tä$ s3cr3t $Tä$",
    "1$$ s3cr3t $$",
    "$1$$ s3cr3t $$",
    "'s3cr3t'::text::varchar(7)",
    "text 's3cr3t'",
    "TIMESTAMP WITH TIME ZONE 's3cr3t'",
    "INTERVAL 's3cr3t' DAY TO SECOND",
    "INTERVAL (3) 's3cr3t'",
    "ARRAY['s3cr3t', 's3cr3t']::text[]",
    "ARRAY[[4711471147], [4711471147]]",
    "'{s3cr3t, \"s3cr3t\"}'::text[]",
    "'[4711471147, 4711471147)'::int8range",
    "ROW('s3cr3t', 4711471147)",
    "body #>> '{s3cr3t}'",
    "body @> '{\"s3cr3t\": 1}' AND body ? 's3cr3t' AND body ?| ARRAY['s3cr3t']",
    "1 -- a\rs3cr3t\n",
];

const SQLITE_LITERALS: [&str; 13] = [
    "\"it's s3cr3t\"",
    "\"s3cr3t \"\" s3cr3t\"",
    "'\\' || ' s3cr3t '",
    "' s3cr3t \\'",
    "x'733363723374' || zeroblob(7)",
    "date('s3cr3t', '+4711471147 days')",
    "strftime('%s', 's3cr3t')",
    "json_extract('{\"s3cr3t\": 1}', '$.s3cr3t')",
    "body ->> '$.s3cr3t'",
    "iif(1, 's3cr3t', 's3cr3t')",
    "printf('%s', 's3cr3t')",
    "0X4711471147",
    "(VALUES ('s3cr3t'), ('s3cr3t'))",
];

const MYSQL_LITERALS: [&str; 31] = [
    "'it\\'s s3cr3t'",
    "'\\' s3cr3t '",
    "'\\'' , ' s3cr3t '",
    "'a\\\\' , ' s3cr3t '",
    "'\\\\' , ' s3cr3t '",
    "'s3cr3t\\\n s3cr3t \\''",
    "\"it's s3cr3t\"",
    "\"\\\" s3cr3t \"",
    "\"a\\\\\" , \" s3cr3t \"",
    "\" s3cr3t \"\" s3cr3t \"",
    "\"my s3cr3t\"",
    "_utf8mb4's3cr3t'",
    "_utf8mb4\"s3cr3t\"",
    "_binary X'733363723374'",
    "n's3cr3t'",
    "0x733363723374",
    "0b0111001100110011",
    "b'0111001100110011'",
    "DATE \"s3cr3t\"",
    "'s3cr3t' COLLATE utf8mb4_bin",
    "INTERVAL \"s3cr3t\" DAY",
    "TRIM(BOTH ' ' FROM \"my s3cr3t\")",
    "EXTRACT(YEAR FROM \"s3cr3t 4711471147\")",
    "GROUP_CONCAT(body SEPARATOR \"s3cr3t\")",
    "1 # s3cr3t\n",
    "1 # it's s3cr3t\n",
    "1 #> ' s3cr3t\n",
    "1 #s3cr3t\n",
    "1--'a\n' + 's3cr3t'",
    "/*! 's3cr3t' */ /*+ s3cr3t */ 1",
    "body -> \"$.s3cr3t\"",
];

/// A string or, where dialects say so, a name; only where a value belongs.
const DOUBLE_QUOTED: [&str; 4] = [
    "\"s3cr3t\"",
    "(\"s3cr3t\")",
    "lower(\"s3cr3t\")",
    "\"s3cr3t\" || \"s3cr3t\"",
];

/// Where only a value can be, in every dialect.
const VALUE_PLACES: [&str; 20] = [
    "SELECT body FROM notes WHERE ticket = {}",
    "SELECT body FROM notes WHERE ticket<>{}",
    "select body from notes where ticket in ({}, {}, {})",
    "SELECT body FROM notes WHERE ticket NOT IN (body, {})",
    "SELECT body FROM notes WHERE (ticket, body) IN (({}, {}), ({}, {}))",
    "SELECT body FROM notes WHERE ticket LIKE {} ESCAPE '\\'",
    "SELECT body FROM notes WHERE id BETWEEN {} AND {}",
    "SELECT body FROM nowhere WHERE ticket = coalesce({}, body)",
    "SELECT count(*) FROM notes GROUP BY ticket HAVING min(body) > {}",
    "INSERT INTO notes (ticket, body) VALUES ({}, {}), ({}, {})",
    "INSERT INTO notes (id, ticket, body) VALUES (1, {}, {})",
    "UPDATE notes SET body = {}, ticket = {} WHERE id < 0",
    "DELETE FROM notes WHERE id < 0 AND ticket = {}",
    "WITH x AS (SELECT 1 AS one FROM notes WHERE body = {}) SELECT * FROM x",
    "SELECT CASE WHEN id = {} THEN {} ELSE {} END FROM notes LIMIT 2",
    "SELECT CASE ticket WHEN {} THEN 1 END FROM notes LIMIT 2",
    "SELECT body FROM notes WHERE ticket IS NOT DISTINCT FROM {}",
    "SELECT ticket || {} FROM notes LIMIT 2",
    "CREATE TABLE never (a text DEFAULT {}",
    "not sql at all = {}",
];

/// Where a column can be as well, so that only what no column looks like is hidden.
const OTHER_PLACES: [&str; 8] = [
    "SELECT {}",
    "SELECT {} AS one, {} FROM notes LIMIT 2",
    "SELECT body FROM notes ORDER BY {} LIMIT 2",
    "SELECT body FROM notes LEFT JOIN notes n ON {} LIMIT 2",
    "SELECT 1 UNION ALL SELECT {}",
    "SELECT body FROM notes WHERE ticket = 'a'; SELECT {}",
    "EXPLAIN SELECT {}",
    "\u{feff}SELEC {} FORM {}",
];

const POSTGRES_PLACES: [&str; 10] = [
    "SELECT body FROM notes WHERE ticket = ANY(ARRAY[{}, {}])",
    "SELECT body FROM notes WHERE ticket ILIKE {}",
    "CREATE ROLE x LOGIN PASSWORD {} VALID UNTIL {}",
    "ALTER ROLE x SET app.key = {}",
    "SET LOCAL app.key TO {}",
    "COMMENT ON TABLE notes IS {}",
    "CALL f(a => {}, b := {})",
    "COPY (SELECT body FROM notes WHERE ticket = {}) TO STDOUT (DELIMITER {})",
    "EXECUTE prepared ({}, {})",
    "MERGE INTO notes USING (VALUES ({})) AS v (a) ON ticket = {} WHEN NOT MATCHED THEN INSERT VALUES (1, {}, {})",
];

const SQLITE_PLACES: [&str; 8] = [
    "SELECT body FROM notes WHERE ticket GLOB {} OR ticket IS NOT {}",
    "SELECT body FROM notes WHERE notes MATCH {}",
    "INSERT OR REPLACE INTO notes (id, ticket, body) VALUES (1, {}, {}) ON CONFLICT DO UPDATE SET body = {}",
    "PRAGMA nothing = {}",
    "PRAGMA nothing({})",
    "VACUUM main INTO {}",
    "ATTACH DATABASE {} AS other KEY {}",
    "EXPLAIN QUERY PLAN SELECT body FROM notes WHERE ticket = {}",
];

const MYSQL_PLACES: [&str; 13] = [
    "REPLACE INTO notes SET ticket = {}, body = {}",
    "INSERT INTO notes VALUES ROW(1, {}), ROW(2, {})",
    "INSERT INTO notes (ticket) VALUES ({}) ON DUPLICATE KEY UPDATE ticket = {}",
    "SELECT body FROM notes WHERE MATCH (ticket, body) AGAINST ({} IN BOOLEAN MODE)",
    "SELECT body FROM notes WHERE ticket REGEXP {} OR ticket RLIKE {}",
    "SELECT body FROM `notes` WHERE `ticket` <=> {}",
    "CREATE USER x IDENTIFIED BY {}",
    "ALTER USER x IDENTIFIED WITH caching_sha2_password BY {}",
    "SET @a = {}, @b := {}",
    "SET PASSWORD FOR x = {}",
    "CREATE TABLE never (a ENUM({}, {}) COMMENT {})",
    "CALL f({}, {})",
    "LOAD DATA INFILE {} INTO TABLE notes FIELDS TERMINATED BY {}",
];

/// Texts that are no literal in a place.
const POSTGRES_WHOLE: [&str; 13] = [
    "COPY notes (ticket) FROM STDIN;\ns3cr3t\t4711471147\n\\.\n",
    "COPY notes (ticket) FROM STDIN\ns3cr3t\t4711471147\n\\.\n",
    "COPY notes FROM STDIN WITH (FORMAT csv)\ns3cr3t,4711471147\n",
    "BEGIN; COPY notes FROM STDIN;\ns3cr3t it's\n",
    "DO $body$ BEGIN PERFORM 's3cr3t'; EXECUTE $q$ SELECT 's3cr3t' $q$; END $body$",
    "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 's3cr3t' $$",
    "SET app.key = s3cr3t",
    "SET app.key TO s3cr3t, s3cr3t",
    "ALTER ROLE x SET app.key = s3cr3t",
    "ALTER DATABASE d SET app.key TO s3cr3t",
    "ALTER SYSTEM SET app.key = s3cr3t",
    "SELECT$$ s3cr3t $$",
    "SELECT 1 AS$a$ s3cr3t $a$",
];

const SQLITE_WHOLE: [&str; 4] = [
    "PRAGMA key = s3cr3t",
    "PRAGMA key(s3cr3t)",
    "VACUUM INTO \"s3cr3t\"",
    "SELECT body FROM notes WHERE ticket = 's3cr3t' /*",
];

const MYSQL_WHOLE: [&str; 4] = [
    "# s3cr3t",
    "SELECT 1 # s3cr3t\n, ' s3cr3t '",
    "SET @a = 's3cr3t', @b = \"s3cr3t\"",
    "GRANT ALL ON notes TO x IDENTIFIED BY \"s3cr3t\"",
];

/// A mebibyte that is one literal, a list of many, an open one, and one behind which something is open.
const MEBIBYTE: usize = 1 << 20;

/// Gives the statements of a dialect; more than 500.
#[must_use]
pub fn statements(dialect: Dialect) -> Vec<String> {
    let (literals, places, whole): (&[&str], &[&str], &[&str]) = match dialect {
        Dialect::Postgres => (&POSTGRES_LITERALS, &POSTGRES_PLACES, &POSTGRES_WHOLE),
        Dialect::Sqlite => (&SQLITE_LITERALS, &SQLITE_PLACES, &SQLITE_WHOLE),
        Dialect::Mysql => (&MYSQL_LITERALS, &MYSQL_PLACES, &MYSQL_WHOLE),
    };
    let mut statements: Vec<String> = whole.iter().map(|sql| (*sql).to_owned()).collect();
    for place in VALUE_PLACES.iter().chain(places).chain(&OTHER_PLACES) {
        let anywhere = LITERALS.iter().chain(literals);
        statements.extend(anywhere.map(|literal| place.replace("{}", literal)));
        let holes = place.matches("{}").count();
        let filled = place.replacen("{}", "NULL", holes - 1);
        statements.extend(OPEN.map(|literal| filled.replace("{}", literal)));
    }
    // In PostgreSQL these are names.
    if dialect != Dialect::Postgres {
        for place in VALUE_PLACES.iter().chain(places) {
            statements.extend(DOUBLE_QUOTED.map(|literal| place.replace("{}", literal)));
        }
    }
    statements.extend(long());
    statements
}

fn long() -> [String; 4] {
    let words = "s3cr3t ".repeat(MEBIBYTE / "s3cr3t ".len());
    [
        format!("SELECT body FROM notes WHERE ticket = '{words}'"),
        format!(
            "INSERT INTO notes (ticket, body) VALUES {}('s3cr3t', 4711471147)",
            "('s3cr3t', 4711471147), ".repeat(30_000)
        ),
        format!("SELECT body FROM notes WHERE ticket = '{words}"),
        format!("SELECT body FROM notes WHERE ticket = /* {words} */ 's3cr3t' \""),
    ]
}

/// Names that look like literals and are none, and what is told of them; in a column's place, or a table's.
pub const NAMES: [(&str, &str); 9] = [
    (
        "SELECT \"s3cr3t\" FROM \"s3cr3t\"",
        "SELECT s3cr3t FROM s3cr3t",
    ),
    (
        "SELECT t.\"my s3cr3t\" FROM t",
        "SELECT t.\"my s3cr3t\" FROM t",
    ),
    (
        "SELECT \"T\".\"S3cr3t\" FROM \"T\"",
        "SELECT \"T\".\"S3cr3t\" FROM \"T\"",
    ),
    (
        "SELECT a AS \"the s3cr3t\" FROM t",
        "SELECT a AS \"the s3cr3t\" FROM t",
    ),
    ("SELECT `my s3cr3t` FROM t", "SELECT `my s3cr3t` FROM t"),
    (
        "SELECT s3cr3t, a4711471147 FROM t",
        "SELECT s3cr3t, a4711471147 FROM t",
    ),
    (
        "SELECT count(\"s3cr3t\") FROM t ORDER BY \"s3cr3t\"",
        "SELECT count(s3cr3t) FROM t ORDER BY s3cr3t",
    ),
    (
        "SELECT extract(epoch FROM \"s3cr3t\") FROM t",
        "SELECT extract(epoch FROM s3cr3t) FROM t",
    ),
    (
        "INSERT INTO t (\"s3cr3t\") SELECT \"s3cr3t\" FROM u",
        "INSERT INTO t (s3cr3t) SELECT s3cr3t FROM u",
    ),
];

/// Looks for a mark in any case; returns it with what is around it.
#[must_use]
pub fn told(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let at = MARKS.iter().find_map(|mark| lower.find(mark))?;
    let from = lower.floor_char_boundary(at.saturating_sub(200));
    let to = lower.floor_char_boundary(at + 100);
    Some(lower.get(from..to).unwrap_or(&lower).to_owned())
}
