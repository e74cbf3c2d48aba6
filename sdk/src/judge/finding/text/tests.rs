use perfdeck_bridge::protocol::{Evidence, Quantities};

use super::*;
use crate::judge::window::Statement;
use crate::record::table::Manner;
use crate::sql::redacted;

/// A statement of 20 ms ten times a second, which is all of its route's time.
fn window() -> Window {
    let (_, text) = redacted::statement("SELECT * FROM letters WHERE body LIKE '%secret%'");
    Window {
        uptime_seconds: 600,
        requests: 600,
        wait_seconds: 12.0,
        query_seconds: 12.0,
        routes: vec![Route {
            name: "GET /letters".into(),
            p95_seconds: 0.05,
            wait_seconds: 12.0,
            statements: vec![Statement {
                query: 7,
                requests: 600,
                time_share: 0.9,
                per_request: Quantities::default(),
                calls: 600,
                manner: Manner::default(),
            }],
            ..Route::default()
        }],
        queries: vec![Query {
            id: 7,
            text,
            calls: 600,
            calls_per_second: 10.0,
            mean_seconds: 0.02,
            p95_seconds: 0.03,
        }],
        ..Window::default()
    }
}

fn fact(fault: Fault) -> TextFact {
    TextFact {
        pool: "primary".into(),
        query: 7,
        fault,
        table: "letters".into(),
        table_rows: 60_000,
        rows_per_call: 20.0,
    }
}

fn found(window: &Window, fact: TextFact) -> Vec<Finding> {
    let facts = Facts {
        texts: vec![fact],
        ..Facts::default()
    };
    look(window, &facts).collect()
}

#[track_caller]
fn check(fact: TextFact, kind: Option<&str>) {
    let told = format!("{fact:?}");
    let found = found(&window(), fact);
    let kinds: Vec<&str> = found.iter().map(|finding| &*finding.kind).collect();
    assert_eq!(kinds, kind.into_iter().collect::<Vec<_>>(), "{told}");
}

fn wildcard() -> Fault {
    Fault::LeadingWildcard {
        column: "body".into(),
    }
}

#[test]
fn a_text_at_fault_is_told_with_what_it_costs_and_without_a_literal() {
    let found = found(&window(), fact(wildcard()));
    let [finding] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        finding.title,
        "a pattern that begins with a wildcard reads all of letters: GET /letters spends 90 % of its time on it"
    );
    assert_eq!(finding.impact.route.as_deref(), Some("GET /letters"));
    // What another text would take nobody knows.
    assert_eq!(finding.impact.p95_seconds_after, None);
    let Evidence::Database(evidence) = &finding.evidence else {
        panic!("{finding:?}")
    };
    assert_eq!(evidence.subject, "SELECT * FROM letters WHERE body LIKE ?");
    assert!(evidence.why.contains("60 000 rows"), "{evidence:?}");
    assert!(evidence.remedy.contains("gin_trgm_ops"), "{evidence:?}");
}

#[test]
fn what_costs_little_is_left_alone_however_it_is_written() {
    let mut rare = window();
    rare.queries[0].calls = 9;
    let mut fast = window();
    fast.queries[0].mean_seconds = 0.0009;
    // Under a thousandth of what the service's users wait.
    let mut elsewhere = window();
    elsewhere.wait_seconds = 12_100.0;
    for window in [rare, fast, elsewhere, Window::default()] {
        assert_eq!(found(&window, fact(wildcard())), [], "{window:?}");
    }
    let small = TextFact {
        table_rows: 999,
        ..fact(wildcard())
    };
    check(small, None);
}

#[test]
fn a_condition_on_an_expression_has_the_remedy_that_fits_it() {
    for (expression, cast, remedy) in [
        (
            "lower(email)",
            false,
            "CREATE INDEX ON letters ((lower(email)))",
        ),
        ("sent_at::date", true, "column >= start AND column < end"),
        (
            "date_trunc(?, sent_at)",
            false,
            "column >= start AND column < end",
        ),
        ("replace(code, ?, ?)", false, "as the text has it"),
        ("CAST(number AS TEXT)", true, "the column's own type"),
    ] {
        let expression = expression.to_owned();
        let found = found(&window(), fact(Fault::Expression { expression, cast }));
        let [finding] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(finding.kind, "statement_expression");
        let Evidence::Database(evidence) = &finding.evidence else {
            panic!("{finding:?}")
        };
        assert!(evidence.remedy.contains(remedy), "{evidence:?}");
    }
}

#[test]
fn an_or_across_columns_is_told() {
    let columns = vec!["sender".to_owned(), "receiver".to_owned()];
    check(fact(Fault::Either { columns }), Some("statement_either"));
}

#[test]
fn a_subquery_that_is_excluded_is_told_where_it_takes_time() {
    check(fact(Fault::NotIn), Some("statement_not_in"));
    let mut fast = window();
    fast.queries[0].mean_seconds = 0.009;
    assert_eq!(found(&fast, fact(Fault::NotIn)), []);
}

#[test]
fn an_offset_is_told_where_it_is_deep() {
    for (rows, told) in [(999, None), (1_000, Some("statement_offset"))] {
        check(fact(Fault::Offset { rows: Some(rows) }), told);
    }
    // The caller alone knows how deep: a page that takes long is far behind.
    check(fact(Fault::Offset { rows: None }), Some("statement_offset"));
    let mut fast = window();
    fast.queries[0].mean_seconds = 0.009;
    assert_eq!(found(&fast, fact(Fault::Offset { rows: None })), []);
    let export = TextFact {
        rows_per_call: 1_001.0,
        ..fact(Fault::Offset { rows: None })
    };
    check(export, None);
}

#[test]
fn a_result_without_a_bound_is_told_where_it_is_large() {
    for (rows_per_call, told) in [(999.0, None), (1_000.0, Some("statement_unbounded"))] {
        let fact = TextFact {
            rows_per_call,
            ..fact(Fault::Unbounded)
        };
        check(fact, told);
    }
}

#[test]
fn all_columns_are_told_where_rows_are_wide_and_many() {
    for (bytes, rows_per_call, told) in [
        (1_024.0, 64.0, Some("statement_all_columns")),
        (1_024.0, 63.0, None),
        (1_023.0, 1_000.0, None),
    ] {
        let fact = TextFact {
            rows_per_call,
            ..fact(Fault::AllColumns { bytes })
        };
        check(fact, told);
    }
}

#[test]
fn a_full_scan_of_a_large_table_for_few_rows_is_told() {
    for (table_rows, rows_per_call, told) in [
        (10_000, 500.0, Some("statement_full_scan")),
        (10_000, 501.0, None),
        (9_999, 5.0, None),
    ] {
        let fact = TextFact {
            table_rows,
            rows_per_call,
            ..fact(Fault::FullScan)
        };
        check(fact, told);
    }
}
