//! Rows are read to be skipped.

use perfdeck_bridge::protocol::Confidence;

use super::{Told, rows as counted, told};
use crate::judge::facts::TextFact;
use crate::judge::window::Query;

/// Rows that may be skipped: ten pages of a hundred, which nobody pages beyond by hand.
const DEEP: u64 = 1_000;
/// Where only the caller knows how many: what a call takes, and returns at the most. A page at the front of an index takes
/// well under a millisecond.
const LEAST_SECONDS: f64 = 0.01;
const PAGE: f64 = 1_000.0;

pub(super) fn tell(fact: &TextFact, query: &Query, rows: Option<u64>) -> Option<Told> {
    let (skipped, confidence) = match rows {
        Some(rows) if rows >= DEEP => (counted(rows), Confidence::Verified),
        None if query.mean_seconds >= LEAST_SECONDS && fact.rows_per_call <= PAGE => {
            ("many".to_owned(), Confidence::Heuristic)
        }
        Some(_) | None => return None,
    };
    let table = &fact.table;
    Some(Told {
        kind: "statement_offset",
        title: format!("a deep OFFSET on {table}"),
        why: format!(
            "{skipped} rows of {table} are read and thrown away before the {:.0} that a call returns.",
            fact.rows_per_call
        ),
        bound: format!(
            "told from {} rows in the text; where the caller says how many, from {} a call in an index's order, with nothing \
             else to narrow it",
            counted(DEEP),
            told(LEAST_SECONDS),
        ),
        remedy: "go on from the last row of the page before: WHERE (order columns) > (its values) ORDER BY the same LIMIT n"
            .into(),
        confidence,
    })
}
