//! What is loaded though nobody asks for it: bounded, counted apart, and only while it may.

use std::time::Instant;

use super::*;
use crate::cache::ReadThrough;

/// What loads take part in, and are seen by.
#[derive(Debug, Default)]
struct Seen {
    loads: AtomicU64,
    now: AtomicU64,
    most: AtomicU64,
}

fn read_through(users: &Namespace, seen: &Arc<Seen>) -> ReadThrough<u64, u64, String> {
    let seen = Arc::clone(seen);
    users.read_through(move |key: u64| {
        let seen = Arc::clone(&seen);
        async move {
            seen.loads.fetch_add(1, Ordering::SeqCst);
            let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
            seen.most.fetch_max(now, Ordering::SeqCst);
            tokio::task::yield_now().await;
            seen.now.fetch_sub(1, Ordering::SeqCst);
            if key == 13 {
                return Err("unlucky".to_owned());
            }
            assert!(key != 14, "a load that panics");
            Ok(key * 2)
        }
    })
}

fn assert_conserved(row: &Row) {
    assert_eq!(
        row.loads + row.shared_hits + row.joined + row.unloaded,
        row.misses + row.refreshes,
        "{row:?}"
    );
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(20), "{what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_warmed_is_there_and_was_no_look_up() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    let seen = Arc::new(Seen::default());
    let users = read_through(&users, &seen);
    assert_eq!(users.get(&3).await, Ok(6));
    assert_eq!(users.warm(0..20).await, 17);
    assert_eq!(seen.loads.load(Ordering::SeqCst), 20);
    let warmed = row(&caches, "users");
    assert_eq!((warmed.hits, warmed.misses), (0, 1));
    assert_eq!(
        (warmed.refreshes, warmed.load_errors, warmed.entries),
        (19, 2, 18)
    );
    assert_conserved(&warmed);
    assert_eq!(users.get(&7).await, Ok(14));
    assert_eq!(users.get(&13).await, Err("unlucky".to_owned()));
    assert_conserved(&row(&caches, "users"));
    let most = seen.most.load(Ordering::SeqCst);
    assert_eq!(most, 4, "at a time");
}

#[tokio::test]
async fn a_cleared_namespace_is_warmed_with_the_keys_that_were_used() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    let seen = Arc::new(Seen::default());
    let users = read_through(&users, &seen);
    for key in (0..10).chain(100..110) {
        users.get(&key).await.unwrap();
    }
    assert_eq!(caches.warmable("users"), 20);
    caches.clear("users").unwrap();
    let warming = caches.warm("users").unwrap();
    until("warmed", || warming.is_over()).await;
    let counts = &warming.counts;
    let [keys, seen_keys, loaded, failed] =
        [&counts.keys, &counts.seen, &counts.loaded, &counts.failed]
            .map(|count| count.load(Ordering::Relaxed));
    assert_eq!((keys, seen_keys, loaded, failed), (20, 20, 20, 0));
    assert_eq!(row(&caches, "users").entries, 20);
    assert_eq!(seen.loads.load(Ordering::SeqCst), 40);
    // Again there is nothing to load.
    let again = caches.warm("users").unwrap();
    until("warmed again", || again.is_over()).await;
    assert_eq!(seen.loads.load(Ordering::SeqCst), 40);
    assert_eq!(again.counts.loaded.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn warming_rests_when_it_is_told_and_ends_with_who_asked_for_it() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    let seen = Arc::new(Seen::default());
    let users = read_through(&users, &seen);
    for key in 100..200 {
        users.get(&key).await.unwrap();
    }
    caches.clear("users").unwrap();
    let warming = caches.warm("users").unwrap();
    // Before the first load, which this thread would have to run.
    warming.rest(true);
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(seen.loads.load(Ordering::SeqCst), 100);
    warming.rest(false);
    until("some", || seen.loads.load(Ordering::SeqCst) > 110).await;
    warming.rest(true);
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let rested = seen.loads.load(Ordering::SeqCst);
    assert!(rested < 200, "{rested}");
    drop(warming);
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(seen.loads.load(Ordering::SeqCst), rested);
}

#[tokio::test]
async fn the_keys_that_are_remembered_are_bounded_and_those_used_most() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    let seen = Arc::new(Seen::default());
    let users = read_through(&users, &seen);
    for key in 1_000..6_000 {
        users.get(&key).await.unwrap();
        for hot in 0..10 {
            users.get(&hot).await.unwrap();
        }
    }
    let remembered = caches.warmable("users");
    assert!((900..=1_000).contains(&remembered), "{remembered}");
    users.namespace().invalidate();
    let warming = caches.warm("users").unwrap();
    until("warmed", || warming.is_over()).await;
    let before = seen.loads.load(Ordering::SeqCst);
    for hot in 0..10 {
        users.get(&hot).await.unwrap();
    }
    assert_eq!(seen.loads.load(Ordering::SeqCst), before);
}

#[test]
fn without_a_runtime_or_a_function_there_is_nothing_to_warm() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    assert!(caches.warm("users").is_none() && caches.warm("nobody").is_none());
    let seen = Arc::new(Seen::default());
    let users = read_through(&users, &seen);
    let mut get = std::pin::pin!(users.get(&1));
    let mut context = Context::from_waker(Waker::noop());
    while get.as_mut().poll(&mut context).is_pending() {}
    assert_eq!(caches.warmable("users"), 1);
    assert!(caches.warm("users").is_none());
    drop(users.clone());
    assert_eq!(caches.warmable("users"), 1);
}

#[tokio::test]
async fn a_function_whose_handles_are_gone_is_not_called_again() {
    let (caches, _) = manual(true);
    let seen = Arc::new(Seen::default());
    let users = read_through(&caches.namespace("users"), &seen);
    users.get(&1).await.unwrap();
    assert_eq!(caches.warmable("users"), 1);
    drop(users);
    assert_eq!(caches.warmable("users"), 0);
    assert!(caches.warm("users").is_none());
}
