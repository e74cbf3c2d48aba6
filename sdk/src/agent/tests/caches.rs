//! What a viewer changes of a cache: previewed, applied once, refused where something came between, and taken back.

use std::time::Duration;

use perfdeck_bridge::protocol::{
    ActReply, ActRequest, CacheCapacity, CacheRow, Intent, LedgerRow, LedgerStatus, Preview,
    Refusal, RefusalCode, Risk, Role, State, Topic,
};
use perfdeck_bridge::server::{Caller, ViewerId};
use tokio::sync::oneshot;

use super::runtime;
use super::time::by_hand;
use crate::agent::Agent;
use crate::cache::{Namespace, Policy};
use crate::clock::Hand;

const MINUTE: Duration = Duration::from_secs(60);

/// An agent whose deck has a cache `users` of at most 1,000 entries for five minutes, and 100 in it.
fn agent() -> (Agent, Hand, Namespace) {
    let (mut agent, hand) = by_hand();
    agent.hello.allows = vec![Risk::Cache];
    let policy = Policy::new().capacity(1_000).ttl(5 * MINUTE);
    agent.caches.policy("users", &policy);
    let users = agent.caches.namespace("users");
    (0..100).for_each(|key| users.insert(&key, key));
    (agent, hand, users)
}

fn ask(agent: &mut Agent, request: ActRequest) -> Result<ActReply, Refusal> {
    let caller = Caller {
        viewer: ViewerId(1),
        uid: 1_000,
        role: Role::Control,
    };
    let (reply, mut answer) = oneshot::channel();
    agent.act(caller, request, reply);
    answer.try_recv().unwrap()
}

pub(super) fn preview(agent: &mut Agent, intent: Intent) -> Result<Preview, Refusal> {
    match ask(agent, ActRequest::Preview(intent))? {
        ActReply::Preview(preview) => Ok(preview),
        other @ ActReply::Applied(_) => panic!("{other:?}"),
    }
}

pub(super) fn apply(agent: &mut Agent, preview: &Preview) -> LedgerRow {
    match ask(agent, ActRequest::Apply(preview.plan_id.clone())) {
        Ok(ActReply::Applied(row)) => row,
        other => panic!("{other:?}"),
    }
}

fn resize(entries: u64) -> Intent {
    Intent::ResizeCache {
        namespace: "users".into(),
        capacity: CacheCapacity::Entries(entries),
    }
}

fn ttl(seconds: u32) -> Intent {
    Intent::SetCacheTtl {
        namespace: "users".into(),
        ttl_seconds: seconds,
    }
}

fn told(agent: &mut Agent) -> CacheRow {
    agent.tick();
    match crate::publish::state(agent, Topic::Caches) {
        State::Caches(mut caches) => caches.namespaces.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cache_is_resized_and_put_back() {
    let (mut agent, _, users) = agent();
    let shown = preview(&mut agent, resize(20)).unwrap();
    assert_eq!(
        (shown.kind.as_str(), shown.risk),
        ("resize_cache", Risk::Cache)
    );
    assert_eq!(shown.statement, "let cache `users` hold 20 entries");
    assert_eq!(
        shown.undo.statement,
        "let cache `users` hold 1000 entries again"
    );
    let notes = shown.notes.join("\n");
    for note in [
        "now 1000 entries: 100 are held",
        "no undo brings it back",
        "until the service",
    ] {
        assert!(notes.contains(note), "{notes}");
    }
    // A preview changes nothing.
    assert_eq!(told(&mut agent).capacity, 1_000);
    let done = apply(&mut agent, &shown);
    assert_eq!(done.status, LedgerStatus::Done);
    assert_eq!(done.message, "users: 1000 entries -> 20 entries");
    assert_eq!(told(&mut agent).capacity, 20);
    let held = (0..100).filter(|key| users.get::<i32>(key).is_some());
    assert!(held.count() <= 24);

    let back = preview(&mut agent, Intent::Undo(done.id)).unwrap();
    assert_eq!(back.statement, "let cache `users` hold 1000 entries again");
    let undone = apply(&mut agent, &back);
    assert_eq!(
        (undone.status, undone.undo_of),
        (LedgerStatus::Done, Some(done.id))
    );
    assert_eq!(told(&mut agent).capacity, 1_000);
    let row = agent.ledger.row(done.id).unwrap();
    assert_eq!((row.status, &row.undo), (LedgerStatus::Undone, &None));
    assert!(preview(&mut agent, Intent::Undo(done.id)).is_err());
}

#[test]
fn a_cache_s_time_to_live_is_changed_and_put_back() {
    let (mut agent, _, users) = agent();
    let shown = preview(&mut agent, ttl(7_200)).unwrap();
    assert_eq!(
        shown.statement,
        "let entries of cache `users` be fresh for 2 h"
    );
    assert_eq!(
        shown.undo.statement,
        "let entries of cache `users` be fresh for 5 min again"
    );
    let done = apply(&mut agent, &shown);
    assert_eq!(done.message, "users: 5 min -> 2 h");
    assert_eq!(told(&mut agent).ttl_seconds, Some(7_200.0));
    let back = preview(&mut agent, Intent::Undo(done.id)).unwrap();
    apply(&mut agent, &back);
    assert_eq!(told(&mut agent).ttl_seconds, Some(300.0));
    assert_eq!(users.get(&1), Some(1));
}

#[test]
fn changes_on_one_another_are_taken_back_from_the_last_on() {
    let (mut agent, _, _) = agent();
    let mut apply_next = |intent| {
        let shown = preview(&mut agent, intent).unwrap();
        apply(&mut agent, &shown).id
    };
    let [first, second, time] = [resize(500), resize(200), ttl(60)].map(&mut apply_next);
    let refused = preview(&mut agent, Intent::Undo(first)).unwrap_err();
    assert_eq!(refused.code, RefusalCode::Drifted);
    for (row, capacity, ttl) in [
        (second, 500, 60.0),
        (first, 1_000, 60.0),
        (time, 1_000, 300.0),
    ] {
        let back = preview(&mut agent, Intent::Undo(row)).unwrap();
        assert_eq!(apply(&mut agent, &back).status, LedgerStatus::Done);
        let now = told(&mut agent);
        assert_eq!((now.capacity, now.ttl_seconds), (capacity, Some(ttl)));
    }
}

#[test]
fn a_plan_is_refused_where_the_policy_changed_since() {
    let (mut agent, _, _) = agent();
    let [one, other] = [resize(500), ttl(60)].map(|intent| preview(&mut agent, intent).unwrap());
    let done = apply(&mut agent, &one);
    assert_eq!(done.status, LedgerStatus::Done);
    let refused = apply(&mut agent, &other);
    assert_eq!(refused.status, LedgerStatus::Refused);
    assert!(
        refused.message.contains("has changed since"),
        "{}",
        refused.message
    );
    assert_eq!(told(&mut agent).ttl_seconds, Some(300.0));
    // An undo that was previewed before another change, too.
    let back = preview(&mut agent, Intent::Undo(done.id)).unwrap();
    let again = preview(&mut agent, resize(300)).unwrap();
    apply(&mut agent, &again);
    assert_eq!(apply(&mut agent, &back).status, LedgerStatus::Refused);
    assert_eq!(told(&mut agent).capacity, 300);
}

#[test]
fn what_makes_no_sense_is_refused_before_there_is_a_plan() {
    let (mut agent, _, _) = agent();
    agent.host.memory_bytes = Some(1 << 30);
    let mut check = |intent: Intent, expected: &str| {
        let refused = preview(&mut agent, intent).unwrap_err();
        assert!(refused.message.contains(expected), "{}", refused.message);
    };
    check(resize(0), "holds nothing answers nothing");
    check(resize(1_000), "holds 1000 entries already");
    check(resize(u64::MAX), "more than half of the memory");
    check(resize(100_000_000), "more than half of the memory");
    check(ttl(0), "from a second to 365 days");
    check(ttl(u32::MAX), "from a second to 365 days");
    check(ttl(300), "are fresh for 5 min already");
    let bytes = Intent::ResizeCache {
        namespace: "users".into(),
        capacity: CacheCapacity::Bytes(1 << 20),
    };
    check(bytes, "counts entries");
    let unknown = Intent::SetCacheTtl {
        namespace: "nobody".into(),
        ttl_seconds: 60,
    };
    check(unknown, "no such cache: nobody");
    assert!(agent.ledger.told().rows.is_empty());
}

#[test]
fn a_host_that_allows_no_changes_of_caches_shows_none() {
    let (mut agent, _, _) = agent();
    agent.hello.allows.clear();
    for intent in [resize(500), ttl(60)] {
        let refused = preview(&mut agent, intent).unwrap_err();
        assert_eq!(refused.code, RefusalCode::NotAllowed);
    }
}

#[test]
fn what_a_change_does_to_the_hits_is_told_when_its_window_closes() {
    let (mut agent, hand, users) = agent();
    let second = |agent: &mut Agent, hits: u32, misses: u32| {
        (0..hits).for_each(|_| assert!(users.get::<i32>(&1).is_some()));
        (0..misses).for_each(|_| assert!(users.get::<i32>(&5_000).is_none()));
        hand.pass(Duration::from_secs(1));
        agent.tick();
    };
    for _ in 0..10 {
        second(&mut agent, 1, 3);
    }
    let shown = preview(&mut agent, resize(2_000)).unwrap();
    let row = apply(&mut agent, &shown).id;
    for _ in 0..65 {
        second(&mut agent, 3, 1);
    }
    let row = agent.ledger.row(row).unwrap();
    assert!(
        row.message.ends_with("hits: 25.0 % -> 75.0 %"),
        "{}",
        row.message
    );
}

#[test]
fn a_cache_is_warmed_while_callers_do_not_wait_longer_than_before() {
    let (mut agent, hand, users) = agent();
    let refused = preview(&mut agent, warm()).unwrap_err();
    assert!(
        refused.message.contains("read_through"),
        "{}",
        refused.message
    );
    let runtime = runtime();
    let doubles = users.read_through(|key: u64| async move { Ok::<_, ()>(key * 2) });
    runtime.block_on(async {
        for key in 1_000..1_050 {
            doubles.get(&key).await.unwrap();
        }
    });
    users.invalidate();
    let shown = preview(&mut agent, warm()).unwrap();
    assert!(
        shown.statement.contains("50 most used keys"),
        "{}",
        shown.statement
    );
    assert_eq!(shown.undo.statement, "");
    let row = apply(&mut agent, &shown);
    assert_eq!(row.status, LedgerStatus::Running);
    // Callers begin to wait for connections, which nobody did before.
    let second = |agent: &mut Agent, wait: Option<u64>| {
        if let Some(nanos) = wait {
            agent.eyes.recorder.acquire(0, nanos, false);
        }
        hand.pass(Duration::from_secs(1));
        agent.tick();
        runtime.block_on(async {
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
        });
    };
    second(&mut agent, Some(50_000_000));
    second(&mut agent, Some(50_000_000));
    let resting = agent.ledger.row(row.id).unwrap();
    assert_eq!(resting.status, LedgerStatus::Running);
    assert_eq!(resting.message, "0 of 50 keys, 0 loaded, rests");
    for _ in 0..5 {
        second(&mut agent, None);
    }
    let done = agent.ledger.row(row.id).unwrap();
    assert_eq!(done.status, LedgerStatus::Done);
    assert_eq!(done.message, "50 of 50 keys, 50 loaded, and rested between");
    // Not by the row, whose count of entries may be some moments old.
    let held = (1_000..1_050_u64).filter(|key| users.get::<u64>(key).is_some());
    assert_eq!(held.count(), 50);
}

#[test]
fn a_clear_warms_what_can_be_warmed() {
    let (mut agent, _, users) = agent();
    let runtime = runtime();
    let doubles = users.read_through(|key: u64| async move { Ok::<_, ()>(key * 2) });
    runtime.block_on(async { doubles.get(&1_000).await.unwrap() });
    let clear = Intent::ClearCache {
        namespace: "users".into(),
    };
    let shown = preview(&mut agent, clear).unwrap();
    assert!(
        shown.notes.join("\n").contains("its 1 most used keys"),
        "{:?}",
        shown.notes
    );
    let row = apply(&mut agent, &shown);
    assert_eq!(row.message, "cleared 101 entries of users, and warms it");
    runtime.block_on(async {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(users.get(&1_000_u64), Some(2_000_u64));
    assert_eq!(users.get::<i32>(&1), None);
}

fn warm() -> Intent {
    Intent::WarmCache {
        namespace: "users".into(),
    }
}

#[test]
fn of_a_namespace_that_went_away_nothing_stays() {
    let (mut agent, _, _) = agent();
    agent.tick();
    agent.cache_history.entry("gone".into()).or_default();
    agent.tick();
    let names: Vec<_> = agent.cache_history.keys().map(|name| &**name).collect();
    assert_eq!(names, ["users"]);
}
