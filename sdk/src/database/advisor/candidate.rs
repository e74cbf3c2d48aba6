//! What could be: the indexes that one access would like.
//!
//! Equality columns come first, then the order if a limit makes it worth it, or the first range. Of several equality
//! columns each takes the lead once, since the lead decides which other statements the index serves.

use super::catalog::{Column, Table};
use crate::database::ddl::IndexColumn;
use crate::sql::access::Access;

/// More columns cost every write and narrow nothing.
const MAX_COLUMNS: usize = 5;
/// Of more equality columns only the most selective are worth a place.
const MAX_EQUALS: usize = 3;

/// Returns column lists, the likeliest first; none that an index of the table serves already.
pub(super) fn candidates(access: &Access, table: &Table) -> Vec<Vec<IndexColumn>> {
    let mut found: Vec<Vec<IndexColumn>> = Vec::new();
    let equals = by_selectivity(&access.equals, table);
    let mut with_joins = equals.clone();
    for join in by_selectivity(&access.joins, table) {
        if !with_joins.iter().any(|column| column.name == join.name) {
            with_joins.push(join);
        }
    }
    with_joins.sort_by(|one, other| other.distinct.total_cmp(&one.distinct));
    let order = order(access, table);
    let range = by_selectivity(&access.ranges, table)
        .into_iter()
        .map(plain)
        .next();
    for leads in [equals, with_joins] {
        let leads: Vec<IndexColumn> = leads.into_iter().take(MAX_EQUALS).map(plain).collect();
        for lead in rotations(&leads) {
            add(&mut found, table, &lead, &order);
            add(&mut found, table, &lead, range.as_slice());
            add(&mut found, table, &lead, &[]);
        }
    }
    found
}

/// The order as index columns; empty where an index can't give it or nobody stops early.
fn order(access: &Access, table: &Table) -> Vec<IndexColumn> {
    let columns: Option<Vec<IndexColumn>> = access
        .order
        .iter()
        .filter(|order| !access.equals.contains(&order.column))
        .map(|order| {
            let column = table
                .column(&order.column)
                .filter(|column| column.sortable)?;
            Some(IndexColumn {
                name: column.name.clone(),
                descending: order.descending,
            })
        })
        .collect();
    columns.unwrap_or_default()
}

/// The columns that the table has, the one with the most values first.
fn by_selectivity<'a>(names: &[String], table: &'a Table) -> Vec<&'a Column> {
    let mut columns: Vec<&Column> = names.iter().filter_map(|name| table.column(name)).collect();
    columns.retain(|column| column.sortable);
    columns.sort_by(|one, other| {
        other
            .distinct
            .total_cmp(&one.distinct)
            .then_with(|| one.name.cmp(&other.name))
    });
    columns
}

/// Each column in the lead once; of none, the empty list once.
fn rotations(columns: &[IndexColumn]) -> Vec<Vec<IndexColumn>> {
    if columns.is_empty() {
        return vec![Vec::new()];
    }
    let led_by = |lead: usize| {
        let rest = columns
            .iter()
            .enumerate()
            .filter(|(position, _)| *position != lead);
        columns
            .get(lead)
            .into_iter()
            .chain(rest.map(|(_, column)| column))
            .cloned()
            .collect()
    };
    (0..columns.len()).map(led_by).collect()
}

fn add(
    found: &mut Vec<Vec<IndexColumn>>,
    table: &Table,
    lead: &[IndexColumn],
    rest: &[IndexColumn],
) {
    let mut columns = lead.to_vec();
    for column in rest {
        if !columns.iter().any(|present| present.name == column.name) {
            columns.push(column.clone());
        }
    }
    columns.truncate(MAX_COLUMNS);
    if !columns.is_empty() && !found.contains(&columns) && !table.covers(&columns) {
        found.push(columns);
    }
}

fn plain(column: &Column) -> IndexColumn {
    IndexColumn {
        name: column.name.clone(),
        descending: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::advisor::catalog::Index;
    use crate::sql::parse::{Dialect, accesses};

    fn table(indexes: &[&[&str]]) -> Table {
        let column = |(name, distinct): (&str, f64)| Column {
            name: name.into(),
            distinct,
            width: 8.0,
            sortable: name != "body",
        };
        let index = |columns: &&[&str]| Index {
            name: columns.join("_"),
            columns: columns
                .iter()
                .map(|name| IndexColumn {
                    name: (*name).into(),
                    descending: false,
                })
                .collect(),
            whole: true,
        };
        Table {
            schema: None,
            name: "documents".into(),
            rows: 300_000.0,
            columns: [
                ("id", 3e5),
                ("workspace_id", 2e3),
                ("status", 4.0),
                ("uploaded_at", 2e5),
                ("body", 3e5),
            ]
            .map(column)
            .into(),
            indexes: indexes.iter().map(index).collect(),
        }
    }

    #[track_caller]
    fn check(condition: &str, indexes: &[&[&str]], expect: &str) {
        let access = accesses(
            &format!("SELECT * FROM documents {condition}"),
            Dialect::Postgres,
        )
        .remove(0);
        let told: Vec<String> = candidates(&access, &table(indexes))
            .iter()
            .map(|columns| {
                let names = columns.iter().map(|column| {
                    format!(
                        "{}{}",
                        column.name,
                        if column.descending { "-" } else { "" }
                    )
                });
                names.collect::<Vec<_>>().join(",")
            })
            .collect();
        assert_eq!(told.join(" | "), expect, "of {condition:?}");
    }

    #[test]
    fn equality_leads_and_order_or_range_follows() {
        check(
            "WHERE status = 'x' AND workspace_id = 1 ORDER BY uploaded_at DESC LIMIT 5",
            &[],
            "workspace_id,status,uploaded_at- | workspace_id,status | status,workspace_id,uploaded_at- | status,workspace_id",
        );
        check(
            "WHERE workspace_id = 1 AND uploaded_at > 5",
            &[],
            "workspace_id | workspace_id,uploaded_at",
        );
        check("ORDER BY uploaded_at LIMIT 5", &[], "uploaded_at");
    }

    #[test]
    fn what_an_index_starts_with_is_not_offered_again() {
        check("WHERE workspace_id = 1", &[&["workspace_id", "status"]], "");
        check("WHERE id = 1", &[&["id"]], "");
        check("WHERE body = 'x' OR id = 1", &[], "");
        check("WHERE body = 'x'", &[], "");
    }
}
