use perfdeck_bridge::protocol::{Confidence, Evidence, Quantities};

use super::*;
use crate::judge::facts::IndexFact;
use crate::judge::window::{Query, Route, Statement};
use crate::record::table::Manner;
use crate::sql::redacted;

fn at(second: u64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + second * 1_000_000)
}

fn window(per_request: Quantities, time_share: f64) -> Window {
    Window {
        requests: 600,
        wait_seconds: 60.0,
        routes: vec![Route {
            name: "GET /tickets".into(),
            p95_seconds: 0.2,
            wait_seconds: 60.0,
            pool_wait_seconds: 0.0,
            statements: vec![Statement {
                query: 7,
                requests: 600,
                time_share,
                calls: 600 * per_request.p50 as u64,
                manner: Manner {
                    looping: if per_request.p95 >= 5.0 { 600 } else { 0 },
                    ..Manner::default()
                },
                per_request,
            }],
        }],
        queries: vec![Query {
            id: 7,
            text: redacted::statement("SELECT body FROM notes WHERE ticket = ? ORDER BY id").1,
            calls: 600,
            calls_per_second: 10.0,
            mean_seconds: 0.08,
            p95_seconds: 0.15,
        }],
        ..Window::default()
    }
}

fn once() -> Quantities {
    Quantities {
        p50: 1.0,
        p95: 1.0,
        max: 1.0,
    }
}

fn fact(time_factor: f64) -> Facts {
    let index = IndexFact {
        pool: "primary".into(),
        query: 7,
        table: "notes".into(),
        columns: vec!["ticket".into()],
        index_name: "perfdeck_notes_ticket".into(),
        create: "CREATE INDEX".into(),
        drop: "DROP INDEX".into(),
        table_rows: 100_000,
        plan_before: redacted::steps(&["SCAN notes".into()]),
        plan_after: redacted::steps(&["SEARCH notes".into()]),
        planned: true,
        time_factor,
    };
    Facts {
        indexes: vec![index],
        ..Facts::default()
    }
}

#[test]
fn an_index_that_the_database_would_use_is_a_finding_with_its_gain() {
    let found = Book::default().step(&window(once(), 0.8), &fact(0.01), at(0));
    let [finding] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (&*finding.kind, finding.confidence),
        ("missing_index", Confidence::Verified)
    );
    assert_eq!(finding.impact.route.as_deref(), Some("GET /tickets"));
    assert!(
        (finding.impact.wait_share - 0.792).abs() < 1e-9,
        "{:?}",
        finding.impact
    );
    assert!((finding.impact.p95_seconds_after.unwrap() - 0.0416).abs() < 1e-9);
}

#[test]
fn an_index_that_brings_little_is_none() {
    let mut rare = window(once(), 0.8);
    rare.queries[0].calls = 9;
    for (window, facts) in [
        (rare, fact(0.2)),
        (window(once(), 0.8), fact(0.6)),
        (window(once(), 0.8), Facts::default()),
        (Window::default(), fact(0.01)),
    ] {
        assert_eq!(Book::default().step(&window, &facts, at(0)), []);
    }
}

#[test]
fn what_would_save_less_than_a_thousandth_of_the_services_time_is_not_told() {
    let many = Quantities {
        p50: 24.0,
        p95: 40.0,
        max: 55.0,
    };
    for (wait_seconds, told) in [(10_000.0, true), (90_000.0, false)] {
        // Other routes' users wait, too; of this one's 60 seconds most could be saved.
        let busy = |per_request| Window {
            wait_seconds,
            ..window(per_request, 0.8)
        };
        let index = Book::default().step(&busy(once()), &fact(0.01), at(0));
        assert_eq!(!index.is_empty(), told, "{index:?}");
        let repeated = Book::default().step(&busy(many), &Facts::default(), at(0));
        assert_eq!(!repeated.is_empty(), told, "{repeated:?}");
    }
    // Work outside requests makes nobody wait; its part is that of all statements' time.
    for (query_seconds, told) in [(10_000.0, true), (90_000.0, false)] {
        let background = Window {
            query_seconds,
            routes: Vec::new(),
            ..window(once(), 0.8)
        };
        let found = Book::default().step(&background, &fact(0.01), at(0));
        assert_eq!(!found.is_empty(), told, "{found:?}");
    }
}

#[test]
fn a_statement_repeated_in_each_request_is_a_finding_with_its_counts() {
    let many = Quantities {
        p50: 24.0,
        p95: 40.0,
        max: 55.0,
    };
    let found = Book::default().step(&window(many, 0.7), &Facts::default(), at(0));
    let [finding] = &found[..] else {
        panic!("{found:?}")
    };
    let Evidence::NPlusOne(evidence) = &finding.evidence else {
        panic!("{finding:?}")
    };
    assert_eq!(
        (evidence.queries_per_request, &*evidence.route),
        (many, "GET /tickets")
    );
    assert_eq!(
        evidence.rewrite.as_ref().map(|text| text.as_str()),
        Some("SELECT body FROM notes WHERE ticket IN (…) ORDER BY id")
    );
}

#[test]
fn a_few_cheap_repeats_are_none() {
    let few = Quantities {
        p50: 2.0,
        p95: 4.0,
        max: 30.0,
    };
    assert_eq!(
        Book::default().step(&window(few, 0.9), &Facts::default(), at(0)),
        []
    );
    let cheap = Quantities {
        p50: 24.0,
        p95: 40.0,
        max: 55.0,
    };
    assert_eq!(
        Book::default().step(&window(cheap, 0.05), &Facts::default(), at(0)),
        []
    );
}

#[test]
fn a_finding_keeps_its_id_and_lingers_through_a_lull() {
    let mut book = Book::default();
    let first = book.step(&window(once(), 0.8), &fact(0.01), at(0));
    let lull = book.step(&Window::default(), &fact(0.01), at(30));
    assert_eq!(first[0].id, lull[0].id);
    assert_eq!(book.since(&first[0].id), Some(at(0)));
    assert_eq!(book.step(&Window::default(), &fact(0.01), at(90)), []);
}

#[test]
fn an_applied_finding_stays_as_it_was_and_goes_to_the_end() {
    let mut book = Book::default();
    let found = book.step(&window(once(), 0.8), &fact(0.01), at(0));
    let facts = Facts {
        applied: [found[0].id.clone()].into(),
        ..Facts::default()
    };
    let later = book.step(&Window::default(), &facts, at(300));
    assert_eq!(later[0].status, FindingStatus::Applied);
    assert_eq!(later[0].impact, found[0].impact);
}
