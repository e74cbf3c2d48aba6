//! What is wrong with a statement's own text, by its measured numbers and what its database says of the table.
//!
//! Nobody can say what another text would take before it is there, so no gain is promised: told is what the statement costs
//! now. One that costs little, or whose table is small, is left alone however it is written.

mod all_columns;
mod either;
mod expression;
mod full_scan;
mod not_in;
mod offset;
mod unbounded;
mod wildcard;

use perfdeck_bridge::protocol::{
    Confidence, DatabaseAdvice, Evidence, Finding, FindingStatus, Impact, Severity,
};

use super::{is_felt, stable_id, told};
use crate::judge::facts::{Facts, TextFact};
use crate::judge::window::{Query, Route, Window};
use crate::sql::fault::Fault;

/// Calls since the start: fewer are no habit, as with indexes.
const LEAST_CALLS: u64 = 10;
/// Rows of the smallest table that is worth a word, as with indexes: less is read in well under a millisecond.
const LEAST_ROWS: u64 = 1_000;
/// Seconds of a call from which a text is at fault: reading a thousand rows from memory takes less.
const LEAST_SECONDS: f64 = 0.001;

pub(super) fn look<'a>(window: &'a Window, facts: &'a Facts) -> impl Iterator<Item = Finding> + 'a {
    facts.texts.iter().filter_map(move |fact| {
        let query = window.query(fact.query)?;
        let seconds = query.calls_per_second * query.mean_seconds * window.seconds();
        let matters = query.calls >= LEAST_CALLS
            && query.mean_seconds >= LEAST_SECONDS
            && fact.table_rows >= LEAST_ROWS
            && is_felt(window, seconds);
        let told = matters.then(|| match &fact.fault {
            Fault::Expression { expression, cast } => {
                Some(expression::tell(fact, expression, *cast))
            }
            Fault::LeadingWildcard { column } => Some(wildcard::tell(fact, column)),
            Fault::Either { columns } => Some(either::tell(fact, columns)),
            Fault::NotIn => not_in::tell(fact, query),
            Fault::Offset { rows } => offset::tell(fact, query, *rows),
            Fault::Unbounded => unbounded::tell(fact),
            Fault::AllColumns { bytes } => all_columns::tell(fact, *bytes),
            Fault::FullScan => full_scan::tell(fact),
        });
        Some(told??.finding(window, fact, query))
    })
}

/// What a rule says.
struct Told {
    kind: &'static str,
    /// What is at fault, in a few words.
    title: String,
    why: String,
    bound: String,
    remedy: String,
    /// How sure it is that this is what the time goes to.
    confidence: Confidence,
}

impl Told {
    fn finding(self, window: &Window, fact: &TextFact, query: &Query) -> Finding {
        let text = query.text.as_str();
        let route = route(window, query);
        let (who, cost) = match route {
            Some((route, share)) => (
                route.name.to_string(),
                format!("{:.0} % of its time", share * 100.0),
            ),
            None => (
                "background work".to_owned(),
                format!("{} a call", told(query.mean_seconds)),
            ),
        };
        Finding {
            id: stable_id(self.kind, &[&fact.pool, &fact.table, text]),
            kind: self.kind.into(),
            severity: match self.confidence {
                Confidence::Heuristic => Severity::Info,
                Confidence::Verified | Confidence::Estimated => Severity::Warning,
            },
            title: format!("{}: {who} spends {cost} on it", self.title),
            evidence: Evidence::Database(DatabaseAdvice {
                database_pool: fact.pool.clone(),
                subject: text.to_owned(),
                why: format!(
                    "{} It runs {:.1} times a second and takes {} on average (p95 {}).",
                    self.why,
                    query.calls_per_second,
                    told(query.mean_seconds),
                    told(query.p95_seconds),
                ),
                bound: self.bound,
                remedy: self.remedy,
            }),
            impact: Impact {
                route: route.map(|(route, _)| route.name.to_string()),
                p95_seconds_now: route.map(|(route, _)| route.p95_seconds),
                p95_seconds_after: None,
                wait_share: 0.0,
            },
            confidence: self.confidence,
            action: None,
            status: FindingStatus::Code,
            score_points: 0.0,
        }
    }
}

/// The route whose users wait for the statement most, and its share of that route's time.
fn route<'w>(window: &'w Window, query: &Query) -> Option<(&'w Route, f64)> {
    let share = |route: &Route| -> f64 {
        let used = route.statements.iter();
        let own = used.filter(|used| used.query == query.id);
        own.map(|used| used.time_share).sum()
    };
    let routes = window.routes.iter().map(|route| (route, share(route)));
    routes
        .filter(|(_, share)| *share > 0.0)
        .max_by(|one, other| {
            (one.1 * one.0.wait_seconds).total_cmp(&(other.1 * other.0.wait_seconds))
        })
}

/// A number of rows as a sentence says it.
fn rows(rows: u64) -> String {
    super::cache::grouped(rows).replace('_', " ")
}

/// From when what reads a whole table is told.
fn whole_table() -> String {
    format!(
        "told where the database's plan reads all of a table of {} rows or more for at most 5 % of them and no index is \
         advised, from {} a call",
        rows(LEAST_ROWS),
        told(LEAST_SECONDS),
    )
}

#[cfg(test)]
mod tests;
