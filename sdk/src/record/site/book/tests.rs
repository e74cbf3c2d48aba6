use std::time::Duration;

use super::super::{HELD, MOST};
use super::*;

/// Stacks are taken one at a time in a process, and so are these tests where they run in one.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

const ROUTE: u64 = 7 << 58;

fn pair(statement: u64) -> Pair {
    Pair {
        route: ROUTE,
        // Spread as hashes are.
        statement: (statement + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
    }
}

fn name(route: u64) -> Option<Arc<str>> {
    (route == ROUTE).then(|| "GET /".into())
}

/// Lets a second pass in which these pairs run, on a thread that is or is not their caller's; returns how many were taken.
fn second(
    book: &mut Book,
    sites: &Sites,
    second: u64,
    pairs: impl Iterator<Item = Pair>,
    is_caller: bool,
) -> u32 {
    let before = sites.taken.load(std::sync::atomic::Ordering::Relaxed);
    for pair in pairs {
        sites.pass(pair, || is_caller);
        book.ran(pair, 1);
    }
    let taken = sites.taken.load(std::sync::atomic::Ordering::Relaxed) - before;
    let (clock, _hand) = Clock::manual();
    book.seek(sites, &clock, second, true, name);
    taken
}

#[test]
fn a_pair_is_taken_once_it_was_asked_for_and_never_again() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let (mut book, sites) = (Book::new(true), Sites::new());
    let one = || std::iter::once(pair(1));
    assert_eq!(second(&mut book, &sites, 1, one(), true), 0, "nobody asked");
    assert_eq!(second(&mut book, &sites, 2, one(), true), 1);
    assert_eq!(book.names_functions(), Some(true), "this test has symbols");
    // All frames of this very test are perfdeck's own, so the stack tells nothing, and is taken twice more.
    for (at, taken) in [(3, 1), (4, 1), (5, 0), (6, 0)] {
        assert_eq!(second(&mut book, &sites, at, one(), true), taken, "at {at}");
    }
    assert_eq!(book.of(pair(1).statement).count(), 0);
}

#[test]
fn a_drivers_thread_is_not_looked_at_and_not_asked_again() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let (mut book, sites) = (Book::new(true), Sites::new());
    let one = || std::iter::once(pair(1));
    second(&mut book, &sites, 1, one(), false);
    assert_eq!(second(&mut book, &sites, 2, one(), false), 1);
    assert_eq!(book.names_functions(), None, "no stack was resolved");
    assert_eq!(second(&mut book, &sites, 3, one(), false), 0);
}

#[test]
fn ten_thousand_statements_cost_no_more_than_the_bounds() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let (mut book, sites) = (Book::new(true), Sites::new());
    let mut all = 0;
    let mut most = 0;
    for at in 0..600 {
        let taken = second(&mut book, &sites, at, (0..10_000).map(pair), false);
        assert!(taken <= HELD as u32, "{taken} in one second");
        all += taken;
        most = most.max(book.bytes());
    }
    assert_eq!(all, MOST);
    assert_eq!(book.sites.len(), MOST as usize);
    assert!(most < 256 * 1024, "{most}");
    assert!(
        sites
            .wanted
            .0
            .iter()
            .all(|place| place.load(std::sync::atomic::Ordering::Relaxed) == 0)
    );
}

#[test]
fn what_all_frames_take_is_counted_once_each() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut book = Book::new(true);
    let frame = |number: usize| Frame {
        function: Some(format!("{number:0>200}")),
        at: Some(("f".repeat(200), 1)),
    };
    let first = book.intern(frame(1));
    let bytes = book.bytes();
    assert!(bytes > 400);
    assert!(Arc::ptr_eq(&first, &book.intern(frame(1))));
    assert_eq!(book.bytes(), bytes);
    for number in 0..3 * MOST as usize {
        book.intern(frame(number));
    }
    assert!(book.bytes() > 3 * MOST as usize * 400);
    assert!(book.bytes() < 2 << 20, "{}", book.bytes());
}

#[test]
fn a_pair_that_is_gone_makes_room_for_another_at_its_place() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let (mut book, sites) = (Book::new(true), Sites::new());
    // They differ in bits that do not tell the place.
    let (gone, there) = (
        pair(1),
        Pair {
            route: ROUTE ^ 2,
            ..pair(1)
        },
    );
    assert_eq!(Wanted::index(gone.key()), Wanted::index(there.key()));
    let once = std::iter::once;
    second(&mut book, &sites, 100, once(gone), false);
    for at in 101..100 + PATIENCE {
        assert_eq!(
            second(&mut book, &sites, at, once(there), false),
            0,
            "at {at}"
        );
    }
    second(&mut book, &sites, 100 + PATIENCE, once(there), false);
    assert_eq!(
        second(&mut book, &sites, 101 + PATIENCE, once(there), false),
        1
    );
}

#[test]
fn a_deck_that_is_short_of_its_budget_asks_for_nothing() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let (mut book, sites) = (Book::new(true), Sites::new());
    let (clock, _hand) = Clock::manual();
    book.ran(pair(1), 1);
    book.seek(&sites, &clock, 1, true, name);
    book.ran(pair(2), 1);
    book.seek(&sites, &clock, 2, false, name);
    for statement in [1, 2] {
        sites.pass(pair(statement), || panic!("it was asked for"));
    }
}

#[test]
fn a_thread_of_the_host_does_not_wait_for_the_agent() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let (mut book, sites) = (Book::new(true), Sites::new());
    second(&mut book, &sites, 1, std::iter::once(pair(1)), true);
    let resolving = super::super::wait(&super::super::BUSY);
    let begun = std::time::Instant::now();
    assert_eq!(
        second(&mut book, &sites, 2, std::iter::once(pair(1)), true),
        0
    );
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(resolving);
    assert_eq!(
        second(&mut book, &sites, 3, std::iter::once(pair(1)), true),
        1
    );
}

#[test]
fn a_deck_that_was_not_asked_to_takes_nothing() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let (mut book, sites) = (Book::new(false), Sites::new());
    for at in 0..20 {
        assert_eq!(second(&mut book, &sites, at, (0..100).map(pair), true), 0);
    }
    assert_eq!(book.active.capacity(), 0);
}

#[test]
fn what_a_stopped_deck_has_asked_for_is_not_taken_any_more() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let (mut book, sites) = (Book::new(true), Sites::new());
    second(&mut book, &sites, 1, [pair(1), pair(2)].into_iter(), false);
    sites.pass(pair(1), || true);
    sites.forget();
    assert!(sites.next().is_none());
    sites.pass(pair(2), || panic!("it is asked for"));
}
