//! Whatever a namespace evicts by, it is bounded, it counts, and it does nothing under a lock.

use super::*;

pub(super) fn evictions() -> Vec<Eviction> {
    [
        Eviction::Default,
        #[cfg(feature = "moka")]
        Eviction::Lru,
        #[cfg(feature = "moka")]
        Eviction::TinyLfu,
    ]
    .to_vec()
}

fn users(eviction: Eviction, capacity: u64) -> (Caches, Namespace) {
    let (caches, _) = manual(true);
    let policy = Policy::new().eviction(eviction).capacity(capacity);
    caches.policy("users", &policy);
    let users = caches.namespace("users");
    (caches, users)
}

/// How many entries there are, after the engine has done what it had put off.
fn held(users: &Namespace) -> u64 {
    let mut held = 0;
    users.space.local().each(|_, _| held += 1);
    held
}

#[test]
fn a_full_namespace_pushes_out_and_counts_it() {
    for eviction in evictions() {
        for capacity in [0, 1, 2, 10, 1_000] {
            let (caches, users) = users(eviction, capacity);
            (0..5_000).for_each(|key| users.insert(&key, key));
            let row = row(&caches, "users");
            // Shards are rounded up.
            assert!(
                row.entries <= capacity + capacity / 10,
                "{eviction:?}: {} of {capacity}",
                row.entries
            );
            assert!(
                row.entries >= capacity * 9 / 10,
                "{eviction:?}: {} of {capacity}",
                row.entries
            );
            let gone = 5_000 - row.entries;
            assert_eq!(row.evictions, gone, "{eviction:?}: {capacity}");
        }
    }
}

#[test]
fn a_namespace_is_resized_and_keeps_what_fits() {
    for eviction in evictions() {
        let (caches, users) = users(eviction, 1_000);
        (0..1_000).for_each(|key| users.insert(&key, key));
        let before = held(&users);
        let resize = |capacity| {
            let policy = Policy::new().eviction(eviction).capacity(capacity);
            caches.policy("users", &policy);
            let held = held(&users);
            assert_eq!(
                row(&caches, "users").evictions,
                1_000 - held,
                "{eviction:?}"
            );
            held
        };
        assert_eq!(resize(2_000), before, "{eviction:?}");
        let shrunk = resize(100);
        assert!((90..=110).contains(&shrunk), "{eviction:?}: {shrunk}");
        assert_eq!(resize(0), 0, "{eviction:?}");
    }
}

#[test]
fn how_a_namespace_evicts_stays_as_it_began() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    users.insert(&1, 1);
    for eviction in evictions() {
        caches.policy("users", &Policy::new().eviction(eviction));
        let row = row(&caches, "users");
        assert_eq!(row.policy.eviction, Eviction::Default);
        assert_eq!(row.conflict, eviction != Eviction::Default);
        assert_eq!(users.get(&1), Some(1));
    }
}

#[cfg(feature = "moka")]
#[test]
fn the_least_recently_used_goes_first_where_that_is_wanted() {
    let (caches, users) = users(Eviction::Lru, 100);
    (0..100).for_each(|key| users.insert(&key, key));
    assert_eq!(held(&users), 100);
    // All but the second fifty are used again, and fifty others come.
    assert!((0..50).all(|key| users.get::<i32>(&key).is_some()));
    assert_eq!(held(&users), 100);
    (100..150).for_each(|key| users.insert(&key, key));
    assert_eq!(held(&users), 100);
    assert_eq!(row(&caches, "users").evictions, 50);
    let is_there = |key: &i32| users.get::<i32>(key).is_some();
    assert!((0..50).all(|key| is_there(&key)));
    assert!(!(50..100).any(|key| is_there(&key)));
    assert!((100..150).all(|key| is_there(&key)));
}

#[cfg(feature = "moka")]
#[test]
fn what_is_wanted_often_outlives_a_scan_where_that_is_wanted() {
    let (caches, users) = users(Eviction::TinyLfu, 100);
    for _ in 0..10 {
        for key in 0..100 {
            if users.get::<i32>(&key).is_none() {
                users.insert(&key, key);
            }
        }
    }
    for key in 1_000..2_000 {
        assert_eq!(users.get::<i32>(&key), None);
        users.insert(&key, key);
    }
    assert!(row(&caches, "users").entries <= 100);
    let kept = (0..100).filter(|key| users.get::<i32>(key).is_some());
    let kept = kept.count();
    assert!(kept > 90, "{kept}");
}

#[test]
fn hostile_values_do_not_run_under_the_lock_of_the_map() {
    /// Uses its own namespace when cloned and when dropped.
    struct Nested(Namespace);
    impl Clone for Nested {
        fn clone(&self) -> Self {
            let _ = self.0.get::<u32>(&1);
            Self(self.0.clone())
        }
    }
    impl Drop for Nested {
        fn drop(&mut self) {
            self.0.insert(&1, 1u32);
        }
    }
    for eviction in evictions() {
        let (caches, users) = users(eviction, 1);
        for key in 2..2_000 {
            users.insert(&key, Nested(users.clone()));
            users.insert(&key, Nested(users.clone()));
            drop(users.get::<Nested>(&key));
        }
        caches.rows();
        caches.policy("users", &Policy::new().eviction(eviction).capacity(0));
        caches.rows();
    }
}

#[test]
fn an_entry_that_is_replaced_was_not_pushed_out() {
    for eviction in evictions() {
        let (caches, users) = users(eviction, 100);
        for value in 0..10 {
            users.insert(&1, value);
        }
        assert_eq!(users.get(&1), Some(9));
        assert_eq!(row(&caches, "users").evictions, 0, "{eviction:?}");
    }
}

#[test]
fn what_leaves_is_counted_by_its_cause() {
    for eviction in evictions() {
        let (caches, hand) = manual(true);
        let minute = Duration::from_secs(60);
        let policy = Policy::new().eviction(eviction).capacity(50).ttl(minute);
        caches.policy("users", &policy.jitter(0));
        let users = caches.namespace("users");
        let left = || {
            let row = row(&caches, "users");
            [row.left_expired, row.left_invalidated, row.left_replaced]
        };
        (0..10).for_each(|key| users.insert(&key, key));
        assert_eq!(left(), [0, 0, 0], "{eviction:?}");
        users.insert(&1, 2);
        assert_eq!(left(), [0, 0, 1], "{eviction:?}: a newer one");
        let _ = users.invalidate_key(&1);
        users.insert(&1, 3);
        assert_eq!(left(), [0, 1, 1], "{eviction:?}");
        pass(&hand, minute + Duration::from_secs(1));
        users.insert(&1, 4);
        // The other nine are swept when they are counted; of one on the stripe of the key it was the invalidation.
        let [expired, invalidated, replaced] = left();
        assert_eq!((expired + invalidated, replaced), (11, 1), "{eviction:?}");
        assert!(expired >= 8, "{eviction:?}: {expired}");
        assert_eq!(row(&caches, "users").evictions, 0, "{eviction:?}");
        (100..300).for_each(|key| users.insert(&key, key));
        let _ = held(&users);
        let row = row(&caches, "users");
        assert!(row.evictions >= 140, "{eviction:?}: {row:?}");
        assert_eq!(left(), [expired, invalidated, replaced], "{eviction:?}");
    }
}

#[test]
fn how_long_entries_are_fresh_is_told_where_each_says_so_itself() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    let asked = || row(&caches, "users").asked_ttl;
    let _ = users.get::<i32>(&1);
    assert_eq!(asked(), None);
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    users.entry(&1).ttl(Duration::from_secs(60)).insert(1);
    assert_eq!(asked(), Some([seconds(60); 2]));
    users.entry(&2).ttl(Duration::from_secs(10)).insert(1);
    users.entry(&3).ttl(Duration::from_secs(300)).insert(1);
    assert_eq!(asked(), Some([seconds(10), seconds(300)]));
    users.insert(&4, 1);
    assert_eq!(asked(), Some([seconds(10), None]), "and one for ever");
}
