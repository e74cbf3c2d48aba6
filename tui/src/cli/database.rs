//! `perfdeck pools` and `perfdeck indexes`: the pools, and what the databases behind them say.

use perfdeck_bridge::protocol::{Database, DatabaseHealth, IndexRow, Level, Timestamp};
use serde::Serialize;

use super::table::render;
use super::text;
use crate::format::{self, printable};
use crate::screen::database::Item;

/// Rows of what needs care.
const MOST_ITEMS: usize = 50;

/// The indexes of all databases, with the pools that lead to them.
#[derive(Debug, Serialize)]
pub(super) struct Indexes<'a> {
    indexes: Vec<Index<'a>>,
    more_indexes: u64,
}

#[derive(Debug, Serialize)]
struct Index<'a> {
    pools: &'a [String],
    #[serde(flatten)]
    index: &'a IndexRow,
}

pub(super) fn indexes(database: &Database) -> Indexes<'_> {
    let of = |health: &'_ DatabaseHealth| health.more_indexes;
    let rows = database.databases.iter().flat_map(|health| {
        let own = health.indexes.iter();
        own.map(|index| Index {
            pools: &health.pools,
            index,
        })
    });
    Indexes {
        indexes: rows.collect(),
        more_indexes: database
            .databases
            .iter()
            .map(of)
            .fold(0, u64::saturating_add),
    }
}

impl Indexes<'_> {
    pub(super) fn text(&self) -> String {
        if self.indexes.is_empty() {
            return "No index is known: the deck has looked at no database yet.\n".to_owned();
        }
        let rows: Vec<Vec<String>> = self.indexes.iter().map(Index::cells).collect();
        let titles = [" size", " scans", "valid", "is", "table", "index", "pool"];
        let more = match self.more_indexes {
            0 => String::new(),
            more => format!("And {} smaller ones.\n", format::count(more)),
        };
        format!("{}{more}", render(&titles, &rows))
    }
}

impl Index<'_> {
    fn cells(&self) -> Vec<String> {
        let index = self.index;
        let bytes = index.size_bytes.map(|bytes| bytes as f64);
        let valid = match (index.valid, index.building) {
            (true, _) => "valid",
            (false, true) => "being built",
            (false, false) => "invalid",
        };
        let kind = match (index.constraint, index.unique) {
            (true, _) => "constraint",
            (false, true) => "unique",
            (false, false) => "",
        };
        vec![
            format::maybe(bytes, format::bytes),
            index
                .scans
                .map_or_else(|| format::NOTHING.to_owned(), format::count),
            valid.to_owned(),
            kind.to_owned(),
            index.table.clone(),
            index.name.clone(),
            self.pools.join(", "),
        ]
    }
}

pub(super) fn pools(database: &Database, now: Timestamp) -> String {
    let mut told = text::pools(&database.pools);
    if !database.databases.is_empty() {
        let rows: Vec<Vec<String>> = database.databases.iter().map(cells).collect();
        let titles = [
            " size",
            " connections",
            " of",
            " in transaction",
            " waiting",
            "version",
            "database of",
        ];
        told.push_str(&format!("\n{}", render(&titles, &rows)));
    }
    if let Some(why) = &database.paused {
        told.push_str(&format!(
            "\nNothing is looked at: {}.\n",
            printable(why, 200)
        ));
    }
    let items = Item::all(database, now);
    let care: Vec<Vec<String>> = items
        .iter()
        .filter(|item| item.level > Level::Good)
        .take(MOST_ITEMS)
        .map(|item| {
            vec![
                item.kind.word().to_owned(),
                item.name.clone(),
                item.state.clone(),
                item.pool.clone(),
            ]
        })
        .collect();
    if !care.is_empty() {
        let table = render(&["what", "name", "state", "pool"], &care);
        told.push_str(&format!("\n{table}"));
    }
    told
}

fn cells(health: &DatabaseHealth) -> Vec<String> {
    let bytes = health.size_bytes.map(|bytes| bytes as f64);
    let connections = health.connections.clone().unwrap_or_default();
    vec![
        format::maybe(bytes, format::bytes),
        format::count(connections.total),
        format::count(connections.max),
        format::count(connections.idle_in_transaction),
        format::count(connections.waiting),
        format!("{} {}", health.engine, health.version),
        health.pools.join(", "),
    ]
}
