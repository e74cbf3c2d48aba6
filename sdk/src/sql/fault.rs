//! What can be wrong with a statement's text.

/// One thing that keeps a statement from being served well, whatever the load.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    not(any(all(feature = "advisor", feature = "_sqlx"), test)),
    expect(dead_code, reason = "nobody reads statements")
)]
pub(crate) enum Fault {
    /// A condition is on what is made of a column, and all of the table is read for it; without literals.
    Expression { expression: String, cast: bool },
    /// A pattern begins with a wildcard.
    LeadingWildcard { column: String },
    /// One of several columns is enough.
    Either { columns: Vec<String> },
    /// What a subquery returns is excluded.
    NotIn,
    /// Rows are read to be skipped: so many, or as many as the caller says.
    Offset { rows: Option<u64> },
    /// Nothing bounds the rows.
    Unbounded,
    /// All columns of a table are asked for, and a row of it has about so many bytes.
    AllColumns { bytes: f64 },
    /// All of a table is read for few of its rows.
    FullScan,
}
