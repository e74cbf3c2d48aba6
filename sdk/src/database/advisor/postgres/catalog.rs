//! What PostgreSQL's catalogs say of the tables that statements touch.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::database::advisor::Statement;
use crate::database::advisor::catalog::{Column, Index, Table};
use crate::database::ddl::IndexColumn;
use crate::database::identifier::quote_qualified;

/// Tables that are looked at in one round.
const MAX_TABLES: usize = 40;

#[derive(Debug)]
pub(super) struct Relation {
    pub(super) table: Table,
    pub(super) pages: f64,
    /// The server's price of a page out of order, in pages in order.
    pub(super) random_page_cost: f64,
}

/// Reads the plain tables among those that are named; a view, a partitioned table and a foreign one have no index of ours.
pub(super) async fn read(
    connection: &mut PgConnection,
    statements: &[Statement<'_>],
) -> Result<Vec<Relation>, sqlx::Error> {
    let random_page_cost = sqlx::query_scalar("SELECT current_setting('random_page_cost')::float8");
    let random_page_cost: f64 = random_page_cost
        .persistent(false)
        .fetch_one(&mut *connection)
        .await?;
    let mut asked: Vec<String> = statements
        .iter()
        .flat_map(|statement| &statement.accesses)
        .filter_map(|access| quote_qualified(access.schema.as_deref(), &access.table).ok())
        .collect();
    asked.sort_unstable();
    asked.dedup();
    let mut relations: Vec<Relation> = Vec::new();
    for name in asked.iter().take(MAX_TABLES) {
        let found = sqlx::query(
            "SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relpages::float8, \
             (CASE WHEN c.reltuples < 0 THEN pg_relation_size(c.oid) / 100.0 \
              ELSE c.reltuples END)::float8 \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_'",
        );
        let found = found
            .bind(name)
            .persistent(false)
            .fetch_optional(&mut *connection)
            .await?;
        let Some(row) = found else { continue };
        let oid: i64 = row.try_get(0)?;
        let (schema, name): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        let same = |known: &Relation| {
            known.table.name == name && known.table.schema.as_ref() == Some(&schema)
        };
        if relations.iter().any(same) {
            continue;
        }
        let rows: f64 = row.try_get(4)?;
        let table = Table {
            schema: Some(schema),
            name,
            rows,
            columns: columns(connection, oid, rows).await?,
            indexes: indexes(connection, oid).await?,
        };
        relations.push(Relation {
            table,
            pages: row.try_get(3)?,
            random_page_cost,
        });
    }
    Ok(relations)
}

async fn columns(
    connection: &mut PgConnection,
    oid: i64,
    rows: f64,
) -> Result<Vec<Column>, sqlx::Error> {
    let listed = sqlx::query(
        "SELECT a.attname::text, coalesce(s.n_distinct, 0)::float8, coalesce(s.avg_width, 16)::float8, \
         (t.typcategory <> 'G' AND t.typname NOT IN ('json', 'xml')) \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid \
         LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname \
         WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
    );
    let listed = listed
        .bind(oid)
        .persistent(false)
        .fetch_all(&mut *connection)
        .await?;
    listed
        .iter()
        .map(|row| {
            let distinct: f64 = row.try_get(1)?;
            // Negative is a share of the rows; without statistics the planner assumes 200.
            let distinct = match distinct {
                distinct if distinct < 0.0 => -distinct * rows,
                0.0 => rows.min(200.0),
                distinct => distinct,
            };
            Ok(Column {
                name: row.try_get(0)?,
                distinct: distinct.max(1.0),
                width: row.try_get(2)?,
                sortable: row.try_get(3)?,
            })
        })
        .collect()
}

async fn indexes(connection: &mut PgConnection, oid: i64) -> Result<Vec<Index>, sqlx::Error> {
    let listed = sqlx::query(
        "SELECT i.relname::text, m.amname = 'btree' AND x.indpred IS NULL AND x.indisvalid, \
         (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(x.indkey::int2[]) WITH ORDINALITY k(attnum, n) \
          LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum WHERE k.n <= x.indnkeyatts), \
         (SELECT array_agg(o.option ORDER BY o.n) FROM unnest(x.indoption::int2[]) WITH ORDINALITY o(option, n)) \
         FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am m ON m.oid = i.relam \
         WHERE x.indrelid = $1::oid ORDER BY i.relname LIMIT 200",
    );
    let listed = listed
        .bind(oid)
        .persistent(false)
        .fetch_all(&mut *connection)
        .await?;
    listed
        .iter()
        .map(|row| {
            let names: Option<Vec<Option<String>>> = row.try_get(2)?;
            let options: Vec<i16> = row.try_get(3)?;
            let names = names.unwrap_or_default();
            let plain = names.iter().all(Option::is_some);
            let columns = names.into_iter().zip(options).map_while(|(name, option)| {
                Some(IndexColumn {
                    name: name?,
                    descending: option & 1 != 0,
                })
            });
            Ok(Index {
                name: row.try_get(0)?,
                columns: columns.collect(),
                whole: row.try_get(1)? && plain,
            })
        })
        .collect()
}
