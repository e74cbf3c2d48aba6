//! What is wrong with the texts themselves, where no index is advised: by the plans of today, so that what an index of any
//! kind serves already is nobody's fault.

use std::collections::HashMap;

use super::catalog::Table;
use super::rule::Scan;
use super::{Engine, Proposal, SMALL, Statement, Suspect};
use crate::sql::access::{Access, Condition, Offset, Subject, Test};
use crate::sql::fault::Fault;
use crate::sql::redacted;

/// What is told of in one round.
const MAX_SUSPECTS: usize = 200;
/// The share of a table's rows that a full scan is wasted on: at `random_page_cost` 4, PostgreSQL's own, fetching more of
/// them through an index costs about as much as reading all.
const FEW: f64 = 0.05;

/// What the texts are judged by.
pub(super) struct Texts<'a> {
    pub(super) statements: &'a [Statement<'a>],
    pub(super) tables: &'a [Table],
    /// How they read tables today, by statement and table.
    pub(super) scans: &'a HashMap<(usize, usize), Scan>,
    pub(super) proposals: &'a [Proposal],
    pub(super) engine: Engine,
}

impl Texts<'_> {
    /// The faults, those of the costliest statements first.
    pub(super) fn suspects(&self) -> Vec<Suspect> {
        let mut found = Vec::new();
        for (place, statement) in self.statements.iter().enumerate() {
            let as_a_whole = self.as_a_whole(statement);
            let per_table = self.per_table(place, statement);
            for (table, fault) in as_a_whole.into_iter().chain(per_table) {
                if found.len() >= MAX_SUSPECTS {
                    return found;
                }
                found.push(Suspect {
                    query: statement.subject.query,
                    fault,
                    table: table.name.clone(),
                    table_rows: table.rows,
                    rows_per_call: statement.subject.rows_per_call,
                });
            }
        }
        found
    }

    /// The accesses of tables that are worth a word.
    fn accesses<'s>(
        &'s self,
        statement: &'s Statement<'_>,
    ) -> impl Iterator<Item = (usize, &'s Access, &'s Table)> {
        let own = statement.accesses.iter().zip(&statement.tables);
        own.filter_map(move |(access, place)| {
            let table = self.tables.get((*place)?)?;
            (table.rows >= SMALL).then_some(((*place)?, access, table))
        })
    }

    fn as_a_whole<'s>(&'s self, statement: &'s Statement<'_>) -> Vec<(&'s Table, Fault)> {
        let outline = statement.outline;
        let mut found = Vec::new();
        let largest = self
            .accesses(statement)
            .max_by(|(_, _, one), (_, _, other)| one.rows.total_cmp(&other.rows));
        let Some((_, _, largest)) = largest else {
            return found;
        };
        // Who names many keys asks for many rows; and all that belongs to one key is what an export is made of, in pieces
        // from the database to the socket. Whether a caller keeps its rows nobody sees.
        let asked_for = statement
            .accesses
            .iter()
            .flat_map(|access| &access.conditions)
            .any(|condition| match condition.test {
                Test::OneOf => true,
                Test::Equal => condition.constant.is_none(),
                _ => false,
            });
        if outline.unbounded && !asked_for {
            found.push((largest, Fault::Unbounded));
        }
        match outline.offset {
            Offset::Rows(rows) => found.push((largest, Fault::Offset { rows: Some(rows) })),
            Offset::Asked => {
                found.extend(self.paged(statement));
            }
            Offset::None => {}
        }
        // Of SQLite's rows nobody measures the width.
        if outline.all_columns && self.engine == Engine::Postgres {
            let whole = self
                .accesses(statement)
                .filter(|(_, access, _)| access.whole && access.write.is_none())
                .map(|(_, _, table)| (row_bytes(table), table))
                .max_by(|(one, _), (other, _)| one.total_cmp(other));
            found.extend(whole.map(|(bytes, table)| (table, Fault::AllColumns { bytes })));
        }
        found
    }

    /// A table that is walked in an index's order with nothing to narrow it: what a page of it costs beyond its own rows
    /// are those that are skipped.
    fn paged<'s>(&'s self, statement: &'s Statement<'_>) -> Option<(&'s Table, Fault)> {
        let [access] = statement.accesses.as_slice() else {
            return None;
        };
        let (_, _, table) = self.accesses(statement).next()?;
        let first = access.order.first()?;
        let ordered = table.indexes.iter().any(|index| {
            let lead = index.keys.first().and_then(|key| key.plain());
            index.whole && lead.is_some_and(|name| name.eq_ignore_ascii_case(&first.column))
        });
        (ordered && access.conditions.is_empty() && access.write.is_none())
            .then_some((table, Fault::Offset { rows: None }))
    }

    fn per_table<'s>(
        &'s self,
        place: usize,
        statement: &'s Statement<'_>,
    ) -> Vec<(&'s Table, Fault)> {
        let mut found = Vec::new();
        // An index is the remedy then, and told with its gain.
        let advised = self
            .proposals
            .iter()
            .flat_map(|proposal| &proposal.serves)
            .any(|served| served.query == statement.subject.query);
        for (number, access, table) in self.accesses(statement) {
            if access.excludes && self.engine == Engine::Postgres {
                found.push((table, Fault::NotIn));
            }
            let scan = self.scans.get(&(place, number)).filter(|scan| scan.whole);
            let Some(scan) = scan.filter(|_| !advised) else {
                continue;
            };
            let (finds, few) = (scan.rows, FEW * table.rows);
            let before = found.len();
            // A choice between tables is made when they are joined: no scan shows how few rows it leaves, but the result.
            let returns_few = !access.folded && statement.subject.rows_per_call <= few;
            let told = found
                .iter()
                .any(|(_, fault)| matches!(fault, Fault::Either { .. }));
            if !told && (finds <= few || returns_few) {
                found.extend(either(access).map(|fault| (table, fault)));
            }
            if finds > few || access.conditions.is_empty() {
                continue;
            }
            let conditions = || access.conditions.iter().chain(&access.alternatives);
            found.extend(
                conditions()
                    .find_map(expression)
                    .map(|fault| (table, fault)),
            );
            found.extend(conditions().find_map(wildcard).map(|fault| (table, fault)));
            // Of `a = 1 OR a = 2` an index may be the remedy, which was not tried.
            if found.len() == before && !access.folded && access.alternatives.is_empty() {
                found.push((table, Fault::FullScan));
            }
        }
        found
    }
}

fn row_bytes(table: &Table) -> f64 {
    table.columns.iter().map(|column| column.width).sum()
}

/// What is compared is made of a column.
fn expression(condition: &Condition) -> Option<Fault> {
    let Subject::Expression(text) = &condition.on else {
        return None;
    };
    let compared = matches!(condition.test, Test::Equal | Test::OneOf | Test::Range);
    compared.then(|| Fault::Expression {
        expression: without_literals(text),
        cast: is_cast(text),
    })
}

fn is_cast(text: &str) -> bool {
    let small = text.to_ascii_lowercase();
    small.starts_with("cast(") || small.contains("::")
}

fn wildcard(condition: &Condition) -> Option<Fault> {
    let on = match &condition.on {
        Subject::Column(name) => name.clone(),
        Subject::Expression(text) => without_literals(text),
        Subject::Nothing => return None,
    };
    condition
        .wildcard
        .then_some(Fault::LeadingWildcard { column: on })
}

fn either(access: &Access) -> Option<Fault> {
    let mut columns: Vec<String> = Vec::new();
    for name in access.alternatives.iter().flat_map(|one| &one.columns) {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    access.either.then_some(Fault::Either { columns })
}

/// An expression as it may leave the process.
fn without_literals(text: &str) -> String {
    redacted::statement(text).1.as_str().replace('"', "")
}

#[cfg(test)]
mod tests;
