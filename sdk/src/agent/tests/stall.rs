//! An agent that stalls, with nothing or with a half of a shard in its hands: how long the host's requests take.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex, mpsc};
use std::thread::sleep;

use super::*;
use crate::agent::fault::Place;

/// Threads with a shard of their own, and as many that share.
const THREADS: usize = 4;
/// So many more that those of the load which come last find no shard of their own.
const RESTING: usize = 60 - THREADS;
/// A thread sends so many at once, that often.
const BURST: usize = 4;
const EACH: Duration = Duration::from_millis(1);

/// When a request was due, and how long it took from then.
type Sent = (Instant, Duration);
/// What stalled, from when until when.
type Stalled = (Place, Instant, Instant);

/// An agent that stalls for 200 ms in each of its ways, in each of 12 ticks; with `PERFDECK_LONG` set, for 10 s in each,
/// in two ticks.
#[test]
fn promise_3_an_agent_that_stalls_slows_no_request_whatever_it_holds() {
    let (each, ticks) = match std::env::var_os("PERFDECK_LONG") {
        None => (Duration::from_millis(200), 12),
        Some(_) => (Duration::from_secs(10), 2),
    };
    let folder = Folder::new().unwrap();
    let (guard, deck) = start("holds", &folder);
    fault::of("holds", |fault| fault.stall_each = each);
    let over = || fault::of("holds", |fault| fault.stalled.len() >= 3 * ticks);
    let sent = under_load(&deck.http_layer(), || (), over);
    let stalled = fault::of("holds", |fault| {
        fault.stall_each = Duration::ZERO;
        std::mem::take(&mut fault.stalled)
    });
    for place in [Place::Nothing, Place::Own, Place::Shared] {
        compare(&sent, &stalled, place).unwrap();
    }
    let all = sent.len() + 2 * THREADS + RESTING;
    assert_eq!(told(&deck), all as u64, "and nothing is lost");
    assert_eq!(status(&deck, |_| true).deck.dropped.recordings, 0);
    guard.stop();
}

/// Shows that [`compare`] sees a host that has to wait, if only for a fiftieth of the time.
#[test]
fn promise_3_the_comparison_sees_a_host_that_waits() {
    static HELD: Mutex<()> = Mutex::new(());
    let over = AtomicBool::new(false);
    let (sent, stalled) = std::thread::scope(|scope| {
        let holder = scope.spawn(|| {
            let mut stalled = Vec::new();
            for _ in 0..6 {
                sleep(Duration::from_millis(200));
                let start = Instant::now();
                for _ in 0..4 {
                    let held = HELD.lock().unwrap();
                    sleep(Duration::from_millis(5));
                    drop(held);
                    sleep(Duration::from_millis(45));
                }
                stalled.push((Place::Shared, start, Instant::now()));
            }
            over.store(true, Ordering::Release);
            stalled
        });
        let wait = || drop(HELD.lock().unwrap());
        let sent = under_load(&HttpLayer::new(None), wait, || over.load(Ordering::Acquire));
        (sent, holder.join().unwrap())
    });
    let seen = compare(&sent, &stalled, Place::Shared).unwrap_err();
    assert!(seen.contains("while Shared"), "{seen}");
}

/// Sends requests from threads with a shard of their own and from others that share, each after a `wait`, until `over`.
fn under_load(
    layer: &HttpLayer,
    wait: impl Fn() + Copy + Send,
    over: impl Fn() -> bool,
) -> Vec<Sent> {
    let (begun, begins) = mpsc::channel();
    let (done, rested) = (AtomicBool::new(false), Barrier::new(RESTING + 1));
    let service = || {
        layer
            .clone()
            .template(|_, _| Some("/"))
            .layer(Answers(StatusCode::OK))
    };
    std::thread::scope(|scope| {
        // Whoever sends first gets a shard first.
        let load = || {
            let (mut service, begun, done) = (service(), begun.clone(), &done);
            let thread = scope.spawn(move || {
                request(&mut service, Duration::ZERO);
                begun.send(()).unwrap();
                paced(done, || {
                    wait();
                    request(&mut service, Duration::ZERO);
                })
            });
            begins.recv().unwrap();
            thread
        };
        let mut threads: Vec<_> = (0..THREADS).map(|_| load()).collect();
        for _ in 0..RESTING {
            let (mut service, begun, rested) = (service(), begun.clone(), &rested);
            scope.spawn(move || {
                request(&mut service, Duration::ZERO);
                begun.send(()).unwrap();
                rested.wait();
            });
            begins.recv().unwrap();
        }
        threads.extend((0..THREADS).map(|_| load()));
        while !over() {
            sleep(Duration::from_millis(10));
        }
        done.store(true, Ordering::Release);
        rested.wait();
        let sent = threads.into_iter().map(|thread| thread.join().unwrap());
        sent.flatten().collect()
    })
}

/// Sends bursts of requests until `done`.
///
/// A request waits for those before it, as in a queue, so that one that takes long makes all late that were due
/// meanwhile. That the machine wakes the thread late is not theirs.
fn paced(done: &AtomicBool, mut send: impl FnMut()) -> Vec<Sent> {
    let mut sent = Vec::new();
    let mut due = Instant::now();
    let mut free = due;
    while !done.load(Ordering::Acquire) {
        for _ in 0..BURST {
            let start = Instant::now();
            send();
            free = free.max(due) + start.elapsed();
            sent.push((due, free - due));
        }
        due += EACH;
        sleep(due.saturating_duration_since(Instant::now()));
    }
    sent
}

/// Compares the requests that were due while something stalled so with those that were due while nothing did.
///
/// The rare slow ones are the machine's, and as many on both sides: so much more is an error.
fn compare(sent: &[Sent], stalled: &[Stalled], place: Place) -> Result<(), String> {
    let within = |due: Instant, (_, start, end): &Stalled| (*start..*end).contains(&due);
    let [mut beside, mut free] = [Vec::new(), Vec::new()];
    for (due, took) in sent {
        match stalled.iter().find(|stalled| within(*due, stalled)) {
            Some((found, ..)) if *found == place => beside.push(*took),
            Some(_) => {}
            None => free.push(*took),
        }
    }
    let [(p999, late), (free_p999, free_late)] = [&mut beside, &mut free].map(|all| {
        all.sort();
        assert!(all.len() > 2_000, "too few to compare: {}", all.len());
        let late = all.iter().filter(|took| **took > EACH).count();
        (all[all.len() * 999 / 1_000], late as f64 / all.len() as f64)
    });
    println!(
        "{} while {place:?} stalls: p99.9 {p999:?}, {:.3} % over 1 ms; {} else: {free_p999:?}, {:.3} %",
        beside.len(),
        late * 100.0,
        free.len(),
        free_late * 100.0
    );
    if p999 > 2 * free_p999 + EACH && late > 2.0 * free_late + 0.002 {
        return Err(format!(
            "p99.9 is {p999:?} while {place:?} stalls and {free_p999:?} else, {late} and {free_late} are over 1 ms"
        ));
    }
    Ok(())
}
