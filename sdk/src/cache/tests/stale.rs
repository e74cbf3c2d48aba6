//! No value from before an invalidation is answered after it, whatever the timing; and the proof that the test would
//! notice.

use super::*;

/// Readers answered with a value older than what was committed and invalidated before they began, out of all reads.
struct Seen {
    stale: u64,
    reads: u64,
}

/// When a load reads its stamps.
#[derive(Clone, Copy)]
enum Capture {
    BeforeLoad,
    /// The mistake that the test has to find.
    AfterLoad,
}

#[derive(Clone, Copy)]
enum Invalidate {
    Namespace,
    Key,
}

#[test]
fn stamps_from_before_the_load_let_nothing_stale_through() {
    for invalidate in [Invalidate::Namespace, Invalidate::Key] {
        let seen = stress(Capture::BeforeLoad, invalidate);
        assert_eq!(seen.stale, 0, "of {} reads", seen.reads);
        assert!(seen.reads > 10_000, "{}", seen.reads);
    }
}

#[test]
fn stamps_from_after_the_load_are_found_out() {
    for invalidate in [Invalidate::Namespace, Invalidate::Key] {
        let seen = stress(Capture::AfterLoad, invalidate);
        assert!(seen.stale > 0, "of {} reads", seen.reads);
    }
}

/// Three readers and one writer on one key; the writer commits, invalidates, and then announces what readers may expect.
fn stress(capture: Capture, invalidate: Invalidate) -> Seen {
    let caches = Caches::new(false);
    let users = caches.namespace("users");
    let (source, announced) = (AtomicU64::new(0), AtomicU64::new(0));
    let (stale, reads, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let key = site::written(&7);
    let load = || {
        let read = source.load(Ordering::SeqCst);
        // A load takes time after it has read.
        for _ in 0..read % 7 {
            std::thread::yield_now();
        }
        read
    };
    let read = || match capture {
        Capture::BeforeLoad => {
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
            load::blocking(&call, || Ok(load())).unwrap()
        }
        Capture::AfterLoad => users.get(&7).unwrap_or_else(|| {
            let loaded = load();
            users.insert(&7, loaded);
            loaded
        }),
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let expected = announced.load(Ordering::SeqCst);
                    if read() < expected {
                        stale.fetch_add(1, Ordering::Relaxed);
                    }
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let enough = |seen: &Seen| match capture {
            Capture::BeforeLoad => seen.reads > 300_000,
            Capture::AfterLoad => seen.stale > 0,
        };
        let clock = Clock::new();
        let began = clock.now();
        for version in 1.. {
            source.store(version, Ordering::SeqCst);
            match invalidate {
                Invalidate::Namespace => users.invalidate(),
                Invalidate::Key => users.invalidate_key(&7),
            };
            announced.store(version, Ordering::SeqCst);
            let seen = Seen {
                stale: stale.load(Ordering::Relaxed),
                reads: reads.load(Ordering::Relaxed),
            };
            // A bound in time too, for machines that have none to spare.
            if enough(&seen) || clock.now().since(began) > Duration::from_secs(20) {
                break;
            }
            // Long enough for hits between two invalidations, which are what could be stale.
            for _ in 0..version % 50 {
                std::hint::spin_loop();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    Seen {
        stale: stale.into_inner(),
        reads: reads.into_inner(),
    }
}
