//! All of a large table is read for few of its rows, and no index is known that would help.

use perfdeck_bridge::protocol::Confidence;

use super::{Told, rows};
use crate::judge::facts::TextFact;

/// Rows from which reading all of a table is worth a word where no remedy is known: some milliseconds from memory.
const LARGE: u64 = 10_000;
/// Of its rows, what a call may return to be few; the plan was judged by the same measure.
const FEW: f64 = 0.05;

pub(super) fn tell(fact: &TextFact) -> Option<Told> {
    let few = fact.rows_per_call <= FEW * fact.table_rows as f64;
    let table = &fact.table;
    (few && fact.table_rows >= LARGE).then(|| Told {
        kind: "statement_full_scan",
        title: format!("all of {table} is read for {:.0} rows", fact.rows_per_call),
        why: format!(
            "The database reads all {} rows of {table} for {:.0}, and no index that was tried would be used.",
            rows(fact.table_rows),
            fact.rows_per_call,
        ),
        bound: format!(
            "told for a table of {} rows or more of which a call returns at most {:.0} %",
            rows(LARGE),
            FEW * 100.0,
        ),
        remedy: format!(
            "ask for what an index can find: an equality or a range on a plain column of {table}; or keep what is asked for \
             in a column of its own, and index that"
        ),
        confidence: Confidence::Verified,
    })
}
