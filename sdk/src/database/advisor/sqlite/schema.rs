//! What a SQLite database has: its schema's own texts, and of the tables that statements touch the columns, the indexes, the
//! rows and a sample. Every question has a bound.

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::sample::{ROWS, Sample};
use crate::database::advisor::Subject;
use crate::database::advisor::catalog::{Column, ForeignKey, Index, Kind, Table};
use crate::database::ddl::{Key, On};
use crate::database::identifier::quote;
use crate::sql::access::{Access, Subject as Compared};
use crate::sql::parse::{Dialect, accesses};

/// Objects of the largest schema that is copied.
const MAX_OBJECTS: i64 = 4_000;
/// Tables that are looked at in one round.
const MAX_TABLES: usize = 40;
/// Columns and expressions of a table that are sampled.
const MAX_SAMPLED: usize = 60;
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
    /// Its place among the tables.
    pub(super) place: usize,
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
    subjects: &[Subject],
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
    let all: Vec<Access> = subjects
        .iter()
        .flat_map(|subject| accesses(&subject.text, Dialect::Sqlite))
        .collect();
    let mut names: Vec<String> = all.iter().map(|access| access.table.clone()).collect();
    // What refers to a table may be looked through when rows of that go.
    names.extend(referring(connection, &all).await?);
    let mut tables: Vec<Measured> = Vec::new();
    for name in names {
        let known = tables
            .iter()
            .any(|known| known.table.name.eq_ignore_ascii_case(&name));
        if known || tables.len() >= MAX_TABLES {
            continue;
        }
        let own = all.iter().filter(|access| access.table == name);
        let asked: Vec<String> = own.flat_map(asked).collect();
        if let Some(mut measured) = table(connection, &name, &asked).await? {
            measured.place = tables.len();
            tables.push(measured);
        }
    }
    Ok(Schema { texts, tables })
}

/// The columns and the expressions that an access compares, joins or orders by.
fn asked(access: &Access) -> Vec<String> {
    let order = access.order.iter().map(|order| &order.column);
    let columns = access.equals.iter().chain(&access.ranges);
    let columns = columns
        .chain(&access.joins)
        .chain(&access.groups)
        .chain(order);
    let compared = access.conditions.iter().chain(&access.alternatives);
    let compared = compared.filter_map(|condition| match &condition.on {
        Compared::Column(name) | Compared::Expression(name) => Some(name),
        Compared::Nothing => None,
    });
    columns.chain(compared).cloned().collect()
}

/// The tables that refer to those whose rows are deleted.
async fn referring(
    connection: &mut SqliteConnection,
    accesses: &[Access],
) -> Result<Vec<String>, sqlx::Error> {
    let mut names = Vec::new();
    for access in accesses {
        if access.write.is_none() || names.len() >= MAX_TABLES {
            continue;
        }
        let children = sqlx::query_scalar::<_, String>(
            "SELECT DISTINCT m.name FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f \
             WHERE m.type = 'table' AND f.\"table\" = ? COLLATE NOCASE LIMIT 40",
        );
        names.extend(
            children
                .bind(&access.table)
                .fetch_all(&mut *connection)
                .await?,
        );
    }
    Ok(names)
}

/// Reads one table; `None` for a view, a virtual table, or a name that is not there.
async fn table(
    connection: &mut SqliteConnection,
    asked_name: &str,
    asked: &[String],
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
                .any(|index| index.keys.iter().any(|own| own.word() == column));
        if wanted && quote(&column).is_ok() {
            sampled.push(column.clone());
        }
        columns.push(Column {
            name: column,
            distinct: 1.0,
            width: 8.0,
            nulls: 0.0,
            sortable: true,
            kind: Kind::Plain,
            pattern_class: None,
            values: Vec::new(),
        });
    }
    let expressions = asked.iter().filter(|asked| asked.contains(['(', '"', ' ']));
    for expression in expressions {
        let known = columns
            .iter()
            .any(|column| column.name.eq_ignore_ascii_case(expression));
        if !known && !sampled.contains(expression) && sampled.len() < MAX_SAMPLED {
            sampled.push(expression.clone());
        }
    }
    let rows = rows(connection, &quoted, rowid).await?;
    let sample = sample(connection, &quoted, sampled, rowid, rows).await?;
    let foreign_keys = foreign_keys(connection, &name).await?;
    let mut measured = Measured {
        place: 0,
        table: Table {
            schema: None,
            name,
            rows,
            bytes: rows * 100.0,
            columns,
            indexes,
            foreign_keys,
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
            keys: vec![Key::column(name.clone())],
            whole: true,
            unique: true,
            constraint: true,
            ..Index::default()
        }),
        _ => None,
    })
}

async fn indexes(
    connection: &mut SqliteConnection,
    table: &str,
) -> Result<Vec<Index>, sqlx::Error> {
    let listed = sqlx::query(
        "SELECT l.name, l.partial, l.\"unique\" AS one, l.origin, coalesce(m.sql, '') AS sql \
         FROM pragma_index_list(?1) l LEFT JOIN sqlite_schema m ON m.type = 'index' AND m.name = l.name LIMIT 200",
    );
    let mut indexes = Vec::new();
    for row in listed.bind(table).fetch_all(&mut *connection).await? {
        let name: String = row.try_get("name")?;
        let parts =
            sqlx::query("SELECT name, \"desc\", coll FROM pragma_index_xinfo(?) WHERE key = 1");
        let parts = parts.bind(&name).fetch_all(&mut *connection).await?;
        let mut whole = row.try_get::<i64, _>("partial")? == 0;
        let sql: String = row.try_get("sql")?;
        let upper = sql.to_uppercase();
        let predicate = upper
            .rfind(" WHERE ")
            .filter(|_| !whole)
            .and_then(|at| sql.get(at..))
            .map(str::to_owned);
        let (mut keys, mut texts, mut plain) = (Vec::new(), Vec::new(), true);
        for part in &parts {
            let column: Option<String> = part.try_get("name")?;
            let collation: Option<String> = part.try_get("coll")?;
            let binary = collation.as_deref() == Some("BINARY");
            plain &= column.is_some();
            whole &= column.is_some() && binary;
            let descending = part.try_get::<i64, _>("desc")? != 0;
            texts.push(format!(
                "{} {descending} {}",
                column.as_deref().unwrap_or(&sql),
                collation.as_deref().unwrap_or("")
            ));
            if let Some(column) = column.filter(|_| plain) {
                keys.push(Key {
                    descending,
                    class: (!binary).then_some("COLLATE"),
                    ..Key::of(On::Column(column))
                });
            }
        }
        let definition = format!("{texts:?} {predicate:?}");
        indexes.push(Index {
            keys,
            definition,
            key_texts: texts,
            predicate,
            whole,
            unique: row.try_get::<i64, _>("one")? != 0,
            constraint: row.try_get::<String, _>("origin")? != "c",
            name,
            ..Index::default()
        });
    }
    Ok(indexes)
}

async fn foreign_keys(
    connection: &mut SqliteConnection,
    table: &str,
) -> Result<Vec<ForeignKey>, sqlx::Error> {
    let listed = sqlx::query(
        "SELECT id, \"table\" AS parent, \"from\" AS own, \"to\" AS other, on_delete \
         FROM pragma_foreign_key_list(?) ORDER BY id, seq LIMIT 100",
    );
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    for row in listed.bind(table).fetch_all(&mut *connection).await? {
        let id: i64 = row.try_get("id")?;
        let own: String = row.try_get("own")?;
        let other: Option<String> = row.try_get("other")?;
        match keys.iter_mut().find(|(known, _)| *known == id) {
            Some((_, key)) => {
                key.columns.push(own);
                key.parent_columns.extend(other);
            }
            None => keys.push((
                id,
                ForeignKey {
                    columns: vec![own],
                    parent_schema: None,
                    parent: row.try_get("parent")?,
                    parent_columns: other.into_iter().collect(),
                    cascades: row.try_get::<String, _>("on_delete")? == "CASCADE",
                },
            )),
        }
    }
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}

/// Asks what share of a table's rows a condition leaves, of rows from all over it; `None` where it can't be asked.
pub(super) async fn share(
    connection: &mut SqliteConnection,
    table: &Table,
    predicate: &str,
) -> Option<f64> {
    let quoted = quote(&table.name).ok()?;
    let ends = ends(connection, &quoted).await.unwrap_or_default();
    let counted = format!("avg(CASE WHEN {predicate} THEN 1.0 ELSE 0.0 END)");
    let share: Option<f64> = match ends {
        Some((first, last)) if table.rows > 2.0 * ROWS as f64 => {
            let step = (last as f64 - first as f64) / ROWS as f64;
            let sql = format!(
                "{} SELECT {counted} FROM {}",
                hits(&quoted),
                from_hits(&quoted)
            );
            let query = sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(first)
                .bind(step);
            query.fetch_one(connection).await.ok()?
        }
        _ => {
            let sql = format!(
                "SELECT {counted} FROM (SELECT * FROM {quoted} LIMIT {})",
                2 * ROWS
            );
            sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(connection)
                .await
                .ok()?
        }
    };
    // None of the sample is not none at all.
    share.map(|share| share.clamp(0.5 / ROWS as f64, 1.0))
}

/// Row numbers at jittered steps.
fn hits(quoted: &str) -> String {
    format!(
        "WITH RECURSIVE perfdeck_probe(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM perfdeck_probe WHERE i < {ROWS} - 1), \
         perfdeck_hit(perfdeck_row) AS (SELECT DISTINCT (SELECT x._rowid_ FROM {quoted} AS x WHERE x._rowid_ >= \
         ?1 + CAST((i + (i * 40503 % 997) / 997.0) * ?2 AS INTEGER) ORDER BY x._rowid_ LIMIT 1) FROM perfdeck_probe)"
    )
}

fn from_hits(quoted: &str) -> String {
    format!("perfdeck_hit CROSS JOIN {quoted} AS t ON t._rowid_ = perfdeck_row")
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
        .filter_map(|column| {
            // The start and the length tell values apart well enough, whatever their type.
            let value = if column.contains(['(', '"']) {
                format!("({column})")
            } else {
                format!("t.{}", quote(column).ok()?)
            };
            Some(format!(
                "coalesce(hex(substr({value}, 1, 48)) || length({value}), '')"
            ))
        })
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
            let sql = format!("{} SELECT {list} FROM {}", hits(quoted), from_hits(quoted));
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
