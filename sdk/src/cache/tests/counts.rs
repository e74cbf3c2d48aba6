//! Counters conserve: each look-up is a hit or a miss, and each miss is a load, a wait for one, or a plain look-up.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Get(u8),
    /// Many callers at once, so many of whom go away.
    Load {
        key: u8,
        callers: usize,
        dropped: usize,
        outcome: End,
    },
    Insert(u8),
    Invalidate,
    InvalidateKey(u8),
    Clear,
    Pass(u8),
}

#[derive(Debug, Clone, Copy)]
enum End {
    Ok,
    Err,
    Panic,
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0u8..4;
    let end = prop_oneof![3 => Just(End::Ok), 1 => Just(End::Err), 1 => Just(End::Panic)];
    prop_oneof![
        3 => key().prop_map(Step::Get),
        5 => (key(), 1usize..6, 0usize..4, end)
            .prop_map(|(key, callers, dropped, outcome)| Step::Load { key, callers, dropped, outcome }),
        1 => key().prop_map(Step::Insert),
        1 => Just(Step::Invalidate),
        1 => key().prop_map(Step::InvalidateKey),
        1 => Just(Step::Clear),
        1 => (0u8..8).prop_map(Step::Pass),
    ]
}

async fn run(steps: &[Step]) -> (Row, u64, u64) {
    let (caches, hand) = manual(true);
    caches.policy(
        "users",
        &Policy::new().ttl(Duration::from_secs(10)).capacity(3),
    );
    let users = caches.namespace("users");
    let (mut lookups, ran) = (0, Arc::new(AtomicU64::new(0)));
    for step in steps {
        match step {
            Step::Get(key) => {
                let _ = users.get::<u8>(key);
                lookups += 1;
            }
            Step::Load {
                key,
                callers,
                dropped,
                outcome,
            } => {
                let (key, outcome) = (*key, *outcome);
                let tasks: Vec<_> = (0..*callers)
                    .map(|_| {
                        let (users, ran) = (users.clone(), Arc::clone(&ran));
                        tokio::spawn(async move {
                            let load = || async move {
                                ran.fetch_add(1, Ordering::Relaxed);
                                tokio::task::yield_now().await;
                                match outcome {
                                    End::Ok => Ok(key),
                                    End::Err => Err(()),
                                    // Resumed rather than raised, so that the hook stays silent.
                                    End::Panic => std::panic::resume_unwind(Box::new(())),
                                }
                            };
                            users.get_or_load(&key, load).await
                        })
                    })
                    .collect();
                // All have looked up by the time the current thread comes back here.
                tokio::task::yield_now().await;
                lookups += *callers as u64;
                tasks
                    .iter()
                    .take(*dropped)
                    .for_each(tokio::task::JoinHandle::abort);
                for task in tasks {
                    let _ = task.await;
                }
            }
            Step::Insert(key) => users.insert(key, *key),
            Step::Invalidate => {
                users.invalidate();
            }
            Step::InvalidateKey(key) => {
                users.invalidate_key(key);
            }
            Step::Clear => {
                let _ = caches.clear("users");
            }
            Step::Pass(seconds) => pass(&hand, Duration::from_secs(u64::from(*seconds))),
        }
    }
    // Loads that lost all their callers are still under way.
    while users.space.flights_open() > 0 {
        tokio::task::yield_now().await;
    }
    (row(&caches, "users"), lookups, ran.load(Ordering::Relaxed))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn promise_42_counters_conserve(steps in prop::collection::vec(step(), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (row, lookups, ran) = runtime.block_on(run(&steps));
        prop_assert_eq!(row.hits + row.misses, lookups);
        prop_assert_eq!(row.loads + row.joined + row.unloaded, row.misses);
        prop_assert_eq!(row.loads, ran);
        prop_assert_eq!(row.load_times.count(), ran);
    }
}
