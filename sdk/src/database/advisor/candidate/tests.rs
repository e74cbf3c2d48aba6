use super::*;
use crate::database::advisor::catalog::Index;
use crate::sql::parse::{Dialect, accesses};

fn table(indexes: &[&[&str]]) -> Table {
    let index = |columns: &&[&str]| Index {
        name: columns.join("_"),
        keys: columns.iter().map(|name| Key::column(*name)).collect(),
        whole: true,
        ..Index::default()
    };
    let mut columns: Vec<Column> = [
        ("id", 3e5),
        ("workspace_id", 2e3),
        ("status", 4.0),
        ("uploaded_at", 2e5),
        ("body", 3e5),
        ("email", 3e5),
    ]
    .map(|(name, distinct)| Column::plain(name, distinct))
    .into();
    columns[4].sortable = false;
    columns[5].pattern_class = Some("text_pattern_ops");
    Table {
        name: "documents".into(),
        rows: 300_000.0,
        columns,
        indexes: indexes.iter().map(index).collect(),
        ..Table::default()
    }
}

fn offered(condition: &str, indexes: &[&[&str]], fixed: &[Fixed]) -> Vec<String> {
    let access = accesses(
        &format!("SELECT * FROM documents {condition}"),
        Dialect::Postgres,
    )
    .remove(0);
    let shapes = candidates(&access, &table(indexes), fixed, Engine::Postgres);
    shapes.iter().map(|shape| shape.words().join(",")).collect()
}

#[track_caller]
fn check(condition: &str, indexes: &[&[&str]], expect: &str) {
    assert_eq!(
        offered(condition, indexes, &[]).join(" | "),
        expect,
        "of {condition:?}"
    );
}

#[test]
fn equality_leads_and_order_or_range_follows() {
    check(
        "WHERE status = $1 AND workspace_id = 1 ORDER BY uploaded_at DESC LIMIT 5",
        &[],
        "workspace_id,status,uploaded_at DESC | workspace_id,status | workspace_id,uploaded_at DESC | workspace_id | status,uploaded_at DESC | status | \
         uploaded_at DESC",
    );
    check(
        "WHERE workspace_id = 1 AND uploaded_at > 5",
        &[],
        "workspace_id,uploaded_at | workspace_id | uploaded_at",
    );
    check("ORDER BY uploaded_at LIMIT 5", &[], "uploaded_at");
    check("WHERE lower(email) = $1", &[], "lower(\"email\")");
    check("WHERE email LIKE 'x%'", &[], "email text_pattern_ops");
    check("WHERE id = 1 OR email = 'x'", &[], "email | id");
}

#[test]
fn what_an_index_starts_with_is_not_offered_again() {
    check("WHERE workspace_id = 1", &[&["workspace_id", "status"]], "");
    check("WHERE id = 1", &[&["id"]], "");
    check("WHERE body = 'x'", &[], "");
    check("WHERE nowhere = 'x' AND lower(nobody) = 'y'", &[], "");
}

#[test]
fn what_the_text_fixes_may_be_a_predicate() {
    let fixed = |share| {
        [Fixed {
            predicate: "\"status\" = 'pending'".into(),
            share,
        }]
    };
    let condition = "WHERE status = 'pending' ORDER BY uploaded_at LIMIT 10";
    let few = offered(condition, &[], &fixed(0.01));
    assert!(
        few.contains(&"uploaded_at WHERE \"status\" = 'pending'".to_owned()),
        "{few:?}"
    );
    let many = offered(condition, &[], &fixed(0.6));
    assert!(
        !many.iter().any(|shape| shape.contains("WHERE")),
        "{many:?}"
    );
    // A parameter is another each time.
    let parameter = offered(
        "WHERE status = $1 ORDER BY uploaded_at LIMIT 10",
        &[],
        &fixed(0.01),
    );
    assert!(
        !parameter.iter().any(|shape| shape.contains("WHERE")),
        "{parameter:?}"
    );
}
