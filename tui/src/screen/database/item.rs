use std::cmp::Reverse;
use std::collections::BTreeSet;

use perfdeck_bridge::protocol::{
    BlockedRow, Database, DatabaseHealth, IndexRow, Level, SequenceRow, SessionRow, TableRow,
    Timestamp,
};

use crate::format;

/// Something of a database that may need care: one list holds them all, the worst first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) kind: Kind,
    /// The pools that lead to its database.
    pub(crate) pool: String,
    pub(crate) name: String,
    pub(crate) level: Level,
    /// What there is to say of it.
    pub(crate) state: String,
    pub(crate) size_bytes: Option<u64>,
    /// How often it was looked up or read.
    pub(crate) scans: Option<u64>,
    /// Its story, a label and a text a line.
    pub(crate) story: Vec<(&'static str, String)>,
}

/// What it is, in the order in which it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Failure,
    Blocked,
    Session,
    Sequence,
    Table,
    Index,
}

/// The limits from which the host's rules speak of it, too.
const BLOCKED_SECONDS: f64 = 5.0;
const IDLE_SECONDS: f64 = 30.0;
const LONG_IDLE_SECONDS: f64 = 300.0;
const USED: [f64; 2] = [0.85, 0.95];
const OVERDUE_SECONDS: f64 = 180.0;
const LEAST_BYTES: u64 = 10 << 20;
const DEAD_SHARE: f64 = 0.2;
const LEAST_ROWS: u64 = 10_000;
const TIMES: f64 = 2.0;

impl Kind {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Failure => "database",
            Self::Blocked => "blocked",
            Self::Session => "session",
            Self::Sequence => "sequence",
            Self::Table => "table",
            Self::Index => "index",
        }
    }
}

impl Item {
    /// All that is known of the databases.
    pub(crate) fn all(database: &Database, now: Timestamp) -> Vec<Self> {
        let mut items: Vec<_> = database
            .databases
            .iter()
            .flat_map(|health| Self::of(health, now))
            .collect();
        items.sort_by_key(|item| (Reverse(item.level), item.kind, Reverse(item.size_bytes)));
        items
    }

    fn of(health: &DatabaseHealth, now: Timestamp) -> Vec<Self> {
        let pool = health.pools.join(", ");
        let mut items = Vec::new();
        if let Some(why) = &health.failure {
            items.push(Self {
                level: Level::Near,
                ..Self::new(Kind::Failure, &pool, pool.clone(), why.clone())
            });
        }
        let blocked = heads(&health.blocked);
        items.extend(blocked.iter().map(|row| Self::blocked(&pool, row)));
        items.extend(health.sessions.iter().map(|row| Self::session(&pool, row)));
        let sequences = health.sequences.iter();
        items.extend(sequences.map(|row| Self::sequence(&pool, row)));
        items.extend(health.tables.iter().map(|row| Self::table(&pool, row, now)));
        items.extend(health.indexes.iter().map(|row| Self::index(&pool, row)));
        items
    }

    fn new(kind: Kind, pool: &str, name: String, state: String) -> Self {
        Self {
            kind,
            pool: pool.to_owned(),
            name,
            level: Level::Good,
            state,
            size_bytes: None,
            scans: None,
            story: Vec::new(),
        }
    }

    fn blocked(pool: &str, row: &BlockedRow) -> Self {
        let state = format!(
            "waits {} for {}",
            format::seconds(row.wait_seconds),
            who(&row.blocker),
        );
        let lock = row.relation.as_ref().map_or_else(
            || row.lock.clone(),
            |relation| format!("{} of {relation}", row.lock),
        );
        let mut story = vec![("lock", lock)];
        story.extend(told("waits", &row.waiting));
        story.extend(told("blocks", &row.blocker));
        Self {
            level: if row.wait_seconds >= BLOCKED_SECONDS {
                Level::Over
            } else {
                Level::Near
            },
            story,
            ..Self::new(Kind::Blocked, pool, who(&row.waiting), state)
        }
    }

    fn session(pool: &str, row: &SessionRow) -> Self {
        let state = format!(
            "{} {}, transaction {}",
            row.state,
            format::seconds(row.state_seconds),
            format::seconds(row.transaction_seconds),
        );
        let idle = row.state.starts_with("idle in transaction");
        let level = match row.state_seconds {
            seconds if idle && seconds >= LONG_IDLE_SECONDS => Level::Over,
            seconds if idle && seconds >= IDLE_SECONDS => Level::Near,
            _ => Level::Good,
        };
        Self {
            level,
            story: told("session", row),
            ..Self::new(Kind::Session, pool, who(row), state)
        }
    }

    fn sequence(pool: &str, row: &SequenceRow) -> Self {
        let [near, over] = USED;
        let state = format!("{} used", format::share(row.used_ratio));
        let last = format!("{} of {}", row.last_value, row.limit);
        let mut story = vec![("last value", last)];
        story.extend(row.column.clone().map(|column| ("column", column)));
        Self {
            level: match row.used_ratio {
                used if used >= over => Level::Over,
                used if used >= near => Level::Near,
                _ => Level::Good,
            },
            story,
            ..Self::new(Kind::Sequence, pool, row.name.clone(), state)
        }
    }

    fn table(pool: &str, row: &TableRow, now: Timestamp) -> Self {
        let overdue = |seconds: Option<f64>| seconds.filter(|seconds| *seconds >= OVERDUE_SECONDS);
        let rows = format!("{} rows", format::count(row.live_rows));
        let all = row.live_rows.saturating_add(row.dead_rows);
        let dead = row.dead_rows as f64 / all.max(1) as f64;
        let bloated =
            row.heap_bytes.is_some_and(|bytes| bytes >= LEAST_BYTES) && dead >= DEAD_SHARE;
        let stale = row.live_rows >= LEAST_ROWS
            && row
                .analyze_due_rows
                .is_some_and(|due| row.modified_rows as f64 > TIMES * due);
        let (vacuum, analyze) = (
            overdue(row.vacuum_overdue_seconds).filter(|_| bloated),
            overdue(row.analyze_overdue_seconds).filter(|_| stale),
        );
        let state = match (vacuum, analyze) {
            (Some(seconds), _) => {
                format!(
                    "{} dead, clean-up overdue {}",
                    format::share(dead),
                    age(seconds)
                )
            }
            (None, Some(seconds)) => format!("{rows}, statistics overdue {}", age(seconds)),
            (None, None) => rows,
        };
        let sizes = [row.heap_bytes, row.index_bytes, row.toast_bytes];
        let known = sizes.iter().flatten().count() > 0;
        Self {
            level: if vacuum.or(analyze).is_some() {
                Level::Near
            } else {
                Level::Good
            },
            size_bytes: known.then(|| {
                let sizes = sizes.iter().flatten();
                sizes.fold(0, |sum: u64, bytes| sum.saturating_add(*bytes))
            }),
            scans: row
                .seq_scans
                .map(|scans| scans.saturating_add(row.index_scans.unwrap_or(0))),
            story: upkeep(row, now),
            ..Self::new(Kind::Table, pool, row.name.clone(), state)
        }
    }

    fn index(pool: &str, row: &IndexRow) -> Self {
        let mut words = Vec::new();
        match (row.valid, row.building) {
            (true, _) => {}
            (false, true) => words.push("being built"),
            (false, false) => words.push("invalid: no query uses it, every write keeps it"),
        }
        let kinds = [(row.constraint, "constraint"), (row.unique, "unique")];
        words.extend(kinds.iter().filter(|(is, _)| *is).map(|(_, word)| *word));
        if row.scans == Some(0) && row.valid {
            words.push("never looked up");
        }
        Self {
            level: if row.valid || row.building {
                Level::Good
            } else {
                Level::Near
            },
            size_bytes: row.size_bytes,
            scans: row.scans,
            story: vec![("table", row.table.clone())],
            ..Self::new(Kind::Index, pool, row.name.clone(), words.join(", "))
        }
    }
}

/// A table's upkeep, a line each.
fn upkeep(row: &TableRow, now: Timestamp) -> Vec<(&'static str, String)> {
    let bytes = |bytes: Option<u64>| format::maybe(bytes.map(|bytes| bytes as f64), format::bytes);
    let due = |rows: u64, due: Option<f64>, at: Option<Timestamp>| {
        let due = due.map_or_else(String::new, |due| {
            format!(", due from {}", format::count(due as u64))
        });
        let at = at.map_or("never".to_owned(), |at| {
            format!("{} ago", format::age(now.since(at)))
        });
        format!("{}{due}; last done: {at}", format::count(rows))
    };
    let mut story = vec![(
        "takes",
        format!(
            "rows {}, indexes {}, long values {}",
            bytes(row.heap_bytes),
            bytes(row.index_bytes),
            bytes(row.toast_bytes)
        ),
    )];
    if row.autovacuum.is_some() {
        let (dead, written) = (row.dead_rows, row.modified_rows);
        story.push(("dead rows", due(dead, row.vacuum_due_rows, row.vacuumed_at)));
        story.push((
            "written",
            due(written, row.analyze_due_rows, row.analyzed_at),
        ));
    }
    if row.autovacuum == Some(false) {
        story.push(("autovacuum", "off for this table".to_owned()));
    }
    if let Some(whole) = row.seq_scans {
        let indexed = format::count(row.index_scans.unwrap_or(0));
        let whole = format::count(whole);
        story.push((
            "read",
            format!("whole {whole} times, by an index {indexed}"),
        ));
    }
    story
}

/// Who waits, each once: for one that waits for nobody, if it does, since what a session waits for may wait in the same queue.
pub(super) fn heads(rows: &[BlockedRow]) -> Vec<&BlockedRow> {
    let waiting: BTreeSet<i32> = rows.iter().map(|row| row.waiting.pid).collect();
    let mut heads: Vec<&BlockedRow> = Vec::new();
    for row in rows {
        let is_head = !waiting.contains(&row.blocker.pid);
        let place = heads
            .iter()
            .position(|head| head.waiting.pid == row.waiting.pid);
        match place.and_then(|place| heads.get_mut(place)) {
            Some(head) if is_head && waiting.contains(&head.blocker.pid) => *head = row,
            Some(_) => {}
            None => heads.push(row),
        }
    }
    heads
}

/// A session's name in one word or two.
pub(super) fn who(row: &SessionRow) -> String {
    match (row.pid, row.application.as_str()) {
        (0, _) => "a prepared transaction".to_owned(),
        (pid, "") => format!("pid {pid}"),
        (pid, application) => format!("pid {pid} ({application})"),
    }
}

/// A session, a line for each thing that is known of it.
fn told(label: &'static str, row: &SessionRow) -> Vec<(&'static str, String)> {
    let mut story = vec![(
        label,
        format!(
            "{}: {} for {}, transaction {}",
            who(row),
            row.state,
            format::seconds(row.state_seconds),
            format::seconds(row.transaction_seconds)
        ),
    )];
    story.extend(
        row.statement
            .iter()
            .map(|text| ("", text.as_str().to_owned())),
    );
    let route = row.route.as_ref();
    story.extend(route.map(|route| ("", format!("which {route} runs most"))));
    story
}

pub(super) fn age(seconds: f64) -> String {
    format::age(std::time::Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
}
