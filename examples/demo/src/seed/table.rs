//! What the rows look like. Nothing here depends on the clock or the machine.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::scramble;
use crate::zipf::Zipf;

/// The moment at which the seeded data ends.
pub(crate) const NOW: i64 = 1_790_000_000;

pub(crate) const WORKSPACES: i64 = 500;
const USERS: i64 = 10_000;
const DOCUMENTS: i64 = 120_000;
pub(crate) const SESSIONS: i64 = 20_000;
const EMBED_CODES: i64 = 60_000;

const YEAR: i64 = 365 * 24 * 3600;

/// One table's rows and where they go.
pub(super) struct Table {
    /// The statement up to its values.
    pub(super) insert: &'static str,
    /// The rows, each as wide as the statement says.
    pub(super) rows: Box<dyn Iterator<Item = Vec<Cell>> + Send>,
}

/// One value.
#[derive(Debug)]
pub(super) enum Cell {
    Int(i64),
    Text(String),
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

/// Returns every table, some 370,000 rows in all.
pub(super) fn all() -> [Table; 6] {
    [
        workspaces(),
        users(),
        documents(),
        chat_sessions(),
        chat_messages(),
        embed_codes(),
    ]
}

fn workspaces() -> Table {
    let row = |id: i64| {
        let plan = ["free", "team", "business"][(id % 3) as usize];
        vec![
            id.into(),
            format!("workspace {id}").into(),
            plan.into(),
            (NOW - 3 * YEAR + id * 1_000).into(),
        ]
    };
    Table {
        insert: "INSERT INTO workspaces (id, name, plan, created_at)",
        rows: Box::new((1..=WORKSPACES).map(row)),
    }
}

fn users() -> Table {
    let mut chance = Chance::new(1);
    let row = move |id: i64| {
        vec![
            id.into(),
            chance.workspace().into(),
            format!("agent{id}@example.com").into(),
            format!("Agent {id}").into(),
        ]
    };
    Table {
        insert: "INSERT INTO users (id, workspace_id, email, name)",
        rows: Box::new((1..=USERS).map(row)),
    }
}

fn documents() -> Table {
    let mut chance = Chance::new(2);
    let row = move |id: i64| {
        let status = match chance.below(100) {
            0..80 => "ready",
            80..92 => "archived",
            92..97 => "processing",
            _ => "failed",
        };
        vec![
            id.into(),
            chance.workspace().into(),
            (chance.below(USERS) + 1).into(),
            format!("{} {}", chance.words(3), id).into(),
            status.into(),
            (chance.below(4_000_000) + 1_000).into(),
            (NOW - 2 * YEAR + chance.below(2 * YEAR)).into(),
            chance.words(12).into(),
        ]
    };
    Table {
        insert: "INSERT INTO documents (id, workspace_id, uploader_id, title, status, bytes, uploaded_at, body)",
        rows: Box::new((1..=DOCUMENTS).map(row)),
    }
}

fn chat_sessions() -> Table {
    let mut chance = Chance::new(5);
    let row = move |id: i64| {
        let started = NOW - YEAR + chance.below(YEAR - 100_000);
        let state = match chance.below(100) {
            0..2 => "waiting",
            2..8 => "open",
            _ => "closed",
        };
        let messages = session_messages(id);
        vec![
            id.into(),
            session_workspace(id).into(),
            chance.words(4).into(),
            state.into(),
            started.into(),
            (started + messages * 90).into(),
            messages.into(),
        ]
    };
    Table {
        insert: "INSERT INTO chat_sessions (id, workspace_id, subject, state, started_at, last_message_at, messages)",
        rows: Box::new((1..=SESSIONS).map(row)),
    }
}

fn chat_messages() -> Table {
    let mut chance = Chance::new(3);
    let row = move |(session, position): (i64, i64)| {
        let author = if position % 2 == 1 {
            "visitor"
        } else {
            "agent"
        };
        let words = 4 + chance.below(10) as usize;
        vec![
            session.into(),
            position.into(),
            author.into(),
            chance.words(words).into(),
            (NOW - YEAR + session * 1_000 + position * 90).into(),
        ]
    };
    let places = (1..=SESSIONS).flat_map(|id| (1..=session_messages(id)).map(move |at| (id, at)));
    Table {
        insert: "INSERT INTO chat_messages (session_id, position, author, body, sent_at)",
        rows: Box::new(places.map(row)),
    }
}

fn embed_codes() -> Table {
    let mut chance = Chance::new(4);
    let row = move |id: i64| {
        vec![
            id.into(),
            chance.workspace().into(),
            embed_key(id as u64).into(),
            format!("https://shop-{id}.example.com").into(),
        ]
    };
    Table {
        insert: "INSERT INTO embed_codes (id, workspace_id, client_key, origin)",
        rows: Box::new((1..=EMBED_CODES).map(row)),
    }
}

/// Returns the client key of the embed code `number`, from 1 on.
pub(crate) fn embed_key(number: u64) -> String {
    let number = 1 + (number.wrapping_sub(1)) % EMBED_CODES as u64;
    format!("ek_{:016x}", scramble(number))
}

/// Returns whose session this is: the cube of a uniform share favours the first workspaces.
pub(crate) fn session_workspace(session: i64) -> i64 {
    let share = (scramble(session as u64) >> 11) as f64 / (1_u64 << 53) as f64;
    1 + (share * share * share * WORKSPACES as f64) as i64
}

/// Returns how many messages the session starts with.
fn session_messages(session: i64) -> i64 {
    3 + (scramble(session as u64 ^ 0xc4a7) % 10) as i64
}

/// A seeded source of plausible values.
struct Chance {
    rng: StdRng,
    zipf: Zipf,
}

impl Chance {
    fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            zipf: Zipf::new(WORKSPACES as usize),
        }
    }

    fn workspace(&mut self) -> i64 {
        self.zipf.sample(&mut self.rng) as i64 + 1
    }

    fn below(&mut self, bound: i64) -> i64 {
        self.rng.random_range(0..bound)
    }

    fn words(&mut self, count: usize) -> String {
        const WORDS: [&str; 24] = [
            "invoice", "refund", "delivery", "password", "contract", "account", "upgrade", "error",
            "report", "shipping", "address", "payment", "support", "question", "feature", "answer",
            "ticket", "manual", "warranty", "return", "billing", "export", "webhook", "login",
        ];
        let mut text = String::with_capacity(count * 9);
        for _ in 0..count {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(WORDS[self.rng.random_range(0..WORDS.len())]);
        }
        text
    }
}
