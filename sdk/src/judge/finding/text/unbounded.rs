//! Nothing bounds a result, and it is large.

use perfdeck_bridge::protocol::Confidence;

use super::{Told, rows};
use crate::judge::facts::TextFact;

/// Rows of a call from which it is told: more than anybody looks at, and a few hundred kilobytes as a rule.
const MANY: f64 = 1_000.0;

pub(super) fn tell(fact: &TextFact) -> Option<Told> {
    (fact.rows_per_call >= MANY).then(|| Told {
        kind: "statement_unbounded",
        title: format!("a result without a LIMIT has {} rows", rows(fact.rows_per_call as u64)),
        why: format!(
            "A call returns {} rows on average, and nothing in the text keeps them from growing with {} ({} rows).",
            rows(fact.rows_per_call as u64),
            fact.table,
            rows(fact.table_rows),
        ),
        bound: format!(
            "told from {} rows a call without a LIMIT, a key or a list of keys, an aggregate, GROUP BY or DISTINCT",
            rows(MANY as u64)
        ),
        remedy: "ORDER BY .. LIMIT n, page by page from the last row of the one before; or let the database count or sum what \
                 the code does"
            .into(),
        confidence: Confidence::Verified,
    })
}
