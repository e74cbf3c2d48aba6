//! What PostgreSQL's catalogs say of the tables that statements touch.

use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use crate::database::advisor::Subject;
use crate::database::advisor::catalog::{Column, ForeignKey, Index, Kind, Table};
use crate::database::ddl::{Key, Method};
use crate::database::identifier::quote_qualified;
use crate::sql::access::Write;
use crate::sql::parse::{Dialect, accesses};

/// Tables that are looked at in one round.
const MAX_TABLES: usize = 80;

#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) tables: Vec<Table>,
    /// The server's price of a page out of order, in pages in order.
    pub(super) random_page_cost: f64,
    /// Texts can be indexed by three letters each.
    pub(super) trigrams: bool,
}

/// Reads the plain tables among those that are named, and those that refer to what statements delete; a view, a partitioned
/// table and a foreign one have no index of ours.
pub(super) async fn read(
    connection: &mut PgConnection,
    named: &[(Option<String>, String)],
    subjects: &[Subject],
) -> Result<Catalog, sqlx::Error> {
    let server = sqlx::query(
        "SELECT current_setting('random_page_cost')::float8, \
         EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'), \
         (SELECT datcollate IN ('C', 'POSIX') FROM pg_database WHERE datname = current_database())",
    );
    let server = server.fetch_one(&mut *connection).await?;
    let c_locale: bool = server.try_get(2)?;
    let mut catalog = Catalog {
        tables: Vec::new(),
        random_page_cost: server.try_get(0)?,
        trigrams: server.try_get(1)?,
    };
    let mut oids = Vec::new();
    for (schema, name) in named.iter().take(MAX_TABLES) {
        let Ok(name) = quote_qualified(schema.as_deref(), name) else {
            continue;
        };
        take(connection, &mut catalog, &mut oids, &name, c_locale).await?;
    }
    let changed: Vec<i64> = changed(subjects, &catalog.tables, &oids);
    let children = sqlx::query_scalar::<_, String>(
        "WITH RECURSIVE gone(oid) AS (SELECT unnest($1::int8[])::oid UNION \
         SELECT k.conrelid FROM pg_constraint k JOIN gone ON k.confrelid = gone.oid \
         WHERE k.contype = 'f') \
         SELECT format('%I.%I', n.nspname, c.relname) FROM gone JOIN pg_class c ON c.oid = gone.oid \
         JOIN pg_namespace n ON n.oid = c.relnamespace LIMIT 100",
    );
    for name in children.bind(changed).fetch_all(&mut *connection).await? {
        take(connection, &mut catalog, &mut oids, &name, c_locale).await?;
    }
    Ok(catalog)
}

/// The tables that lose or change rows.
fn changed(subjects: &[Subject], tables: &[Table], oids: &[i64]) -> Vec<i64> {
    let mut changed = Vec::new();
    for access in subjects
        .iter()
        .flat_map(|subject| accesses(&subject.text, Dialect::Postgres))
    {
        if matches!(access.write, Some(Write::Delete | Write::Update(_))) {
            let meant = tables
                .iter()
                .position(|table| table.is_meant(&access, crate::database::Engine::Postgres));
            changed.extend(meant.and_then(|place| oids.get(place)).copied());
        }
    }
    changed.sort_unstable();
    changed.dedup();
    changed
}

async fn take(
    connection: &mut PgConnection,
    catalog: &mut Catalog,
    oids: &mut Vec<i64>,
    name: &str,
    c_locale: bool,
) -> Result<(), sqlx::Error> {
    let found = sqlx::query(
        "SELECT c.oid::int8, n.nspname::text, c.relname::text, pg_relation_size(c.oid)::float8, \
         (CASE WHEN c.reltuples < 0 THEN pg_relation_size(c.oid) / 100.0 \
          WHEN c.relpages > 0 THEN c.reltuples / c.relpages * pg_relation_size(c.oid) / 8192.0 \
          ELSE c.reltuples END)::float8 \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_'",
    );
    let found = found.bind(name).fetch_optional(&mut *connection).await?;
    let Some(row) = found else { return Ok(()) };
    let oid: i64 = row.try_get(0)?;
    if oids.contains(&oid) {
        return Ok(());
    }
    let rows: f64 = row.try_get(4)?;
    catalog.tables.push(Table {
        schema: Some(row.try_get(1)?),
        name: row.try_get(2)?,
        rows,
        bytes: row.try_get(3)?,
        columns: columns(connection, oid, rows, c_locale).await?,
        indexes: indexes(connection, oid).await?,
        foreign_keys: foreign_keys(connection, oid).await?,
    });
    oids.push(oid);
    Ok(())
}

async fn columns(
    connection: &mut PgConnection,
    oid: i64,
    rows: f64,
    c_locale: bool,
) -> Result<Vec<Column>, sqlx::Error> {
    let listed = sqlx::query(
        "SELECT a.attname::text, coalesce(s.n_distinct, 0)::float8, coalesce(s.avg_width, 16)::float8, \
         EXISTS (SELECT 1 FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod WHERE m.amname = 'btree' \
          AND o.opcdefault AND (o.opcintype = coalesce(nullif(t.typbasetype, 0), t.oid) OR t.typtype = 'e' \
          OR t.typname IN ('varchar', 'cidr'))) AND t.typname NOT IN ('json', 'jsonb', 'xml', 'tsvector') \
          AND t.typcategory <> 'G', \
         t.typname::text, t.typcategory::text, coalesce(s.null_frac, 0)::float8, \
         coalesce(co.collname IN ('C', 'POSIX'), false), coalesce(co.collname = 'default', true), \
         (s.most_common_vals::text::text[])[1:2], s.histogram_bounds::text::text[] \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid \
         LEFT JOIN pg_collation co ON co.oid = a.attcollation \
         LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname \
          AND NOT s.inherited \
         WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
    );
    let listed = listed.bind(oid).fetch_all(&mut *connection).await?;
    listed
        .iter()
        .map(|row| column(row, rows, c_locale))
        .collect()
}

fn column(row: &PgRow, rows: f64, c_locale: bool) -> Result<Column, sqlx::Error> {
    let distinct: f64 = row.try_get(1)?;
    // Negative is a share of the rows; without statistics the planner assumes 200.
    let distinct = match distinct {
        distinct if distinct < 0.0 => -distinct * rows,
        0.0 => rows.min(200.0),
        distinct => distinct,
    };
    let (kind, category): (String, String) = (row.try_get(4)?, row.try_get(5)?);
    let text = category == "S";
    let (own_c, default): (bool, bool) = (row.try_get(7)?, row.try_get(8)?);
    let orders_patterns = own_c || default && c_locale;
    let common: Option<Vec<Option<String>>> = row.try_get(9)?;
    let histogram: Option<Vec<Option<String>>> = row.try_get(10)?;
    let mut values: Vec<String> = common.into_iter().flatten().flatten().collect();
    let histogram: Vec<String> = histogram.into_iter().flatten().flatten().collect();
    if !histogram.is_empty() {
        values.extend((0..super::sample::QUANTILES).filter_map(|tenth| {
            let place = tenth * (histogram.len() - 1) / (super::sample::QUANTILES - 1);
            histogram.get(place).cloned()
        }));
    }
    Ok(Column {
        name: row.try_get(0)?,
        distinct: distinct.max(1.0),
        width: row.try_get(2)?,
        nulls: row.try_get(6)?,
        sortable: row.try_get(3)?,
        pattern_class: (text && !orders_patterns).then_some(match kind.as_str() {
            "varchar" => "varchar_pattern_ops",
            "bpchar" => "bpchar_pattern_ops",
            _ => "text_pattern_ops",
        }),
        kind: match kind.as_str() {
            "jsonb" => Kind::Jsonb,
            "tsvector" => Kind::Search,
            _ if category == "A" => Kind::Array,
            _ if text => Kind::Text,
            _ => Kind::Plain,
        },
        values,
    })
}

async fn indexes(connection: &mut PgConnection, oid: i64) -> Result<Vec<Index>, sqlx::Error> {
    let listed = sqlx::query(
        "SELECT i.relname::text, m.amname = 'btree' AND x.indpred IS NULL AND x.indisvalid, \
         (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(x.indkey::int2[]) WITH ORDINALITY k(attnum, n) \
          LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum WHERE k.n <= x.indnkeyatts), \
         (SELECT array_agg(o.option ORDER BY o.n) FROM unnest(x.indoption::int2[]) WITH ORDINALITY o(option, n)), \
         m.amname::text, pg_get_indexdef(x.indexrelid), \
         (SELECT array_agg(pg_get_indexdef(x.indexrelid, n, false) || ' ' || x.indoption[n - 1] || ' ' || \
          x.indclass[n - 1] || ' ' || x.indcollation[n - 1] ORDER BY n) \
          FROM generate_series(1, x.indnkeyatts::int) n), \
         pg_get_expr(x.indpred, x.indrelid), x.indisunique, x.indisprimary OR x.indisexclusion OR x.indisreplident \
          OR EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = x.indexrelid), x.indisvalid, \
         s.idx_scan, pg_relation_size(x.indexrelid)::float8, \
         NOT EXISTS (SELECT 1 FROM unnest(x.indclass::oid[]) WITH ORDINALITY c(oid, n) JOIN pg_opclass o \
          ON o.oid = c.oid WHERE NOT o.opcdefault) \
         FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am m ON m.oid = i.relam \
         LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = x.indexrelid \
         WHERE x.indrelid = $1::oid AND x.indisvalid ORDER BY i.relname LIMIT 200",
    );
    let listed = listed.bind(oid).fetch_all(&mut *connection).await?;
    listed.iter().map(index).collect()
}

fn index(row: &PgRow) -> Result<Index, sqlx::Error> {
    let names: Option<Vec<Option<String>>> = row.try_get(2)?;
    let options: Vec<i16> = row.try_get(3)?;
    let names = names.unwrap_or_default();
    let default_classes: bool = row.try_get(13)?;
    let plain = names.iter().all(Option::is_some) && default_classes;
    let keys = names.into_iter().zip(options).map_while(|(name, option)| {
        let descending = option & 1 != 0;
        Some(Key {
            descending,
            odd_nulls: (option & 2 != 0) != descending,
            ..Key::column(name?)
        })
    });
    let method: String = row.try_get(4)?;
    let key_texts: Option<Vec<String>> = row.try_get(6)?;
    let definition: String = row.try_get(5)?;
    Ok(Index {
        name: row.try_get(0)?,
        keys: keys.collect(),
        // What is behind the table's name is what it is, whatever it is called.
        definition: definition
            .split_once(" USING ")
            .map_or_else(|| definition.clone(), |(_, rest)| rest.to_owned()),
        // Of another kind than we make, its keys are compared with nobody's.
        key_texts: match method.as_str() {
            "btree" | "gin" => key_texts.unwrap_or_default(),
            other => vec![format!("{other} {definition}")],
        },
        predicate: row.try_get(7)?,
        method: if method == "gin" {
            Method::Gin
        } else {
            Method::Btree
        },
        whole: row.try_get::<bool, _>(1)? && plain,
        unique: row.try_get(8)?,
        constraint: row.try_get(9)?,
        scans: row.try_get(11)?,
        bytes: row.try_get(12)?,
    })
}

async fn foreign_keys(
    connection: &mut PgConnection,
    oid: i64,
) -> Result<Vec<ForeignKey>, sqlx::Error> {
    let listed = sqlx::query(
        "SELECT (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY k(attnum, n) \
          JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum), \
         n.nspname::text, p.relname::text, \
         (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY k(attnum, n) \
          JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum), \
         c.confdeltype::text = 'c' \
         FROM pg_constraint c JOIN pg_class p ON p.oid = c.confrelid JOIN pg_namespace n ON n.oid = p.relnamespace \
         WHERE c.conrelid = $1::oid AND c.contype = 'f' LIMIT 100",
    );
    let listed = listed.bind(oid).fetch_all(&mut *connection).await?;
    listed
        .iter()
        .map(|row| {
            Ok(ForeignKey {
                columns: row.try_get(0)?,
                parent_schema: Some(row.try_get(1)?),
                parent: row.try_get(2)?,
                parent_columns: row.try_get(3)?,
                cascades: row.try_get(4)?,
            })
        })
        .collect()
}
