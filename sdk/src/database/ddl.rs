//! Changing a schema: one index made, watched, checked and dropped again.

use super::error::Error;
use super::identifier::{index_name, quote, quote_qualified};
use super::{Engine, Handle};

#[cfg(feature = "sqlx-postgres")]
mod postgres;
mod shape;
#[cfg(feature = "sqlx-sqlite")]
mod sqlite;
#[cfg(test)]
mod tests;

#[cfg(feature = "advisor")]
pub(crate) use shape::Method;
pub(crate) use shape::{Key, On, Shape};

/// An index that could be made, with the statements that make and drop it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexPlan {
    /// `None` on SQLite.
    pub(crate) schema: Option<String>,
    pub(crate) table: String,
    /// Its columns in order, as far as it is by columns.
    pub(crate) columns: Vec<IndexColumn>,
    pub(crate) shape: Shape,
    pub(crate) name: String,
    /// The statement that makes it.
    pub(crate) create: String,
    /// The statement that drops it.
    pub(crate) drop: String,
}

/// A column of an index, by its name in the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct IndexColumn {
    pub(crate) name: String,
    pub(crate) descending: bool,
}

/// What there is to know right before an index is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Preflight {
    /// Whole sentences, for the preview.
    pub(crate) notes: Vec<String>,
    /// An index that does the same, or has the same name, is there already.
    pub(crate) exists: bool,
    /// Changes when what the plan rests on changes.
    pub(crate) state_hash: u64,
}

impl IndexPlan {
    /// Words the statements of an index over columns; the names must come from the catalog.
    ///
    /// # Errors
    ///
    /// When a name can't be quoted.
    #[cfg(test)]
    pub(crate) fn new(
        engine: Engine,
        schema: Option<&str>,
        table: &str,
        columns: Vec<IndexColumn>,
    ) -> Result<Self, Error> {
        let keys = columns.into_iter().map(|column| Key {
            descending: column.descending,
            ..Key::column(column.name)
        });
        Self::of(engine, schema, table, Shape::of(keys.collect()))
    }

    /// Words the statements; names must come from the catalog, and expressions from the reader of statements.
    ///
    /// # Errors
    ///
    /// When a name can't be quoted.
    pub(crate) fn of(
        engine: Engine,
        schema: Option<&str>,
        table: &str,
        shape: Shape,
    ) -> Result<Self, Error> {
        let names: Vec<String> = shape.keys.iter().map(name_part).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // The customary schema and direction don't need telling apart.
        let mut identity = schema
            .filter(|schema| *schema != "public")
            .unwrap_or("")
            .to_owned();
        identity.push_str(&shape.identity());
        let name = index_name(table, &names, &identity);
        let on = quote_qualified(schema, table)?;
        let list = shape.written(engine)?;
        let quoted = quote(&name)?;
        let (create, drop) = match engine {
            Engine::Postgres => (
                format!("CREATE INDEX CONCURRENTLY {quoted} ON {on} {list}"),
                format!(
                    "DROP INDEX CONCURRENTLY {}",
                    quote_qualified(schema, &name)?
                ),
            ),
            Engine::Sqlite => (
                format!("CREATE INDEX {quoted} ON {on} {list}"),
                format!("DROP INDEX {quoted}"),
            ),
        };
        let columns = shape.keys.iter().filter_map(|key| match &key.on {
            On::Column(name) => Some(IndexColumn {
                name: name.clone(),
                descending: key.descending,
            }),
            On::Expression(_) => None,
        });
        Ok(Self {
            schema: schema.map(str::to_owned),
            table: table.to_owned(),
            columns: columns.collect(),
            shape,
            name,
            create,
            drop,
        })
    }
}

/// A key's part of an index's name: a column's own, and of an expression its words.
fn name_part(key: &Key) -> String {
    match &key.on {
        On::Column(name) => name.clone(),
        On::Expression(text) => {
            let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            words.join("_")
        }
    }
}

/// Looks whether the index can and may be made now.
///
/// # Errors
///
/// When the database can't be asked, or the role must not make it.
pub(crate) async fn preflight(handle: &Handle, index: &IndexPlan) -> Result<Preflight, Error> {
    match handle {
        #[cfg(feature = "sqlx-postgres")]
        Handle::Postgres(pool) => postgres::preflight(pool, index).await,
        #[cfg(feature = "sqlx-sqlite")]
        Handle::Sqlite(pool) => sqlite::preflight(pool, index).await,
    }
}

/// Makes the index, telling `progress` in words how far it is.
///
/// # Errors
///
/// When it could not be made; then nothing of it is left.
pub(crate) async fn create_index(
    handle: &Handle,
    index: &IndexPlan,
    progress: impl Fn(String) + Send,
) -> Result<(), Error> {
    match handle {
        #[cfg(feature = "sqlx-postgres")]
        Handle::Postgres(pool) => postgres::create(pool, index, progress).await,
        #[cfg(feature = "sqlx-sqlite")]
        Handle::Sqlite(pool) => sqlite::create(pool, index, progress).await,
    }
}

/// Drops an index that perfdeck made.
///
/// # Errors
///
/// When it is not there, not perfdeck's, or could not be dropped.
pub(crate) async fn drop_index(handle: &Handle, index: &IndexPlan) -> Result<(), Error> {
    match handle {
        #[cfg(feature = "sqlx-postgres")]
        Handle::Postgres(pool) => postgres::drop(pool, index).await,
        #[cfg(feature = "sqlx-sqlite")]
        Handle::Sqlite(pool) => sqlite::drop(pool, index).await,
    }
}
