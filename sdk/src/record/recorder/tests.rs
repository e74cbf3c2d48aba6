use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;
use crate::record::store::Store;
use crate::record::table::{MAX_KEYS, OTHER};

const RAN: Ran = Ran {
    nanos: 1_000,
    rows: 2,
    failed: false,
    pool: None,
    attributed: true,
    elsewhere: false,
    values: None,
};

fn get<'r>(recorder: &Recorder, template: &'r str) -> Route<'r> {
    recorder.route(&Method::GET, Some(template))
}

/// A request from its arrival to its end.
fn request(recorder: &'static Recorder, template: &str, head: &Head, body: Option<Body>) {
    let route = get(recorder, template);
    recorder.request_started(&route);
    let mut scope = Scope::fresh();
    scope.progress.route = route.hash;
    recorder.request_end(Some(head), body, &scope);
    scope.done();
}

/// Drains while `record` runs on threads that come and go; returns what the store then holds.
fn drained(
    threads: usize,
    at_once: usize,
    record: impl Fn(&'static Recorder, usize) + Sync,
) -> (&'static Recorder, Store) {
    let recorder = Recorder::new();
    let mut store = Store::new();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let recording = scope.spawn(|| {
            for wave in 0..threads / at_once {
                thread::scope(|scope| {
                    for number in 0..at_once {
                        let record = &record;
                        scope.spawn(move || record(recorder, wave * at_once + number));
                    }
                });
            }
            over.store(true, Ordering::Release);
        });
        let mut second = 0;
        while !over.load(Ordering::Acquire) {
            second += 1;
            store.drain(recorder, second);
        }
        recording.join().unwrap();
        store.drain(recorder, second + 1);
    });
    (recorder, store)
}

#[test]
fn a_name_that_clients_choose_costs_no_more_than_others() {
    let (_, store) = drained(64, 8, |recorder, thread| {
        let long = "/é".repeat(20_000);
        let head = Head::Answered {
            failed: false,
            nanos: 1_000,
        };
        let body = Some(Body::Whole { nanos: 1 });
        request(recorder, &format!("{long}{thread}"), &head, body);
    });
    let names: Vec<_> = store.requests.keys().collect();
    assert_eq!(names.len(), 64, "what differs at its end is another");
    for name in names {
        assert!(name.starts_with("GET /é") && name.len() <= 300, "{name}");
    }
    assert_eq!(store.totals.requests, 64);
}

#[test]
fn what_comes_in_from_threads_that_come_and_go_comes_out() {
    let (recorder, store) = drained(64, 8, |recorder, thread| {
        for number in 0..2_000 {
            recorder.query(&format!("SELECT {number} FROM t{}", thread % 3), &RAN);
            let head = Head::Answered {
                failed: number % 10 == 0,
                nanos: 1_000,
            };
            let body = Some(Body::Whole { nanos: 1 });
            request(recorder, &format!("/{}", thread % 5), &head, body);
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
    let (recorder, store) = drained(8, 8, |recorder, thread| {
        for number in 0..3_000 {
            let template = format!("/{thread}/{number}");
            request(recorder, &template, &Head::Cancelled, None);
            recorder.query(&format!("SELECT a FROM t{thread}_{number}"), &RAN);
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
    let route = get(recorder, "/tickets");
    recorder.request_started(&route);
    let mut scope = Scope::fresh();
    scope.progress.route = route.hash;
    let mut scope = Some(scope);
    {
        let _lent = scope::lend(&mut scope);
        for ticket in 0..24 {
            recorder.query(
                &format!("SELECT body FROM notes WHERE ticket = {ticket}"),
                &RAN,
            );
        }
    }
    recorder.request_end(None, None, &scope.unwrap());
    store.drain(recorder, 1);
    let statements = store
        .recent_statements(&store.requests["GET /tickets"])
        .statements;
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
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(&*recorder.route(&method, template).name(), name);
    }
}

#[test]
fn a_long_name_is_cut_and_stays_one_of_its_own() {
    let recorder = Recorder::new();
    let long = |last: &str| format!("/{}{last}", "é/".repeat(4_000));
    let name = |template: &str| get(recorder, template).name();
    let (one, other) = (name(&long("a")), name(&long("b")));
    assert!(one.len() < NAME + 32, "{}", one.len());
    assert_ne!(one, other);
    assert_eq!(one, name(&long("a")));
    let fits = "x".repeat(NAME);
    assert_eq!(&*name(&fits), format!("GET {fits}"));
}

/// The bar is ten million events, from threads that come and go.
#[test]
fn ten_million_events_are_counted_to_the_last() {
    static FUNCTION: &str = "work";
    const EACH: u64 = 10_000_000 / (80 * 4);
    let (recorder, store) = drained(80, 8, |recorder, thread| {
        let number = recorder.number(FUNCTION);
        let (sql, template) = (format!("SELECT {thread}"), format!("/{}", thread % 7));
        for _ in 0..EACH {
            recorder.query(&sql, &RAN);
            recorder.function(number, 5, false);
            recorder.acquire(1, 7, false);
            let head = Head::Answered {
                failed: false,
                nanos: 1_000,
            };
            request(recorder, &template, &head, None);
        }
    });
    let events = 80 * EACH;
    let totals = store.totals;
    assert_eq!(
        (recorder.lost(), totals.overflowed, totals.refused),
        (0, 0, 0)
    );
    assert_eq!((totals.started, totals.ended), (events, events));
    assert_eq!((totals.requests, totals.calls), (events, events));
    let requests = store.requests.values().map(|record| record.requests);
    assert_eq!((store.requests.len(), requests.sum::<u64>()), (7, events));
    assert_eq!(store.functions[FUNCTION].calls, events);
    assert_eq!(store.pools[1].acquires, events);
    assert_eq!(4 * events, 10_000_000);
}

/// Promise 5: who invents routes does not take the names of real ones, even while it goes on.
#[test]
fn real_routes_are_named_while_a_flood_of_invented_ones_goes_on() {
    const REAL: usize = 50;
    const FLOOD: u64 = 8_000;
    let recorder = Recorder::new();
    let mut store = Store::new();
    let over = AtomicBool::new(false);
    let head = Head::Answered {
        failed: false,
        nanos: 1_000,
    };
    let named = |store: &Store| {
        let names = store.requests.keys();
        names.filter(|name| name.contains("/real/")).count()
    };
    thread::scope(|scope| {
        for thread in 0..8 {
            let over = &over;
            scope.spawn(move || {
                for number in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    request(recorder, &format!("/{thread}/{number}"), &head, None);
                }
            });
        }
        let mut took = None;
        for second in 1..=50 {
            // The flood came first, and all that it can fill is full.
            if second > 10 {
                // Another thread each time, as a server has many.
                let real = scope.spawn(|| {
                    for route in 0..20 * REAL {
                        let template = format!("/real/{}", route % REAL);
                        request(recorder, &template, &head, None);
                    }
                });
                real.join().unwrap();
            }
            let before = recorder.started();
            while recorder.started() < before + FLOOD {
                thread::yield_now();
            }
            store.drain(recorder, second);
            if took.is_none() && named(&store) == REAL {
                took = Some(second - 10);
            }
        }
        over.store(true, Ordering::Relaxed);
        assert!(took.is_some_and(|seconds| seconds <= 30), "{took:?}");
        assert_eq!(named(&store), REAL, "they stay");
    });
    store.drain(recorder, 51);
    let requests = store.requests.values().map(|route| route.requests);
    assert_eq!(requests.sum::<u64>(), store.totals.requests);
    assert_eq!(store.totals.ended, store.totals.started);
}

/// Threads beyond those that have a shard share some, where all halves may be in use.
#[test]
fn with_128_threads_at_once_each_event_is_counted_or_told_as_lost() {
    const THREADS: u64 = 128;
    const EACH: u64 = 10_000;
    let all_run = Barrier::new(THREADS as usize);
    let (recorder, store) = drained(THREADS as usize, THREADS as usize, |recorder, thread| {
        let number = recorder.number("work");
        let sql = format!("SELECT {}", thread % 4);
        recorder.acquire(1, 7, false);
        all_run.wait();
        for _ in 1..EACH {
            recorder.query(&sql, &RAN);
            recorder.function(number, 5, false);
            recorder.acquire(1, 7, false);
        }
    });
    let calls = store.functions["work"].calls + store.pools[1].acquires + store.totals.calls;
    assert_eq!(store.totals.refused, 0);
    assert_eq!(calls + recorder.lost(), THREADS * (3 * EACH - 2));
    let shared = store.totals.calls - store.totals.calls * OWN as u64 / THREADS;
    assert!(
        recorder.lost() < shared / 100,
        "{} of {shared}",
        recorder.lost()
    );
}

#[test]
fn a_stalled_agent_neither_slows_nor_loses_what_is_recorded() {
    let recorder = Recorder::new();
    let stalled = AtomicBool::new(false);
    let mut store = Store::new();
    // The shard is this thread's, and stays so.
    recorder.query("SELECT 1", &RAN);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut first = true;
            recorder.drain(|tables| {
                if std::mem::take(&mut first) {
                    stalled.store(true, Ordering::Release);
                    thread::sleep(std::time::Duration::from_secs(10));
                    stalled.store(false, Ordering::Release);
                }
                store.take(recorder, tables);
            });
        });
        while !stalled.load(Ordering::Acquire) {
            thread::yield_now();
        }
        for _ in 0..200_000 {
            recorder.query("SELECT 1", &RAN);
        }
        assert!(stalled.load(Ordering::Acquire), "recording waited for it");
    });
    store.drain(recorder, 1);
    assert_eq!((store.totals.calls, recorder.lost()), (200_001, 0));
}

#[test]
fn a_call_that_can_not_be_kept_is_counted_and_a_stopped_deck_holds_nothing() {
    let recorder = Recorder::new();
    let mut store = Store::new();
    recorder.function(u16::MAX, 5, false);
    recorder.query("SELECT 1", &RAN);
    store.drain(recorder, 1);
    assert_eq!((store.totals.refused, store.totals.calls), (1, 1));
    assert!(recorder.bytes() > 0);
    recorder.forget();
    assert_eq!(recorder.bytes(), 0);
}
