//! What is there: tables, how their columns' values spread, and their indexes.

use crate::database::Engine;
use crate::database::ddl::IndexColumn;
use crate::sql::access::Access;

/// A table that a statement touches.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    pub(super) schema: Option<String>,
    pub(super) name: String,
    pub(super) rows: f64,
    pub(super) columns: Vec<Column>,
    pub(super) indexes: Vec<Index>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    /// How many different values it has, about.
    pub(super) distinct: f64,
    /// Bytes of a value, about.
    pub(super) width: f64,
    /// Whether a plain index can order it.
    pub(super) sortable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) columns: Vec<IndexColumn>,
    /// Every row is in it, by plain columns in their usual order.
    pub(super) whole: bool,
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
        match engine {
            Engine::Sqlite => {
                self.name.eq_ignore_ascii_case(&access.table)
                    && access
                        .schema
                        .as_deref()
                        .is_none_or(|schema| schema == "main")
            }
            Engine::Postgres => {
                self.name == access.table
                    && access
                        .schema
                        .as_deref()
                        .is_none_or(|schema| Some(schema) == self.schema.as_deref())
            }
        }
    }

    /// Returns whether an index starts with these columns already, so another would serve nobody.
    pub(super) fn covers(&self, columns: &[IndexColumn]) -> bool {
        self.indexes.iter().any(|index| {
            let starts = |same: &dyn Fn(&IndexColumn, &IndexColumn) -> bool| {
                index.columns.len() >= columns.len()
                    && index
                        .columns
                        .iter()
                        .zip(columns)
                        .all(|(one, other)| one.name == other.name && same(one, other))
            };
            // Read backwards an index gives the opposite order of all its columns.
            index.whole
                && (starts(&|one, other| one.descending == other.descending)
                    || starts(&|one, other| one.descending != other.descending))
        })
    }

    /// Bytes of an index over these columns, about: the values, a row's address and the tree's slack.
    pub(super) fn index_bytes(&self, columns: &[IndexColumn]) -> u64 {
        let widths = columns
            .iter()
            .filter_map(|column| self.column(&column.name));
        let entry = 16.0 + widths.map(|column| column.width).sum::<f64>();
        (self.rows * entry * 1.1).max(8_192.0) as u64
    }

    /// Seconds to build it, about: reading the rows and sorting their keys.
    pub(super) fn build_seconds(&self, columns: &[IndexColumn]) -> f64 {
        let per_row = 0.6e-6 + 0.2e-6 * columns.len() as f64;
        0.005 + self.rows * per_row * (self.rows.max(2.0).log2() / 17.0)
    }
}
