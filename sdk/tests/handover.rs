//! A shard is handed between its thread, the next thread and the agent: every order of their steps, by loom.
//!
//! `shard.rs` is taken as it is; only the primitives under it are loom's.

#[path = "../src/record"]
mod record {
    mod shard;

    mod sync {
        use std::ops::DerefMut;

        pub(super) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
        pub(super) use loom::thread::yield_now;

        #[derive(Debug)]
        pub(super) struct Single<T>(loom::sync::Mutex<T>);

        impl<T> Single<T> {
            pub(super) fn new(value: T) -> Self {
                Self(loom::sync::Mutex::new(value))
            }

            pub(super) fn take(&self) -> Option<impl DerefMut<Target = T> + '_> {
                self.0.try_lock().ok()
            }
        }
    }

    use loom::sync::Arc;
    use loom::thread;

    use self::shard::Shard;

    fn drained(shard: &Shard<u64>) -> u64 {
        let mut drained = 0;
        shard.drain(|count| drained += std::mem::take(count));
        drained
    }

    /// Counts once, as a recording does; `false` where both halves were in use.
    fn count(shard: &Shard<u64>) -> bool {
        shard.enter().map(|mut count| *count += 1).is_some()
    }

    #[test]
    fn one_writer_always_finds_a_half_and_no_count_is_lost() {
        loom::model(|| {
            let shard = Arc::new(Shard::new(|| 0u64));
            let writer = {
                let shard = Arc::clone(&shard);
                thread::spawn(move || {
                    for _ in 0..3 {
                        assert!(count(&shard));
                    }
                })
            };
            let mut sum = drained(&shard) + drained(&shard);
            writer.join().unwrap();
            sum += drained(&shard);
            assert_eq!(sum, 3);
        });
    }

    #[test]
    fn writers_that_share_lose_nothing_but_what_they_are_told_they_lost() {
        loom::model(|| {
            let shard = Arc::new(Shard::new(|| 0u64));
            let writers: Vec<_> = (0..2)
                .map(|_| {
                    let shard = Arc::clone(&shard);
                    thread::spawn(move || u64::from(count(&shard)))
                })
                .collect();
            let mut sum = drained(&shard);
            let counted: u64 = writers.into_iter().map(|one| one.join().unwrap()).sum();
            sum += drained(&shard);
            assert_eq!(sum, counted);
        });
    }

    #[test]
    fn a_thread_takes_over_what_the_one_before_has_left() {
        loom::model(|| {
            let shard = Arc::new(Shard::new(|| 0u64));
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let shard = Arc::clone(&shard);
                    thread::spawn(move || {
                        if !shard.occupy() {
                            return 0;
                        }
                        shard.start();
                        assert!(count(&shard));
                        shard.start();
                        shard.vacate();
                        1
                    })
                })
                .collect();
            let mut sum = drained(&shard);
            let owners: u64 = threads.into_iter().map(|one| one.join().unwrap()).sum();
            sum += drained(&shard);
            assert!(owners >= 1);
            assert_eq!((sum, shard.started()), (owners, 2 * owners));
        });
    }
}
