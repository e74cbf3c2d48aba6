//! What a statement wants from each table.

/// How one statement uses one table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Access {
    /// The schema, where the statement names it.
    pub(crate) schema: Option<String>,
    pub(crate) table: String,
    /// Columns compared with a constant, a parameter or an `IN` list, or asked to be null.
    pub(crate) equals: Vec<String>,
    /// Columns with a bound or two.
    pub(crate) ranges: Vec<String>,
    /// Columns equated with another table's.
    pub(crate) joins: Vec<String>,
    /// Columns that the result is ordered by, if this table's are all of them.
    pub(crate) order: Vec<Order>,
    /// A limit ends the reading early if the order comes from an index.
    pub(crate) limited: bool,
    /// There are conditions that no plain index serves.
    pub(crate) residual: bool,
    /// Rows are folded into fewer: grouped, counted or made distinct.
    pub(crate) folded: bool,
    /// What the statement does to the table, if it changes it.
    pub(crate) write: Option<Write>,
}

/// A column of an `ORDER BY`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    pub(crate) column: String,
    pub(crate) descending: bool,
}

/// How a statement changes a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Write {
    /// Rows come; every index grows.
    Insert,
    /// These columns change.
    Update(Vec<String>),
    /// Rows go.
    Delete,
}
