//! A shard's sums by statement, found by the hash of a text that was met before.

use std::collections::HashMap;
use std::sync::Arc;

use perfdeck_bridge::protocol::Redacted;

use super::buckets::Buckets;
use super::room::Room;
use super::table::{Hashed, MAX_KEYS, OTHER_ID, Ran, most_idle};
use crate::sql;

/// The longest text kept of a statement.
const MAX_TEXT: usize = 16 * 1024;
/// Distinct texts whose fingerprint a half remembers: as many as a table of 4,096 places holds.
const MAX_TEXTS: usize = 3_584;
/// What remembering a text takes, with the empty places of its table.
const TEXT_BYTES: usize = 50;

/// What is known of a statement.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// Without literals.
    pub(crate) text: Redacted,
    /// As it was first executed; it stays in the process. `None` where it is too long to keep.
    pub(crate) sample: Option<Arc<str>>,
    /// It was executed in another text, too.
    pub(crate) varied: bool,
}

/// Sums by statement.
#[derive(Debug, Default)]
pub(super) struct Statements {
    entries: Vec<Entry>,
    /// Where a statement's entry is.
    places: HashMap<u64, u32, Hashed>,
    /// A text's hash to its statement, and where that one's entry was when the text was last met.
    texts: HashMap<u64, (u64, u32), Hashed>,
    other: Box<QuerySums>,
    overflowed: u64,
}

/// Where a text's sums are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(u32);

#[derive(Debug)]
struct Entry {
    id: u64,
    statement: Statement,
    sums: QuerySums,
    idle: u8,
}

/// One statement.
#[derive(Debug, Default)]
pub(super) struct QuerySums {
    pub(super) calls: u64,
    pub(super) errors: u64,
    pub(super) rows: u64,
    pub(super) unattributed: u64,
    pub(super) elsewhere: u64,
    /// The time in those that are not attributed.
    pub(super) background_nanos: u64,
    /// Calls through a pool of the deck's, and those of them that are not attributed.
    pub(super) wrapped: (u64, u64),
    pub(super) times: Buckets,
    /// One more than the pool's number; 0 where the pool is not known.
    pub(super) pool: u16,
}

impl Statement {
    /// Takes a statement's text apart: its id, and what is kept of it.
    pub(super) fn of(sql: &str) -> (u64, Self) {
        let (id, text) = sql::redacted::statement(sql);
        (
            id,
            Self {
                text,
                sample: (sql.len() <= MAX_TEXT).then(|| sql.into()),
                varied: false,
            },
        )
    }

    /// What it takes of the room; nothing once the store has the same.
    fn bytes(&self) -> usize {
        match &self.sample {
            Some(sample) if Arc::strong_count(sample) > 1 => 0,
            _ => self.texts(),
        }
    }

    /// What its texts take.
    pub(super) fn texts(&self) -> usize {
        self.text.as_str().len() + self.sample.as_ref().map_or(0, |sample| sample.len())
    }
}

impl Statements {
    /// Finds the place of a text that was met before, if its statement is still told apart here.
    #[inline]
    pub(super) fn find(&mut self, text: u64) -> Option<Place> {
        let (id, place) = self.texts.get_mut(&text)?;
        let is_there = |entry: &Entry| entry.id == *id;
        if !self.entries.get(*place as usize).is_some_and(is_there) {
            *place = *self.places.get(id)?;
        }
        Some(Place(*place))
    }

    /// Files a statement that has run where it was found; returns its id.
    #[inline]
    pub(super) fn file(&mut self, place: Place, ran: &Ran, room: &mut Room) -> u64 {
        match self.entries.get_mut(place.0 as usize) {
            Some(entry) => {
                entry.sums.add(ran, room);
                entry.id
            }
            None => self.file_other(ran, room),
        }
    }

    /// Files a statement whose text is new here; returns its id, [`OTHER_ID`] where there is no room for another.
    ///
    /// Texts that differ in nothing but their literals are one statement, also for the bound on keys.
    pub(super) fn file_new(
        &mut self,
        text: u64,
        id: u64,
        statement: Statement,
        ran: &Ran,
        room: &mut Room,
    ) -> u64 {
        let place = match self.places.get(&id) {
            Some(place) => {
                if let Some(entry) = self.entries.get_mut(*place as usize) {
                    entry.statement.varied |= entry.statement.sample != statement.sample;
                }
                *place
            }
            None => {
                let bytes = size_of::<Entry>() + 60 + statement.bytes();
                if self.entries.len() >= MAX_KEYS || !room.take(bytes) {
                    return self.file_other(ran, room);
                }
                let place = self.entries.len() as u32;
                self.places.insert(id, place);
                self.entries.push(Entry {
                    id,
                    statement,
                    sums: QuerySums::default(),
                    idle: 0,
                });
                place
            }
        };
        if self.texts.len() >= MAX_TEXTS || !room.take(TEXT_BYTES) {
            self.texts.clear();
        }
        self.texts.insert(text, (id, place));
        self.file(Place(place), ran, room)
    }

    /// Hands out all sums, those of the rest without a statement, and begins anew; gives back the memory of statements that
    /// are idle. Returns what overflowed.
    pub(super) fn drain(
        &mut self,
        is_short: bool,
        mut each: impl FnMut(Option<(u64, &mut Statement)>, &mut QuerySums),
    ) -> u64 {
        let before = self.entries.len();
        let most_idle = most_idle(before, is_short);
        self.entries.retain_mut(|entry| {
            if entry.sums.calls == 0 {
                entry.idle += 1;
                return entry.idle < most_idle;
            }
            entry.idle = 0;
            each(Some((entry.id, &mut entry.statement)), &mut entry.sums);
            entry.sums.clear();
            true
        });
        if self.entries.len() < before {
            self.places.clear();
            for (place, entry) in self.entries.iter().enumerate() {
                self.places.insert(entry.id, place as u32);
            }
            self.shrink();
        }
        if self.other.calls > 0 {
            each(None, &mut self.other);
            self.other.clear();
        }
        std::mem::take(&mut self.overflowed)
    }

    /// What all of it takes of the room.
    pub(super) fn bytes(&self) -> usize {
        let entries = self.entries.iter();
        entries
            .map(|entry| {
                size_of::<Entry>() + 60 + entry.statement.bytes() + entry.sums.times.bytes()
            })
            .sum::<usize>()
            + self.texts.len() * TEXT_BYTES
    }

    /// Gives back what a crowd that is gone has left empty.
    fn shrink(&mut self) {
        let kept = self.entries.len() + 16;
        if self.entries.capacity() > 4 * kept {
            self.entries.shrink_to(2 * kept);
            self.places.shrink_to(2 * kept);
        }
        if self.texts.len() > 8 * kept {
            self.texts = HashMap::default();
        }
    }

    #[cold]
    fn file_other(&mut self, ran: &Ran, room: &mut Room) -> u64 {
        self.overflowed += 1;
        self.other.add(ran, room);
        OTHER_ID
    }
}

impl QuerySums {
    #[inline]
    fn add(&mut self, ran: &Ran, room: &mut Room) {
        self.calls += 1;
        self.errors += u64::from(ran.failed);
        self.rows += ran.rows;
        if !ran.attributed {
            self.unattributed += 1;
            self.background_nanos += ran.nanos;
        }
        self.elsewhere += u64::from(ran.elsewhere);
        if let Some(pool) = ran.pool {
            self.pool = pool + 1;
            self.wrapped.0 += 1;
            self.wrapped.1 += u64::from(!ran.attributed);
        }
        self.times.record(ran.nanos, room);
    }

    fn clear(&mut self) {
        (self.calls, self.errors, self.rows) = (0, 0, 0);
        (self.unattributed, self.elsewhere, self.background_nanos) = (0, 0, 0);
        self.wrapped = (0, 0);
    }
}
