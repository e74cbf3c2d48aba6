//! What a statement wants from each table.

/// What a statement is, table by table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Reading {
    pub(crate) accesses: Vec<Access>,
    /// Parameters that bound the number of rows, by their numbers.
    pub(crate) limits: Vec<usize>,
    /// Rows of the statement's own `VALUES`.
    pub(crate) value_rows: usize,
    pub(crate) outline: Outline,
}

/// What a query is as a whole; of another statement nothing is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Outline {
    /// Nothing bounds the rows that it returns: there is no limit, and they are not folded into fewer.
    pub(crate) unbounded: bool,
    /// It returns all columns that there are.
    pub(crate) all_columns: bool,
    pub(crate) offset: Offset,
}

/// The rows that are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Offset {
    #[default]
    None,
    /// The text says how many.
    Rows(u64),
    /// The caller says how many.
    Asked,
}

/// How one statement uses one table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Access {
    /// The schema, where the statement names it.
    pub(crate) schema: Option<String>,
    pub(crate) table: String,
    /// What the statement calls the table.
    pub(crate) alias: String,
    /// Columns compared with a constant, a parameter or an `IN` list, or asked to be null.
    pub(crate) equals: Vec<String>,
    /// Columns with a bound or two.
    pub(crate) ranges: Vec<String>,
    /// Columns equated with another table's.
    pub(crate) joins: Vec<String>,
    /// All that narrows the table, each condition of its own.
    pub(crate) conditions: Vec<Condition>,
    /// Conditions of which one is enough, where each has a column that an index could serve.
    pub(crate) alternatives: Vec<Condition>,
    /// Columns that the result is ordered by, if this table's are all of them.
    pub(crate) order: Vec<Order>,
    /// Columns that the rows are folded by, if this table's are all of them.
    pub(crate) groups: Vec<String>,
    /// A limit ends the reading early if the order comes from an index.
    pub(crate) limited: bool,
    /// An `OR` is between different columns, of this table or of several.
    pub(crate) either: bool,
    /// What a subquery returns is excluded: `NOT IN (SELECT ..)`.
    pub(crate) excludes: bool,
    /// There are conditions that no plain index serves.
    pub(crate) residual: bool,
    /// Rows are folded into fewer: grouped, counted or made distinct.
    pub(crate) folded: bool,
    /// The columns that are read at all; `whole` says that it may be any.
    pub(crate) reads: Vec<String>,
    pub(crate) whole: bool,
    /// What the statement does to the table, if it changes it.
    pub(crate) write: Option<Write>,
}

/// One condition on one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) on: Subject,
    pub(crate) test: Test,
    /// The columns that it reads.
    pub(crate) columns: Vec<String>,
    /// The condition as an index's predicate would have it, where the statement's own text fixes all of it.
    pub(crate) constant: Option<String>,
    /// The parameters that it compares with, by their numbers.
    pub(crate) parameters: Vec<usize>,
    /// It is a pattern that begins with a wildcard, as the text itself says.
    pub(crate) wildcard: bool,
}

/// What a condition is on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    Column(String),
    /// In the form that an index has it, columns in quotes and without their table.
    Expression(String),
    /// Nothing that an index could have as a key.
    Nothing,
}

/// What a condition asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// Equal to one value, which may be null.
    Equal,
    /// Equal to one of several.
    OneOf,
    /// Between bounds.
    Range,
    /// Text that matches a pattern; `LIKE`.
    Like,
    /// The same in any case, or by a regular expression.
    Match,
    /// A document or an array that has something in it.
    Contains(Inside),
    /// A flag by itself.
    Flag,
    NotNull,
    /// Anything else.
    Other,
}

/// How a document or an array is looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Inside {
    /// `@>`
    Has,
    /// `<@` and `&&`
    Overlaps,
    /// `?`, `?|` and `?&`
    Key,
    /// `@@` of a text search
    Search,
    /// `value = ANY(column)`
    Any,
}

/// A column of an `ORDER BY`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    pub(crate) column: String,
    pub(crate) descending: bool,
    /// Nulls are where an index doesn't have them by itself.
    pub(crate) odd_nulls: bool,
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

/// What tables have, where that is known.
pub(crate) trait Columns: Sync {
    /// Whether a table has a column; `None` for a table that nobody knows.
    fn has(&self, schema: Option<&str>, table: &str, column: &str) -> Option<bool>;
}

/// Knows no table.
#[derive(Debug)]
pub(crate) struct Unknown;

impl Columns for Unknown {
    fn has(&self, _: Option<&str>, _: &str, _: &str) -> Option<bool> {
        None
    }
}
