//! What a SQLite database has: its schema's own texts, and of the tables that statements touch the columns, the indexes, the
//! rows and a sample. Every question has a bound.

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::sample::{ROWS, Sample};
use crate::database::advisor::Statement;
use crate::database::advisor::catalog::{Column, Index, Table};
use crate::database::ddl::IndexColumn;
use crate::database::identifier::quote;

/// Objects of the largest schema that is copied.
const MAX_OBJECTS: i64 = 4_000;
/// Tables that are looked at in one round.
const MAX_TABLES: usize = 40;
/// Rows that are counted one by one; beyond it the number is estimated.
const COUNTED: i64 = 20_000;

#[derive(Debug)]
pub(super) struct Schema {
    /// The statements that made it: tables first.
    pub(super) texts: Vec<String>,
    pub(super) tables: Vec<Measured>,
}

#[derive(Debug)]
pub(super) struct Measured {
    pub(super) table: Table,
    pub(super) sample: Sample,
}

impl Measured {
    /// Estimates how many different values these columns have together.
    pub(super) fn distinct(&self, names: &[&str]) -> f64 {
        self.sample
            .distinct(names, self.table.rows)
            .unwrap_or_else(|| self.table.rows.max(1.0))
    }

    /// Estimates the rows that equality on these columns leaves, for values as they occur.
    pub(super) fn matching(&self, names: &[&str]) -> f64 {
        let mean = self.table.rows / self.distinct(names);
        self.sample
            .typical(names, self.table.rows)
            .unwrap_or(mean)
            .max(mean)
            .max(1.0)
    }
}

pub(super) async fn read(
    connection: &mut SqliteConnection,
    statements: &[Statement<'_>],
) -> Result<Schema, sqlx::Error> {
    let objects = sqlx::query(
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         AND type IN ('table', 'index', 'view') AND sql NOT LIKE 'CREATE VIRTUAL%' \
         ORDER BY type <> 'table', type <> 'view', rowid LIMIT ?",
    );
    let objects = objects
        .bind(MAX_OBJECTS)
        .fetch_all(&mut *connection)
        .await?;
    let texts = objects
        .iter()
        .map(|row| row.try_get("sql"))
        .collect::<Result<_, _>>()?;
    let mut tables: Vec<Measured> = Vec::new();
    for access in statements.iter().flat_map(|statement| &statement.accesses) {
        let known = tables
            .iter()
            .any(|known| known.table.name.eq_ignore_ascii_case(&access.table));
        if known || tables.len() >= MAX_TABLES {
            continue;
        }
        let own = statements.iter().flat_map(|statement| &statement.accesses);
        let own = own.filter(|other| other.table == access.table);
        let asked: Vec<&str> = own
            .flat_map(|access| {
                let order = access.order.iter().map(|order| &order.column);
                access
                    .equals
                    .iter()
                    .chain(&access.ranges)
                    .chain(&access.joins)
                    .chain(order)
            })
            .map(String::as_str)
            .collect();
        tables.extend(table(connection, &access.table, &asked).await?);
    }
    Ok(Schema { texts, tables })
}

/// Reads one table; `None` for a view, a virtual table, or a name that is not there.
async fn table(
    connection: &mut SqliteConnection,
    asked_name: &str,
    asked: &[&str],
) -> Result<Option<Measured>, sqlx::Error> {
    let found = sqlx::query(
        "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
         AND name = ? COLLATE NOCASE",
    );
    let Some(found) = found
        .bind(asked_name)
        .fetch_optional(&mut *connection)
        .await?
    else {
        return Ok(None);
    };
    let name: String = found.try_get("name")?;
    let rowid = found.try_get::<i64, _>("wr")? == 0;
    let Ok(quoted) = quote(&name) else {
        return Ok(None);
    };
    let listed = sqlx::query("SELECT name, type, pk FROM pragma_table_xinfo(?) LIMIT 2000");
    let listed = listed.bind(&name).fetch_all(&mut *connection).await?;
    let mut indexes = indexes(connection, &name).await?;
    indexes.extend(rowid_index(&listed, rowid)?);
    let mut columns = Vec::new();
    let mut sampled = Vec::new();
    for row in &listed {
        let column: String = row.try_get("name")?;
        let wanted = asked
            .iter()
            .any(|asked| asked.eq_ignore_ascii_case(&column))
            || indexes
                .iter()
                .any(|index| index.columns.iter().any(|own| own.name == column));
        if wanted && quote(&column).is_ok() {
            sampled.push(column.clone());
        }
        columns.push(Column {
            name: column,
            distinct: 1.0,
            width: 8.0,
            sortable: true,
        });
    }
    let rows = rows(connection, &quoted, rowid).await?;
    let sample = sample(connection, &quoted, sampled, rowid, rows).await?;
    let mut measured = Measured {
        table: Table {
            schema: None,
            name,
            rows,
            columns,
            indexes,
        },
        sample,
    };
    let distinct: Vec<f64> = measured
        .table
        .columns
        .iter()
        .map(|column| measured.distinct(&[&column.name]))
        .collect();
    for (column, distinct) in measured.table.columns.iter_mut().zip(distinct) {
        column.distinct = distinct;
    }
    Ok(Some(measured))
}

/// An `INTEGER PRIMARY KEY` is the table's own order: an index without a name.
fn rowid_index(listed: &[SqliteRow], rowid: bool) -> Result<Option<Index>, sqlx::Error> {
    let mut keys = Vec::new();
    for row in listed {
        if row.try_get::<i64, _>("pk")? > 0 {
            keys.push((
                row.try_get::<String, _>("name")?,
                row.try_get::<String, _>("type")?,
            ));
        }
    }
    Ok(match keys.as_slice() {
        [(name, kind)] if rowid && kind.eq_ignore_ascii_case("integer") => Some(Index {
            name: String::new(),
            columns: vec![IndexColumn {
                name: name.clone(),
                descending: false,
            }],
            whole: true,
        }),
        _ => None,
    })
}

async fn indexes(
    connection: &mut SqliteConnection,
    table: &str,
) -> Result<Vec<Index>, sqlx::Error> {
    let listed = sqlx::query("SELECT name, partial FROM pragma_index_list(?) LIMIT 200");
    let mut indexes = Vec::new();
    for row in listed.bind(table).fetch_all(&mut *connection).await? {
        let name: String = row.try_get("name")?;
        let keys =
            sqlx::query("SELECT name, \"desc\", coll FROM pragma_index_xinfo(?) WHERE key = 1");
        let keys = keys.bind(&name).fetch_all(&mut *connection).await?;
        let mut whole = row.try_get::<i64, _>("partial")? == 0;
        let mut columns = Vec::new();
        for key in &keys {
            let column: Option<String> = key.try_get("name")?;
            let collation: Option<String> = key.try_get("coll")?;
            whole &= column.is_some() && collation.as_deref() == Some("BINARY");
            let descending = key.try_get::<i64, _>("desc")? != 0;
            columns.extend(column.map(|name| IndexColumn { name, descending }));
        }
        indexes.push(Index {
            name,
            columns,
            whole,
        });
    }
    Ok(indexes)
}

/// Counts a small table, and estimates a large one by its row numbers, which can only be too high by the pages it has.
async fn rows(
    connection: &mut SqliteConnection,
    quoted: &str,
    rowid: bool,
) -> Result<f64, sqlx::Error> {
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {quoted} LIMIT {COUNTED})");
    let counted: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(&mut *connection)
        .await?;
    if counted < COUNTED || !rowid {
        return Ok(counted as f64);
    }
    let Some((first, last)) = ends(connection, quoted).await? else {
        return Ok(counted as f64);
    };
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(&mut *connection)
        .await?;
    let size: i64 = sqlx::query_scalar("PRAGMA page_size")
        .fetch_one(&mut *connection)
        .await?;
    // No row takes less than a dozen bytes of a page.
    let most = (pages as f64 * size as f64 / 12.0).max(COUNTED as f64);
    Ok((last as f64 - first as f64 + 1.0).clamp(COUNTED as f64, most))
}

async fn ends(
    connection: &mut SqliteConnection,
    quoted: &str,
) -> Result<Option<(i64, i64)>, sqlx::Error> {
    let end = |direction: &str| {
        AssertSqlSafe(format!(
            "SELECT _rowid_ FROM {quoted} ORDER BY _rowid_ {direction} LIMIT 1"
        ))
    };
    let first: Option<i64> = sqlx::query_scalar(end("ASC"))
        .fetch_optional(&mut *connection)
        .await?;
    let last: Option<i64> = sqlx::query_scalar(end("DESC"))
        .fetch_optional(&mut *connection)
        .await?;
    Ok(first.zip(last))
}

/// Reads rows from all over the table, by look-ups at jittered steps of the row number.
async fn sample(
    connection: &mut SqliteConnection,
    quoted: &str,
    columns: Vec<String>,
    rowid: bool,
    rows: f64,
) -> Result<Sample, sqlx::Error> {
    if columns.is_empty() {
        return Ok(Sample {
            columns,
            rows: Vec::new(),
        });
    }
    let list: Vec<String> = columns
        .iter()
        .filter_map(|column| quote(column).ok())
        // The start and the length tell values apart well enough, whatever their type.
        .map(|column| format!("coalesce(hex(substr(t.{column}, 1, 48)) || length(t.{column}), '')"))
        .collect();
    let list = list.join(", ");
    let ends = if rowid && rows > 2.0 * ROWS as f64 {
        ends(connection, quoted).await?
    } else {
        None
    };
    let fetched = match ends {
        None => {
            let sql = format!("SELECT {list} FROM {quoted} AS t LIMIT {}", 2 * ROWS);
            sqlx::query(AssertSqlSafe(sql))
                .fetch_all(&mut *connection)
                .await?
        }
        Some((first, last)) => {
            let step = (last as f64 - first as f64) / ROWS as f64;
            let sql = format!(
                "WITH RECURSIVE probe(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM probe WHERE i < {ROWS} - 1), \
                 hit(id) AS (SELECT DISTINCT (SELECT x._rowid_ FROM {quoted} AS x WHERE x._rowid_ >= \
                 ?1 + CAST((i + (i * 40503 % 997) / 997.0) * ?2 AS INTEGER) ORDER BY x._rowid_ LIMIT 1) FROM probe) \
                 SELECT {list} FROM hit CROSS JOIN {quoted} AS t ON t._rowid_ = hit.id",
            );
            let query = sqlx::query(AssertSqlSafe(sql)).bind(first).bind(step);
            query.fetch_all(&mut *connection).await?
        }
    };
    let hash = |row: &SqliteRow| -> Result<Vec<u64>, sqlx::Error> {
        (0..columns.len())
            .map(|column| {
                Ok(crate::sql::stable_hash(
                    row.try_get::<String, _>(column)?.as_bytes(),
                ))
            })
            .collect()
    };
    let rows = fetched.iter().map(hash).collect::<Result<_, _>>()?;
    Ok(Sample { columns, rows })
}
