//! What happens to an entry after its time: served while it is refreshed, kept for loads that fail, never after an
//! invalidation.

use super::*;

const TTL: Duration = Duration::from_secs(100);

fn policy() -> Policy {
    Policy::new().ttl(TTL).jitter(0).early_refresh(false)
}

fn caches(policy: &Policy) -> (Caches, Namespace, Arc<AtomicU64>) {
    let (caches, hand) = manual(true);
    caches.policy("users", policy);
    let users = caches.namespace("users");
    (caches, users, hand)
}

async fn ask(users: &Namespace, answer: Result<u32, &'static str>) -> Result<u32, &'static str> {
    users.get_or_load(&7, || async move { answer }).await
}

/// As a function with `option` asks.
async fn ask_if_any(users: &Namespace, answer: Option<u32>) -> Result<Option<u32>, ()> {
    let key = site::written(&7);
    let call = load::Call {
        space: &users.space,
        site: 1,
        key: &key,
        tags: &[],
        tables: &[],
        values: values::Values::new().absent(Option::is_none).drop_absent(),
        refusal: load::Refusal::shared(),
    };
    load::spawned(call, move || async move { Ok(answer) }).await
}

/// Until the refresh that was begun has landed.
async fn settled(users: &Namespace) {
    while users.space.flights_open() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stale_entry_is_served_while_one_load_refreshes_it() {
    let (caches, users, hand) = caches(&policy().stale_while_revalidate(TTL));
    assert_eq!(ask(&users, Ok(1)).await, Ok(1));
    pass(&hand, TTL);
    let gate = Arc::new(Notify::new());
    let loads = Arc::new(AtomicU64::new(0));
    for _ in 0..100 {
        let (gate, loads) = (Arc::clone(&gate), Arc::clone(&loads));
        let load = || async move {
            loads.fetch_add(1, Ordering::SeqCst);
            gate.notified().await;
            Ok::<u32, &str>(2)
        };
        assert_eq!(users.get_or_load(&7, load).await, Ok(1), "at once");
    }
    tokio::task::yield_now().await;
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    gate.notify_one();
    settled(&users).await;
    assert_eq!(ask(&users, Ok(3)).await, Ok(2));
    let row = row(&caches, "users");
    assert_eq!((row.hits, row.stale_hits, row.misses), (101, 100, 1));
    assert_eq!((row.loads, row.refreshes), (2, 1));
    pass(&hand, TTL * 2);
    assert_eq!(
        ask(&users, Ok(4)).await,
        Ok(4),
        "after the window callers wait"
    );
}

#[tokio::test]
async fn a_failed_refresh_is_tried_again_with_patience() {
    let (caches, users, hand) = caches(&policy().stale_while_revalidate(TTL));
    assert_eq!(ask(&users, Ok(1)).await, Ok(1));
    pass(&hand, TTL);
    let mut tries = Vec::new();
    for second in 0..40 {
        let before = row(&caches, "users").refreshes;
        assert_eq!(ask(&users, Err("down")).await, Ok(1));
        settled(&users).await;
        if row(&caches, "users").refreshes > before {
            tries.push(second);
        }
        pass(&hand, Duration::from_secs(1));
    }
    assert_eq!(tries, [0, 1, 3, 7, 15, 31]);
    assert_eq!(row(&caches, "users").load_errors, 6);
    pass(&hand, Duration::from_secs(30));
    assert_eq!(ask(&users, Ok(2)).await, Ok(1));
    settled(&users).await;
    assert_eq!(
        ask(&users, Ok(3)).await,
        Ok(2),
        "a failed refresh stops no later one"
    );
}

#[tokio::test]
async fn a_kept_entry_stands_in_for_a_load_that_fails_and_for_no_other() {
    let (caches, users, hand) = caches(&policy().fail_safe(TTL));
    assert_eq!(ask(&users, Ok(1)).await, Ok(1));
    pass(&hand, TTL);
    assert_eq!(
        ask(&users, Ok(2)).await,
        Ok(2),
        "a load that succeeds is waited for"
    );
    pass(&hand, TTL);
    assert_eq!(ask(&users, Err("down")).await, Ok(2));
    assert_eq!(ask(&users, Ok(3)).await, Ok(2), "not tried again at once");
    let panicking = users.get_or_load(&7, || async { panic!("down") });
    pass(&hand, Duration::from_secs(1));
    assert_eq!(panicking.await, Ok::<u32, &str>(2));
    assert_eq!(
        users.get::<u32>(&7),
        None,
        "a plain look-up takes what is fresh"
    );
    let counted = row(&caches, "users");
    assert_eq!((counted.fail_safe, counted.load_errors), (3, 2));
    pass(&hand, TTL);
    assert_eq!(ask(&users, Err("down")).await, Err("down"), "over");
}

#[tokio::test]
async fn callers_who_joined_a_load_that_fails_get_the_kept_entry_too() {
    let (_, users, hand) = caches(&policy().fail_safe(TTL));
    assert_eq!(ask(&users, Ok(1)).await, Ok(1));
    pass(&hand, TTL);
    let gate = Arc::new(Notify::new());
    let load = |gate: Arc<Notify>| {
        move || async move {
            gate.notified().await;
            Err::<u32, _>("down")
        }
    };
    let asked = (0..10).map(|_| users.get_or_load(&7, load(Arc::clone(&gate))));
    let all = futures_util::future::join_all(asked);
    let (answers, ()) = futures_util::future::join(all, async {
        tokio::task::yield_now().await;
        gate.notify_waiters();
        gate.notify_one();
    })
    .await;
    assert_eq!(answers, [Ok(1); 10]);
}

#[tokio::test]
async fn nothing_that_was_invalidated_is_served_as_stale() {
    let (_, users, hand) = caches(&policy().stale_while_revalidate(TTL).fail_safe(TTL));
    for whole in [true, false] {
        assert_eq!(ask(&users, Ok(1)).await, Ok(1));
        pass(&hand, TTL);
        if whole {
            users.invalidate();
        } else {
            users.invalidate_key(&7);
        }
        assert_eq!(ask(&users, Err("down")).await, Err("down"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_load_is_not_waited_for_while_an_entry_is_kept() {
    let policy = policy()
        .fail_safe(TTL)
        .soft_timeout(Duration::from_millis(200));
    let (caches, users, hand) = caches(&policy);
    assert_eq!(ask(&users, Ok(1)).await, Ok(1));
    pass(&hand, TTL);
    let slow = || async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok::<u32, &str>(2)
    };
    let since = tokio::time::Instant::now();
    let two = futures_util::future::join(users.get_or_load(&7, slow), users.get_or_load(&7, slow));
    assert_eq!(two.await, (Ok(1), Ok(1)));
    assert!(
        since.elapsed() < Duration::from_millis(300),
        "{:?}",
        since.elapsed()
    );
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ask(&users, Ok(3)).await, Ok(2), "the load went on");
    assert_eq!(row(&caches, "users").loads, 2);
}

#[test]
fn without_a_timer_a_slow_load_is_waited_for() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let policy = policy()
            .fail_safe(TTL)
            .soft_timeout(Duration::from_millis(1));
        let (_, users, hand) = caches(&policy);
        assert_eq!(ask(&users, Ok(1)).await, Ok(1));
        pass(&hand, TTL);
        assert_eq!(ask(&users, Ok(2)).await, Ok(2));
    });
}

#[tokio::test]
async fn an_absent_value_has_a_time_of_its_own() {
    let (caches, users, hand) = caches(&policy().negative_ttl(Duration::from_secs(5)));
    let ask = |answer| ask_if_any(&users, answer);
    assert_eq!(ask(None).await, Ok(None));
    assert_eq!(ask(Some(1)).await, Ok(None), "remembered");
    assert_eq!(row(&caches, "users").negative_hits, 1);
    pass(&hand, Duration::from_secs(5));
    assert_eq!(ask(Some(1)).await, Ok(Some(1)));
    pass(&hand, Duration::from_secs(99));
    assert_eq!(ask(None).await, Ok(Some(1)));
}

#[tokio::test]
async fn what_has_gone_is_not_served_as_stale_any_more() {
    let (_, users, hand) = caches(&policy().stale_while_revalidate(TTL));
    let ask = |answer| ask_if_any(&users, answer);
    assert_eq!(ask(Some(1)).await, Ok(Some(1)));
    pass(&hand, TTL);
    assert_eq!(ask(None).await, Ok(Some(1)), "while it is refreshed");
    settled(&users).await;
    assert_eq!(ask(None).await, Ok(None));
}

#[tokio::test]
async fn an_entry_in_demand_is_refreshed_before_its_time_is_over() {
    let (caches, hand) = manual(true);
    caches.policy("users", &Policy::new().ttl(TTL).jitter(0));
    let users = caches.namespace("users");
    // A load of ten seconds.
    let terms = life::Terms {
        ttl: Some(TTL),
        stale: Duration::ZERO,
        fail_safe: Duration::ZERO,
        early: true,
    };
    let life = life::Life::new(0, terms, Duration::from_secs(10));
    let drawn_at = |remaining: u64| {
        let now = TTL.as_nanos() as u64 - remaining * 1_000_000_000;
        let early = (0..10_000).filter(|turn| life.draws_early(now, f64::from(*turn) / 1e4));
        early.count()
    };
    assert!(
        !life.is_sure(50_000_000_000) && life.is_sure(49_999_999_999),
        "at most half of its time"
    );
    assert!((3_670..3_690).contains(&drawn_at(10)), "{}", drawn_at(10));
    assert!((60..75).contains(&drawn_at(50)), "{}", drawn_at(50));
    // And by look-ups: a load of a hundredth of a second.
    let load = || async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok::<u32, ()>(1)
    };
    users.get_or_load(&7, load).await.unwrap();
    pass(&hand, TTL - Duration::from_millis(2));
    for _ in 0..50 {
        ask(&users, Ok(2)).await.unwrap();
    }
    settled(&users).await;
    let counted = row(&caches, "users");
    assert_eq!(
        (counted.misses, counted.refreshes, counted.stale_hits),
        (1, 1, 0)
    );
    assert_eq!(users.get(&7), Some(2_u32));
}

#[tokio::test]
async fn a_tag_reaches_all_its_entries_and_the_loads_under_way() {
    let (caches, _) = manual(true);
    let pages = caches.namespace("pages");
    for page in 0..20 {
        pages.entry(&page).tag(&("user", page % 2)).insert(page);
    }
    pages.invalidate_tag(&("user", 1));
    let left: Vec<_> = (0..20)
        .filter(|page| pages.get::<i32>(page).is_some())
        .collect();
    assert_eq!(left, (0..20).step_by(2).collect::<Vec<_>>());

    let (begun, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let late = tokio::spawn({
        let (pages, begun, gate) = (pages.clone(), Arc::clone(&begun), Arc::clone(&gate));
        async move {
            let load = || async move {
                begun.notify_one();
                gate.notified().await;
                Ok::<_, ()>(100)
            };
            pages.entry(&100).tag(&"all").get_or_load(load).await
        }
    });
    begun.notified().await;
    pages.invalidate_tag(&"all");
    // A look-up from after the invalidation doesn't wait for the load from before it.
    let fresh = pages
        .entry(&100)
        .tag(&"all")
        .get_or_load(|| async { Ok::<_, ()>(101) });
    assert_eq!(fresh.await, Ok(101));
    gate.notify_one();
    assert_eq!(late.await.unwrap(), Ok(100));
    assert_eq!(pages.get(&100), Some(101));
    let many = (0..9).fold(pages.entry(&200), |entry, tag| entry.tag(&tag));
    many.insert(1);
    assert_eq!(pages.get::<i32>(&200), None, "an entry has at most 8 tags");
}

#[test]
fn a_capacity_in_bytes_is_kept() {
    for eviction in eviction::evictions() {
        let (caches, _) = manual(true);
        let policy = Policy::new().capacity_bytes(1 << 20).eviction(eviction);
        caches.policy("pages", &policy);
        let pages = caches.namespace("pages");
        for number in 0..4_000_u32 {
            let key = site::written(&number);
            let call = load::Call {
                space: &pages.space,
                site: 1,
                key: &key,
                tags: &[],
                tables: &[],
                values: values::Values::<Vec<u8>>::new().weigh(Vec::len),
                refusal: load::Refusal::<()>::shared(),
            };
            load::blocking(&call, || Ok(vec![0; 1_000])).unwrap();
        }
        let counted = row(&caches, "pages");
        assert!(
            (500_000..=1 << 20).contains(&counted.bytes),
            "{eviction:?}: {}",
            counted.bytes
        );
        assert!(counted.entries < 1_000, "{eviction:?}: {}", counted.entries);
        pages.space.settle(
            &Policy::new().capacity_bytes(1 << 18).eviction(eviction),
            terms::Origin::Builder,
        );
        let counted = row(&caches, "pages");
        assert!(counted.bytes <= 1 << 18, "{eviction:?}: {}", counted.bytes);
    }
}

#[tokio::test]
async fn the_longest_times_there_are_overflow_nothing() {
    let longest = Policy::new()
        .ttl(Duration::MAX)
        .stale_while_revalidate(Duration::MAX)
        .fail_safe(Duration::MAX)
        .soft_timeout(Duration::MAX)
        .negative_ttl(Duration::MAX);
    let (_, users, hand) = caches(&longest);
    assert_eq!(ask(&users, Ok(1)).await, Ok(1));
    assert_eq!(ask_if_any(&users, None).await, Ok(None));
    pass(&hand, Duration::from_secs(50 * 365 * 24 * 60 * 60));
    assert_eq!(ask(&users, Ok(2)).await, Ok(1));
}

#[tokio::test]
async fn where_caches_are_bypassed_every_call_loads_and_invalidations_go_on() {
    let caches = manual(true).0.bypass();
    let users = caches.namespace("users");
    let loads = AtomicUsize::new(0);
    let load = || {
        let number = loads.fetch_add(1, Ordering::Relaxed);
        async move { Ok::<_, std::convert::Infallible>(number) }
    };
    for number in 0..3 {
        assert_eq!(users.get_or_load(&1, load).await, Ok(number));
    }
    users.insert(&1, 7_usize);
    assert_eq!(users.get::<usize>(&1), None);
    let _ = users.invalidate_key(&1);
    let row = row(&caches, "users");
    assert_eq!((row.entries, row.bytes, row.hits), (0, 0, 0));
    assert_eq!(
        (row.misses, row.loads, row.unloaded, row.invalidations),
        (4, 3, 1, 1)
    );
}
