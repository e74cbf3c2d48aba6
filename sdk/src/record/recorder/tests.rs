use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;
use crate::record::store::Store;
use crate::record::table::{MAX_KEYS, OTHER};

fn query(sql: &str) -> Query<'_> {
    Query {
        sql,
        nanos: 1_000,
        rows: 2,
        failed: false,
        pool: None,
        remote: None,
    }
}

fn get(recorder: &Recorder, template: &str) -> Route {
    recorder.route(&http::Method::GET, Some(template))
}

/// Drains while `record` runs on threads that come and go; returns what the store then holds.
fn drained(threads: usize, record: impl Fn(&Recorder, usize) + Sync) -> (Recorder, Store) {
    let recorder = Recorder::new();
    let mut store = Store::new();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let recording = scope.spawn(|| {
            for wave in 0..threads / 8 {
                thread::scope(|scope| {
                    for number in 0..8 {
                        let (recorder, record) = (&recorder, &record);
                        scope.spawn(move || record(recorder, wave * 8 + number));
                    }
                });
            }
            over.store(true, Ordering::Release);
        });
        let mut second = 0;
        while !over.load(Ordering::Acquire) {
            second += 1;
            store.drain(&recorder, second);
        }
        recording.join().unwrap();
        store.drain(&recorder, second + 1);
    });
    (recorder, store)
}

#[test]
fn what_comes_in_from_threads_that_come_and_go_comes_out() {
    let (recorder, store) = drained(64, |recorder, thread| {
        let route = get(recorder, &format!("/{}", thread % 5));
        for number in 0..2_000 {
            recorder.request_started(&route);
            recorder.query(&query(&format!("SELECT {number} FROM t{}", thread % 3)));
            let failed = number % 10 == 0;
            recorder.request_head(&route, Head::Answered { failed }, 1_000);
            recorder.request_end(&route, Some(BodyEnd::Whole { nanos: 1 }), &Scope::default());
        }
    });
    assert_eq!(recorder.lost(), 0);
    let totals = store.totals;
    assert_eq!(
        (totals.started, totals.ended, totals.requests),
        (128_000, 128_000, 128_000)
    );
    assert_eq!(
        (totals.errors, totals.calls, totals.overflowed),
        (12_800, 128_000, 0)
    );
    assert_eq!((store.requests.len(), store.queries.len()), (5, 3));
    assert_eq!(
        store
            .requests
            .values()
            .map(|route| route.requests)
            .sum::<u64>(),
        128_000
    );
    assert_eq!(
        store.queries.values().map(|query| query.rows).sum::<u64>(),
        256_000
    );
}

#[test]
fn keys_are_bounded_and_the_rest_keeps_the_totals_right() {
    let (recorder, store) = drained(8, |recorder, thread| {
        for number in 0..3_000 {
            let route = get(recorder, &format!("/{thread}/{number}"));
            recorder.request_started(&route);
            recorder.request_head(&route, Head::Cancelled, 1);
            recorder.request_end(&route, None, &Scope::default());
            recorder.query(&query(&format!("SELECT a FROM t{thread}_{number}")));
        }
    });
    assert_eq!(
        (recorder.lost(), store.totals.cancelled, store.totals.calls),
        (0, 24_000, 24_000)
    );
    assert!(store.requests.len() <= MAX_KEYS + 1 && store.queries.len() <= MAX_KEYS + 1);
    assert_eq!(
        store
            .requests
            .values()
            .map(|route| route.cancelled)
            .sum::<u64>(),
        24_000
    );
    assert_eq!(
        store.queries.values().map(|query| query.calls).sum::<u64>(),
        24_000
    );
    assert!(store.requests[OTHER].cancelled > 10_000);
}

#[test]
fn statements_that_differ_in_their_literals_are_one_in_a_request_as_well() {
    let recorder = Recorder::new();
    let mut store = Store::new();
    let route = get(&recorder, "/tickets");
    let mut scope = Some(Box::<Scope>::default());
    recorder.request_started(&route);
    {
        let _lent = scope::lend(&mut scope);
        for ticket in 0..24 {
            recorder.query(&query(&format!(
                "SELECT body FROM notes WHERE ticket = {ticket}"
            )));
        }
    }
    recorder.request_head(&route, Head::Answered { failed: false }, 1);
    recorder.request_end(&route, None, &scope.unwrap());
    store.drain(&recorder, 1);
    let statements = store.recent_statements(&store.requests["GET /tickets"]);
    let [used] = &statements[..] else {
        panic!("{statements:?}")
    };
    assert_eq!((used.calls, used.per_request.max), (24, 24.0));
    assert_eq!(
        store.queries[&used.query].text.as_str(),
        "SELECT body FROM notes WHERE ticket = ?"
    );
    assert_eq!(store.totals.unattributed, 0);
}

#[test]
fn a_route_is_its_method_and_template_and_strange_methods_are_one() {
    let recorder = Recorder::new();
    for (method, template, name) in [
        ("GET", Some("/a/{b}"), "GET /a/{b}"),
        ("BREW", Some("/a/{b}"), "_OTHER /a/{b}"),
        ("POST", None, "POST <unmatched>"),
    ] {
        let method = http::Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(&*recorder.route(&method, template).name(), name);
    }
}
