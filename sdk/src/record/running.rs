//! The requests under way: a bounded number of places that requests write to as they begin and end, and that the agent
//! reads whenever it likes.
//!
//! A place belongs to a scope's memory and not to one request, so a request claims nothing: it makes three plain stores.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::clock::Start;

/// Requests whose route and age are known while they run; of those beyond only the number is.
pub(crate) const PLACES: usize = 4_096;
const BITS: usize = u64::BITS as usize;
/// Places that lie together in what processors hand each other as a whole: two lines of a cache.
const TOGETHER: usize = 128 / size_of::<Place>();

static PLACE: [Block; PLACES / TOGETHER] = [const { Block::new() }; PLACES / TOGETHER];
/// Where those write that found no place; nobody reads it.
static NOWHERE: Place = Place::new();
/// Which places are claimed.
static CLAIMED: [AtomicU64; PLACES / BITS] = [const { AtomicU64::new(0) }; PLACES / BITS];
/// One more than the last place that was ever claimed.
static REACHED: AtomicUsize = AtomicUsize::new(0);

/// Where a request says that it is under way.
#[derive(Debug)]
pub(crate) struct Place {
    /// The route's hash; 0 while nothing runs.
    route: AtomicU64,
    start: AtomicU64,
}

#[derive(Debug)]
#[repr(align(128))]
struct Block([Place; TOGETHER]);

/// A place while it is claimed.
#[derive(Debug)]
pub(super) struct Claim {
    place: &'static Place,
    /// `None` where none was left.
    number: Option<usize>,
}

impl Claim {
    /// Claims a place, if one is left.
    #[cold]
    pub(super) fn new() -> Self {
        for (number, claimed) in CLAIMED.iter().enumerate() {
            let take = |claimed: u64| (claimed != u64::MAX).then(|| claimed | (claimed + 1));
            let before = claimed.fetch_update(Ordering::Acquire, Ordering::Relaxed, take);
            let Ok(before) = before else { continue };
            let number = number * BITS + before.trailing_ones() as usize;
            REACHED.fetch_max(number + 1, Ordering::Relaxed);
            return Self {
                place: place(number).unwrap_or(&NOWHERE),
                number: Some(number),
            };
        }
        Self {
            place: &NOWHERE,
            number: None,
        }
    }

    #[inline]
    pub(super) fn begin(&self, route: u64, start: Start) {
        // The agent reads the route before and after the start.
        self.place.start.store(start.raw(), Ordering::Relaxed);
        self.place.route.store(route, Ordering::Release);
    }

    #[inline]
    pub(super) fn end(&self) {
        self.place.route.store(0, Ordering::Relaxed);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.end();
        if let Some(number) = self.number
            && let Some(claimed) = CLAIMED.get(number / BITS)
        {
            claimed.fetch_and(!(1 << (number % BITS)), Ordering::Release);
        }
    }
}

impl Place {
    const fn new() -> Self {
        Self {
            route: AtomicU64::new(0),
            start: AtomicU64::new(0),
        }
    }
}

impl Block {
    const fn new() -> Self {
        Self([const { Place::new() }; TOGETHER])
    }
}

/// The place of that number. Each of the first ones is in a block of its own, so that threads, which claim one after the
/// other, don't write to one.
fn place(number: usize) -> Option<&'static Place> {
    let block = PLACE.get(number % PLACE.len())?;
    block.0.get(number / PLACE.len())
}

/// The routes' hashes and the beginnings of the requests under way, over all decks of the process.
pub(super) fn requests() -> impl Iterator<Item = (u64, Start)> {
    let reached = REACHED.load(Ordering::Relaxed);
    (0..reached).filter_map(place).filter_map(|place| {
        let route = place.route.load(Ordering::Acquire);
        let start = place.start.load(Ordering::Acquire);
        // One that ended meanwhile, and left its place to another, would be told with the other's beginning.
        let same = place.route.load(Ordering::Relaxed) == route;
        (route != 0 && same).then(|| (route, Start::from_raw(start)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other tests run requests in this process too, so each looks for a route of its own.
    fn under_way(route: u64) -> usize {
        requests().filter(|(running, _)| *running == route).count()
    }

    #[test]
    fn a_request_is_seen_from_its_beginning_to_its_end() {
        let claim = Claim::new();
        claim.begin(0xfeed_0001, Start::from_raw(7));
        let found = requests().find(|(route, _)| *route == 0xfeed_0001);
        assert_eq!(found.map(|(_, start)| start.raw()), Some(7));
        claim.end();
        assert_eq!(under_way(0xfeed_0001), 0);
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let claims: Vec<_> = (0..PLACES + 100).map(|_| Claim::new()).collect();
        for claim in &claims {
            claim.begin(0xfeed_0002, Start::default());
        }
        let seen = under_way(0xfeed_0002);
        assert!(seen <= PLACES && seen > PLACES / 2, "{seen}");
        drop(claims);
        assert_eq!(under_way(0xfeed_0002), 0);
        let claim = Claim::new();
        claim.begin(0xfeed_0003, Start::default());
        assert_eq!(under_way(0xfeed_0003), 1);
    }
}
