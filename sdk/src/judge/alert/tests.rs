use perfdeck_bridge::protocol::AlertSide;

use super::*;
use crate::judge::window::{Cache, Pool, WatchedRoute};

fn at(second: u64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + second * 1_000_000)
}

fn cpu(ratio: f64) -> Window {
    Window {
        cpu_ratio: Some(ratio),
        ..Window::default()
    }
}

/// Plays one value a second and tells each change of state as `second:state`.
fn check(values: impl IntoIterator<Item = Window>, expected: &str) {
    let mut book = Book::default();
    let mut before = None;
    let mut changes = Vec::new();
    for (second, window) in values.into_iter().enumerate() {
        let state = book
            .step(&window, &Thresholds::default(), at(second as u64))
            .first()
            .map(|alert| alert.state);
        if state != before {
            changes.push(format!(
                "{second}:{}",
                match state {
                    None => "none",
                    Some(AlertState::Pending) => "pending",
                    Some(AlertState::Firing) => "firing",
                    Some(AlertState::Resolved) => "resolved",
                }
            ));
            before = state;
        }
    }
    assert_eq!(changes.join(" "), expected);
}

#[test]
fn an_alert_fires_only_when_its_condition_has_held_for_long_enough() {
    check((0..70).map(|_| cpu(0.9)), "0:pending 60:firing");
    check(
        (0..70).map(|second| cpu(if second == 30 { 0.5 } else { 0.9 })),
        "0:pending 30:none 31:pending",
    );
}

#[test]
fn a_value_at_the_limit_does_not_flap() {
    let swinging = (0..200).map(|second| cpu(if second % 2 == 0 { 0.9 } else { 0.81 }));
    let near = (0..100).map(|_| cpu(0.78));
    let back = (0..10).map(|_| cpu(0.5));
    check(
        swinging.chain(near).chain(back),
        "0:pending 60:firing 300:resolved",
    );
}

#[test]
fn a_resolved_alert_is_remembered_and_then_forgotten() {
    let hot = (0..61).map(|_| cpu(0.9));
    let cool = (0..1_000).map(|_| cpu(0.1));
    check(hot.chain(cool), "0:pending 60:firing 61:resolved 961:none");
}

#[test]
fn a_share_of_a_handful_of_requests_says_nothing() {
    let few = Window {
        requests: 10,
        errors: 10,
        ..Window::default()
    };
    check((0..60).map(|_| few.clone()), "");
    let many = Window {
        requests: 100,
        errors: 10,
        ..Window::default()
    };
    check((0..60).map(|_| many.clone()), "0:pending 30:firing");
}

#[test]
fn each_pool_and_cache_has_its_own_alert() {
    let pool = |name: &str, timeouts| Pool {
        name: name.into(),
        max: 10,
        timeouts,
        ..Pool::default()
    };
    let window = Window {
        pools: vec![pool("primary", 3), pool("replica", 0)],
        caches: vec![Cache {
            namespace: "cold".into(),
            hits: 10,
            misses: 200,
            ..Cache::default()
        }],
        ..Window::default()
    };
    let alerts = Book::default().step(&window, &Thresholds::default(), at(0));
    let told: Vec<_> = alerts
        .iter()
        .map(|alert| (&*alert.rule, &*alert.subject, alert.state))
        .collect();
    assert_eq!(
        told,
        [
            ("pool_timeouts", "primary", AlertState::Firing),
            ("cache_hit_rate", "cold", AlertState::Pending),
        ]
    );
}

/// A window in which so many of a hundred requests failed, all of them of one route.
fn failing(errors: u64) -> Window {
    let of_route = |name: &str, requests, errors| WatchedRoute {
        name: name.into(),
        requests,
        errors,
        p95_seconds: 0.1,
    };
    Window {
        requests: 100,
        errors,
        watched: vec![
            of_route("GET /export", 50, errors),
            of_route("GET /few", 10, 10),
        ],
        ..Window::default()
    }
}

/// Plays the same window for so many seconds; returns what is told at the last one.
fn play(
    book: &mut Book,
    window: &Window,
    thresholds: &Thresholds,
    seconds: std::ops::Range<u64>,
) -> Vec<Alert> {
    let steps = seconds.map(|second| book.step(window, thresholds, at(second)));
    steps.last().unwrap()
}

fn told(alerts: &[Alert]) -> Vec<(&str, &str, AlertState)> {
    let told = alerts.iter();
    told.map(|alert| (&*alert.rule, &*alert.subject, alert.state))
        .collect()
}

#[test]
fn a_limit_moves_what_fires_and_the_way_back_with_it() {
    let mut thresholds = Thresholds::default();
    thresholds.set(Rule::CpuPercent, 40.0).unwrap();
    let mut book = Book::default();
    let hot = play(&mut book, &cpu(0.5), &thresholds, 0..61);
    assert_eq!(
        (hot[0].state, hot[0].threshold, &*hot[0].message),
        (
            AlertState::Firing,
            40.0,
            "processor use: 50 %, over its limit of 40 %"
        )
    );
    // 75 of 80 is 37.5 of 40.
    let near = play(&mut book, &cpu(0.38), &thresholds, 61..62);
    assert_eq!(near[0].state, AlertState::Firing);
    let back = play(&mut book, &cpu(0.375), &thresholds, 62..63);
    assert_eq!(back[0].state, AlertState::Resolved);
}

#[test]
fn a_limit_that_is_raised_ends_what_fires() {
    let mut thresholds = Thresholds::default();
    let mut book = Book::default();
    play(&mut book, &cpu(0.85), &thresholds, 0..61);
    thresholds.set(Rule::CpuPercent, 95.0).unwrap();
    let alerts = play(&mut book, &cpu(0.85), &thresholds, 61..62);
    assert_eq!(
        (alerts[0].state, alerts[0].threshold),
        (AlertState::Resolved, 95.0)
    );
}

#[test]
fn each_way_back_is_in_proportion_and_can_be_gone() {
    let check = |rule: Rule, limit: f64, back: f64| {
        assert!(
            (rule.back(limit) - back).abs() < 1e-9,
            "{rule} {limit}: {} and not {back}",
            rule.back(limit)
        );
        let gone = match rule.terms().side {
            AlertSide::Over => 0.0,
            AlertSide::Under => 100.0,
        };
        assert!(rule.is_over(gone, limit), "{rule} {limit} is never over");
    };
    check(Rule::CpuPercent, 80.0, 75.0);
    check(Rule::ResponseTimeP95, 2.0, 1.8);
    check(Rule::ResponseTimeP95, 0.2, 0.18);
    check(Rule::ErrorRate, 0.0, 0.0);
    check(Rule::PoolTimeouts, 0.0, 0.0);
    check(Rule::PoolTimeouts, 3.0, 3.0);
    check(Rule::CacheHitRate, 70.0, 75.0);
    check(Rule::CacheHitRate, 35.0, 37.5);
    check(Rule::CacheHitRate, 96.0, 98.0);
    check(Rule::CacheHitRate, 100.0, 100.0);
}

#[test]
fn a_route_with_a_limit_of_its_own_is_judged_on_its_own_requests() {
    let mut thresholds = Thresholds::default();
    for route in ["GET /export", "GET /few", "GET /never"] {
        thresholds.set_route(route, Rule::ErrorRate, 2.0).unwrap();
    }
    // 3 of 100 are within the service's limit, 3 of 50 over the route's.
    let alerts = play(&mut Book::default(), &failing(3), &thresholds, 0..31);
    assert_eq!(
        told(&alerts),
        [("error_rate", "GET /export", AlertState::Firing)]
    );
    assert_eq!(
        alerts[0].message,
        "failed requests of `GET /export`: 6 %, over its limit of 2 %"
    );
    // The service's rule goes on as before, also over a route whose own limit is wide.
    thresholds
        .set_route("GET /export", Rule::ErrorRate, 50.0)
        .unwrap();
    let alerts = play(&mut Book::default(), &failing(10), &thresholds, 0..31);
    assert_eq!(told(&alerts), [("error_rate", "", AlertState::Firing)]);
}

#[test]
fn a_route_whose_limit_is_gone_has_no_alert() {
    let mut thresholds = Thresholds::default();
    thresholds
        .set_route("GET /export", Rule::ErrorRate, 2.0)
        .unwrap();
    let mut book = Book::default();
    play(&mut book, &failing(3), &thresholds, 0..31);
    thresholds.remove_route("GET /export", Rule::ErrorRate);
    let alerts = play(&mut book, &failing(3), &thresholds, 31..32);
    assert_eq!(
        told(&alerts),
        [("error_rate", "GET /export", AlertState::Resolved)]
    );
}

#[test]
fn a_limit_that_can_t_be_is_refused_and_the_one_before_stays() {
    let mut thresholds = Thresholds::default();
    thresholds.set(Rule::CpuPercent, 90.0).unwrap();
    for (limit, why) in [
        (f64::NAN, "is a number from 0 on, and not NaN"),
        (f64::INFINITY, "is a number from 0 on, and not inf"),
        (f64::NEG_INFINITY, "is a number from 0 on, and not -inf"),
        (-1.0, "is a number from 0 on, and not -1"),
        (100.1, "is at most 100 percent, and not 100.1"),
    ] {
        let unfit = thresholds.set(Rule::CpuPercent, limit).unwrap_err();
        assert_eq!(unfit.to_string(), format!("a limit of cpu_percent {why}"));
    }
    assert_eq!(thresholds.limit(Rule::CpuPercent), 90.0);
    thresholds.set(Rule::ResponseTimeP95, 3_600.0).unwrap();
}

#[test]
fn limits_of_routes_are_bounded_and_of_two_rules() {
    let mut thresholds = Thresholds::default();
    let p95 = Rule::ResponseTimeP95;
    let mut set = |route: &str, rule, limit| thresholds.set_route(route, rule, limit);
    assert_eq!(
        set("GET /", Rule::CpuPercent, 1.0),
        Err(Unfit::NotOfRoutes(Rule::CpuPercent))
    );
    assert_eq!(set("", p95, 1.0), Err(Unfit::Name(0)));
    assert_eq!(set(&"x".repeat(201), p95, 1.0), Err(Unfit::Name(201)));
    for number in 0..200 {
        set(&format!("GET /{number}"), p95, 1.0).unwrap();
    }
    assert_eq!(set("GET /one-more", p95, 1.0), Err(Unfit::Full));
    assert_eq!(set("GET /7", p95, 2.0), Ok(()), "one that is there");
    assert_eq!(thresholds.watched_routes().len(), 200);
    assert_eq!(thresholds.told().len(), 207);
}

#[test]
fn the_rules_are_told_with_their_limits_and_what_they_would_be() {
    let mut thresholds = Thresholds::default();
    thresholds.set(Rule::ErrorRate, 3.0).unwrap();
    thresholds
        .set_route("GET /export", Rule::ErrorRate, 9.0)
        .unwrap();
    let rules = thresholds.told();
    let rules: Vec<_> = rules
        .iter()
        .map(|rule| {
            let route = rule.route.as_deref().unwrap_or("-");
            let side = match rule.side {
                AlertSide::Over => "over",
                AlertSide::Under => "under",
            };
            format!(
                "{} {route} {side} {} {} ({}) for {}",
                rule.rule, rule.limit, rule.unit, rule.default_limit, rule.hold_seconds
            )
        })
        .collect();
    assert_eq!(
        rules,
        [
            "cpu_percent - over 80 percent (80) for 60",
            "memory_percent - over 85 percent (85) for 60",
            "response_time_p95 - over 2 seconds (2) for 30",
            "error_rate - over 3 percent (5) for 30",
            "error_rate GET /export over 9 percent (3) for 30",
            "pool_in_use - over 80 percent (80) for 30",
            "cache_hit_rate - under 70 percent (70) for 60",
            "pool_timeouts - over 0 count (0) for 0",
        ]
    );
}

#[test]
fn a_cleared_alert_stays_away_until_it_was_over_once() {
    let rules = Thresholds::default();
    let mut book = Book::default();
    play(&mut book, &cpu(0.9), &rules, 0..61);
    assert_eq!(book.clear(), 1);
    assert_eq!(book.told(), []);
    assert_eq!(play(&mut book, &cpu(0.9), &rules, 61..200), []);
    // Within the limit, and not yet back.
    assert_eq!(play(&mut book, &cpu(0.78), &rules, 200..300), []);
    assert_eq!(play(&mut book, &cpu(0.9), &rules, 300..400), []);
    assert_eq!(play(&mut book, &cpu(0.7), &rules, 400..401), []);
    let again = play(&mut book, &cpu(0.9), &rules, 401..462);
    assert_eq!(told(&again), [("cpu_percent", "", AlertState::Firing)]);
    assert_eq!(again[0].since, at(401));
}

#[test]
fn what_is_over_is_forgotten_and_what_is_pending_stays() {
    let rules = Thresholds::default();
    let mut book = Book::default();
    play(&mut book, &cpu(0.9), &rules, 0..61);
    play(&mut book, &cpu(0.1), &rules, 61..62);
    let pending = Window {
        memory_ratio: Some(0.9),
        ..cpu(0.1)
    };
    let before = play(&mut book, &pending, &rules, 62..63);
    assert_eq!(before.len(), 2);
    assert_eq!(book.clear(), 1);
    assert_eq!(
        told(&book.told()),
        [("memory_percent", "", AlertState::Pending)]
    );
    assert_eq!(book.clear(), 0);
}

#[test]
fn what_was_put_away_is_bounded_with_what_is_told() {
    let pools = |names: std::ops::Range<u32>| Window {
        pools: names
            .map(|number| Pool {
                name: number.to_string(),
                timeouts: 1,
                ..Pool::default()
            })
            .collect(),
        ..Window::default()
    };
    let rules = Thresholds::default();
    let mut book = Book::default();
    play(&mut book, &pools(0..1_000), &rules, 0..1);
    assert_eq!(book.clear(), MAX_ALERTS);
    assert_eq!(play(&mut book, &pools(0..1_000), &rules, 1..3), []);
    assert_eq!(book.cleared.len(), MAX_ALERTS);
    // Gone is over.
    play(&mut book, &pools(0..0), &rules, 3..4);
    assert_eq!(book.cleared.len(), 0);
}
