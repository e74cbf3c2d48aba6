//! Requests that are kept whole: those that failed, the slowest of each route and minute, and now and then any.
//!
//! A shard decides with one comparison that a common request is none of these. What it catches it holds until the agent
//! comes, a bounded number; the agent keeps what is still worth it once it has seen every shard's.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::scope::{Scope, Stage};
use super::store::bytes::table;
use super::table::Body;
use super::trail::Step;
use crate::clock::Start;

/// The slowest requests that are kept of a route and minute.
pub(crate) const SLOWEST: usize = 4;
/// Of so many requests on a thread one is kept, whatever it was.
pub(crate) const SAMPLED: u32 = 1_024;
/// Requests that a half of a shard catches between two visits of the agent.
const CAUGHT: usize = 32;
/// Of those, the ones that failed or were given up; the rest of the places is for the slow ones.
const CAUGHT_FAILED: u32 = 12;
/// Failed and given up requests that are kept of a route and minute.
const FAILED_A_MINUTE: u32 = 16;
/// Failed and given up requests that are kept of a route.
const FAILED: usize = 64;
/// Sampled requests that are kept of a route.
const SAMPLES: usize = 32;
/// How long a request is kept.
pub(crate) const SECONDS: u64 = 15 * 60;
const MINUTE: u64 = 60;
/// What all that are kept may take.
const BYTES: usize = 2 * 1024 * 1024;

/// Why a request was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Failed,
    Cancelled,
    Slow,
    Sample,
}

/// A request that is kept whole.
#[derive(Debug, Clone)]
pub(crate) struct Exemplar {
    /// Its number, from 1 on; 0 while it is with a shard.
    pub(crate) id: u64,
    pub(crate) why: Why,
    pub(crate) start: Start,
    /// To the response's head; of one that was given up, as long as its end was waited for.
    pub(crate) nanos: u64,
    /// To the end of its body, where that was seen.
    pub(crate) body_nanos: Option<u64>,
    /// The response's status; 0 where there was none.
    pub(crate) status: u16,
    pub(crate) failed: bool,
    pub(crate) cancelled: bool,
    pub(crate) steps: Box<[Step]>,
    /// Steps that found no place.
    pub(crate) left_out: usize,
}

/// What a half of a shard has caught.
#[derive(Debug, Default)]
pub(super) struct Caught {
    requests: Vec<(u64, Exemplar)>,
    failed: u32,
    /// Requests that were worth keeping and found no place.
    missed: u64,
    /// Requests since one was kept whatever it was.
    since_sample: u32,
    /// Whether the deck has no room for what it does not have to know.
    unwanted: bool,
}

/// How slow a request of a route has to be to be worth keeping.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Slowest {
    /// The least of `nanos`: the one comparison that a common request costs.
    from: u64,
    nanos: [u64; SLOWEST],
}

/// The requests that are kept, by route.
#[derive(Debug, Default)]
pub(crate) struct Exemplars {
    routes: HashMap<Arc<str>, Kept>,
    /// Failed and given up requests that were kept of each route since the start.
    taken: HashMap<Arc<str>, u64>,
    last_id: u64,
    bytes: usize,
}

/// What is kept of one route.
#[derive(Debug, Default)]
struct Kept {
    failed: VecDeque<(u64, Exemplar)>,
    /// The slowest by minute, in the order of their ends.
    slow: VecDeque<(u64, Exemplar)>,
    samples: VecDeque<(u64, Exemplar)>,
    /// The minute that `failed_in_minute` counts in.
    minute: u64,
    failed_in_minute: u32,
}

impl Slowest {
    /// The slowest of a route of which `from` nanoseconds are no longer enough.
    pub(super) const fn over(from: u64) -> Self {
        Self {
            from,
            nanos: [from; SLOWEST],
        }
    }

    #[inline]
    pub(super) const fn wants(&self, nanos: u64) -> bool {
        nanos > self.from
    }

    fn add(&mut self, nanos: u64) {
        if let Some(least) = self.nanos.iter_mut().min() {
            *least = nanos.max(*least);
        }
        self.from = self.nanos.iter().copied().min().unwrap_or(0);
    }
}

impl Caught {
    /// Counts a request; tells whether it is one to keep whatever it was.
    #[inline]
    pub(super) const fn sample(&mut self) -> bool {
        self.since_sample += 1;
        self.since_sample == SAMPLED
    }

    /// Keeps a request, or counts it as missed where there is no place; returns what it takes.
    #[cold]
    pub(super) fn take(
        &mut self,
        scope: &Scope,
        body: Option<Body>,
        slowest: &mut Slowest,
        room: impl FnOnce(usize) -> bool,
    ) {
        let sampled = self.since_sample >= SAMPLED;
        if sampled {
            self.since_sample = 0;
        }
        if self.unwanted {
            return;
        }
        let (nanos, failed, cancelled) = outcome(scope, body);
        let why = match (failed, cancelled, slowest.wants(nanos)) {
            (true, _, _) => Why::Failed,
            (_, true, _) => Why::Cancelled,
            (_, _, true) => Why::Slow,
            _ => Why::Sample,
        };
        let bad = failed || cancelled;
        if self.requests.len() >= CAUGHT || (bad && self.failed >= CAUGHT_FAILED) {
            self.missed += 1;
            return;
        }
        let (steps, left_out) = scope.steps();
        let exemplar = Exemplar {
            id: 0,
            why,
            start: scope.progress.start,
            nanos,
            body_nanos: match body {
                Some(Body::Whole { nanos }) => Some(nanos),
                _ => None,
            },
            status: scope.progress.status,
            failed,
            cancelled,
            steps: steps.into(),
            left_out,
        };
        if !room(exemplar.bytes()) {
            self.missed += 1;
            return;
        }
        self.failed += u32::from(bad);
        if why == Why::Slow {
            slowest.add(nanos);
        }
        self.requests.push((scope.progress.route, exemplar));
    }

    /// Says whether requests are kept whole from now on.
    pub(super) const fn want(&mut self, wanted: bool) {
        self.unwanted = !wanted;
    }

    /// Hands out what was caught, by the route's hash, and returns how many were missed.
    pub(super) fn drain(&mut self, mut each: impl FnMut(u64, Exemplar)) -> u64 {
        self.failed = 0;
        for (route, exemplar) in self.requests.drain(..) {
            each(route, exemplar);
        }
        std::mem::take(&mut self.missed)
    }

    pub(super) fn bytes(&self) -> usize {
        let held = self.requests.iter().map(|(_, exemplar)| exemplar.bytes());
        held.sum::<usize>() + self.requests.capacity() * size_of::<(u64, Exemplar)>()
    }
}

impl Exemplar {
    /// What it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<(u64, Self)>() + size_of_val(&*self.steps) + 32
    }
}

impl Exemplars {
    /// Keeps a request that a shard has caught, if it is still worth it now that the others' are known.
    pub(super) fn take(&mut self, route: &Arc<str>, mut exemplar: Exemplar, second: u64) {
        self.last_id += 1;
        exemplar.id = self.last_id;
        let bytes = exemplar.bytes();
        let kept = self.routes.entry(Arc::clone(route)).or_default();
        let freed = match exemplar.why {
            Why::Failed | Why::Cancelled => {
                kept.take_failed(second, exemplar).map_or(bytes, |freed| {
                    *self.taken.entry(Arc::clone(route)).or_default() += 1;
                    freed
                })
            }
            Why::Slow => kept.take_slow(second, exemplar),
            Why::Sample => {
                kept.samples.push_back((second, exemplar));
                pop_over(&mut kept.samples, SAMPLES)
            }
        };
        self.bytes = (self.bytes + bytes).saturating_sub(freed);
    }

    /// From how many nanoseconds on a request of a route is one of this minute's slowest.
    pub(super) fn slow_from(&self, route: &str, second: u64) -> u64 {
        let Some(kept) = self.routes.get(route) else {
            return 0;
        };
        let minute = kept.slow.iter().rev();
        let minute = minute.take_while(|(then, _)| then / MINUTE == second / MINUTE);
        let nanos: Vec<u64> = minute.map(|(_, exemplar)| exemplar.nanos).collect();
        if nanos.len() < SLOWEST {
            return 0;
        }
        nanos.into_iter().min().unwrap_or(0)
    }

    /// Lets go what is too old at `second`, the routes that `known` does not know, and the oldest while there is too much.
    pub(super) fn age(&mut self, second: u64, known: impl Fn(&str) -> bool) {
        let from = second.saturating_sub(SECONDS);
        self.taken.retain(|route, _| known(route));
        self.let_go(from, known);
        while self.bytes > BYTES {
            // An eighth at a time, so that this is done now and then rather than each second.
            let mut all: Vec<(u64, usize)> = self
                .routes
                .values()
                .flat_map(Kept::all)
                .map(|(second, exemplar)| (*second, exemplar.bytes()))
                .collect();
            all.sort_unstable();
            let mut freed = 0;
            let cut = all.iter().find(|(_, bytes)| {
                freed += bytes;
                self.bytes - freed.min(self.bytes) <= BYTES / 8 * 7
            });
            let from = cut.map_or(u64::MAX, |(second, _)| second + 1);
            self.let_go(from, |_| true);
        }
    }

    /// What is kept of a route, the newest first.
    pub(crate) fn of(&self, route: &str) -> Vec<&Exemplar> {
        let mut found: Vec<_> = self
            .routes
            .get(route)
            .into_iter()
            .flat_map(Kept::all)
            .map(|(_, exemplar)| exemplar)
            .collect();
        found.sort_by_key(|exemplar| std::cmp::Reverse(exemplar.start.raw()));
        found
    }

    /// The request of that number, with its route.
    pub(crate) fn find(&self, id: u64) -> Option<(&Arc<str>, &Exemplar)> {
        self.routes.iter().find_map(|(route, kept)| {
            let mut all = kept.all().map(|(_, exemplar)| exemplar);
            all.find(|exemplar| exemplar.id == id)
                .map(|exemplar| (route, exemplar))
        })
    }

    /// Failed and given up requests that were kept of a route since the start, also those that have gone since.
    pub(crate) fn taken(&self, route: &str) -> u64 {
        self.taken.get(route).copied().unwrap_or(0)
    }

    /// Lets all of them go.
    pub(super) fn clear(&mut self) {
        (self.routes, self.bytes) = (HashMap::new(), 0);
    }

    /// What all of it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + table(&self.routes) + table(&self.taken)
    }

    fn let_go(&mut self, from: u64, known: impl Fn(&str) -> bool) {
        let mut bytes = 0;
        self.routes.retain(|route, kept| {
            for list in [&mut kept.failed, &mut kept.slow, &mut kept.samples] {
                list.retain(|(second, _)| *second >= from);
            }
            let held: usize = kept.all().map(|(_, exemplar)| exemplar.bytes()).sum();
            let stays = held > 0 && known(route);
            bytes += if stays { held } else { 0 };
            stays
        });
        self.bytes = bytes;
    }
}

impl Kept {
    fn all(&self) -> impl Iterator<Item = &(u64, Exemplar)> {
        self.failed.iter().chain(&self.slow).chain(&self.samples)
    }

    /// Returns the bytes that went for it; `None` where there were too many in this minute.
    fn take_failed(&mut self, second: u64, exemplar: Exemplar) -> Option<usize> {
        if self.minute != second / MINUTE {
            self.minute = second / MINUTE;
            self.failed_in_minute = 0;
        }
        self.failed_in_minute += 1;
        if self.failed_in_minute > FAILED_A_MINUTE {
            return None;
        }
        self.failed.push_back((second, exemplar));
        Some(pop_over(&mut self.failed, FAILED))
    }

    /// Takes the place of this minute's least slow one, if that one was less slow.
    fn take_slow(&mut self, second: u64, exemplar: Exemplar) -> usize {
        let first = self
            .slow
            .partition_point(|(then, _)| then / MINUTE < second / MINUTE);
        let full = self.slow.len() - first >= SLOWEST;
        if !full {
            self.slow.push_back((second, exemplar));
            return 0;
        }
        let minute = self.slow.range_mut(first..);
        match minute.min_by_key(|(_, exemplar)| exemplar.nanos) {
            Some(least) if least.1.nanos < exemplar.nanos => {
                // Its second stays, so that the list stays in order.
                std::mem::replace(&mut least.1, exemplar).bytes()
            }
            _ => exemplar.bytes(),
        }
    }
}

/// How a request ended: its nanoseconds to the head, whether it failed, and whether it was given up.
fn outcome(scope: &Scope, body: Option<Body>) -> (u64, bool, bool) {
    match scope.progress.stage {
        Stage::Waiting => (scope.elapsed(), false, true),
        Stage::Answered { failed, nanos, .. } => (
            nanos,
            failed || body == Some(Body::Failed),
            body == Some(Body::Cancelled),
        ),
    }
}

fn pop_over(list: &mut VecDeque<(u64, Exemplar)>, most: usize) -> usize {
    if list.len() > most {
        list.pop_front().map_or(0, |(_, oldest)| oldest.bytes())
    } else {
        0
    }
}

#[cfg(test)]
mod tests;
