//! What an index is worth: to its statements by cost and by time, and against what writes lose.

use std::collections::BTreeSet;

use super::{Move, Planner, Search};
use crate::database::Engine;
use crate::database::advisor::{Candidate, Statement};
use crate::database::ddl::{Method, On};
use crate::sql::access::Write;

/// The planner's cost of a statement that no index makes noticeably faster.
pub(super) const LEAST_COST: f64 = 25.0;
/// Added to costs before they are compared: what a call costs anyway.
const CALL: f64 = 20.0;
/// What must be left at most of a statement's cost.
const BAR: f64 = 0.85;
/// The same where an index with that beginning is there.
const HIGH_BAR: f64 = 0.75;
/// The same where costs are our own count of rows, as on SQLite.
const COUNTED_BAR: f64 = 0.48;
/// The same where hardly any two values are told apart, and the rows that they leave are many.
const BLUNT_BAR: f64 = 0.35;
/// Different values under which an index of most rows is blunt.
const BLUNT: f64 = 10.0;
/// Cost that a call must save at least.
const CUT: f64 = 15.0;
/// Seconds that must be saved in every second.
const WORTH: f64 = 3e-5;
/// Seconds that one more index costs a written row, with its part of the log: on the cautious side of what was measured.
const WRITE_SECONDS: f64 = 20e-6;
/// Seconds that a row takes at least to be written at all.
const ROW_SECONDS: f64 = 10e-6;
/// Rows that a call is charged for at most, beside those of its own `VALUES`: how many an `UPDATE` finds is often a guess.
const MOST_ROWS: f64 = 10.0;
/// Seconds of a call that writes nothing.
const CALL_SECONDS: f64 = 60e-6;
/// A gain must be so many times what writes lose.
const MARGIN: f64 = 2.0;

/// How a statement would do.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Value {
    /// The logarithm of how many times cheaper it becomes.
    pub(super) log: f64,
    /// What is left of its cost now, and the same with what a call costs anyway.
    pub(super) left: f64,
    pub(super) felt: f64,
    /// Cost saved a call.
    pub(super) cut: f64,
    /// Seconds saved in every second; and those that are sure, by the calls that were seen.
    pub(super) saved: f64,
    pub(super) sure: f64,
}

/// Compares a statement's costs now and then; `before` is what it costs without any index.
pub(super) fn gain(statement: &Statement<'_>, before: f64, now: &[f64], then: &[f64]) -> Value {
    let pairs = now.iter().zip(then);
    let count = now.len().min(then.len()).max(1) as f64;
    let (mut log, mut now_sum, mut then_sum) = (0.0, 0.0, 0.0);
    for (now, then) in pairs {
        log += ((now + CALL) / (then + CALL)).ln();
        now_sum += now;
        then_sum += then;
    }
    let (now, then) = (now_sum / count, then_sum / count);
    let before = before.max(f64::MIN_POSITIVE);
    // No call is shorter than the way to the server.
    let left = statement.bounded(then / before);
    let part = (statement.bounded(now / before) - left).max(0.0);
    let saved = statement.load() * part;
    let sure = certain(statement.subject.calls);
    Value {
        log: log / count,
        left: then / now.max(f64::MIN_POSITIVE),
        felt: (then + CALL) / (now + CALL),
        cut: now - then,
        saved,
        sure: saved * sure,
    }
}

/// The share of the calls that were seen that there will be again: of one call nobody knows how often it comes.
fn certain(calls: u64) -> f64 {
    let calls = calls as f64;
    if calls > 0.0 {
        ((calls - 1.3 * calls.sqrt()) / calls).max(0.05)
    } else {
        1.0
    }
}

impl<P: Planner> Search<'_, P> {
    /// Returns whether a move does enough for somebody and no more harm than good.
    pub(super) fn is_worth(&self, candidate: &Move) -> bool {
        let ids: BTreeSet<usize> = candidate.ids.difference(&self.chosen).copied().collect();
        let bar = ids.iter().map(|id| self.bar(*id)).fold(BAR, f64::min);
        let mut anybody = false;
        let (mut saved, mut sure, mut score) = (0.0, 0.0, 0.0);
        for (statement, costs) in &candidate.known {
            let Some(value) = self.value(*statement, costs) else {
                continue;
            };
            anybody |= value.left <= bar && value.cut >= CUT;
            saved += value.saved;
            sure += value.sure;
            score += value.log * self.weight(*statement);
        }
        let price: f64 = ids.iter().map(|id| self.price(*id)).sum();
        anybody && saved >= WORTH && score > price && sure >= MARGIN * self.charge(&ids)
    }

    /// Returns whether what would be missed of these is worth its upkeep, where the others do what they can.
    pub(super) async fn pays(
        &mut self,
        ids: &BTreeSet<usize>,
        without: &BTreeSet<usize>,
    ) -> Result<bool, sqlx::Error> {
        let (mut saved, mut sure) = (0.0, 0.0);
        for place in self.wanted_by(ids) {
            let Some(planned) = self.planned(place, without).await? else {
                continue;
            };
            let (Some(Some(before)), Some(Some(now)), Some(statement)) = (
                self.before.get(place),
                self.now.get(place),
                self.statements.get(place),
            ) else {
                continue;
            };
            let value = gain(statement, before.mean(), &planned.costs, &now.costs);
            saved += value.saved;
            sure += value.sure;
        }
        Ok(saved >= WORTH && sure >= MARGIN * self.charge(ids))
    }

    fn bar(&self, id: usize) -> f64 {
        let Some(candidate) = self.candidates.get(id) else {
            return 0.0;
        };
        let Some(table) = self.tables.get(candidate.table) else {
            return 0.0;
        };
        let shape = &candidate.index.shape;
        let begun = table.begun_by(shape);
        if table.distinct(&shape.keys) < BLUNT && candidate.share > 0.3 {
            return BLUNT_BAR;
        }
        match (self.engine, begun) {
            (Engine::Sqlite, _) => COUNTED_BAR,
            (Engine::Postgres, true) => HIGH_BAR,
            (Engine::Postgres, false) => BAR,
        }
    }

    /// Seconds in every second that writes would spend on these.
    pub(super) fn charge(&self, ids: &BTreeSet<usize>) -> f64 {
        let candidates = ids.iter().filter_map(|id| self.candidates.get(*id));
        candidates.map(|candidate| self.charge_of(candidate)).sum()
    }

    fn charge_of(&self, candidate: &Candidate) -> f64 {
        let mut charge = 0.0;
        for (place, statement) in self.statements.iter().enumerate() {
            let planned = self.before.get(place).and_then(Option::as_ref);
            let rows = planned.map_or(1.0, |planned| planned.rows);
            // The planner may be far off, but no call writes more rows than it has time for.
            let busy = (statement.subject.mean_seconds - CALL_SECONDS).max(0.0);
            let rows = rows.min(busy / ROW_SECONDS).min(MOST_ROWS);
            let rows = rows.max(statement.value_rows as f64).max(1.0);
            let tables = statement.accesses.iter().zip(&statement.tables);
            let own = tables.filter(|(_, table)| **table == Some(candidate.table));
            let slower: f64 = own
                .map(|(access, _)| match &access.write {
                    None => 0.0,
                    Some(Write::Insert) => candidate.share,
                    // The row's place in an index is left for later.
                    Some(Write::Delete) => 0.3 * candidate.share,
                    // Where none of its columns changes, an index needs no entry for the row's new version.
                    Some(Write::Update(columns)) if touches(candidate, columns) => 2.0,
                    Some(Write::Update(_)) => 0.0,
                })
                .fold(0.0, f64::max);
            let calls = statement.subject.calls_per_second * certain(statement.subject.calls);
            charge += calls * rows * slower;
        }
        let slower = match candidate.index.shape.method {
            Method::Btree => 1.0,
            Method::Gin => 5.0,
        };
        charge * slower * WRITE_SECONDS
    }
}

/// Whether an index has anything to do with one of these columns.
fn touches(candidate: &Candidate, columns: &[String]) -> bool {
    let shape = &candidate.index.shape;
    columns.iter().any(|changed| {
        let inside = |text: &str| text.to_lowercase().contains(&changed.to_lowercase());
        shape.keys.iter().any(|key| match &key.on {
            On::Column(name) => name.eq_ignore_ascii_case(changed),
            On::Expression(text) => inside(text),
        }) || shape
            .include
            .iter()
            .any(|name| name.eq_ignore_ascii_case(changed))
            || shape.predicate.as_deref().is_some_and(inside)
    })
}
