//! What is there: tables, how their columns' values spread, their indexes, and what refers to them.

use crate::database::Engine;
use crate::database::ddl::{Key, Method, Shape};
use crate::sql::access::{Access, Columns};

/// A table that a statement touches.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Table {
    pub(super) schema: Option<String>,
    pub(super) name: String,
    pub(super) rows: f64,
    pub(super) bytes: f64,
    pub(super) columns: Vec<Column>,
    pub(super) indexes: Vec<Index>,
    /// Keys of other tables that it has.
    pub(super) foreign_keys: Vec<ForeignKey>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    /// How many different values it has, about.
    pub(super) distinct: f64,
    /// Bytes of a value, about.
    pub(super) width: f64,
    /// The share of rows that have none.
    pub(super) nulls: f64,
    /// Whether a plain index can order it.
    pub(super) sortable: bool,
    pub(super) kind: Kind,
    /// What an index needs behind the column for `LIKE 'x%'`; nothing where a plain one does.
    pub(super) pattern_class: Option<&'static str>,
    /// Values of it, the commonest first: they stand in for arguments that nobody kept, and are sent to their own server only.
    pub(super) values: Vec<String>,
}

/// What a column's type can be asked beyond order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Text,
    Jsonb,
    Array,
    Search,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Index {
    pub(super) name: String,
    /// The columns that it begins with, up to the first that is none.
    pub(super) keys: Vec<Key>,
    /// All of its keys, as the database writes them; and the rows that it has.
    pub(super) definition: String,
    pub(super) key_texts: Vec<String>,
    pub(super) predicate: Option<String>,
    pub(super) method: Method,
    /// Every row is in it, by plain columns in their usual order.
    pub(super) whole: bool,
    pub(super) unique: bool,
    /// A key of the table, or what a constraint hangs on.
    pub(super) constraint: bool,
    /// Look-ups since somebody began to count; `None` where nobody does.
    pub(super) scans: Option<i64>,
    pub(super) bytes: f64,
}

/// A reference to another table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ForeignKey {
    pub(super) columns: Vec<String>,
    pub(super) parent_schema: Option<String>,
    pub(super) parent: String,
    pub(super) parent_columns: Vec<String>,
    /// Rows go with those that they refer to.
    pub(super) cascades: bool,
}

impl Column {
    #[cfg(test)]
    pub(super) fn plain(name: &str, distinct: f64) -> Self {
        Self {
            name: name.into(),
            distinct,
            width: 8.0,
            nulls: 0.0,
            sortable: true,
            kind: Kind::Plain,
            pattern_class: None,
            values: Vec::new(),
        }
    }
}

impl Table {
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.name == name)
            .or_else(|| {
                self.columns
                    .iter()
                    .find(|column| column.name.eq_ignore_ascii_case(name))
            })
    }

    /// Returns whether an access means this table.
    pub(super) fn is_meant(&self, access: &Access, engine: Engine) -> bool {
        self.is_named(access.schema.as_deref(), &access.table, engine)
    }

    pub(super) fn is_named(&self, schema: Option<&str>, name: &str, engine: Engine) -> bool {
        match engine {
            Engine::Sqlite => {
                self.name.eq_ignore_ascii_case(name) && schema.is_none_or(|schema| schema == "main")
            }
            Engine::Postgres => {
                self.name == name
                    && schema.is_none_or(|schema| Some(schema) == self.schema.as_deref())
            }
        }
    }

    /// Returns whether an index starts with these keys already, so another would serve nobody.
    pub(super) fn covers(&self, shape: &Shape) -> bool {
        let keys = &shape.keys;
        self.indexes.iter().any(|index| {
            let starts = |same: &dyn Fn(&Key, &Key) -> bool| {
                index.keys.len() >= keys.len()
                    && index
                        .keys
                        .iter()
                        .zip(keys)
                        .all(|(one, other)| one.on == other.on && same(one, other))
            };
            // Read backwards an index gives the opposite order of all its columns.
            index.whole
                && shape.is_plain()
                && (starts(&|one, other| one.descending == other.descending)
                    || starts(&|one, other| one.descending != other.descending))
        })
    }

    /// Whether an index begins as this one does: one more of its kind has to be much better.
    pub(super) fn begun_by(&self, shape: &Shape) -> bool {
        let lead = shape.keys.first().map(|key| &key.on);
        self.indexes.iter().any(|index| {
            index.whole && lead.is_some() && index.keys.first().map(|key| &key.on) == lead
        })
    }

    fn width(&self, key: &Key) -> f64 {
        let own = key.plain().and_then(|name| self.column(name));
        own.map_or(16.0, |column| column.width)
    }

    /// How many different values these keys have together, about.
    pub(super) fn distinct(&self, keys: &[Key]) -> f64 {
        let mut distinct = 1.0;
        for key in keys {
            let own = key.plain().and_then(|name| self.column(name));
            distinct *= own.map_or(self.rows, |column| column.distinct);
        }
        distinct.clamp(1.0, self.rows.max(1.0))
    }

    /// Bytes of an index over `share` of the rows, about: values, rows' addresses and the tree's slack. Rows of one value
    /// share an entry.
    pub(super) fn index_bytes(&self, shape: &Shape, share: f64, engine: Engine) -> f64 {
        let rows = self.rows * share;
        let mut width: f64 = shape.keys.iter().map(|key| self.width(key)).sum();
        let included = shape.include.iter().filter_map(|name| self.column(name));
        width += included.map(|column| column.width).sum::<f64>();
        let entry = 16.0 + (width / 8.0).ceil() * 8.0;
        let entries = if engine == Engine::Postgres && shape.include.is_empty() {
            let distinct = (self.distinct(&shape.keys) * share).clamp(1.0, rows.max(1.0));
            distinct * entry + (rows - distinct).max(0.0) * 6.5
        } else {
            rows * entry
        };
        (entries * 1.12).max(8_192.0)
    }

    /// Seconds to build it, about: reading the rows and sorting their keys.
    pub(super) fn build_seconds(&self, shape: &Shape) -> f64 {
        let per_row = 0.6e-6 + 0.2e-6 * shape.keys.len() as f64;
        let slower = match shape.method {
            Method::Btree => 1.0,
            Method::Gin => 8.0,
        };
        0.005 + slower * self.rows * per_row * (self.rows.max(2.0).log2() / 17.0)
    }
}

/// The tables of one round, for the reader of statements.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) tables: &'a [Table],
    pub(super) engine: Engine,
}

impl Columns for Known<'_> {
    fn has(&self, schema: Option<&str>, table: &str, column: &str) -> Option<bool> {
        let mut tables = self.tables.iter();
        let table = tables.find(|known| known.is_named(schema, table, self.engine))?;
        Some(table.column(column).is_some())
    }
}
