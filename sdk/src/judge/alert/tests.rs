use super::*;
use crate::judge::window::{Cache, Pool};

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
            .step(&window, at(second as u64))
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
        }],
        ..Window::default()
    };
    let alerts = Book::default().step(&window, at(0));
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
