//! What instances that share values do while Redis, or the way to it, does what it shouldn't.

use std::time::Instant;

use perfdeck_tests::proxy::Proxy;
use perfdeck_tests::redis::Server;

use super::fleet::{Origin, assert_conserved, get, row, stored, user};
use super::shared::{BOUND, TURNS, attached, instance, instance_at};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn promise_39_without_redis_loads_take_turns() {
    let mut server = Server::start().unwrap();
    let (caches, users) = instance(&server);
    attached(&[&caches]);
    let origin = Origin::taking(20);
    assert!(get(&users, 0, &origin).await.is_ok());
    assert!(origin.most.swap(0, Ordering::SeqCst) >= 1);
    server.stop();
    let since = Instant::now();
    let mut tasks = Vec::new();
    for id in 1..200 {
        let (users, origin) = (users.clone(), Arc::clone(&origin));
        tasks.push(tokio::spawn(async move {
            let begun = Instant::now();
            let seen = get(&users, id, &origin).await;
            (seen == Ok(user(id, 0)), begun.elapsed())
        }));
    }
    for task in tasks {
        let (right, _) = task.await.unwrap();
        assert!(right);
    }
    let most = origin.most.load(Ordering::SeqCst);
    assert!((1..=TURNS as i64).contains(&most), "{most} at a time");
    // 199 loads of 20 ms, four at a time.
    assert!(
        since.elapsed() < Duration::from_secs(4),
        "{:?}",
        since.elapsed()
    );
    // What is invalidated meanwhile holds when Redis is back, before anything is taken from it.
    origin.version.store(1, Ordering::SeqCst);
    assert_eq!(users.invalidate().await, Reach::Deferred);
    assert_eq!(get(&users, 1, &origin).await, Ok(user(1, 1)));
    server.restart().unwrap();
    attached(&[&caches]);
    let (two, others) = instance(&server);
    attached(&[&two]);
    assert_eq!(get(&users, 2, &origin).await, Ok(user(2, 1)));
    stored(&server, 1);
    assert_eq!(get(&others, 2, &origin).await, Ok(user(2, 1)));
    assert_eq!(row(&two).shared_hits, 1);
    assert_conserved(&caches);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_in_redis_stands_in_for_a_load_that_fails() {
    let server = Server::start().unwrap();
    let nodes = [instance(&server), instance(&server)];
    let policy = Policy::new()
        .ttl(Duration::from_millis(300))
        .fail_safe(Duration::from_secs(60));
    nodes
        .iter()
        .for_each(|(caches, _)| caches.policy("users", &policy));
    attached(&[&nodes[0].0, &nodes[1].0]);
    let origin = Origin::taking(1);
    assert!(get(&nodes[0].1, 7, &origin).await.is_ok());
    stored(&server, 1);
    tokio::time::sleep(Duration::from_millis(400)).await;
    origin.fails.store(true, Ordering::SeqCst);
    // The other instance never had it.
    assert_eq!(get(&nodes[1].1, 7, &origin).await, Ok(user(7, 0)));
    assert_eq!(row(&nodes[1].0).fail_safe, 1);
    assert!(get(&nodes[1].1, 8, &origin).await.is_err());
    let told = nodes[1].0.standing().unwrap();
    assert_eq!(told.not_stored, 0, "there was nothing to put down");
    assert_conserved(&nodes[1].0);
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_37_whatever_the_way_to_redis_does_the_bound_holds() {
    let server = Server::start().unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let ((one, users), (two, others)) = (instance(&server), instance_at(&proxy.url()));
    attached(&[&one, &two]);
    let origin = Origin::taking(0);
    let mut version = 0;
    for (what, bound) in [
        ("as it should be", BOUND),
        ("slow", BOUND),
        ("cut", BOUND),
        // Nobody can know any more, and says so.
        ("silent", Duration::from_secs(5) + BOUND),
        ("back", BOUND),
    ] {
        assert!(get(&others, 7, &origin).await.is_ok());
        match what {
            "slow" => proxy.delay(Duration::from_millis(100)),
            "cut" => {
                proxy.delay(Duration::ZERO);
                proxy.cut();
            }
            "silent" => proxy.silence(true),
            "back" => {
                proxy.silence(false);
                attached(&[&two]);
            }
            _ => {}
        }
        version += 1;
        origin.version.store(version, Ordering::SeqCst);
        assert_eq!(users.invalidate_key(&7_u64).await, Reach::Applied);
        let since = Instant::now();
        while get(&others, 7, &origin).await != Ok(user(7, version)) {
            assert!(since.elapsed() < bound, "{what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert_conserved(&two);
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_37_a_replica_that_lags_takes_over_and_nothing_old_comes_back() {
    let (primary, replica) = (Server::start().unwrap(), Server::start().unwrap());
    let copying = Proxy::start(primary.port()).unwrap();
    replica.follow(copying.port()).unwrap();
    let way = Proxy::start(primary.port()).unwrap();
    let ((one, users), (two, others)) = (instance_at(&way.url()), instance_at(&way.url()));
    attached(&[&one, &two]);
    let origin = Origin::taking(1);
    for id in 0..10 {
        assert!(get(&users, id, &origin).await.is_ok());
    }
    stored(&replica, 10);
    copying.silence(true);
    origin.version.store(1, Ordering::SeqCst);
    for id in 0..5_u64 {
        assert_eq!(users.invalidate_key(&id).await, Reach::Applied);
    }
    let both = || async {
        let (one, two) = (get(&users, 0, &origin), get(&others, 0, &origin));
        (one.await, two.await) == (Ok(user(0, 1)), Ok(user(0, 1)))
    };
    let since = Instant::now();
    while !both().await {
        assert!(since.elapsed() < BOUND);
    }

    replica.promote().unwrap();
    way.aim(replica.port());
    way.cut();
    // All that it copied is there: the values, and the generation under which they were good.
    stored(&replica, 10);
    let since = Instant::now();
    while since.elapsed() < 2 * BOUND {
        for namespace in [&users, &others] {
            // What they hold themselves is not in question.
            namespace.space.forget();
            for id in 0..5 {
                assert_eq!(get(namespace, id, &origin).await, Ok(user(id, 1)));
            }
        }
    }
    let rollbacks = |caches: &Caches| caches.standing().unwrap().rollbacks;
    assert!(rollbacks(&one) + rollbacks(&two) >= 1);
    assert!(one.standing().unwrap().attached && two.standing().unwrap().attached);
    assert_conserved(&one);
    assert_conserved(&two);
}
