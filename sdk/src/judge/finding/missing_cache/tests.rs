use super::*;
use crate::judge::facts::IndexFact;
use crate::judge::window::{Query, Route, Statement};

fn tried(ttl_seconds: f64, hit_ratio: f64, wrong_ratio: f64) -> TriedFact {
    TriedFact {
        ttl_seconds,
        hit_ratio,
        error: 0.01,
        wrong_ratio,
        saved_seconds: 0.1,
        p95_seconds: 0.0,
    }
}

/// Ten calls of 100 ms a second, in five minutes.
fn fact(uncached: Uncached, tried: [TriedFact; 3]) -> UncachedFact {
    UncachedFact {
        uncached,
        name: match uncached {
            Uncached::Function { .. } => "desk::report".into(),
            Uncached::Query { .. } => String::new(),
            Uncached::Route => "GET /reports/{id}".into(),
        },
        calls: 3_000,
        seconds: 300,
        mean_seconds: 0.1,
        p95_seconds: 0.2,
        compared: true,
        tried: tried.to_vec(),
    }
}

fn steady(uncached: Uncached) -> UncachedFact {
    let tried = [
        tried(10.0, 0.3, 0.0),
        tried(60.0, 0.8, 0.0),
        tried(300.0, 0.9, 0.0),
    ];
    fact(uncached, tried)
}

const FUNCTION: Uncached = Uncached::Function {
    key: ", key = \"id\"",
};

fn window() -> Window {
    let (_, text) = redacted::statement("SELECT count(*) FROM messages WHERE workspace = 17");
    Window {
        uptime_seconds: 600,
        wait_seconds: 120.0,
        routes: vec![Route {
            name: "GET /reports/{id}".into(),
            p95_seconds: 0.2,
            wait_seconds: 100.0,
            statements: vec![Statement {
                query: 7,
                time_share: 0.5,
                ..Statement::default()
            }],
            ..Route::default()
        }],
        queries: vec![Query {
            id: 7,
            text,
            ..Query::default()
        }],
        ..Window::default()
    }
}

fn found(window: &Window, fact: UncachedFact) -> Option<(Finding, MissingCache)> {
    let facts = Facts {
        uncached: vec![fact],
        ..Facts::default()
    };
    let mut found = look(window, &facts);
    let finding = found.next()?;
    let Evidence::MissingCache(evidence) = finding.evidence.clone() else {
        panic!("{finding:?}")
    };
    Some((finding, evidence))
}

#[test]
fn a_function_that_returns_the_same_again_is_told_with_the_attribute_to_write() {
    let (finding, evidence) = found(&window(), steady(FUNCTION)).unwrap();
    assert_eq!(
        finding.title,
        "desk::report has no cache: one of 60 s would answer 80 % of its calls, and save 800 ms a second"
    );
    assert_eq!(
        evidence.code,
        "#[perfdeck::cached(ttl = \"1m\", key = \"id\")]"
    );
    assert!(
        (finding.impact.wait_share - 0.4).abs() < 1e-9,
        "of two seconds a second"
    );
    assert_eq!(finding.severity, Severity::Critical);
    assert_eq!(finding.confidence, Confidence::Estimated);
    let hits: Vec<_> = evidence.curve.iter().map(|tried| tried.hit_ratio).collect();
    assert_eq!(hits, [0.3, 0.8, 0.9]);
}

#[test]
fn a_query_is_told_without_its_values_and_its_route_gains() {
    let (finding, evidence) = found(&window(), steady(Uncached::Query { id: 7 })).unwrap();
    assert!(
        finding
            .title
            .starts_with("query SELECT count(*) FROM messages"),
        "{}",
        finding.title
    );
    assert!(!format!("{finding:?}").contains("17"));
    assert!(evidence.code.starts_with(".cache(Duration::from_secs(60))"));
    let impact = finding.impact;
    assert_eq!(impact.route.as_deref(), Some("GET /reports/{id}"));
    assert!((impact.p95_seconds_after.unwrap() - 0.2 * 0.6).abs() < 1e-9);
}

#[test]
fn a_route_is_told_with_its_own_tail() {
    let mut fact = steady(Uncached::Route);
    fact.tried[1].p95_seconds = 0.1;
    let (finding, evidence) = found(&window(), fact).unwrap();
    let told = ".layer(deck.http_cache().route(\"/reports/{id}\", Duration::from_secs(60)).host(\"the service's name\"))";
    assert_eq!(evidence.code, told);
    assert!((finding.impact.p95_seconds_after.unwrap() - 0.1).abs() < 1e-9);
    let (finding, _) = found(&window(), steady(Uncached::Route)).unwrap();
    assert_eq!(
        finding.impact.p95_seconds_after,
        Some(HIT),
        "19 of 20 are answered"
    );
}

#[test]
fn the_shortest_time_that_brings_nearly_all_is_taken() {
    let ttl = |fact| found(&window(), fact).map(|(_, evidence)| evidence.ttl_seconds);
    assert_eq!(ttl(steady(FUNCTION)), Some(60.0));
    let mut all_at_once = steady(FUNCTION);
    all_at_once.tried[0].hit_ratio = 0.75;
    assert_eq!(ttl(all_at_once), Some(10.0));
    let mut young = steady(FUNCTION);
    (young.seconds, young.calls) = (30, 1_000);
    assert_eq!(ttl(young), Some(10.0), "nobody looked for longer");
}

#[test]
fn what_changes_unheard_is_no_case_for_a_cache() {
    let changing = |uncached, wrong: [f64; 3]| {
        let mut fact = steady(uncached);
        for (tried, wrong) in fact.tried.iter_mut().zip(wrong) {
            tried.wrong_ratio = wrong;
        }
        found(&window(), fact).map(|(_, evidence)| evidence.ttl_seconds)
    };
    for uncached in [FUNCTION, Uncached::Route] {
        assert_eq!(changing(uncached, [0.001, 0.01, 0.1]), None);
        assert_eq!(changing(uncached, [0.0, 0.001, 0.1]), Some(10.0));
    }
    let query = Uncached::Query { id: 7 };
    assert_eq!(
        changing(query, [0.001, 0.005, 0.005]),
        Some(60.0),
        "a change on its way"
    );
    assert_eq!(changing(query, [0.02, 0.1, 0.3]), None);
}

#[test]
fn where_there_is_little_to_save_nothing_is_said() {
    let silent = |change: fn(&mut UncachedFact)| {
        let mut fact = steady(FUNCTION);
        change(&mut fact);
        found(&window(), fact).is_none()
    };
    assert!(!silent(|_| {}));
    assert!(silent(|fact| fact.calls = 999));
    assert!(silent(|fact| fact
        .tried
        .iter_mut()
        .for_each(|tried| tried.hit_ratio = 0.2)));
    assert!(silent(|fact| fact
        .tried
        .iter_mut()
        .for_each(|tried| tried.saved_seconds = 1e-4)));
    let mut busy = window();
    busy.wait_seconds = 60_000.0;
    assert!(
        found(&busy, steady(FUNCTION)).is_none(),
        "a thousandth of the users' wait"
    );
    let mut nobody = window();
    nobody.wait_seconds = 0.0;
    assert!(
        found(&nobody, steady(FUNCTION)).is_some(),
        "a service without requests"
    );
}

#[test]
fn what_nobody_compared_is_no_more_than_a_rule_of_thumb() {
    let mut fact = steady(FUNCTION);
    fact.compared = false;
    let (finding, evidence) = found(&window(), fact).unwrap();
    assert_eq!(finding.confidence, Confidence::Heuristic);
    assert!(
        evidence.why.contains("you have to know"),
        "{}",
        evidence.why
    );
}

#[test]
fn an_index_comes_before_a_cache_and_a_query_s_cache_before_its_route_s() {
    let kinds = |facts: &Facts| -> Vec<String> {
        look(&window(), facts)
            .map(|finding| match finding.evidence {
                Evidence::MissingCache(evidence) => evidence.uncached,
                other => panic!("{other:?}"),
            })
            .collect()
    };
    let query = steady(Uncached::Query { id: 7 });
    let mut facts = Facts {
        uncached: vec![steady(Uncached::Route), query],
        ..Facts::default()
    };
    assert_eq!(kinds(&facts), ["query"]);
    // Where the statement is the smaller part, the route has more to gain.
    for tried in &mut facts.uncached[1].tried {
        tried.saved_seconds = 0.05;
    }
    assert_eq!(kinds(&facts), ["route", "query"]);
    facts.indexes.push(IndexFact {
        pool: "primary".into(),
        query: 7,
        table: "messages".into(),
        columns: vec!["workspace".into()],
        index_name: String::new(),
        create: String::new(),
        drop: String::new(),
        table_rows: 1_000,
        plan_before: Vec::new(),
        plan_after: Vec::new(),
        planned: true,
        time_factor: 0.1,
    });
    assert_eq!(kinds(&facts), Vec::<String>::new());
    facts.uncached.push(steady(FUNCTION));
    assert_eq!(kinds(&facts), ["function"], "which may do anything");
}
