//! Findings: one file a rule. Each says what is slow, why, what to do, what that brings and how sure it is.

mod cache;
mod database;
mod missing_cache;
mod missing_index;
mod n_plus_one;
mod repeated_query;
mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use perfdeck_bridge::protocol::{Finding, FindingId, FindingStatus, Timestamp};

use super::facts::Facts;
use super::window::Window;

#[cfg(feature = "cache")]
pub(crate) use missing_cache::is_worth as is_worth_a_cache;
pub(crate) use missing_index::id as missing_index_id;

/// How long a finding stays after it was last seen, so that a lull does not make it come and go.
const LINGER: Duration = Duration::from_secs(60);
/// The share of the service's time that following advice must save.
///
/// Two minutes of a day's users' wait: less is lost in how one minute differs from the next, could not be told from chance
/// once it is applied, and stands in the way of what matters.
const LEAST_SHARE: f64 = 0.001;
/// Findings kept.
const MAX_FINDINGS: usize = 100;

/// The findings of one deck.
#[derive(Debug, Default)]
pub(crate) struct Book {
    known: BTreeMap<FindingId, Known>,
}

#[derive(Debug)]
struct Known {
    finding: Finding,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

impl Book {
    /// Looks at each rule; returns the findings, by the users' wait that each would save.
    pub(crate) fn step(&mut self, window: &Window, facts: &Facts, now: Timestamp) -> Vec<Finding> {
        let seen = missing_index::look(window, facts)
            .chain(n_plus_one::look(window))
            .chain(repeated_query::look(window))
            .chain(cache::look(window))
            .chain(missing_cache::look(window, facts))
            .chain(database::look(facts))
            .chain(text::look(window, facts));
        for finding in seen.take(MAX_FINDINGS) {
            let applied = facts.applied.contains(&finding.id);
            let known = self
                .known
                .entry(finding.id.clone())
                .or_insert_with(|| Known {
                    finding: finding.clone(),
                    first_seen: now,
                    last_seen: now,
                });
            // What was applied is told as it was then.
            if !applied {
                known.finding = finding;
            }
            known.last_seen = now;
        }
        self.known
            .retain(|id, known| facts.applied.contains(id) || now.since(known.last_seen) < LINGER);
        let mut findings: Vec<_> = self
            .known
            .values()
            .map(|known| {
                let mut finding = known.finding.clone();
                if facts.applied.contains(&finding.id) {
                    finding.status = FindingStatus::Applied;
                }
                finding
            })
            .collect();
        findings.sort_by(|a, b| {
            let closed = |finding: &Finding| !is_open(finding);
            closed(a)
                .cmp(&closed(b))
                .then_with(|| b.impact.wait_share.total_cmp(&a.impact.wait_share))
                .then_with(|| a.id.cmp(&b.id))
        });
        findings
    }

    /// When a finding was first seen.
    pub(crate) fn since(&self, id: &FindingId) -> Option<Timestamp> {
        self.known.get(id).map(|known| known.first_seen)
    }
}

/// Whether so many seconds of the window are enough of the service's time to be told.
///
/// The service's time is what its users waited; where its statements took longer, background work among them, it is that.
pub(super) fn is_felt(window: &Window, seconds: f64) -> bool {
    seconds > 0.0 && seconds >= LEAST_SHARE * window.wait_seconds.max(window.query_seconds)
}

/// Whether there is still something to do.
pub(crate) const fn is_open(finding: &Finding) -> bool {
    matches!(finding.status, FindingStatus::Ready | FindingStatus::Code)
}

/// A time as a sentence says it.
pub(super) fn told(seconds: f64) -> String {
    match seconds {
        s if s >= 10.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.1} s"),
        s if s >= 0.01 => format!("{:.0} ms", s * 1e3),
        s if s >= 0.001 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.0} us", s * 1e6),
    }
}

/// An id that stays while the cause does: the rule's name and a hash of what it is about.
pub(super) fn stable_id(rule: &str, about: &[&str]) -> FindingId {
    // FNV-1a, since the id must be the same in every process and version.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in about.iter().flat_map(|part| part.bytes().chain([0xff])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    FindingId(format!("{rule}-{:08x}", hash as u32 ^ (hash >> 32) as u32))
}

#[cfg(test)]
mod tests;
