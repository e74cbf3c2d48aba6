use super::*;

/// Writes accesses as `table[=equals <ranges ~joins ^order limit residual folded write]`.
fn told(sql: &str, dialect: Dialect) -> String {
    let mut lines: Vec<String> = accesses(sql, dialect).iter().map(tell).collect();
    lines.sort();
    lines.join(" ")
}

fn tell(access: &Access) -> String {
    let mut parts = Vec::new();
    for (sign, columns) in [
        ('=', &access.equals),
        ('<', &access.ranges),
        ('~', &access.joins),
    ] {
        let mut columns = columns.clone();
        columns.sort();
        parts.extend((!columns.is_empty()).then(|| format!("{sign}{}", columns.join(","))));
    }
    let order: Vec<String> = access
        .order
        .iter()
        .map(|order| {
            format!(
                "{}{}{}",
                order.column,
                if order.descending { "-" } else { "+" },
                if order.odd_nulls { "!" } else { "" }
            )
        })
        .collect();
    parts.extend((!order.is_empty()).then(|| format!("^{}", order.join(","))));
    for (flag, word) in [
        (access.limited, "limit"),
        (access.residual, "rest"),
        (access.folded, "folded"),
    ] {
        parts.extend(flag.then(|| word.to_owned()));
    }
    parts.extend(access.write.as_ref().map(|write| match write {
        Write::Insert => "insert".to_owned(),
        Write::Update(columns) => format!("update:{}", columns.join(",")),
        Write::Delete => "delete".to_owned(),
    }));
    let schema = access
        .schema
        .as_ref()
        .map(|schema| format!("{schema}."))
        .unwrap_or_default();
    format!("{schema}{}[{}]", access.table, parts.join(" "))
}

#[track_caller]
fn check(sql: &str, expect: &str) {
    assert_eq!(
        told(sql, Dialect::Postgres),
        expect,
        "PostgreSQL reads {sql:?}"
    );
    assert_eq!(told(sql, Dialect::Sqlite), expect, "SQLite reads {sql:?}");
}

#[test]
fn comparisons_with_what_is_known_narrow() {
    check(
        "SELECT * FROM documents WHERE workspace_id = $1 AND status = $2 ORDER BY uploaded_at DESC LIMIT $3",
        "documents[=status,workspace_id ^uploaded_at- limit]",
    );
    check("SELECT a FROM t WHERE 5 = b AND (c = 'x')", "t[=b,c]");
    check(
        "SELECT a FROM t WHERE b IN (1, $1) AND c IS NULL",
        "t[=b,c]",
    );
    check(
        "SELECT a FROM t WHERE b > 1 AND b <= 5 AND 3 < c AND d BETWEEN 1 AND $2",
        "t[<b,c,d]",
    );
    check(
        "SELECT a FROM t WHERE b > now() - 5 AND c = lower($1)",
        "t[=c <b]",
    );
}

#[test]
fn what_no_plain_index_serves_is_a_residue() {
    check("SELECT a FROM t WHERE lower(b) = 'x'", "t[rest]");
    check("SELECT a FROM t WHERE b = 1 OR c = 2", "t[rest]");
    check("SELECT a FROM t WHERE b LIKE 'x%' AND c = 1", "t[=c rest]");
    check(
        "SELECT a FROM t WHERE NOT b = 1 AND c <> 2 AND d NOT IN (1)",
        "t[rest]",
    );
    check("SELECT a FROM t WHERE b = c AND b + 1 = 2", "t[rest]");
    check("SELECT a FROM t WHERE b > c", "t[rest]");
    check("SELECT a FROM t WHERE b IN (c, 1)", "t[rest]");
    check("SELECT a FROM t WHERE active", "t[rest]");
}

#[test]
fn names_are_resolved_through_aliases_schemas_and_quotes() {
    check(
        "SELECT d.a FROM documents AS d WHERE d.b = 1",
        "documents[=b]",
    );
    check(
        "SELECT a FROM app.documents WHERE documents.b = 1",
        "app.documents[=b]",
    );
    check(
        "SELECT a FROM app.documents WHERE app.documents.b = 1",
        "app.documents[=b]",
    );
    assert_eq!(
        told(
            "SELECT * FROM \"Docs\" WHERE \"B\" = 1 AND C = 2",
            Dialect::Postgres
        ),
        "Docs[=B,c]"
    );
    assert_eq!(
        told(
            "SELECT * FROM [Docs] WHERE `B` = ? AND C = :c",
            Dialect::Sqlite
        ),
        "docs[=b,c]"
    );
}

#[test]
fn joined_columns_are_told_on_both_sides() {
    check(
        "SELECT * FROM a JOIN b ON a.id = b.a_id LEFT JOIN c ON c.b_id = b.id AND c.kind = 'x' WHERE b.at > 5",
        "a[~id] b[<at ~a_id,id] c[=kind ~b_id]",
    );
    check(
        "SELECT * FROM a, b WHERE a.x = b.y AND z = 1",
        "a[=z ~x] b[=z ~y]",
    );
    check("SELECT * FROM a JOIN b USING (k)", "a[~k] b[~k]");
    check(
        "SELECT * FROM a JOIN b ON a.x = b.y ORDER BY a.z LIMIT 5",
        "a[~x ^z+ limit] b[~y]",
    );
}

#[test]
fn subqueries_and_common_table_expressions_are_walked() {
    check(
        "WITH recent AS (SELECT * FROM t WHERE b = 1) SELECT * FROM recent JOIN u ON u.id = recent.u WHERE recent.c = 2",
        "t[=b,c ~u] u[~id]",
    );
    check(
        "SELECT (SELECT count(*) FROM t WHERE t.u = u.id) FROM u",
        "t[=u folded] u[]",
    );
    check(
        "SELECT * FROM u WHERE EXISTS (SELECT 1 FROM t WHERE t.u = u.id AND t.k = 1)",
        "t[=k,u] u[rest]",
    );
    check(
        "SELECT * FROM u WHERE id IN (SELECT u FROM t WHERE k = 1)",
        "t[=k ~u] u[~id]",
    );
    check(
        "SELECT * FROM (SELECT * FROM t WHERE b = 1) AS x WHERE x.c = 2",
        "t[=b,c]",
    );
    check(
        "SELECT a FROM t WHERE b = 1 UNION ALL SELECT a FROM u WHERE c = 2",
        "t[=b] u[=c]",
    );
}

#[test]
fn an_order_counts_only_where_an_index_could_give_it() {
    check("SELECT a FROM t ORDER BY b DESC, c", "t[^b-,c+]");
    check("SELECT a FROM t ORDER BY lower(b) LIMIT 1", "t[]");
    check("SELECT lower(b) AS b FROM t ORDER BY b LIMIT 1", "t[]");
    check("SELECT b AS b FROM t ORDER BY b LIMIT 1", "t[^b+ limit]");
    check(
        "SELECT b, count(*) FROM t GROUP BY b ORDER BY b LIMIT 1",
        "t[folded]",
    );
    check("SELECT DISTINCT b FROM t ORDER BY b", "t[folded]");
    check(
        "SELECT * FROM a JOIN b ON a.x = b.y ORDER BY a.z, b.w",
        "a[~x] b[~y]",
    );
    assert_eq!(
        told(
            "SELECT a FROM t ORDER BY b DESC NULLS LAST LIMIT 1",
            Dialect::Postgres
        ),
        "t[^b-! limit]"
    );
    assert_eq!(
        told(
            "SELECT a FROM t ORDER BY b DESC NULLS FIRST LIMIT 1",
            Dialect::Postgres
        ),
        "t[^b- limit]"
    );
}

#[test]
fn writes_are_told() {
    check("INSERT INTO t (a, b) VALUES (1, 2)", "t[insert]");
    check(
        "INSERT INTO t SELECT * FROM u WHERE b = 1",
        "t[insert] u[=b]",
    );
    check(
        "UPDATE t SET a = 1, b = $2 WHERE c = $1",
        "t[=c update:a,b]",
    );
    check("DELETE FROM t WHERE c < 5", "t[<c delete]");
    assert_eq!(
        told(
            "UPDATE t SET a = u.b FROM u WHERE u.id = t.u",
            Dialect::Postgres
        ),
        "t[~u update:a] u[~id]"
    );
    assert_eq!(
        told("SELECT a FROM t WHERE b = ANY($1)", Dialect::Postgres),
        "t[=b]"
    );
}

#[test]
fn what_is_no_single_statement_has_no_access() {
    for sql in [
        "",
        "SELECT",
        "not sql",
        "SELECT 1; SELECT a FROM t",
        "BEGIN",
        "CREATE TABLE t (a int)",
        "'",
    ] {
        check(sql, "");
    }
}

#[test]
fn the_deepest_statement_that_is_read_fits_a_small_stack() {
    for piece in [
        "a+",
        "a AND ",
        "NOT ",
        "(",
        "a=1 OR ",
        "-",
        "a||",
        "a IN (SELECT ",
        "1 = a+",
        "1 = a||",
    ] {
        let (before, piece) = piece.split_once("= ").unwrap_or(("", piece));
        let chain = piece.repeat(1_980 / piece.split(' ').count());
        // What is compared is looked at as what an index could have as its key.
        let equals = if before.is_empty() { "" } else { " = " };
        let sql = format!("SELECT * FROM t WHERE {before}{equals}{chain}1");
        let thread = std::thread::Builder::new().stack_size(1 << 21);
        thread
            .spawn(move || accesses(&sql, Dialect::Postgres))
            .unwrap()
            .join()
            .unwrap();
    }
}

#[test]
fn what_a_query_is_as_a_whole_is_read_from_its_text() {
    use crate::sql::access::{Offset, Outline};
    let outline = |sql: &str| read(sql, Dialect::Postgres, &Unknown).outline;
    let plain = Outline {
        unbounded: true,
        ..Outline::default()
    };
    let limited = Outline::default();
    for (sql, expect) in [
        ("SELECT a FROM t WHERE b = $1", plain),
        (
            "WITH c AS (SELECT a FROM t LIMIT 3) SELECT * FROM c",
            Outline {
                all_columns: true,
                ..plain
            },
        ),
        ("SELECT a FROM t LIMIT 10", limited),
        ("SELECT a FROM t FETCH FIRST 3 ROWS ONLY", limited),
        ("SELECT count(*) FROM t", limited),
        ("SELECT a FROM t GROUP BY a", limited),
        ("SELECT DISTINCT a FROM t", limited),
        ("SELECT 1", limited),
        ("INSERT INTO t SELECT a FROM u", limited),
        ("DELETE FROM t RETURNING a", limited),
        (
            "SELECT a FROM t LIMIT 10 OFFSET 2000",
            Outline {
                offset: Offset::Rows(2_000),
                ..limited
            },
        ),
        (
            "SELECT a FROM t LIMIT $1 OFFSET $2",
            Outline {
                offset: Offset::Asked,
                ..limited
            },
        ),
        (
            "SELECT a FROM t OFFSET ($1 - 1) * 20",
            Outline {
                offset: Offset::Asked,
                ..plain
            },
        ),
    ] {
        assert_eq!(outline(sql), expect, "of {sql:?}");
    }
}

#[test]
fn patterns_choices_and_exclusions_are_noted_at_their_table() {
    for (sql, wildcard, either, excludes) in [
        ("SELECT a FROM t WHERE b LIKE '%x'", true, false, false),
        ("SELECT a FROM t WHERE b LIKE '_x'", true, false, false),
        (
            "SELECT a FROM t WHERE lower(b) LIKE '%' || $1 || '%'",
            true,
            false,
            false,
        ),
        ("SELECT a FROM t WHERE b ILIKE '%x'", true, false, false),
        ("SELECT a FROM t WHERE b LIKE 'x%'", false, false, false),
        ("SELECT a FROM t WHERE b LIKE $1", false, false, false),
        (
            "SELECT a FROM t WHERE b LIKE $1 || '%'",
            false,
            false,
            false,
        ),
        ("SELECT a FROM t WHERE b = '%x'", false, false, false),
        ("SELECT a FROM t WHERE b = 1 OR c = 2", false, true, false),
        ("SELECT a FROM t WHERE b = 1 OR b = 2", false, false, false),
        ("SELECT a FROM t WHERE b = 1 AND c = 2", false, false, false),
        (
            "SELECT t.a FROM t JOIN u ON u.id = t.a WHERE t.b = 1 OR u.b = 2",
            false,
            true,
            false,
        ),
        (
            "SELECT a FROM t WHERE b NOT IN (SELECT c FROM u)",
            false,
            false,
            true,
        ),
        (
            "SELECT a FROM t WHERE NOT (b IN (SELECT c FROM u))",
            false,
            false,
            true,
        ),
        (
            "SELECT a FROM t WHERE b IN (SELECT c FROM u)",
            false,
            false,
            false,
        ),
        ("SELECT a FROM t WHERE b NOT IN (1, 2)", false, false, false),
    ] {
        let accesses = accesses(sql, Dialect::Postgres);
        let access = accesses.iter().find(|access| access.table == "t").unwrap();
        let conditions = &access.conditions;
        let told = (
            conditions.iter().any(|condition| condition.wildcard),
            access.either,
            access.excludes,
        );
        assert_eq!(told, (wildcard, either, excludes), "of {sql:?}");
    }
}
