//! A condition is on what is made of a column, which no index on the column answers.

use perfdeck_bridge::protocol::Confidence;

use super::{Told, rows, whole_table};
use crate::judge::facts::TextFact;

pub(super) fn tell(fact: &TextFact, expression: &str, cast: bool) -> Told {
    let table = &fact.table;
    let small = expression.to_ascii_lowercase();
    let of_time = small.starts_with("date(")
        || small.starts_with("date_trunc(")
        || small.ends_with("::date")
        || small.ends_with(" as date)")
        || small.starts_with("strftime");
    let remedy = if of_time {
        "compare the column itself with a range, `column >= start AND column < end`; an index on it serves that".to_owned()
    } else if cast {
        "compare the column itself, and give the value in the column's own type".to_owned()
    } else if expression.contains('?') {
        // What stands there is the text's own, and is not told.
        format!(
            "compare the column itself, or make an index on {table} on the expression, as the text has it"
        )
    } else {
        format!(
            "compare the column itself, or make an index on the expression: CREATE INDEX ON {table} (({expression}))"
        )
    };
    Told {
        kind: "statement_expression",
        title: format!("a condition on {expression} reads all of {table}"),
        why: format!(
            "The condition is on {expression}, not on a column, and all {} rows of {table} are read for {:.0}.",
            rows(fact.table_rows),
            fact.rows_per_call,
        ),
        bound: whole_table(),
        remedy,
        confidence: Confidence::Verified,
    }
}
