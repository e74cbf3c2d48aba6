//! One of several columns is enough, and not each of them has an index.

use perfdeck_bridge::protocol::Confidence;

use super::{Told, rows, whole_table};
use crate::judge::facts::TextFact;

pub(super) fn tell(fact: &TextFact, columns: &[String]) -> Told {
    let table = &fact.table;
    let between = match columns {
        // The others are another table's.
        [] | [_] => "columns of several tables".to_owned(),
        columns => columns.join(", "),
    };
    Told {
        kind: "statement_either",
        title: format!("an OR across columns reads all of {table}"),
        why: format!(
            "One condition out of several on {between} is enough, so no index alone finds the rows: all {} of {table} are \
             read for {:.0}.",
            rows(fact.table_rows),
            fact.rows_per_call,
        ),
        bound: whole_table(),
        remedy: "write each side of the OR as a query of its own, joined with UNION (UNION ALL where they can't both be \
                 true), and give each the index that it needs"
            .into(),
        confidence: Confidence::Verified,
    }
}
