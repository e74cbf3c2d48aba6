//! Statements that were read, by their text.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, Weighter};

use crate::sql::redacted;
use crate::sql::relation::{Grammar, Relations, relations};

/// What all texts that are kept may take, in bytes.
const CAPACITY: u64 = 4 << 20;
/// The longest text that is kept; a longer one is read each time.
const LONGEST: usize = 16 << 10;
/// What a text takes beside itself.
const ENTRY: usize = 200;

/// A statement that was read.
#[derive(Debug)]
pub(super) struct Statement {
    /// Names its text in this process; no two texts ever have the same.
    pub(super) number: u64,
    pub(super) relations: Relations,
    query: OnceLock<u64>,
}

/// The statements that were read, as many as there is room for.
pub(super) struct Statements {
    known: Cache<Text, Arc<Statement>, Weight, foldhash::quality::RandomState>,
    next: AtomicU64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Text {
    grammar: Grammar,
    sql: Arc<str>,
}

struct Probe<'a> {
    grammar: Grammar,
    sql: &'a str,
}

#[derive(Clone)]
struct Weight;

impl Statement {
    /// The id that it is recorded under, with all texts that differ in nothing but their literals.
    pub(super) fn query(&self, sql: &str) -> u64 {
        *self.query.get_or_init(|| redacted::statement(sql).0)
    }
}

impl Statements {
    pub(super) fn new() -> Self {
        let hasher = foldhash::quality::RandomState::default();
        let lifecycle = DefaultLifecycle::default();
        Self {
            known: Cache::with(1_000, CAPACITY, Weight, hasher, lifecycle),
            next: AtomicU64::new(0),
        }
    }

    /// Finds a statement by its text, or reads it.
    pub(super) fn get(&self, grammar: Grammar, sql: &str) -> Arc<Statement> {
        let probe = Probe { grammar, sql };
        if let Some(known) = self.known.get(&probe) {
            return known;
        }
        let statement = Arc::new(Statement {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            relations: relations(sql, grammar),
            query: OnceLock::new(),
        });
        if sql.len() <= LONGEST {
            let sql = sql.into();
            self.known
                .insert(Text { grammar, sql }, Arc::clone(&statement));
        }
        statement
    }
}

impl Weighter<Text, Arc<Statement>> for Weight {
    fn weight(&self, text: &Text, _: &Arc<Statement>) -> u64 {
        (text.sql.len() + ENTRY) as u64
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (grammar, sql) = (self.grammar, &*self.sql);
        Probe { grammar, sql }.hash(state);
    }
}

impl Hash for Probe<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.grammar.hash(state);
        self.sql.hash(state);
    }
}

impl Equivalent<Text> for Probe<'_> {
    fn equivalent(&self, text: &Text) -> bool {
        self.grammar == text.grammar && *self.sql == *text.sql
    }
}
