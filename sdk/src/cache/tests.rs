use std::collections::HashSet;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Waker};

use tokio::sync::{Barrier, Notify};

use super::*;

mod change;
mod counts;
#[cfg(all(feature = "redis", feature = "vector"))]
mod embeddings;
mod eviction;
#[cfg(feature = "redis")]
mod fleet;
mod forecast;
mod freshness;
#[cfg(feature = "redis")]
mod hostile;
#[cfg(feature = "redis")]
mod outage;
#[cfg(feature = "redis")]
mod shared;
mod stale;
mod warm;

pub(super) fn manual(metered: bool) -> (Caches, Arc<AtomicU64>) {
    let hand = Arc::new(AtomicU64::new(1));
    (
        Caches::with_tick(metered, Tick::Manual(Arc::clone(&hand))),
        hand,
    )
}

pub(super) fn pass(hand: &AtomicU64, time: Duration) {
    hand.fetch_add(time.as_nanos() as u64, Ordering::Release);
}

pub(super) fn row(caches: &Caches, name: &str) -> Row {
    caches.known(name).unwrap().count_anew();
    caches
        .rows()
        .into_iter()
        .find(|row| &*row.name == name)
        .unwrap()
}

#[test]
fn an_entry_expires_between_nine_tenths_of_its_time_and_all_of_it() {
    let (caches, hand) = manual(true);
    caches.policy("users", &Policy::new().ttl(Duration::from_secs(100)));
    let users = caches.namespace("users");
    (0..1_000).for_each(|key| users.insert(&key, key));
    pass(&hand, Duration::from_secs(90) - Duration::from_nanos(1));
    assert_eq!(row(&caches, "users").entries, 1_000);
    pass(&hand, Duration::from_secs(5));
    let half = (0..1_000)
        .filter(|key| users.get::<i32>(key).is_some())
        .count();
    assert!((400..600).contains(&half), "{half}");
    pass(&hand, Duration::from_secs(5) + Duration::from_nanos(1));
    assert_eq!((0..1_000).find_map(|key| users.get::<i32>(&key)), None);
    assert_eq!(row(&caches, "users").entries, 0);
}

#[test]
fn promise_32_time_jumps_cause_no_refresh_storm() {
    const READERS: usize = 16;
    // The clock of real caches is one that nobody can set, and that stands still while the machine sleeps.
    assert_eq!(tick::CLOCK, nix::time::ClockId::CLOCK_MONOTONIC_COARSE);
    for jump in [Duration::from_secs(100), Duration::from_secs(86_400)] {
        let (caches, hand) = manual(true);
        caches.policy("users", &Policy::new().ttl(Duration::from_secs(100)));
        let users = caches.namespace("users");
        let loads = Arc::new(AtomicU64::new(0));
        let barrier = std::sync::Barrier::new(READERS);
        // Readers stand in the load until all others wait for it, or would load as well.
        for round in 1..=3 {
            std::thread::scope(|scope| {
                for _ in 0..READERS {
                    scope.spawn(|| {
                        barrier.wait();
                        let loads = Arc::clone(&loads);
                        let load = || async move {
                            loads.fetch_add(1, Ordering::SeqCst);
                            std::thread::sleep(Duration::from_millis(50));
                            Ok::<_, ()>(7)
                        };
                        let mut read = std::pin::pin!(users.get_or_load("key", load));
                        let mut context = Context::from_waker(Waker::noop());
                        while read.as_mut().poll(&mut context).is_pending() {
                            std::thread::yield_now();
                        }
                    });
                }
            });
            assert_eq!(loads.load(Ordering::SeqCst), round, "after {jump:?}");
            pass(&hand, jump + Duration::from_nanos(1));
        }
    }
}

#[test]
fn a_clear_can_be_undone_less_what_was_overwritten_since() {
    let (caches, hand) = manual(true);
    let users = caches.namespace("users");
    (0..10).for_each(|key| users.insert(&key, "old"));
    let cleared = caches.clear("users").unwrap();
    assert_eq!(row(&caches, "users").entries, 0);
    assert_eq!(users.get::<&str>(&1), None);
    users.insert(&1, "new");
    assert_eq!(row(&caches, "users").entries, 1);
    pass(&hand, Duration::from_secs(59));
    caches.restore(&cleared).unwrap();
    assert_eq!(row(&caches, "users").entries, 9);
    assert_eq!(users.get(&2), Some("old"));
    assert_eq!(users.get::<&str>(&1), None);
}

#[test]
fn an_undo_is_refused_when_it_could_bring_back_what_is_wrong() {
    let (caches, hand) = manual(true);
    let users = caches.namespace("users");
    users.insert(&1, 1);
    let first = caches.clear("users").unwrap();
    users.invalidate();
    assert_eq!(caches.restore(&first), Err(NotRestorable::ChangedSince));
    let second = caches.clear("users").unwrap();
    pass(&hand, UNDO + Duration::from_secs(1));
    assert_eq!(caches.restore(&second), Err(NotRestorable::TooLate));
    let third = caches.clear("users").unwrap();
    assert_eq!(caches.restore(&third), Ok(()));
    assert_eq!(caches.restore(&third), Err(NotRestorable::ChangedSince));
    assert!(caches.clear("unknown").is_none());
}

#[test]
fn a_key_that_was_invalidated_after_a_clear_stays_so_after_the_undo() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    (1..=2).for_each(|key| users.insert(&key, key));
    let cleared = caches.clear("users").unwrap();
    users.invalidate_key(&1);
    caches.restore(&cleared).unwrap();
    assert_eq!(users.get::<i32>(&1), None);
    assert_eq!(users.get(&2), Some(2));
}

#[test]
fn the_builder_has_more_say_than_functions_and_the_first_function_than_later_ones() {
    let (caches, _) = manual(true);
    let [minute, hour] = [60, 3600].map(|seconds| Policy::new().ttl(Duration::from_secs(seconds)));
    let users = caches.namespace("users");
    users.space.settle(&minute, Origin::Function);
    users.space.settle(&hour, Origin::Function);
    let seen = row(&caches, "users");
    assert_eq!((seen.policy, seen.conflict), (minute.clone(), true));
    caches.policy("users", &hour);
    users.space.settle(&minute, Origin::Function);
    assert_eq!(row(&caches, "users").policy, hour);
}

#[test]
fn names_made_from_data_do_not_grow_without_end() {
    let (caches, _) = manual(true);
    for number in 0..NAMESPACES + 10 {
        let space = caches.namespace(&number.to_string());
        space.insert(&1, number);
        assert!(space.get::<usize>(&1).is_none_or(|kept| kept == number));
    }
    let rows = caches.rows();
    assert_eq!(rows.len(), NAMESPACES + 1);
    let lookups = |row: &Row| row.hits + row.misses;
    assert!(rows.iter().all(|row| row.entries <= 1));
    // What has no place is counted all the same.
    let others: Vec<_> = rows.iter().filter(|row| *row.name == *OTHER).collect();
    assert_eq!(others.len(), 1, "{rows:?}");
    assert_eq!((lookups(others[0]), others[0].entries), (10, 0));
    assert_eq!(rows.iter().map(lookups).sum::<u64>(), 1_010);
    // A namespace of that name is one of them.
    let _ = caches.namespace(OTHER).get::<usize>(&1);
    assert_eq!(caches.rows().iter().map(lookups).sum::<u64>(), 1_011);
}

#[test]
fn a_long_name_is_cut_and_its_namespace_stays_another_than_its_like() {
    let (caches, _) = manual(true);
    let [one, other] = ["a", "b"].map(|end| format!("{}{end}", "x".repeat(8 * 1024)));
    caches.policy(&one, &Policy::new().capacity(7));
    caches.namespace(&one).insert(&1, "one");
    caches.namespace(&other).insert(&1, "other");
    let kept = |name: &str| caches.namespace(name).get::<&str>(&1);
    assert_eq!((kept(&one), kept(&other)), (Some("one"), Some("other")));
    let rows = caches.rows();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.name.len() < 300), "{rows:?}");
    assert_eq!(rows.iter().map(|row| row.policy.capacity).min(), Some(7));
    // Whoever was told the name can act by it.
    assert!(caches.clear(&rows[0].name).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousands_who_miss_a_key_share_one_load() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    let loads = Arc::new(AtomicU64::new(0));
    let callers = 5_000;
    let start = Arc::new(Barrier::new(callers));
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (users, loads, start) = (users.clone(), Arc::clone(&loads), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                let load = || async move {
                    tokio::task::yield_now().await;
                    Ok::<_, ()>(loads.fetch_add(1, Ordering::Relaxed))
                };
                users.get_or_load(&7, load).await
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(0));
    }
    let row = row(&caches, "users");
    assert_eq!((row.loads, row.hits + row.misses), (1, callers as u64));
    assert_eq!(row.misses, row.loads + row.joined);
    assert_eq!(row.load_times.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_who_go_away_do_not_stop_the_load() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    let (begun, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let tasks: Vec<_> = (0..1_000)
        .map(|_| {
            let (users, begun, gate) = (users.clone(), Arc::clone(&begun), Arc::clone(&gate));
            tokio::spawn(async move {
                let load = || async move {
                    begun.notify_one();
                    gate.notified().await;
                    Ok::<_, ()>(1)
                };
                users.get_or_load(&7, load).await
            })
        })
        .collect();
    begun.notified().await;
    for task in tasks {
        task.abort();
        let _ = task.await;
    }
    gate.notify_one();
    let load = || async { Ok::<_, ()>(2) };
    assert_eq!(
        users.get_or_load(&7, load).await,
        Ok(1),
        "the first load goes on alone"
    );
    let row = row(&caches, "users");
    assert_eq!((row.loads, row.misses), (1, row.loads + row.joined));
}

#[tokio::test]
async fn a_load_in_its_caller_is_taken_over_when_the_caller_goes_away() {
    let caches = Caches::new(true);
    let users = caches.namespace("users");
    let key = site::written(&7);
    let call = || load::Call {
        space: &users.space,
        site: 1,
        key: &key,
        tags: &[],
        tables: &[],
        values: values::Values::new(),
        refusal: load::Refusal::<()>::shared(),
    };
    for _ in 0..300 {
        users.invalidate();
        let mut first = Box::pin(load::inline(call(), || async {
            std::future::pending::<()>().await;
            Ok(1)
        }));
        let mut second = Box::pin(load::inline(call(), || async { Ok(2) }));
        let mut context = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(first);
        assert_eq!(second.await, Ok(2));
    }
    let row = row(&caches, "users");
    assert_eq!((row.misses, row.loads, row.joined), (600, 600, 0));
}

#[tokio::test]
async fn what_was_invalidated_during_its_load_is_returned_and_not_kept() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    for whole in [true, false] {
        users.invalidate();
        let (begun, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let late = tokio::spawn({
            let (users, begun, gate) = (users.clone(), Arc::clone(&begun), Arc::clone(&gate));
            async move {
                let load = || async move {
                    begun.notify_one();
                    gate.notified().await;
                    Ok::<_, ()>("old")
                };
                users.get_or_load(&7, load).await
            }
        });
        begun.notified().await;
        if whole {
            users.invalidate();
        } else {
            users.invalidate_key(&7);
        }
        // Who comes after the invalidation doesn't join the load from before it.
        assert_eq!(
            users.get_or_load(&7, || async { Ok::<_, ()>("new") }).await,
            Ok("new")
        );
        gate.notify_one();
        assert_eq!(late.await.unwrap(), Ok("old"));
        assert_eq!(users.get(&7), Some("new"));
    }
}

#[tokio::test]
async fn an_error_goes_to_all_who_waited_and_is_not_kept() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    let fail = || async {
        tokio::task::yield_now().await;
        Err::<u32, _>("down")
    };
    let (a, b) = tokio::join!(users.get_or_load(&7, fail), users.get_or_load(&7, fail));
    assert_eq!((a, b), (Err("down"), Err("down")));
    assert_eq!(
        users.get_or_load(&7, || async { Ok::<_, &str>(1) }).await,
        Ok(1)
    );
    let row = row(&caches, "users");
    assert_eq!((row.loads, row.load_errors, row.joined), (2, 1, 1));
}

#[tokio::test]
async fn a_panic_resumes_where_its_load_was_begun_and_the_others_load() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    let first = tokio::spawn({
        let users = users.clone();
        async move {
            let load = || async {
                tokio::task::yield_now().await;
                if true {
                    panic!("broken");
                }
                Ok::<_, ()>(0)
            };
            users.get_or_load(&7, load).await
        }
    });
    let second = tokio::spawn({
        let users = users.clone();
        async move { users.get_or_load(&7, || async { Ok::<_, ()>(2) }).await }
    });
    let panic = first.await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"broken"));
    assert_eq!(second.await.unwrap(), Ok(2));
    assert_eq!(users.get(&7), Some(2));
    let row = row(&caches, "users");
    assert_eq!(
        (row.misses, row.loads, row.load_errors, row.joined),
        (2, 2, 1, 0)
    );
}

#[tokio::test]
async fn a_load_that_needs_its_own_key_runs() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    let inner = users.clone();
    let load = || async move {
        let deeper = inner.clone();
        let middle = || async move { deeper.get_or_load(&7, || async { Ok::<_, ()>(1) }).await };
        inner.get_or_load(&8, middle).await.map(|number| number + 1)
    };
    assert_eq!(users.get_or_load(&7, load).await, Ok(2));
    assert_eq!((users.get(&7), users.get(&8)), (Some(2), Some(1)));
}

#[test]
fn without_a_runtime_the_load_runs_in_its_caller() {
    let (caches, _) = manual(false);
    let users = caches.namespace("users");
    let loaded = users.get_or_load(&7, || async { Ok::<_, ()>(1) });
    assert_eq!(futures_util::FutureExt::now_or_never(loaded), Some(Ok(1)));
    assert_eq!(users.get(&7), Some(1));
    let row = row(&caches, "users");
    assert_eq!((row.hits, row.misses, row.loads), (0, 0, 0), "unmetered");
}

#[test]
fn blocked_threads_share_one_load() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    let key = site::written(&7);
    let (loads, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let values: HashSet<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    let refusal = load::Refusal::<()>::shared();
                    let call = load::Call {
                        space: &users.space,
                        site: 1,
                        key: &key,
                        tags: &[],
                        tables: &[],
                        values: values::Values::new(),
                        refusal,
                    };
                    load::blocking(&call, || {
                        // Until all others have had the time to join or will hit.
                        while row(&caches, "users").misses < 2 && !stop.load(Ordering::Relaxed) {
                            std::thread::yield_now();
                        }
                        Ok(loads.fetch_add(1, Ordering::Relaxed))
                    })
                    .unwrap()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(values, HashSet::from([0]));
    assert_eq!(row(&caches, "users").loads, 1);
}

#[test]
fn values_of_two_types_under_one_key_are_no_hits() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    users.insert(&1, "text");
    assert_eq!(users.get::<u32>(&1), None);
    assert_eq!(users.get(&1), Some("text"));
}

#[tokio::test]
async fn a_clone_that_panics_is_its_callers_panic() {
    struct Torn;
    impl Clone for Torn {
        fn clone(&self) -> Self {
            panic!("it can't be had twice")
        }
    }
    let users = Namespace::new("users", Policy::new());
    let asked = users.clone();
    let load = || async { Ok::<_, u8>(Torn) };
    let caller = tokio::spawn(async move { asked.get_or_load(&7, load).await.is_ok() });
    let ended = tokio::time::timeout(Duration::from_secs(10), caller).await;
    assert!(ended.is_ok_and(|ended| ended.is_err_and(|error| error.is_panic())));
    assert_eq!(users.space.flights_open(), 0, "and no flight is left");
}
