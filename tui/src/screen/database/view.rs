use perfdeck_bridge::protocol::{Database, DatabaseHealth, Level, Timestamp};

use super::Item;
use super::item::{Kind, heads, who};
use crate::format;
use crate::screen::page::{Page, State};
use crate::screen::view::host;
use crate::screen::{Verdict, View, host as pools, story};
use crate::theme::{Mark, Role, Theme};
use crate::widget::table::{Column, Table};
use crate::widget::{Canvas, Piece, piece};

pub(crate) fn verdict(view: &View<'_>, _: &State) -> Verdict {
    let Some(database) = view.data.database() else {
        return Verdict::waiting();
    };
    let items = Item::all(database, view.now);
    if let Some(worst) = items.first().filter(|item| item.level > Level::Good) {
        let ill = items.iter().filter(|item| item.level > Level::Good).count();
        let (words, told) = match worst.kind {
            Kind::Blocked => blocked(database),
            Kind::Failure => (
                format!("The database of `{}`: {}", worst.pool, worst.state),
                1,
            ),
            Kind::Session => (format!("{}: {}", worst.name, worst.state), 1),
            kind => (
                format!("{} `{}`: {}", kind.word(), worst.name, worst.state),
                1,
            ),
        };
        let others = match ill.saturating_sub(told) {
            0 => String::new(),
            more => format!(" {more} more below need care."),
        };
        return Verdict::new(worst.level, format!("{words}.{others}"));
    }
    if let Some(why) = &database.paused {
        return Verdict::new(Level::Near, format!("Nothing is looked at: {why}."));
    }
    if let Some((level, words)) = pools::fullest(&database.pools) {
        return Verdict::new(level, words);
    }
    let databases = format::plural(database.databases.len(), "database", "databases");
    match database.databases.is_empty() {
        true => Verdict::new(
            Level::Good,
            "No database to look at: deck.pool(\"primary\", pool) names one, if it is not in memory.",
        ),
        false => Verdict::new(
            Level::Good,
            format!("Healthy: nobody waits and no upkeep is due in {databases}."),
        ),
    }
}

/// Who holds up the session that waits longest, with how many wait for it.
fn blocked(database: &Database) -> (String, usize) {
    let worst = database.databases.iter().filter_map(|health| {
        let rows = heads(&health.blocked);
        let longest = rows
            .iter()
            .copied()
            .max_by(|a, b| a.wait_seconds.total_cmp(&b.wait_seconds))?;
        let same = rows
            .iter()
            .filter(|row| row.blocker.pid == longest.blocker.pid);
        Some((longest, same.count()))
    });
    let worst = worst.max_by(|(a, _), (b, _)| a.wait_seconds.total_cmp(&b.wait_seconds));
    let Some((longest, waiting)) = worst else {
        return (String::new(), 0);
    };
    let (who, longest) = (who(&longest.blocker), format::seconds(longest.wait_seconds));
    let words = match waiting {
        1 => format!("{who} keeps a session waiting, for {longest}"),
        more => format!("{who} keeps {more} sessions waiting, the longest for {longest}"),
    };
    (words, waiting)
}

const DATABASES: [Column; 8] = [
    Column::fill("database of", 10),
    Column::right("size", 1),
    Column::right("connections", 0),
    Column::right("of", 4),
    Column::right("in transaction", 3),
    Column::right("wait", 0),
    Column::left("version", 5),
    Column::right("looked at", 2),
];

/// The most lines that the databases take.
const MOST_DATABASES: usize = 3;
/// The least height at which pools and databases have a place above the list.
const ROOM: u16 = 12;

const COLUMNS: [Column; 7] = [
    Column::left("", 0),
    Column::left("what", 1),
    Column::fill("name", 16),
    Column::left("state", 0),
    Column::right("size", 2),
    Column::right("scans", 3),
    Column::left("pool", 4),
];

pub(crate) fn draw(view: &View<'_>, state: &State, canvas: &mut Canvas<'_>) {
    let Some(database) = view.data.database() else {
        return;
    };
    let mut top = 0;
    if canvas.height() >= ROOM && !state.open {
        if !database.pools.is_empty() {
            top += pools::pools(&database.pools, canvas);
        }
        if !database.databases.is_empty() {
            top += databases(database, view.now, &mut canvas.below(top));
        }
    }
    let items = Item::all(database, view.now);
    let page = Page {
        list: &state.list,
        open: state.open,
        rows: &items,
        columns: &COLUMNS,
        nothing: "Tables, indexes, sequences and sessions show up here once a pool of PostgreSQL or SQLite has a name: \
                  deck.pool(\"primary\", pool).",
        status: None,
    };
    let cells = |shown: &[&Item], theme: Theme| {
        let rows = shown.iter().map(|item| {
            let role = match item.level {
                Level::Good => Role::Text,
                level => Role::from(level),
            };
            vec![
                mark(theme, item.level),
                piece(item.kind.word(), Role::Dim),
                host(&item.name, Role::Text),
                host(&format::fit(&format::printable(&item.state, 512), 46), role),
                piece(
                    format::maybe(item.size_bytes.map(|bytes| bytes as f64), format::bytes),
                    Role::Text,
                ),
                piece(
                    item.scans
                        .map_or_else(|| format::NOTHING.to_owned(), format::count),
                    Role::Text,
                ),
                host(&item.pool, Role::Dim),
            ]
        });
        rows.collect()
    };
    page.draw(&mut canvas.below(top), cells, told);
}

fn mark(theme: Theme, level: Level) -> Piece {
    match level {
        Level::Over => piece(theme.mark(Mark::Bad), Role::Over),
        Level::Near => piece(theme.mark(Mark::Over), Role::Near),
        Level::Good => piece("", Role::Dim),
    }
}

/// Draws the databases, and returns the next free line.
fn databases(database: &Database, now: Timestamp, canvas: &mut Canvas<'_>) -> u16 {
    let rows = database
        .databases
        .iter()
        .take(MOST_DATABASES)
        .map(|health| {
            let connections = health.connections.as_ref();
            let number = |number: Option<u64>| {
                number.map_or_else(|| format::NOTHING.to_owned(), format::count)
            };
            let waiting = connections.map(|all| all.waiting);
            let busy = if waiting.unwrap_or(0) > 0 {
                Role::Near
            } else {
                Role::Text
            };
            vec![
                host(&health.pools.join(", "), Role::Text),
                piece(
                    format::maybe(health.size_bytes.map(|bytes| bytes as f64), format::bytes),
                    Role::Text,
                ),
                piece(number(connections.map(|all| all.total)), Role::Text),
                piece(number(connections.map(|all| all.max)), Role::Dim),
                piece(
                    number(connections.map(|all| all.idle_in_transaction)),
                    Role::Text,
                ),
                piece(number(waiting), busy),
                host(&format!("{} {}", health.engine, health.version), Role::Dim),
                piece(looked(health, now), Role::Dim),
            ]
        });
    let table = Table {
        columns: &DATABASES,
        rows: rows.collect(),
        selected: None,
        sorted: None,
    };
    let lines = table.rows.len() as u16 + 1;
    table.draw(&mut canvas.part(0, 0, u16::MAX, lines));
    canvas.rule(lines);
    lines + 1
}

fn looked(health: &DatabaseHealth, now: Timestamp) -> String {
    let last = health.active_at.max(health.sized_at);
    last.map_or_else(
        || "not yet".to_owned(),
        |at| format!("{} ago", format::age(now.since(at))),
    )
}

fn told(item: &Item, canvas: &mut Canvas<'_>) {
    let name = format!("{} {}", item.kind.word(), item.name);
    let mut y = story::told(canvas, 0, "what", &name, Role::Strong, 2);
    let role = match item.level {
        Level::Good => Role::Text,
        level => Role::from(level),
    };
    y = story::told(canvas, y, "state", &item.state, role, 2);
    for (label, text) in &item.story {
        y = story::told(canvas, y, label, text, Role::Text, 3);
    }
    story::told(canvas, y, "pool", &item.pool, Role::Dim, 1);
}
