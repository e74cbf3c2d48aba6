use super::*;
use crate::clock::Clock;
use crate::record::scope::Progress;

/// A request of route 1 that has ended.
fn ended(stage: Stage) -> Box<Scope> {
    let clock: &'static Clock = Box::leak(Box::new(Clock::new()));
    let mut scope = Scope::fresh();
    let progress = Progress {
        route: 1,
        start: clock.start(),
        stage,
        ..Progress::default()
    };
    scope.begin(progress, clock);
    scope
}

fn answered(failed: bool, nanos: u64) -> Box<Scope> {
    ended(Stage::Answered {
        failed,
        nanos,
        told: false,
    })
}

fn exemplar(why: Why, nanos: u64) -> Exemplar {
    Exemplar {
        id: 0,
        why,
        start: Start::from_raw(nanos),
        nanos,
        body_nanos: None,
        status: 200,
        failed: why == Why::Failed,
        cancelled: why == Why::Cancelled,
        steps: vec![Step::default(); 8].into(),
        left_out: 0,
    }
}

/// The nanoseconds of what is kept of a route, the shortest first.
fn kept(exemplars: &Exemplars, route: &str) -> Vec<u64> {
    let mut nanos: Vec<u64> = exemplars.of(route).iter().map(|kept| kept.nanos).collect();
    nanos.sort_unstable();
    nanos
}

#[test]
fn a_shard_catches_what_is_slower_than_the_slowest_so_far() {
    let mut caught = Caught::default();
    let mut slowest = Slowest::default();
    for nanos in [10, 40, 30, 20, 5, 20, 50, 21, 45] {
        if slowest.wants(nanos) {
            caught.take(&answered(false, nanos), None, &mut slowest, |_| true);
        }
    }
    let mut seen = Vec::new();
    let missed = caught.drain(|route, exemplar| seen.push((route, exemplar.nanos)));
    assert_eq!(missed, 0);
    let wanted = [10, 40, 30, 20, 20, 50, 21, 45];
    // The second one of 20 is slower than one of 10; the one of 21 slower than both of 20.
    assert_eq!(seen, wanted.map(|nanos| (1, nanos)));
    assert!(!Slowest::over(30).wants(30) && Slowest::over(30).wants(31));
}

#[test]
fn failed_and_given_up_requests_are_caught_up_to_a_bound_and_then_counted() {
    let mut caught = Caught::default();
    let mut slowest = Slowest::default();
    for number in 0..100 {
        let scope = match number % 3 {
            0 => answered(true, 7),
            1 => answered(false, 7),
            _ => ended(Stage::Waiting),
        };
        let body = (number % 3 == 1).then_some(Body::Cancelled);
        caught.take(&scope, body, &mut slowest, |_| true);
    }
    let mut whys = Vec::new();
    let missed = caught.drain(|_, exemplar| whys.push(exemplar.why));
    assert_eq!(whys.len() as u64 + missed, 100);
    assert_eq!(whys.len(), CAUGHT_FAILED as usize);
    assert_eq!(whys[..3], [Why::Failed, Why::Cancelled, Why::Cancelled]);
    // The next second has places again, and slow ones had theirs all along.
    caught.take(&answered(true, 7), None, &mut slowest, |_| true);
    assert_eq!(caught.drain(|_, _| {}), 0);
}

#[test]
fn without_room_a_request_is_missed_and_counted() {
    let mut caught = Caught::default();
    let mut slowest = Slowest::default();
    caught.take(&answered(false, 9), None, &mut slowest, |_| false);
    assert_eq!(caught.drain(|_, _| panic!("it had no room")), 1);
    assert!(slowest.wants(1), "it is no bound for others");
}

#[test]
fn one_of_many_is_kept_whatever_it_was() {
    let mut caught = Caught::default();
    let mut slowest = Slowest::over(u64::MAX);
    for _ in 0..10 * SAMPLED {
        if caught.sample() {
            caught.take(&answered(false, 1), None, &mut slowest, |_| true);
        }
    }
    let mut samples = 0;
    caught.drain(|_, exemplar| samples += u32::from(exemplar.why == Why::Sample));
    assert_eq!(samples, 10);
}

#[test]
fn the_slowest_of_each_minute_are_kept_for_fifteen_minutes() {
    let mut exemplars = Exemplars::default();
    let route: Arc<str> = "GET /".into();
    for second in 0..20 * MINUTE {
        assert!(exemplars.of(&route).len() <= 16 * SLOWEST);
        for turn in 0..3 {
            let nanos = 1 + (second % MINUTE) * 10 + turn;
            if nanos > exemplars.slow_from(&route, second) {
                exemplars.take(&route, exemplar(Why::Slow, nanos), second);
            }
        }
        exemplars.age(second, |_| true);
    }
    let slowest = kept(&exemplars, &route);
    // Fifteen whole minutes, each with its own slowest four.
    let of_a_minute = [583, 591, 592, 593];
    assert_eq!(slowest.len() % SLOWEST, 0);
    assert!(
        slowest.iter().all(|nanos| of_a_minute.contains(nanos)),
        "{slowest:?}"
    );
    assert!((15..=16).contains(&(slowest.len() / SLOWEST)));
    assert_eq!(exemplars.slow_from(&route, 20 * MINUTE), 0);
}

#[test]
fn a_flood_of_errors_is_bounded_by_minute_and_in_all() {
    let mut exemplars = Exemplars::default();
    let route: Arc<str> = "POST /".into();
    for second in 0..10 * MINUTE {
        for _ in 0..100 {
            exemplars.take(&route, exemplar(Why::Failed, second), second);
        }
        exemplars.age(second, |_| true);
    }
    let errors = kept(&exemplars, &route);
    assert_eq!(errors.len(), FAILED);
    // The newest minutes, the same number of each.
    assert!(
        errors.iter().all(|second| *second >= 6 * MINUTE),
        "{errors:?}"
    );
    assert_eq!(exemplars.taken(&route), 10 * u64::from(FAILED_A_MINUTE));
}

#[test]
fn what_is_kept_stays_in_its_bytes_and_the_oldest_goes_first() {
    let mut exemplars = Exemplars::default();
    for second in 0..600 {
        for route in 0..20 {
            let route: Arc<str> = format!("GET /{}", (second * 20 + route) % 900).into();
            exemplars.take(&route, exemplar(Why::Failed, second), second);
        }
        exemplars.age(second, |_| true);
        let held: usize = exemplars
            .routes
            .values()
            .flat_map(Kept::all)
            .map(|(_, exemplar)| exemplar.bytes())
            .sum();
        assert_eq!(held, exemplars.bytes);
        assert!(held <= BYTES, "{held}");
    }
    assert!(exemplars.bytes > BYTES / 2);
    let oldest = exemplars.routes.values().flat_map(Kept::all);
    assert!(oldest.map(|(second, _)| *second).min() > Some(100));
}

#[test]
fn a_request_is_found_by_its_number_until_its_route_is_forgotten() {
    let mut exemplars = Exemplars::default();
    exemplars.take(&"GET /a".into(), exemplar(Why::Sample, 1), 1);
    exemplars.take(&"GET /b".into(), exemplar(Why::Cancelled, 2), 1);
    let found = exemplars
        .find(2)
        .map(|(route, found)| (&**route, found.nanos));
    assert_eq!(found, Some(("GET /b", 2)));
    exemplars.age(2, |route| route == "GET /a");
    assert!(exemplars.find(2).is_none() && exemplars.find(1).is_some());
    exemplars.age(2 + SECONDS, |_| true);
    assert_eq!((exemplars.bytes, exemplars.find(1).is_some()), (0, false));
}
