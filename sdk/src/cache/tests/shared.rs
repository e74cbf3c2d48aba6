//! Several instances that share a real Redis: what one invalidates no other serves for longer than is promised.

use std::time::Instant;

use perfdeck_tests::redis::Server;

use super::super::reach::What;
use super::*;

/// Loads at a time while Redis isn't there.
pub(super) const TURNS: usize = 4;
/// What the module promises, with room for a machine that has other things to do.
pub(super) const BOUND: Duration = Duration::from_millis(1_250);

pub(super) fn instance(server: &Server) -> (Caches, Namespace) {
    instance_at(&server.url())
}

pub(super) fn instance_at(url: &str) -> (Caches, Namespace) {
    instance_of(&Url::new(url))
}

pub(super) fn instance_of(url: &Url) -> (Caches, Namespace) {
    let mut caches = Caches::new(true);
    caches.join(url.address("shop").unwrap(), TURNS).unwrap();
    let users = caches.namespace("users");
    (caches, users)
}

pub(super) fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) -> Duration {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < limit, "{what} within {limit:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
    since.elapsed()
}

pub(super) fn attached(instances: &[&Caches]) {
    let is_attached = |caches: &&Caches| caches.standing().is_some_and(|now| now.attached);
    until("attached", Duration::from_secs(10), || {
        instances.iter().all(is_attached)
    });
    // Both have begun with the namespace, as nobody knew it.
    std::thread::sleep(BOUND);
}

#[tokio::test]
async fn an_invalidation_reaches_the_other_instances() {
    let server = Server::start().unwrap();
    let ((one, users), (two, others)) = (instance(&server), instance(&server));
    attached(&[&one, &two]);
    let fill = || {
        (0..10).for_each(|key| others.entry(&key).tag(&("half", key % 2)).insert(key));
        (0..10).for_each(|key| users.insert(&key, key));
    };
    let left = || -> Vec<i32> {
        (0..10)
            .filter(|key| others.get::<i32>(key).is_some())
            .collect()
    };
    for round in [1, 2, 0] {
        fill();
        assert_eq!(left().len(), 10);
        let (reach, gone): (Reach, Vec<i32>) = match round {
            0 => (users.invalidate().await, (0..10).collect()),
            1 => (users.invalidate_key(&7).await, vec![7]),
            _ => (
                users.invalidate_tag(&("half", 1)).await,
                vec![1, 3, 5, 7, 9],
            ),
        };
        assert_eq!(reach, Reach::Applied);
        let took = until("gone", BOUND, || {
            gone.iter().all(|key| !left().contains(key))
        });
        assert!(took < Duration::from_millis(500), "nudged: {took:?}");
        assert_eq!(left().len(), 10 - gone.len(), "and nothing else");
        let own = (0..10)
            .filter(|key| users.get::<i32>(key).is_some())
            .count();
        assert_eq!(
            own,
            if round == 0 {
                0
            } else if round == 1 {
                9
            } else {
                10
            },
            "round {round}"
        );
    }
    let standing = two.standing().unwrap();
    assert_eq!(
        (standing.received, standing.gaps, standing.rollbacks),
        (3, 0, 0)
    );
    assert_eq!(standing.bound, BOUND);
    assert_eq!(one.standing().unwrap().received, 0, "its own are not news");
}

#[tokio::test]
async fn promise_37_without_nudges_the_bound_holds() {
    let server = Server::start().unwrap();
    let ((one, users), (two, others)) = (instance(&server), instance(&server));
    attached(&[&one, &two]);
    // Nobody listens any more, and nobody is told.
    server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
    for key in 0..4 {
        server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
        others.insert(&key, key);
        assert_eq!(users.invalidate_key(&key).await, Reach::Applied);
        until("gone", BOUND, || others.get::<i32>(&key).is_none());
    }
}

#[tokio::test]
async fn promise_37_what_redis_forgets_is_invalid() {
    let server = Server::start().unwrap();
    let ((one, users), (two, others)) = (instance(&server), instance(&server));
    attached(&[&one, &two]);
    assert_eq!(users.invalidate().await, Reach::Applied);
    std::thread::sleep(BOUND);
    for (what, command) in [
        ("all", &["FLUSHALL"][..]),
        ("the generation", &["DEL", "pd1:{shop}:g:users"]),
        ("the journal", &["DEL", "pd1:{shop}:j", "pd1:{shop}:jn"]),
    ] {
        users.invalidate().await;
        std::thread::sleep(BOUND);
        others.insert(&7, 7);
        users.insert(&7, 7);
        assert_eq!(others.get(&7), Some(7));
        server.ask(command).unwrap();
        until(what, BOUND, || {
            others.get::<i32>(&7).is_none() && users.get::<i32>(&7).is_none()
        });
    }
    assert!(one.standing().unwrap().gaps >= 2 && two.standing().unwrap().gaps >= 2);
}

#[tokio::test]
async fn promise_37_a_generation_that_goes_backwards_begins_anew() {
    let server = Server::start().unwrap();
    let ((one, users), (two, others)) = (instance(&server), instance(&server));
    attached(&[&one, &two]);
    for _ in 0..3 {
        assert_eq!(users.invalidate().await, Reach::Applied);
    }
    std::thread::sleep(BOUND);
    others.insert(&7, 7);
    let epoch = server.ask(&["HGET", "pd1:{shop}:g:users", "e"]).unwrap();
    // As a replica that lagged has it.
    server
        .ask(&["HSET", "pd1:{shop}:g:users", "c", "1", "n", "1"])
        .unwrap();
    until("gone", BOUND, || others.get::<i32>(&7).is_none());
    until("renewed", BOUND, || {
        server.ask(&["HGET", "pd1:{shop}:g:users", "e"]).unwrap() != epoch
    });
    let rollbacks = |caches: &Caches| caches.standing().unwrap().rollbacks;
    assert!(rollbacks(&one) + rollbacks(&two) >= 1);
}

#[tokio::test]
async fn promise_37_a_dead_redis_is_served_from_for_five_seconds_and_hears_of_all_when_it_is_back()
{
    let mut server = Server::start().unwrap();
    let ((one, users), (two, others)) = (instance(&server), instance(&server));
    attached(&[&one, &two]);
    others.insert(&7, 7);
    server.stop();
    let since = Instant::now();
    until("detached", Duration::from_secs(3), || {
        !one.standing().unwrap().attached
    });
    assert_eq!(one.standing().unwrap().bound, Duration::from_secs(5));
    let asked = Instant::now();
    assert_eq!(users.invalidate_key(&7).await, Reach::Deferred);
    assert!(
        asked.elapsed() < Duration::from_millis(100),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(one.standing().unwrap().deferred, 1);
    assert_eq!(users.get::<i32>(&7), None, "at once in this process");
    assert_eq!(others.get(&7), Some(7), "the other can't know yet");
    let took = until("unknown", Duration::from_millis(5_300), || {
        others.get::<i32>(&7).is_none()
    });
    assert!(
        took > Duration::from_secs(2),
        "not sooner than need be: {took:?}"
    );
    assert!(
        since.elapsed() > Duration::from_millis(3_500),
        "{:?}",
        since.elapsed()
    );
    // What is loaded meanwhile is served, for as long.
    others.insert(&8, 8);
    assert_eq!(others.get(&8), Some(8));
    server.restart().unwrap();
    until("attached", Duration::from_secs(10), || {
        one.standing().unwrap().attached && two.standing().unwrap().attached
    });
    until("sent", BOUND, || one.standing().unwrap().deferred == 0);
    // Redis has forgotten all, so whatever was cached is in doubt.
    until("gone", BOUND, || others.get::<i32>(&8).is_none());
}

#[tokio::test]
async fn the_thread_ends_with_its_caches() {
    let server = Server::start().unwrap();
    let (one, users) = instance(&server);
    attached(&[&one]);
    drop(one);
    let ended = || {
        !users
            .space
            .shared
            .remote
            .as_ref()
            .is_some_and(|remote| remote.is_served())
    };
    until("ended", Duration::from_secs(3), ended);
    // A handle that is left answers, and waits for nobody.
    assert_eq!(users.invalidate().await, Reach::Deferred);
}

#[test]
fn what_waits_for_redis_is_bounded() {
    let mut waiting = remote::Waiting::default();
    let space: Arc<str> = "users".into();
    for hash in 0..100_000_u64 {
        waiting.add(&space, What::Stripe(hash << 20), None);
    }
    assert_eq!(waiting.count(), 1, "the namespace as a whole");
    let taken = waiting.take();
    assert_eq!((waiting.count(), taken.len()), (0, 1));
    for (space, change) in taken {
        waiting.put_back(space, change);
    }
    assert_eq!(waiting.count(), 1);
    for name in 0..5_000 {
        let name: Arc<str> = format!("made from data {name}").into();
        waiting.add(&name, What::Stripe(1 << 20), None);
    }
    assert!(waiting.take().len() <= 1_001);
    waiting.add(&space, What::All, None);
    waiting.add(&space, What::Stripe(1 << 20), None);
    waiting.add(&"others".into(), What::Stripe(1 << 20), None);
    assert_eq!(waiting.count(), 2);
}

#[tokio::test]
async fn promise_41_what_others_write_to_redis_is_never_larger_than_it_may_be() {
    let server = Server::start().unwrap();
    let (one, users) = instance(&server);
    attached(&[&one]);
    let large = "x".repeat(5 << 20);
    let line = [
        "v", "1", "i", "somebody", "n", "users", "a", "0", "s", &large,
    ];
    users.insert(&7, 7);
    server
        .ask(&[&["XADD", "pd1:{shop}:j", "*"][..], &line].concat())
        .unwrap();
    server.ask(&["INCR", "pd1:{shop}:jn"]).unwrap();
    until("a gap", BOUND, || one.standing().unwrap().gaps == 1);
    assert_eq!(users.get::<i32>(&7), None);
    server
        .ask(&["HSET", "pd1:{shop}:g:users", "e", &large])
        .unwrap();
    std::thread::sleep(BOUND);
    let length = server.ask(&["HSTRLEN", "pd1:{shop}:g:users", "e"]).unwrap();
    assert_eq!(length, ":32\r\n", "begun anew");
    let standing = one.standing().unwrap();
    assert!(standing.attached && standing.errors == 0, "{standing:?}");
    // Lines that can't be read mean anything.
    for fields in [
        &["v", "2"][..],
        &["v", "1", "n", "users"],
        &["v", "1", "n", "", "a", "1", "s", ""],
    ] {
        std::thread::sleep(BOUND);
        users.insert(&7, 7);
        assert_eq!(users.get(&7), Some(7));
        server
            .ask(&[&["XADD", "pd1:{shop}:j", "*"][..], fields].concat())
            .unwrap();
        server.ask(&["INCR", "pd1:{shop}:jn"]).unwrap();
        until("gone", BOUND, || users.get::<i32>(&7).is_none());
    }
}
