use perfdeck_tests::literals::{self, Dialect};
use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(sql: &str, expect: &str) {
    assert_eq!(fingerprint(sql).text, expect, "of {sql:?}");
}

#[track_caller]
fn check_same(one: &str, other: &str) {
    assert_eq!(
        fingerprint(one),
        fingerprint(other),
        "{one:?} and {other:?}"
    );
}

#[test]
fn literals_and_parameters_become_question_marks() {
    check(
        "SELECT * FROM t WHERE a = 'x' AND b = 4711",
        "SELECT * FROM t WHERE a = ? AND b = ?",
    );
    check("SELECT $1, ?2, :name, @who, $tag", "SELECT ?, ?, ?, ?, ?");
    check(
        "SELECT 1.5e-3, .5, 0x1F, 1_000, -3, +4",
        "SELECT ?, ?, ?, ?, ?, ?",
    );
    check("SELECT a-1, a - -1, -$1", "SELECT a - ?, a - ?, - ?");
    check(
        "SELECT 'it''s', E'a\\'b', U&'\\0041', X'ff', N'x', b'01'",
        "SELECT ?, ?, ?, ?, ?, ?",
    );
    check("SELECT $$a'b$$, $t$ $$ ' $t$", "SELECT ?, ?");
    check(
        "SELECT '{}'::jsonb ->> 'k', x::text",
        "SELECT ?::jsonb ->> ?, x::text",
    );
    check("SELECT a LIKE 'x' ESCAPE '\\'", "SELECT a LIKE ? ESCAPE ?");
}

#[test]
fn white_space_comments_and_case_do_not_count() {
    check_same(
        "select  A\n from T -- 'secret'\n where b=$1;",
        "SELECT a FROM t WHERE b = ?",
    );
    check_same("SELECT /* ' */ a FROM t", "SELECT a FROM t");
    check_same("SELECT \"a\" FROM \"t\"", "select a from t");
    check_same("SELECT a FROM t WHERE a=-1", "SELECT a FROM t WHERE a = 1");
}

#[test]
fn lists_fold_whatever_their_length() {
    check(
        "SELECT a FROM t WHERE b IN (1, 2, 3)",
        "SELECT a FROM t WHERE b IN (…)",
    );
    check_same(
        "SELECT a FROM t WHERE b IN ($1)",
        "SELECT a FROM t WHERE b IN (?,?,-3,NULL)",
    );
    check(
        "SELECT a FROM t WHERE (b, c) IN ((1, 2), (3, 4))",
        "SELECT a FROM t WHERE (b, c) IN (…)",
    );
    check(
        "SELECT a WHERE b IN ($1::uuid, $2::uuid[])",
        "SELECT a WHERE b IN (…)",
    );
    check(
        "SELECT a WHERE b = ANY(ARRAY[1,2])",
        "SELECT a WHERE b = ANY (ARRAY[…])",
    );
    check(
        "SELECT a WHERE b IN (SELECT c FROM d)",
        "SELECT a WHERE b IN (SELECT c FROM d)",
    );
    check("SELECT a WHERE b IN (c, 1)", "SELECT a WHERE b IN (c, ?)");
    check(
        "INSERT INTO t (a, b) VALUES (1, 'x')",
        "INSERT INTO t (a, b) VALUES (?, ?)",
    );
    check_same(
        "INSERT INTO t VALUES (?, ?)",
        "INSERT INTO t VALUES ($1,$2), ($3,NULL),(5,now())",
    );
    check(
        "INSERT INTO t (a) VALUES (1), (2) ON CONFLICT (a) DO NOTHING RETURNING id",
        "INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO NOTHING RETURNING id",
    );
}

#[test]
fn a_text_reads_like_sql() {
    check(
        "select count(*), lower(u.name) from public.users u left join \"Docs\" d on d.\"userId\" = u.id \
         where d.at >= now() - interval '1 day' order by d.at desc limit 10 offset $2",
        "SELECT count(*), lower(u.name) FROM public.users u LEFT JOIN \"Docs\" d ON d.\"userId\" = u.id \
         WHERE d.at >= now() - INTERVAL ? ORDER BY d.at DESC LIMIT ? OFFSET ?",
    );
    check("SELECT a[1], b[2:3] FROM t", "SELECT a[?], b[? : ?] FROM t");
}

#[test]
fn a_double_quoted_string_is_no_identifier() {
    check(
        "SELECT a FROM t WHERE b = \"secret\"",
        "SELECT a FROM t WHERE b = ?",
    );
    check(
        "SELECT a FROM t WHERE b IN (\"x\", \"y\")",
        "SELECT a FROM t WHERE b IN (…)",
    );
    check(
        "INSERT INTO t (\"a\") VALUES (\"secret\")",
        "INSERT INTO t (a) VALUES (?)",
    );
    check("SELECT \"a b\" FROM \"c d\"", "SELECT ? FROM \"c d\"");
    check(
        "SELECT a FROM t WHERE b = \"T\".\"c\"",
        "SELECT a FROM t WHERE b = \"T\".c",
    );
}

#[test]
fn beside_a_name_in_backticks_double_quotes_are_a_string() {
    check(
        "SELECT IF(`n` > 1, \"secret\", 'x') FROM `d`",
        "SELECT if(`n` > ?, ?, ?) FROM `d`",
    );
    check("SELECT \"secret\" FROM `d`", "SELECT ? FROM `d`");
    check(
        "SELECT \"name\" FROM d WHERE a = '`' /* `b` */",
        "SELECT name FROM d WHERE a = ?",
    );
}

#[test]
fn what_cannot_be_read_for_certain_is_only_a_hash() {
    for sql in [
        "SELECT 'secret",
        "SELECT \"secret",
        "SELECT $$secret",
        "SELECT $a$secret$b$",
        "SELECT /* secret",
        "SELECT /* /* */ 'secret' */ 1",
        "SELECT 'a\\' , 'secret'",
        "SELECT E'secret\\'",
        "SELECT 1 -- x\rsecret\n",
        "SELECT \0secret",
    ] {
        let print = fingerprint(sql);
        assert!(
            print.text.starts_with(UNPARSABLE),
            "{sql:?} gave {:?}",
            print.text
        );
        assert!(
            !print.text.contains("secret"),
            "{sql:?} gave {:?}",
            print.text
        );
        assert_eq!(print.text, fingerprint(&print.text).text);
    }
}

#[test]
fn data_and_settings_behind_a_statement_are_left_out() {
    check(
        "COPY t (a) FROM STDIN;\nsecret\t1\n\\.\n",
        "COPY t(a) FROM stdin",
    );
    check("SET app.user = secret", "SET app.user = ?");
    check("SET LOCAL app.user TO secret", "SET local app.user TO ?");
    check("PRAGMA key(secret)", "PRAGMA key(?)");
    check("PRAGMA key = secret", "PRAGMA key = ?");
}

/// Every way to write a literal, in every place that takes one, in three dialects.
#[test]
fn promise_23_no_literal_of_the_corpus_is_told() {
    let mut leaks = Vec::new();
    for dialect in Dialect::ALL {
        let statements = literals::statements(dialect);
        assert!(statements.len() >= 500, "{dialect:?}");
        for sql in &statements {
            let text = fingerprint(sql).text;
            if literals::told(&text).is_some() {
                let start: String = sql.chars().take(200).collect();
                leaks.push(format!("{dialect:?} {start:?} gave {text:?}"));
            }
            assert_eq!(fingerprint(&text).text, text);
        }
    }
    assert!(leaks.is_empty(), "{} leaks: {leaks:#?}", leaks.len());
}

#[test]
fn promise_23_names_that_look_like_literals_are_told() {
    for (sql, expect) in literals::NAMES {
        check(sql, expect);
        assert!(literals::told(expect).is_some(), "{sql:?} has no mark");
    }
}

#[test]
fn a_megabyte_is_read_in_linear_time_and_told_in_four_kibibytes() {
    let rows = "('secret', 4711), ".repeat(60_000);
    check(
        &format!("INSERT INTO t VALUES {rows}('x', 1)"),
        "INSERT INTO t VALUES (?, ?)",
    );
    let long = format!("SELECT {}", "column_name, ".repeat(80_000));
    let print = fingerprint(&long);
    assert!(print.text.len() <= MAX_TEXT && print.text.ends_with(" …"));
    assert_eq!(fingerprint(&print.text).text, print.text);
    assert_ne!(fingerprint(&format!("{long} x")).id, print.id);
    for nasty in [
        "$a$", "(", "'", "\"a\" ", "/*", "-- \n", "$", "E'", "[", "IN (", "$a$ $b$ ", "u&\"", "- ",
    ] {
        let text = fingerprint(&nasty.repeat(1_048_576 / nasty.len())).text;
        assert!(text.len() <= MAX_TEXT, "{nasty:?}");
    }
}

#[test]
fn an_id_is_the_same_in_every_build() {
    // Ledgers and recordings keep ids: change this number only with their version.
    assert_eq!(
        fingerprint("SELECT a FROM t WHERE b = 1").id,
        fingerprint("select a from t where b = $1").id
    );
    assert_eq!(
        fingerprint("SELECT a FROM t WHERE b = 1").id,
        15_068_241_718_343_191_681
    );
}

#[test]
fn one_statement_is_told_from_two() {
    for (sql, single) in [
        ("SELECT 1", true),
        ("SELECT 1; -- done\n", true),
        ("SELECT ';'", true),
        ("SELECT 1; DROP TABLE t", false),
        ("SELECT 'open", false),
    ] {
        assert_eq!(is_single_statement(sql), single, "{sql:?}");
    }
}

#[test]
fn a_plan_keeps_its_costs_and_loses_its_literals() {
    let plan = "Seq Scan on t  (cost=0.00..35.50 rows=10)\n  Filter: (a = 'secret\nsecret'::text)";
    assert_eq!(
        redact(plan, false).as_deref(),
        Some("Seq Scan on t  (cost=0.00..35.50 rows=10)\n  Filter: (a = ?::text)")
    );
    assert_eq!(
        redact("  Filter: (a > 4711)", true).as_deref(),
        Some("  Filter: (a > ?)")
    );
    assert_eq!(redact("Filter: 'open", true), None);
}

/// Pieces that fit together in more ways than anybody would write.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z_]{1,5}".prop_map(|word| word),
        prop::sample::select(vec![
            "SELECT", "FROM", "WHERE", "IN", "(", ")", "VALUES", "ARRAY", "[", "]", ",", ".", ";",
            "::", "=", "-", "+", "*", "/", "<", "AND", "BETWEEN", "LIKE", "INTO", "SET", "COPY",
            "TO", "NULL", "?", "$1", "…", "\"Q\"", "\"q\"", "\"q r\"", "`b`", "1", "1.5", ".5",
            "'s'", "E'\\''", "$$d$$", "--c\n", "/*c*/", ":n", "@n", ":", "@", "#", "|", "!", "e",
            "U&", "\\", "{", "é", "\u{202e}",
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn any_text_has_a_fingerprint_whose_fingerprint_is_itself(sql in ".*") {
        let text = fingerprint(&sql).text;
        prop_assert_eq!(&fingerprint(&text).text, &text);
    }

    #[test]
    fn any_row_of_pieces_has_a_stable_text(
        pieces in prop::collection::vec(piece(), 0..40), glue in prop::sample::select(vec!["", " ", "\n"]),
    ) {
        let sql = pieces.join(glue);
        let print = fingerprint(&sql);
        let again = fingerprint(&print.text);
        prop_assert_eq!(&again.text, &print.text, "of {:?}", sql);
    }

    #[test]
    fn any_bytes_have_a_fingerprint(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = fingerprint(&String::from_utf8_lossy(&bytes)).text;
        prop_assert!(text.len() <= MAX_TEXT);
    }

    #[test]
    fn no_marked_literal_survives_between_any_pieces(
        before in prop::collection::vec(piece(), 0..12), after in prop::collection::vec(piece(), 0..12),
        quote in prop::sample::select(vec!["'MARKED'", "E'MARKED'", "$x$MARKED$x$", "'a''MARKED'", "N'MARKED'", "= \"MARKED\" "]),
    ) {
        let sql = format!("{} {quote} AND {}", before.join(" "), after.join(" "));
        let text = fingerprint(&sql).text;
        prop_assert!(!text.to_ascii_uppercase().contains("MARKED"), "{:?} gave {:?}", sql, text);
    }
}
