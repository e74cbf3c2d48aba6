//! One load per key, and nobody is left waiting for it: every order of the callers' steps, by loom.
//!
//! `flight.rs` is taken as it is; only the primitives under it are loom's, and the map of values is a variable behind a
//! lock. Its locks are waited for and never just tried, so the order in which they are taken is all that others can see of
//! them, and the count that is kept while one is held is an atomic, where loom switches.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::cell::Cell;

thread_local! {
    /// What is wrong in the model that runs on this thread: loom runs all of its threads on one.
    static FAULT: Cell<Fault> = const { Cell::new(Fault::None) };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// A task that waits counts from when it is first polled, and not from before it looked.
    LateEar,
    /// Who leads does not look at the map again.
    NoSecondLook,
    /// A value is in the map only after its flight has landed.
    LateValue,
}

#[path = "../src/cache"]
mod cache {
    #[expect(
        dead_code,
        reason = "of what a flight brings the models need one thing"
    )]
    mod flight;

    mod key {
        pub(super) type Hashed = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

        #[derive(Clone, PartialEq, Eq, Hash)]
        pub(super) struct StoredKey(pub(super) u8);
    }

    mod local {
        pub(super) struct Slot(pub(super) u32);
    }

    mod stamp {
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub(super) struct Stamp(pub(super) u8);
    }

    mod sync {
        use std::future::Future;
        use std::mem::take;
        use std::pin::Pin;
        use std::task::{Context, Poll, Waker};

        pub(super) use loom::sync::atomic::{AtomicUsize, Ordering};
        pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
        pub(super) use std::sync::PoisonError;

        use crate::{FAULT, Fault};

        /// What tokio's promises of waiting for `notify_waiters`: it counts from its making.
        pub(super) struct Notify(Mutex<Told>);

        #[derive(Default)]
        struct Told {
            times: u64,
            waiting: Vec<Waker>,
        }

        pub(super) struct Notified<'n> {
            notify: &'n Notify,
            since: Option<u64>,
        }

        impl Notify {
            pub(super) fn new() -> Self {
                Self(Mutex::new(Told::default()))
            }

            pub(super) fn notified(&self) -> Notified<'_> {
                let hears = FAULT.get() != Fault::LateEar;
                Notified {
                    notify: self,
                    since: hears.then(|| self.0.lock().unwrap().times),
                }
            }

            pub(super) fn notify_waiters(&self) {
                let waiting = {
                    let mut told = self.0.lock().unwrap();
                    told.times += 1;
                    take(&mut told.waiting)
                };
                waiting.into_iter().for_each(Waker::wake);
            }
        }

        impl Future for Notified<'_> {
            type Output = ();

            fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
                let mut told = self.notify.0.lock().unwrap();
                let since = self.since.unwrap_or(told.times);
                if told.times > since {
                    return Poll::Ready(());
                }
                told.waiting.push(context.waker().clone());
                drop(told);
                self.since = Some(since);
                Poll::Pending
            }
        }
    }

    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};

    use loom::model::Builder;
    use loom::thread;

    use self::flight::{Boarding, Flights, Outcome};
    use self::key::StoredKey;
    use self::local::Slot;
    use self::stamp::Stamp;
    use self::sync::{AtomicUsize, Mutex, Ordering};
    use crate::{FAULT, Fault};

    /// How a caller waits.
    #[derive(Clone, Copy)]
    enum How {
        Task,
        Blocking,
    }

    /// A namespace of one key.
    struct Cache {
        flights: Arc<Flights>,
        count: Arc<AtomicUsize>,
        map: Mutex<Option<Arc<Slot>>>,
        loads: AtomicUsize,
        /// Leaders that are to go away before they have loaded.
        leaving: AtomicUsize,
    }

    impl Cache {
        fn new(leaving: usize) -> Arc<Self> {
            let count = Arc::new(AtomicUsize::new(0));
            Arc::new(Self {
                flights: Arc::new(Flights::new(Arc::clone(&count))),
                count,
                map: Mutex::new(None),
                loads: AtomicUsize::new(0),
                leaving: AtomicUsize::new(leaving),
            })
        }

        fn found(&self) -> Option<Arc<Slot>> {
            self.map.lock().unwrap().clone()
        }

        /// Does what a look-up does; `None` if the caller went away as a leader.
        fn get(&self, how: How) -> Option<u32> {
            loop {
                if let Some(slot) = self.found() {
                    return Some(slot.0);
                }
                let blocks = matches!(how, How::Blocking);
                let outcome = match self.flights.board(StoredKey(1), Stamp(0), blocks) {
                    Boarding::Join(flight) => match how {
                        How::Task => wait(flight.wait()),
                        How::Blocking => flight.block(),
                    },
                    Boarding::Lead(lead) => {
                        if FAULT.get() != Fault::NoSecondLook
                            && let Some(slot) = self.found()
                        {
                            return Some(slot.0);
                        }
                        // Each takes one from it at most, so that it stays above none.
                        if self.leaving.load(Ordering::Relaxed) > 0 {
                            self.leaving.fetch_sub(1, Ordering::Relaxed);
                            return None;
                        }
                        let slot =
                            Arc::new(Slot(7 + self.loads.fetch_add(1, Ordering::Relaxed) as u32));
                        let keep = || *self.map.lock().unwrap() = Some(Arc::clone(&slot));
                        if FAULT.get() == Fault::LateValue {
                            lead.settle(Outcome::Loaded(Arc::clone(&slot)));
                            keep();
                        } else {
                            keep();
                            lead.settle(Outcome::Loaded(Arc::clone(&slot)));
                        }
                        return Some(slot.0);
                    }
                    Boarding::Full => {
                        panic!("one key is never too many, and nobody waits in another way")
                    }
                };
                match outcome {
                    Outcome::Loaded(slot) => return Some(slot.0),
                    Outcome::Abandoned => {}
                    Outcome::Refused(_) | Outcome::Panicked => panic!("no load fails here"),
                }
            }
        }
    }

    /// Waits on this thread for a future.
    fn wait<F: Future>(future: F) -> F::Output {
        struct Unpark(thread::Thread);

        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }

        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => thread::park(),
            }
        }
    }

    /// Lets so many callers look up one cold key at once, of whom the first `leaving` leaders go away; with two callers
    /// in every order, with more in those that interrupt somebody at most three times.
    ///
    /// Whoever was left waiting would be a deadlock, which loom finds by itself.
    fn check(callers: usize, leaving: usize, how: How) {
        let mut model = Builder::new();
        if callers > 2 {
            model.preemption_bound = Some(3);
        }
        model.check(move || {
            let cache = Cache::new(leaving);
            let others: Vec<_> = (1..callers)
                .map(|_| {
                    let cache = Arc::clone(&cache);
                    thread::spawn(move || cache.get(how))
                })
                .collect();
            let mut answers = vec![cache.get(how)];
            answers.extend(others.into_iter().map(|other| other.join().unwrap()));
            let left = answers.iter().filter(|answer| answer.is_none()).count();
            assert_eq!(left, leaving, "{answers:?}");
            assert!(
                answers.iter().flatten().all(|answer| *answer == 7),
                "{answers:?}"
            );
            assert_eq!(cache.loads.load(Ordering::Relaxed), 1);
            // Nothing is open any more.
            assert_eq!(
                (cache.flights.count(), cache.count.load(Ordering::Relaxed)),
                (0, 0)
            );
        });
    }

    #[test]
    fn promise_38_callers_of_a_cold_key_share_one_load() {
        for how in [How::Task, How::Blocking] {
            check(2, 0, how);
            check(3, 0, how);
        }
    }

    #[test]
    fn promise_38_where_a_leader_goes_away_one_who_waited_leads() {
        for how in [How::Task, How::Blocking] {
            check(2, 1, how);
            check(3, 1, how);
        }
    }

    /// Shows that the model finds what would be wrong.
    fn finds(fault: Fault, how: How) {
        FAULT.set(fault);
        check(2, 0, how);
    }

    #[test]
    #[should_panic(expected = "deadlock")]
    fn the_model_finds_a_caller_that_is_left_waiting() {
        finds(Fault::LateEar, How::Task);
    }

    #[test]
    #[should_panic(expected = "Some(8)")]
    fn the_model_finds_a_leader_that_does_not_look_again() {
        finds(Fault::NoSecondLook, How::Blocking);
    }

    #[test]
    #[should_panic(expected = "Some(8)")]
    fn the_model_finds_a_value_that_comes_after_its_flight() {
        finds(Fault::LateValue, How::Blocking);
    }
}
