//! Many rows a statement, in one transaction a table.

use sqlx::{Database, Encode, IntoArguments, Pool, Postgres, QueryBuilder, Sqlite, Type};

use super::table::{Cell, Table};
use crate::store::{Pools, Store};

/// Rows in one statement; SQLite takes at most 32,766 values in one.
const BATCH: usize = 400;

/// Inserts a table's rows and returns how many they were.
pub(super) async fn insert(store: &Store, table: Table) -> anyhow::Result<u64> {
    let head = format!("{} ", store.text(table.insert));
    match store.pools() {
        Pools::Sqlite(pool) => insert_into::<Sqlite>(pool.inner(), &head, table).await,
        Pools::Postgres(pool) => insert_into::<Postgres>(pool.inner(), &head, table).await,
    }
}

async fn insert_into<DB>(pool: &Pool<DB>, head: &str, table: Table) -> anyhow::Result<u64>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: sqlx::Executor<'c, Database = DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
{
    let mut inserted = 0;
    let mut rows = table.rows.peekable();
    let mut transaction = pool.begin().await?;
    while rows.peek().is_some() {
        let mut statement = QueryBuilder::new(head);
        statement.push_values(rows.by_ref().take(BATCH), |mut row, cells| {
            inserted += 1;
            for cell in cells {
                match cell {
                    Cell::Int(value) => row.push_bind(value),
                    Cell::Text(value) => row.push_bind(value),
                };
            }
        });
        statement.build().execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(inserted)
}
