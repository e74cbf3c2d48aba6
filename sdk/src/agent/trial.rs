//! What has no cache and might: which functions, statements and routes are watched for that, and what it may take.
//!
//! Those that take the most time come first, for as long as there are seats and there is room. What turns out to be nothing
//! for a cache gives its seat to the next, and is looked at again later. With the first step down of the budget all of it is
//! given up.

use std::collections::HashMap;

use perfdeck_bridge::protocol::BudgetLevel;

use super::Agent;
use crate::cache::curve::trial::{Call, Known, Trial};
use crate::judge::facts::{TriedFact, Uncached, UncachedFact};
use crate::judge::finding::is_worth_a_cache;
use crate::observe::repeat::{Repeats, SEATS, Subject};

/// The share of the deck's memory that trials may take.
const SHARE: usize = 16;
/// Calls a second that the agent has time for, of all that are watched; each takes some 2 us.
const PER_SECOND: f64 = 1_000.0;
/// Of what takes fewer seconds a second no cache could save enough.
const LEAST: f64 = 0.005;
/// Calls, and seconds, that something is told of.
const ENOUGH: u64 = 1_000;
const SHORTEST: u64 = 10;
/// Seconds after which the count is begun anew.
const WINDOW: u64 = 600;
/// Seconds without a call, and with nothing to gain, after which a seat is given up: by then the longest time to live was
/// seen.
const SILENCE: u64 = 60;
const VAIN: u64 = 330;
/// Seconds until what gave up its seat may have one again, and how many are remembered.
const REST: u64 = 600;
const RESTING: usize = 1_000;

/// The trials of one deck.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    seats: [Option<Seated>; SEATS],
    /// Until when what had a seat does without.
    resting: HashMap<Subject, u64>,
    room: Vec<Call>,
}

#[derive(Debug)]
struct Seated {
    subject: Subject,
    uncached: Uncached,
    name: String,
    trial: Trial,
    /// What the last second's calls in the sample were, as a moving average.
    sampled_per_second: f64,
    last_call: u64,
    known: Option<Known>,
}

/// Something that waits for a seat, with the seconds that it takes a second.
struct Waiting {
    subject: Subject,
    uncached: Uncached,
    name: String,
    takes: f64,
}

impl Trials {
    pub(crate) fn bytes(&self) -> usize {
        let seated = self.seats.iter().flatten().count();
        // One more buffer is in the agent's hands while another fills.
        let room = if seated > 0 { Repeats::ROOM_BYTES } else { 0 };
        seated * (Trial::BYTES + Repeats::ROOM_BYTES) + room
    }

    fn seated(&self) -> usize {
        self.seats.iter().flatten().count()
    }

    fn has(&self, subject: Subject) -> bool {
        let mut seats = self.seats.iter().flatten();
        seats.any(|seated| seated.subject == subject)
    }
}

impl Agent {
    /// Tries caches on what was called since the last tick.
    pub(super) fn try_caches(&mut self) {
        if self.budget.level() != BudgetLevel::Full || self.eyes.repeats.is_off() {
            self.give_up_trials();
            return;
        }
        let share = PER_SECOND / self.trials.seated().max(1) as f64;
        for seat in 0..SEATS {
            if self.feed_trial(seat, share).is_none() {
                self.leave(seat);
            }
        }
        let second = self.second;
        self.trials.resting.retain(|_, until| *until > second);
        self.begin_trials();
        let seats = self.trials.seats.iter().flatten();
        self.facts.uncached = seats.filter_map(Seated::fact).collect();
    }

    pub(super) fn give_up_trials(&mut self) {
        for seat in 0..SEATS {
            self.leave(seat);
        }
        self.trials.room = Vec::new();
        self.facts.uncached.clear();
    }

    fn leave(&mut self, seat: usize) {
        let seated = self.trials.seats.get_mut(seat).and_then(Option::take);
        if let Some(seated) = seated {
            self.eyes.repeats.leave(seat);
            if self.trials.resting.len() < RESTING {
                let until = self.second + REST;
                self.trials.resting.insert(seated.subject, until);
            }
        }
    }

    /// Takes a second's calls; `None` if the seat is to be given up.
    fn feed_trial(&mut self, seat: usize, share: f64) -> Option<()> {
        let second = self.second;
        let seated = self.trials.seats.get_mut(seat)?.as_mut()?;
        let mut room = std::mem::take(&mut self.trials.room);
        if room.capacity() == 0 {
            room = Repeats::room();
        }
        let mut taken = self.eyes.repeats.take(seat, room)?;
        let (kept, dropped) = (taken.calls.len() as u64, taken.dropped);
        let arrived = (kept + dropped) as f64;
        taken.calls.iter().for_each(|call| seated.trial.take(call));
        // Of all keys, what was kept is what there was; else what was dropped stands for its share of the others.
        // Of what is not in the sample nobody looked whether a cache is for it: as much of it as of the sample.
        let fit = if taken.unfit > 0 {
            arrived / (arrived + taken.unfit as f64)
        } else {
            1.0
        };
        let all = (taken.all as f64 * fit) as u64;
        let counted = match (seated.trial.halvings(), dropped) {
            (0, _) => kept,
            (_, 0) => all,
            _ => (all as f64 * kept as f64 / arrived) as u64,
        };
        seated.trial.passed(all, counted);
        taken.calls.clear();
        self.trials.room = taken.calls;
        if taken.all > 0 {
            seated.last_call = second;
        }
        seated.sampled_per_second += (arrived - seated.sampled_per_second) / 8.0;
        let is_busy = seated.sampled_per_second > 2.0 * share;
        if is_busy || seated.trial.is_cramped() {
            let halvings = seated.trial.halvings() + 1;
            seated.trial = Trial::new(halvings, second);
            seated.sampled_per_second /= 2.0;
            self.eyes.repeats.watch(seat, seated.subject, halvings);
            return Some(());
        }
        seated.look(second)
    }

    /// Begins with what takes the most time and has no seat.
    fn begin_trials(&mut self) {
        let limit = self.budget.limits.memory_bytes / SHARE;
        let mut waiting = None;
        for seat in 0..SEATS {
            let is_free = matches!(self.trials.seats.get(seat), Some(None));
            let bytes = self.trials.bytes() + Trial::BYTES + 2 * Repeats::ROOM_BYTES;
            if !is_free || bytes > limit {
                continue;
            }
            let waiting = waiting.get_or_insert_with(|| self.waiting());
            let Some(Waiting {
                subject,
                uncached,
                name,
                ..
            }) = waiting.pop()
            else {
                return;
            };
            let seated = Seated {
                subject,
                uncached,
                name,
                trial: Trial::new(0, self.second),
                sampled_per_second: 0.0,
                last_call: self.second,
                known: None,
            };
            self.eyes.repeats.watch(seat, subject, 0);
            if let Some(seat) = self.trials.seats.get_mut(seat) {
                *seat = Some(seated);
            }
        }
    }

    /// What could have a seat, that which takes the most time last.
    fn waiting(&self) -> Vec<Waiting> {
        let mut waiting: Vec<_> = self
            .functions()
            .chain(self.queries())
            .chain(self.routes())
            .filter(|waiting| {
                waiting.takes >= LEAST
                    && !self.trials.has(waiting.subject)
                    && !self.trials.resting.contains_key(&waiting.subject)
            })
            .collect();
        waiting.sort_by(|a, b| a.takes.total_cmp(&b.takes));
        waiting
    }

    fn functions(&self) -> impl Iterator<Item = Waiting> + '_ {
        let offered = self.eyes.repeats.offered().into_iter();
        offered.filter_map(|function| {
            let record = self.store.functions.get(function.name)?;
            Some(Waiting {
                subject: Subject::Function(function.number),
                uncached: Uncached::Function { key: function.key },
                name: function.name.to_owned(),
                takes: record.timeline.minute().0.sum_seconds() / self.window.seconds(),
            })
        })
    }

    #[cfg(feature = "query-cache")]
    fn queries(&self) -> impl Iterator<Item = Waiting> + '_ {
        let queries = self.window.queries.iter();
        let reads = queries.filter(|query| {
            let verb = query.text.as_str().split_whitespace().next();
            let verb = verb.unwrap_or_default();
            verb.eq_ignore_ascii_case("select") || verb.eq_ignore_ascii_case("with")
        });
        reads.map(|query| Waiting {
            subject: Subject::Query(query.id),
            uncached: Uncached::Query { id: query.id },
            name: String::new(),
            takes: query.calls_per_second * query.mean_seconds,
        })
    }

    #[cfg(not(feature = "query-cache"))]
    #[expect(clippy::unused_self, reason = "another build has some")]
    fn queries(&self) -> impl Iterator<Item = Waiting> + '_ {
        std::iter::empty()
    }

    fn routes(&self) -> impl Iterator<Item = Waiting> + '_ {
        let routes = self.window.routes.iter();
        routes.filter_map(|route| {
            // What has no template is no one route.
            route.name.strip_prefix("GET /")?;
            Some(Waiting {
                subject: Subject::Route(self.store.route_hash(&route.name)?),
                uncached: Uncached::Route,
                name: route.name.to_string(),
                takes: route.wait_seconds / self.window.seconds(),
            })
        })
    }
}

impl Seated {
    /// Looks at what is known; `None` if there is nothing to gain.
    fn look(&mut self, second: u64) -> Option<()> {
        if second.saturating_sub(self.last_call) >= SILENCE {
            return None;
        }
        let seconds = self.trial.seconds(second);
        if self.trial.calls() < ENOUGH || seconds < SHORTEST {
            return Some(());
        }
        self.known = Some(self.trial.known(second));
        let worth = self.fact().is_some_and(|fact| is_worth_a_cache(&fact));
        if !worth && seconds >= VAIN {
            return None;
        }
        if seconds >= WINDOW {
            self.trial.count_anew(second);
        }
        Some(())
    }

    fn fact(&self) -> Option<UncachedFact> {
        let known = self.known.as_ref()?;
        let tried = known.tried.iter().map(|tried| TriedFact {
            ttl_seconds: tried.ttl.as_secs_f64(),
            hit_ratio: tried.hit_ratio,
            error: tried.error,
            wrong_ratio: tried.wrong_ratio,
            saved_seconds: tried.saved_seconds,
            p95_seconds: tried.p95_seconds,
        });
        Some(UncachedFact {
            uncached: self.uncached,
            name: self.name.clone(),
            calls: known.calls,
            seconds: known.seconds,
            mean_seconds: known.mean_seconds,
            p95_seconds: known.p95_seconds,
            compared: known.compared,
            tried: tried.collect(),
        })
    }
}
