//! What an operator changes of a namespace takes effect at once, and what code says still bounds it.

use super::eviction::evictions;
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn held(caches: &Caches) -> u64 {
    let mut held = 0;
    caches
        .known("users")
        .unwrap()
        .local()
        .each(|_, _| held += 1);
    held
}

fn change(caches: &Caches, edit: impl FnOnce(&mut Changed)) {
    let from = caches.changed("users").unwrap();
    let mut to = from;
    edit(&mut to);
    assert!(caches.change("users", from, to));
}

/// Namespace `users`, whose entries last for `minutes` to the tick.
fn lasting(minutes: u32) -> (Caches, Namespace, Arc<AtomicU64>) {
    let (caches, hand) = manual(true);
    let policy = Policy::new().ttl(minutes * MINUTE).jitter(0);
    caches.policy("users", &policy);
    let users = caches.namespace("users");
    (caches, users, hand)
}

#[test]
fn a_namespace_that_is_resized_keeps_what_fits_and_takes_more_after() {
    for eviction in evictions() {
        let (caches, _) = manual(true);
        let policy = Policy::new().eviction(eviction).capacity(1_000);
        caches.policy("users", &policy);
        let users = caches.namespace("users");
        (0..1_000).for_each(|key| users.insert(&key, key));
        change(&caches, |to| to.capacity = Some(200));
        let shrunk = held(&caches);
        assert!((180..=220).contains(&shrunk), "{eviction:?}: {shrunk}");
        let kept = (0..1_000).filter(|key| users.get::<i32>(key) == Some(*key));
        assert_eq!(kept.count() as u64, shrunk, "{eviction:?}");
        assert_eq!(row(&caches, "users").policy.capacity, 200);
        change(&caches, |to| to.capacity = Some(5_000));
        (0..5_000).for_each(|key| users.insert(&key, key));
        let grown = held(&caches);
        assert!((4_500..=5_000).contains(&grown), "{eviction:?}: {grown}");
        // The code's own again.
        change(&caches, |to| to.capacity = None);
        let back = held(&caches);
        assert!((900..=1_100).contains(&back), "{eviction:?}: {back}");
    }
}

#[test]
fn a_capacity_that_was_set_outlives_the_policy_of_a_function_that_comes_later() {
    let (caches, _) = manual(true);
    let users = caches.namespace("users");
    change(&caches, |to| to.capacity = Some(50));
    let policy = Policy::new().capacity(1_000);
    users.space.settle(&policy, Origin::Function);
    (0..1_000).for_each(|key| users.insert(&key, key));
    assert!(held(&caches) <= 60, "{}", held(&caches));
    let seen = row(&caches, "users");
    assert_eq!((seen.policy.capacity, seen.conflict), (50, false));
}

#[test]
fn a_change_is_refused_where_another_came_between() {
    let (caches, _, _) = lasting(5);
    let seen = caches.changed("users").unwrap();
    change(&caches, |to| to.capacity = Some(50));
    let to = Changed {
        ttl: Some(MINUTE),
        ..seen
    };
    assert!(!caches.change("users", seen, to));
    assert_eq!(row(&caches, "users").policy.ttl, Some(5 * MINUTE));
    assert!(!caches.change("nobody", seen, to));
}

#[test]
fn a_shorter_time_holds_for_what_is_there_and_a_longer_one_for_what_is_loaded_then() {
    let (caches, users, hand) = lasting(5);
    users.insert(&1, "old");
    pass(&hand, MINUTE);
    change(&caches, |to| to.ttl = Some(2 * MINUTE));
    users.insert(&2, "new");
    assert_eq!(users.get(&1), Some("old"));
    pass(&hand, MINUTE);
    assert_eq!(users.get::<&str>(&1), None);
    assert_eq!(users.get(&2), Some("new"));
    change(&caches, |to| to.ttl = Some(10 * MINUTE));
    users.insert(&3, "later");
    pass(&hand, MINUTE);
    // It was promised two minutes.
    assert_eq!(users.get::<&str>(&2), None);
    pass(&hand, 8 * MINUTE);
    assert_eq!(users.get(&3), Some("later"));
    change(&caches, |to| to.ttl = None);
    assert_eq!(users.get::<&str>(&3), None);
    assert_eq!(row(&caches, "users").policy.ttl, Some(5 * MINUTE));
}

#[test]
fn an_entry_without_an_end_gets_one() {
    let (caches, hand) = manual(true);
    let users = caches.namespace("users");
    users.insert(&1, 1);
    change(&caches, |to| to.ttl = Some(MINUTE));
    pass(&hand, MINUTE);
    assert_eq!(users.get::<i32>(&1), None);
    assert_eq!(row(&caches, "users").entries, 0);
}

#[test]
fn what_is_there_does_not_end_all_at_once() {
    let (caches, hand) = manual(true);
    caches.policy("users", &Policy::new().ttl(60 * MINUTE));
    let users = caches.namespace("users");
    (0..1_000).for_each(|key| users.insert(&key, key));
    change(&caches, |to| to.ttl = Some(Duration::from_secs(100)));
    pass(&hand, Duration::from_secs(95));
    let left = (0..1_000).filter(|key| users.get::<i32>(key).is_some());
    let left = left.count();
    assert!((400..600).contains(&left), "{left}");
    pass(&hand, Duration::from_secs(5));
    assert_eq!((0..1_000).find_map(|key| users.get::<i32>(&key)), None);
}

#[test]
fn what_code_wants_fresh_for_a_shorter_time_is_never_prolonged() {
    let (caches, users, hand) = lasting(5);
    change(&caches, |to| to.ttl = Some(60 * MINUTE));
    users.entry(&1).ttl(MINUTE).insert("short");
    users.entry(&2).ttl(5 * MINUTE).insert("as all");
    pass(&hand, MINUTE);
    assert_eq!(users.get::<&str>(&1), None);
    pass(&hand, 30 * MINUTE);
    assert_eq!(users.get(&2), Some("as all"));
    // And one that was changed is no longer than the change.
    change(&caches, |to| to.ttl = Some(Duration::from_secs(10)));
    users.entry(&1).ttl(MINUTE).insert("short");
    pass(&hand, Duration::from_secs(10));
    assert_eq!(users.get::<&str>(&1), None);
}

#[test]
fn the_windows_beyond_the_time_move_along() {
    let (caches, hand) = manual(true);
    let policy = Policy::new()
        .ttl(10 * MINUTE)
        .jitter(0)
        .stale_while_revalidate(MINUTE);
    caches.policy("users", &policy);
    let users = caches.namespace("users");
    users.insert(&1, 1);
    change(&caches, |to| to.ttl = Some(MINUTE));
    pass(&hand, 2 * MINUTE - Duration::from_nanos(1));
    assert_eq!(row(&caches, "users").entries, 1);
    pass(&hand, Duration::from_nanos(1));
    assert_eq!(row(&caches, "users").entries, 0);
}

/// A load that began under the longer time, and whose entry the change could not see.
#[test]
fn what_is_put_in_while_the_time_changes_lasts_no_longer_either() {
    let (caches, users, hand) = lasting(60);
    let space = &users.space;
    let key = site::written(&1);
    let stripes = stamp::Stripes::new(space.stripe(&key), &[]);
    let stamp = space.stamps.read(&stripes);
    let stored = key::Probe::new(0, &key, &space.shared.hasher).store();
    let kept = tier::Kept::just(Duration::ZERO);
    let slot = space.slot(&stored, 7, stamp, stripes, &values::Values::new(), kept);
    change(&caches, |to| to.ttl = Some(MINUTE));
    space.fill(stored, &slot);
    assert_eq!(users.get(&1), Some(7));
    pass(&hand, MINUTE);
    assert_eq!(users.get::<i32>(&1), None);
}

#[test]
fn a_value_s_own_code_may_use_its_namespace_while_that_shrinks() {
    struct Nested(Namespace, u32);
    impl Clone for Nested {
        fn clone(&self) -> Self {
            Self(self.0.clone(), self.1)
        }
    }
    impl Drop for Nested {
        fn drop(&mut self) {
            self.0.insert(&1_000_000, 1_u32);
        }
    }
    for eviction in evictions() {
        let (caches, _) = manual(true);
        caches.policy("users", &Policy::new().eviction(eviction).capacity(100));
        let users = caches.namespace("users");
        (0..100_u32).for_each(|key| users.insert(&key, Nested(users.clone(), key)));
        change(&caches, |to| to.capacity = Some(1));
        change(&caches, |to| to.ttl = Some(MINUTE));
        assert!(held(&caches) <= 64, "{eviction:?}: {}", held(&caches));
    }
}
