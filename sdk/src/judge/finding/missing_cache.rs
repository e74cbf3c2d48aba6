//! A function, a statement or a route is asked the same again and again, and says the same.
//!
//! Nothing is said where a cache would have answered otherwise than the call did: of what is asked equally and answers
//! differently within the time to live, somebody's own answer or one that changes, no cache is a remedy. A statement's
//! cache hears of changes to its tables, so there only what it would not have heard of counts.

use perfdeck_bridge::protocol::{
    Confidence, Evidence, Finding, FindingStatus, Forecast, Impact, MissingCache, Redacted,
    Severity,
};

use super::{stable_id, told};
use crate::judge::facts::{Facts, TriedFact, Uncached, UncachedFact};
use crate::judge::window::Window;
use crate::sql::redacted;

/// Calls that must have been looked at.
const LEAST_CALLS: u64 = 1_000;
/// Hits below which a cache is hardly worth its place, whatever the prediction may be off by.
const LEAST_HITS: f64 = 0.2;
/// Seconds that it must save a second, ...
const LEAST_SAVED: f64 = 0.005;
/// ... and of the users' wait, where there are users.
const LEAST_SHARE: f64 = 0.01;
/// Of a statement's hits, those that may differ: a change is there a moment before it is heard of.
const MOST_WRONG: f64 = 0.01;
/// Of what the best time to live would bring, what a shorter one must bring to be enough.
const ENOUGH: f64 = 0.8;
/// The share of a route's time that a statement has which its advice is about.
const MAIN: f64 = 0.3;
/// Of what a route's cache would save, what that of its query must save to be enough.
const MOSTLY: f64 = 0.6;
/// What a cache holds unless it is told otherwise.
const CAPACITY: u64 = 10_000;
/// The share of the users' wait from which it is critical.
const CRITICAL_SHARE: f64 = 0.25;
/// What an answer from a cache takes at the most, with the layers around it.
const HIT: f64 = 100e-6;
/// The bytes of a statement's text in a title.
const TITLE: usize = 60;

pub(super) fn look<'a>(window: &'a Window, facts: &'a Facts) -> impl Iterator<Item = Finding> + 'a {
    facts.uncached.iter().filter_map(move |fact| {
        let best = best(fact)?;
        if comes_second(window, facts, fact, best) {
            return None;
        }
        let saved = best.saved_per_second(fact);
        let share = window.share(saved * window.seconds());
        let matters = window.wait_seconds == 0.0 || share >= LEAST_SHARE;
        let finding = matters.then(|| finding(window, fact, best, share));
        finding.flatten()
    })
}

/// Whether a cache would be worth it, for all that is known.
pub(crate) fn is_worth(fact: &UncachedFact) -> bool {
    best(fact).is_some()
}

/// The time to live to recommend: the shortest that brings nearly as much as any.
fn best(fact: &UncachedFact) -> Option<&TriedFact> {
    let allowed = match fact.uncached {
        Uncached::Query { .. } => MOST_WRONG,
        Uncached::Function { .. } | Uncached::Route => 0.0,
    };
    let is_right = |tried: &&TriedFact| {
        // What was not looked at for so long could have changed by then.
        fact.seconds as f64 >= tried.ttl_seconds
            && tried.wrong_ratio <= allowed
            && tried.hit_ratio - tried.error >= LEAST_HITS
            && tried.saved_per_second(fact) >= LEAST_SAVED
    };
    if fact.calls < LEAST_CALLS {
        return None;
    }
    let right = || fact.tried.iter().filter(is_right);
    let most = right().map(|tried| tried.saved_per_second(fact));
    let most = most.fold(0.0, f64::max);
    right().find(|tried| tried.saved_per_second(fact) >= ENOUGH * most)
}

/// Whether another remedy comes first: an index, after which there may be little to save; or a query's cache, which hears of
/// changes where a route's serves what is old.
fn comes_second(window: &Window, facts: &Facts, fact: &UncachedFact, best: &TriedFact) -> bool {
    let lacks_index = |query: u64| facts.indexes.iter().any(|index| index.query == query);
    match fact.uncached {
        Uncached::Function { .. } => false,
        Uncached::Query { id } => lacks_index(id),
        Uncached::Route => {
            let mut routes = window.routes.iter();
            let route = routes.find(|route| *route.name == *fact.name);
            let mut used = route.iter().flat_map(|route| &route.statements);
            let saved = best.saved_per_second(fact);
            used.any(|used| {
                let is_main = used.time_share >= MAIN;
                is_main
                    && (lacks_index(used.query) || saved_by(facts, used.query) >= MOSTLY * saved)
            })
        }
    }
}

/// What a cache of a query would save.
fn saved_by(facts: &Facts, query: u64) -> f64 {
    let of_query = |fact: &&UncachedFact| fact.uncached == Uncached::Query { id: query };
    let fact = facts.uncached.iter().find(of_query);
    let saved = fact.and_then(|fact| Some(best(fact)?.saved_per_second(fact)));
    saved.unwrap_or(0.0)
}

impl UncachedFact {
    fn calls_per_second(&self) -> f64 {
        self.calls as f64 / self.seconds.max(1) as f64
    }
}

impl TriedFact {
    fn saved_per_second(&self, fact: &UncachedFact) -> f64 {
        self.hit_ratio * self.saved_seconds * fact.calls_per_second()
    }

    /// The part of the calls' time that it saves.
    fn saved_share(&self, fact: &UncachedFact) -> f64 {
        (self.hit_ratio * self.saved_seconds / fact.mean_seconds.max(1e-9)).clamp(0.0, 1.0)
    }
}

fn finding(
    window: &Window,
    fact: &UncachedFact,
    best: &TriedFact,
    wait_share: f64,
) -> Option<Finding> {
    let query = match fact.uncached {
        Uncached::Query { id } => Some(window.query(id)?.text.clone()),
        Uncached::Function { .. } | Uncached::Route => None,
    };
    let subject = subject(fact, query.as_ref());
    let saved = best.saved_per_second(fact);
    let title = format!(
        "{subject} has no cache: one of {} would answer {:.0} % of its calls, and save {} a second",
        told(best.ttl_seconds),
        best.hit_ratio * 100.0,
        told(saved),
    );
    let impact = Impact {
        wait_share,
        ..impact(window, fact, best)
    };
    let about = query.as_ref().map_or(&*fact.name, Redacted::as_str);
    Some(Finding {
        id: stable_id("missing_cache", &[kind(fact.uncached), about]),
        kind: "missing_cache".into(),
        severity: if wait_share >= CRITICAL_SHARE {
            Severity::Critical
        } else {
            Severity::Warning
        },
        title,
        evidence: Evidence::MissingCache(MissingCache {
            uncached: kind(fact.uncached).into(),
            name: fact.name.clone(),
            query,
            calls_per_second: fact.calls_per_second(),
            call_seconds: fact.mean_seconds,
            ttl_seconds: best.ttl_seconds,
            hit_ratio: best.hit_ratio,
            error: best.error,
            saved_seconds_per_second: saved,
            why: why(fact, best),
            code: code(fact, best),
            curve: fact
                .tried
                .iter()
                .filter(|tried| fact.seconds as f64 >= tried.ttl_seconds)
                .map(|tried| tried.forecast(fact))
                .collect(),
        }),
        impact,
        confidence: if fact.compared {
            Confidence::Estimated
        } else {
            Confidence::Heuristic
        },
        action: None,
        status: FindingStatus::Code,
        score_points: 0.0,
    })
}

impl TriedFact {
    fn forecast(&self, fact: &UncachedFact) -> Forecast {
        Forecast {
            capacity: CAPACITY,
            eviction: "default".into(),
            ttl_seconds: Some(self.ttl_seconds),
            hit_ratio: self.hit_ratio,
            error: self.error,
            saved_seconds_per_second: self.saved_per_second(fact),
        }
    }
}

const fn kind(uncached: Uncached) -> &'static str {
    match uncached {
        Uncached::Function { .. } => "function",
        Uncached::Query { .. } => "query",
        Uncached::Route => "route",
    }
}

fn subject(fact: &UncachedFact, query: Option<&Redacted>) -> String {
    match query {
        Some(text) => format!("query {}", redacted::cut(text, TITLE).as_str()),
        None => fact.name.clone(),
    }
}

fn why(fact: &UncachedFact, best: &TriedFact) -> String {
    let (asked, said) = match fact.uncached {
        Uncached::Function { .. } if !fact.compared => (
            "the same arguments",
            "what it returns is neither `Hash` nor `Debug`, so whether that was the same you have to know",
        ),
        Uncached::Function { .. } => ("the same arguments", "each returned the same"),
        Uncached::Query { .. } => (
            "the same values",
            "returned the same, unless a statement had changed its tables, which is predicted as a miss",
        ),
        Uncached::Route => (
            "the same address",
            "each answer was the same; requests with credentials are not among them",
        ),
    };
    format!(
        "of {} calls in {} {:.0} % (+- {:.0}) came within {} after one with {asked}, and {said}; a call takes {} on \
         average",
        fact.calls,
        told(fact.seconds as f64),
        best.hit_ratio * 100.0,
        (best.error * 100.0).max(1.0),
        told(best.ttl_seconds),
        told(fact.mean_seconds),
    )
}

fn code(fact: &UncachedFact, best: &TriedFact) -> String {
    let seconds = best.ttl_seconds.round() as u64;
    match fact.uncached {
        Uncached::Function { key } => {
            let ttl = if seconds.is_multiple_of(60) {
                format!("{}m", seconds / 60)
            } else {
                format!("{seconds}s")
            };
            format!("#[perfdeck::cached(ttl = \"{ttl}\"{key})]")
        }
        Uncached::Query { .. } => format!(
            ".cache(Duration::from_secs({seconds})) before its .fetch, with `use perfdeck::cache::CacheQuery as _;`"
        ),
        Uncached::Route => {
            let path = fact.name.strip_prefix("GET ").unwrap_or(&fact.name);
            format!(
                ".layer(deck.http_cache().route({path:?}, Duration::from_secs({seconds})).host(\"the service's name\"))"
            )
        }
    }
}

/// The route that gains most.
fn impact(window: &Window, fact: &UncachedFact, best: &TriedFact) -> Impact {
    let share = best.saved_share(fact);
    let gain = match fact.uncached {
        Uncached::Route => window
            .routes
            .iter()
            .find(|route| *route.name == *fact.name)
            .map(|route| {
                let part = best.p95_seconds / fact.p95_seconds.max(1e-9);
                (route, (route.p95_seconds * part.min(1.0)).max(HIT))
            }),
        Uncached::Query { id } => {
            let uses = window.routes.iter().filter_map(|route| {
                let mut used = route.statements.iter();
                let used = used.find(|used| used.query == id)?;
                Some((route, used.time_share))
            });
            let most = uses.max_by(|(a, part), (b, other)| {
                (a.wait_seconds * part).total_cmp(&(b.wait_seconds * other))
            });
            most.map(|(route, part)| (route, route.p95_seconds * (1.0 - part * share)))
        }
        // Which route calls it nobody knows.
        Uncached::Function { .. } => None,
    };
    gain.map_or_else(Impact::default, |(route, after)| Impact {
        route: Some(route.name.to_string()),
        p95_seconds_now: Some(route.p95_seconds),
        p95_seconds_after: Some(after.min(route.p95_seconds)),
        wait_share: 0.0,
    })
}

#[cfg(test)]
mod tests;
