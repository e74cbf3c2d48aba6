//! All columns are asked for, and the rows are wide.

use perfdeck_bridge::protocol::Confidence;

use super::{Told, rows};
use crate::judge::facts::TextFact;

/// Bytes of a wide row: of PostgreSQL's pages of 8 KiB eight such rows fill one. What it keeps aside (TOAST, from 2 kB on)
/// counts as little as its pointer, so that no row is taken for wider than it is.
const WIDE: f64 = 1_024.0;
/// Bytes of a call's result from which it is told: the socket's and the decoder's time for less is microseconds.
const LEAST_BYTES: f64 = 65_536.0;

pub(super) fn tell(fact: &TextFact, bytes: f64) -> Option<Told> {
    let result = bytes * fact.rows_per_call;
    (bytes >= WIDE && result >= LEAST_BYTES).then(|| Told {
        kind: "statement_all_columns",
        title: format!("SELECT * of {}'s wide rows", fact.table),
        why: format!(
            "A row of {} has about {} bytes, and a call returns {:.0} of them: {:.0} KiB.",
            fact.table,
            rows(bytes as u64),
            fact.rows_per_call,
            result / 1_024.0,
        ),
        bound: format!(
            "told from {} bytes a row and {:.0} KiB a call",
            rows(WIDE as u64),
            LEAST_BYTES / 1_024.0,
        ),
        remedy:
            "name the columns that the code reads; what is long and seldom read is fetched by key"
                .into(),
        // Only the code knows which it reads.
        confidence: Confidence::Heuristic,
    })
}
