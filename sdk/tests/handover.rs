//! A shard is handed between its thread, the next thread and the agent: every order of their steps, by loom.
//!
//! `shard.rs` is taken as it is; only the primitives under it are loom's. What a half holds is one of them as well: so a
//! thread can be stopped while it has a half, and a lock that orders nothing shows as counts that are lost. loom's own
//! mutex would not do: it lets nobody in between its being taken and given back, so nobody would ever find one in use.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a model that finds something panics"
)]

#[path = "../src/record"]
mod record {
    mod shard;

    mod sync {
        use std::cell::Cell;
        use std::ops::{Deref, DerefMut};
        use std::sync::{Mutex, MutexGuard};

        pub(super) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};

        thread_local! {
            /// What this test's models have; loom runs all threads of a model on one.
            pub(super) static LOCK: Cell<Lock> = const { Cell::new(Lock::Sound) };
            /// How often the agent found a half in use, in all orders together.
            pub(super) static WAITED: Cell<u64> = const { Cell::new(0) };
        }

        /// How a half is taken and given back.
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub(super) enum Lock {
            /// As spin's lock does it.
            Sound,
            /// Given back so that the next one need not see what was written.
            Unordered,
            /// Taken in two steps, so that two can have it.
            Shared,
        }

        #[derive(Debug)]
        pub(super) struct Single<T> {
            taken: AtomicBool,
            value: Mutex<T>,
        }

        #[derive(Debug)]
        struct Held<'a, T> {
            taken: &'a AtomicBool,
            value: Option<MutexGuard<'a, T>>,
        }

        impl<T> Single<T> {
            pub(super) fn new(value: T) -> Self {
                Self {
                    taken: AtomicBool::new(false),
                    value: Mutex::new(value),
                }
            }

            pub(super) fn take(&self) -> Option<impl DerefMut<Target = T> + '_> {
                let free = if LOCK.get() == Lock::Shared {
                    let taken = self.taken.load(Ordering::Acquire);
                    self.taken.store(true, Ordering::Relaxed);
                    !taken
                } else {
                    let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
                    let taken = self.taken.compare_exchange(false, true, acquire, relaxed);
                    taken.is_ok()
                };
                free.then(|| Held {
                    taken: &self.taken,
                    value: Some(self.value.try_lock().expect("two have one half")),
                })
            }
        }

        impl<T> Deref for Held<'_, T> {
            type Target = T;

            fn deref(&self) -> &T {
                self.value.as_ref().unwrap()
            }
        }

        impl<T> DerefMut for Held<'_, T> {
            fn deref_mut(&mut self) -> &mut T {
                self.value.as_mut().unwrap()
            }
        }

        impl<T> Drop for Held<'_, T> {
            fn drop(&mut self) {
                self.value = None;
                let release = match LOCK.get() {
                    Lock::Unordered => Ordering::Relaxed,
                    Lock::Sound | Lock::Shared => Ordering::Release,
                };
                self.taken.store(false, release);
            }
        }

        pub(super) fn yield_now() {
            WAITED.set(WAITED.get() + 1);
            loom::thread::yield_now();
        }
    }

    use std::cell::Cell;

    use loom::sync::Arc;
    use loom::thread;

    use self::shard::Shard;
    use self::sync::{AtomicU64, LOCK, Lock, Ordering, WAITED};

    thread_local! {
        /// How often a recording was filed in each half, and how often it found neither, in all orders together.
        static FILED: Cell<[u64; 3]> = const { Cell::new([0; 3]) };
    }

    /// One half's tables.
    #[derive(Debug)]
    struct Half {
        place: usize,
        count: AtomicU64,
    }

    impl Half {
        /// Counts as tables do, which need no atomic addition, and can be stopped in the middle.
        fn add(&mut self) {
            let count = self.count.load(Ordering::Relaxed);
            self.count.store(count + 1, Ordering::Relaxed);
        }

        fn take(&mut self) -> u64 {
            let count = self.count.load(Ordering::Relaxed);
            self.count.store(0, Ordering::Relaxed);
            count
        }
    }

    fn shard() -> Arc<Shard<Half>> {
        let made = Cell::new(0);
        Arc::new(Shard::new(|| Half {
            place: made.replace(made.get() + 1),
            count: AtomicU64::new(0),
        }))
    }

    fn drained(shard: &Shard<Half>) -> u64 {
        let mut drained = 0;
        shard.drain(|half| drained += half.take());
        drained
    }

    /// Counts once, as a recording does; `false` where both halves were in use.
    fn count(shard: &Shard<Half>) -> bool {
        let place = shard.enter().map(|mut half| {
            half.add();
            half.place
        });
        let mut filed = FILED.get();
        filed[place.unwrap_or(2)] += 1;
        FILED.set(filed);
        place.is_some()
    }

    /// Runs a model with a lock; every order in which its threads are interrupted at most so often.
    fn model(lock: Lock, interrupted: usize, model: impl Fn() + Send + Sync + 'static) {
        LOCK.set(lock);
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(interrupted);
        builder.check(model);
    }

    /// Says that the models went where it is to be shown that nothing is lost.
    fn went_everywhere() {
        let filed = FILED.get();
        assert!(filed.iter().all(|times| *times > 0), "{filed:?}");
        assert!(WAITED.get() > 0, "the agent never found a half in use");
    }

    /// A thread that files what finds no half in a shard that all share, as a recorder does.
    fn one_writer(lock: Lock) {
        // Each try that fails takes the agent one visit.
        const VISITS: usize = 2;
        model(lock, 4, || {
            let [own, shared] = [shard(), shard()];
            let writer = {
                let [own, shared] = [&own, &shared].map(Arc::clone);
                thread::spawn(move || {
                    for _ in 0..2 {
                        let filed = count(&own) || (0..=VISITS).any(|_| count(&shared));
                        assert!(filed, "a recording was lost");
                    }
                })
            };
            let visit = |_| drained(&own) + drained(&shared);
            let mut sum: u64 = (0..VISITS).map(visit).sum();
            writer.join().unwrap();
            sum += drained(&own) + drained(&shared);
            assert_eq!(sum, 2);
        });
    }

    fn writers_that_share(lock: Lock) {
        model(lock, 4, || {
            let shard = shard();
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
    fn what_finds_no_half_of_its_own_is_filed_with_others_and_none_is_lost() {
        one_writer(Lock::Sound);
        went_everywhere();
    }

    #[test]
    fn writers_that_share_lose_nothing_but_what_they_are_told_they_lost() {
        writers_that_share(Lock::Sound);
        went_everywhere();
    }

    #[test]
    #[should_panic(expected = "left == right")]
    fn a_lock_that_orders_nothing_is_found_out() {
        one_writer(Lock::Unordered);
    }

    #[test]
    #[should_panic(expected = "left == right")]
    fn a_lock_that_two_can_have_is_found_out() {
        writers_that_share(Lock::Shared);
    }

    #[test]
    fn a_thread_takes_over_what_the_one_before_has_left() {
        model(Lock::Sound, 3, || {
            let shard = shard();
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let shard = Arc::clone(&shard);
                    thread::spawn(move || {
                        if !shard.occupy() {
                            return [0; 2];
                        }
                        shard.start();
                        let counted = u64::from(count(&shard));
                        shard.start();
                        shard.vacate();
                        [1, counted]
                    })
                })
                .collect();
            let mut sum = drained(&shard);
            let [mut owners, mut counted] = [0; 2];
            for thread in threads {
                let [owned, filed] = thread.join().unwrap();
                owners += owned;
                counted += filed;
            }
            sum += drained(&shard);
            assert!(owners >= 1);
            assert_eq!((sum, shard.started()), (counted, 2 * owners));
        });
    }
}
