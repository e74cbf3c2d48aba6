//! A pattern begins with a wildcard, so that no order helps to find what matches.

use perfdeck_bridge::protocol::Confidence;

use super::{Told, rows, whole_table};
use crate::judge::facts::TextFact;

pub(super) fn tell(fact: &TextFact, column: &str) -> Told {
    let table = &fact.table;
    Told {
        kind: "statement_leading_wildcard",
        title: format!("a pattern that begins with a wildcard reads all of {table}"),
        why: format!(
            "The pattern on {column} begins with a wildcard, and all {} rows of {table} are read for {:.0}.",
            rows(fact.table_rows),
            fact.rows_per_call,
        ),
        bound: whole_table(),
        remedy: format!(
            "an index of three letters each: on PostgreSQL CREATE EXTENSION pg_trgm and CREATE INDEX ON {table} USING \
             gin ({column} gin_trgm_ops), on SQLite an FTS5 table with the tokenizer `trigram`; or a pattern that begins \
             with what is looked for"
        ),
        confidence: Confidence::Verified,
    }
}
