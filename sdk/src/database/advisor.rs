//! Which indexes would serve the statements that really run, proved before anything is touched.
//!
//! Statements in, [`Advice`] out: `catalog` says what there is, `candidate` what could be, the engine's own file asks the
//! planner, `search` keeps the few that pay all together, and `rule` knows what no planner can be asked. Nothing here writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use perfdeck_bridge::protocol::Redacted;

use super::argument::Arguments;
use super::{Engine, Error, Handle, IndexPlan};
use crate::sql::access::{Access, Outline, Subject as On, Test, Write};
use crate::sql::fault::Fault;
use crate::sql::fingerprint::is_single_statement;
use crate::sql::parse::{Dialect, read};

mod candidate;
mod catalog;
mod fault;
#[cfg(feature = "sqlx-postgres")]
mod postgres;
mod rule;
mod search;
#[cfg(feature = "sqlx-sqlite")]
mod sqlite;
mod told;

use candidate::Fixed;
use catalog::{Known, Table};

/// The statements that are looked at in one round, the costliest first.
pub(crate) const MAX_SUBJECTS: usize = 200;
/// The candidates that are tried in one round.
const MAX_CANDIDATES: usize = 700;
/// How long a round may take.
const ROUND: Duration = Duration::from_secs(9);
/// Rows of the smallest table that is worth an index.
const SMALL: f64 = 1_000.0;
/// Seconds of a call that does next to nothing: no index promises less.
const FASTEST: f64 = 60e-6;
/// Seconds of a statement that no index makes noticeably faster.
const FAST: f64 = 100e-6;

/// A statement and what it cost lately.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Its fingerprint's id.
    pub(crate) query: u64,
    /// The statement as it was executed; it stays in the process.
    pub(crate) text: Arc<str>,
    /// Whether it had this text at each call, so that what is in it is no argument.
    pub(crate) constant: bool,
    /// Calls that were seen; 0 where nobody counted.
    pub(crate) calls: u64,
    pub(crate) calls_per_second: f64,
    pub(crate) mean_seconds: f64,
    /// Rows returned or written by a call.
    pub(crate) rows_per_call: f64,
    /// What some calls had as arguments.
    pub(crate) arguments: Vec<Arguments>,
}

impl Default for Subject {
    fn default() -> Self {
        Self {
            query: 0,
            text: "".into(),
            constant: true,
            calls: 0,
            calls_per_second: 0.0,
            mean_seconds: 0.0,
            rows_per_call: 0.0,
            arguments: Vec::new(),
        }
    }
}

/// What is to be made and dropped, in this order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Advice {
    pub(crate) proposals: Vec<Proposal>,
    pub(crate) drops: Vec<Drop>,
    /// What an index that is there was looked up, by its name; for who watches how that changes.
    pub(crate) scans: HashMap<String, i64>,
    /// What is wrong with the texts themselves.
    pub(crate) suspects: Vec<Suspect>,
}

/// A statement whose text is at fault, with what is known of the table that it is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Suspect {
    /// The statement's fingerprint.
    pub(crate) query: u64,
    pub(crate) fault: Fault,
    pub(crate) table: String,
    pub(crate) table_rows: f64,
    pub(crate) rows_per_call: f64,
}

/// An index to make.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Proposal {
    pub(crate) index: IndexPlan,
    /// Rows in the table, as the catalog or a sample estimates.
    pub(crate) table_rows: f64,
    pub(crate) method: Method,
    /// One sentence, without literals.
    pub(crate) reason: String,
    pub(crate) serves: Vec<Served>,
    /// The planner's cost of a call of those, on average, without any and with all proposed indexes.
    pub(crate) cost_before: f64,
    pub(crate) cost_after: f64,
    pub(crate) build_seconds: f64,
    pub(crate) size_bytes: f64,
}

/// A statement that an index would serve.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Served {
    /// The statement's fingerprint.
    pub(crate) query: u64,
    /// The statement's time with the index as a part of its time now, from 0 to 1.
    pub(crate) factor: f64,
    /// The plan of today, a line a step, without literals.
    pub(crate) plan_before: Vec<Redacted>,
    /// The plan with the index.
    pub(crate) plan_after: Vec<Redacted>,
}

/// An index to drop.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Drop {
    pub(crate) name: String,
    pub(crate) table: String,
    pub(crate) sql: String,
    pub(crate) reason: String,
    pub(crate) size_bytes: f64,
}

/// How a gain is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// The database's planner chose the index.
    Planned,
    /// Worked out from statistics.
    Modelled,
    /// By what such an index is for; no planner can be asked about it.
    Ruled,
}

/// What else is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Usage {
    /// Indexes whose look-ups have not changed for as long as it takes to call them unused, and what they were.
    pub(crate) unchanged: HashMap<String, i64>,
}

/// Looks for indexes that pay for these statements, and for those that don't; an empty answer is a good one.
///
/// The subjects should be all that cost time, writes too: what an index costs them is charged against it.
///
/// # Errors
///
/// When the database can't be asked. A statement that can't be planned is left out, not an error.
pub(crate) async fn advise(
    handle: &Handle,
    subjects: &[Subject],
    usage: &Usage,
) -> Result<Advice, Error> {
    // What takes longer has lost its way; the search itself keeps to its time.
    let round = tokio::time::timeout(ROUND * 3, async {
        match handle {
            #[cfg(feature = "sqlx-postgres")]
            Handle::Postgres(pool) => postgres::advise(pool, subjects, usage).await,
            #[cfg(feature = "sqlx-sqlite")]
            Handle::Sqlite(pool) => sqlite::advise(pool, subjects, usage).await,
        }
    });
    round
        .await
        .map_err(|_| Error::timed_out("look for missing indexes"))?
}

/// A subject that could be read.
#[derive(Debug)]
struct Statement<'a> {
    subject: &'a Subject,
    accesses: Vec<Access>,
    /// The table of each access, where it is one that can have an index.
    tables: Vec<Option<usize>>,
    /// Parameters that bound the number of rows.
    limits: Vec<usize>,
    value_rows: usize,
    outline: Outline,
}

/// A candidate of a round, with its table's place in the catalog.
#[derive(Debug, Clone, PartialEq)]
struct Candidate {
    table: usize,
    index: IndexPlan,
    /// The share of the rows that are in it.
    share: f64,
}

impl Statement<'_> {
    /// Seconds that it takes in every second.
    fn load(&self) -> f64 {
        self.subject.calls_per_second * self.subject.mean_seconds
    }

    /// Keeps a promised part of the time within what a call costs at the least.
    fn bounded(&self, factor: f64) -> f64 {
        let least = FASTEST / self.subject.mean_seconds.max(FASTEST);
        if factor.is_finite() {
            factor.clamp(least, 1.0)
        } else {
            1.0
        }
    }

    /// Returns whether there is time to save, and one statement that can be asked about.
    fn may_gain(&self) -> bool {
        self.subject.mean_seconds >= FAST && self.load() > 0.0 && self.may_be_planned()
    }

    fn may_be_planned(&self) -> bool {
        is_single_statement(&self.subject.text)
    }

    /// The accesses of a table.
    fn of(&self, table: usize) -> impl Iterator<Item = &Access> {
        let own = self.accesses.iter().zip(&self.tables);
        own.filter(move |(_, place)| **place == Some(table))
            .map(|(access, _)| access)
    }

    /// Returns whether the statement could use the candidate at all: it asks for its first key, and only for rows in it.
    fn asks(&self, candidate: &Candidate) -> bool {
        let shape = &candidate.index.shape;
        self.of(candidate.table).any(|access| {
            let within = shape.predicate.as_deref().is_none_or(|predicate| {
                let said = |part: &str| {
                    let narrowed = part
                        .strip_suffix(" IS NOT NULL")
                        .map(|name| name.trim_matches('"'));
                    access.conditions.iter().any(|condition| {
                        condition.constant.as_deref() == Some(part)
                            || narrowed.is_some_and(|name| {
                                condition.on == On::Column(name.to_owned())
                                    && condition.test != Test::Other
                            })
                    }) || narrowed.is_some_and(|name| access.joins.iter().any(|own| own == name))
                };
                predicate.split(" AND ").all(said) || said(predicate)
            });
            let lead = shape.keys.first().is_some_and(|key| {
                let word = key.word();
                let same = |name: &String| name.eq_ignore_ascii_case(word);
                access.equals.iter().any(same)
                    || access.ranges.iter().any(same)
                    || access.joins.iter().any(same)
                    || access.groups.iter().any(same)
                    || access.order.iter().any(|order| same(&order.column))
                    || access
                        .conditions
                        .iter()
                        .chain(&access.alternatives)
                        .any(|condition| match &condition.on {
                            On::Column(name) | On::Expression(name) => same(name),
                            On::Nothing => false,
                        })
            });
            within && (lead || shape.predicate.is_some())
        })
    }
}

/// The statements that can be read and touch a table: the costliest, and every one that writes.
fn statements<'a>(subjects: &'a [Subject], tables: &[Table], engine: Engine) -> Vec<Statement<'a>> {
    let known = Known { tables, engine };
    let mut found: Vec<Statement<'a>> = subjects
        .iter()
        .take(MAX_SUBJECTS * 3)
        .map(|subject| {
            let reading = read(&subject.text, dialect(engine), &known);
            let table = |access: &Access| {
                let meant = |table: &Table| table.is_meant(access, engine);
                tables.iter().position(meant)
            };
            Statement {
                subject,
                tables: reading.accesses.iter().map(table).collect(),
                accesses: reading.accesses,
                limits: reading.limits,
                value_rows: reading.value_rows,
                outline: reading.outline,
            }
        })
        .filter(|statement| statement.tables.iter().any(Option::is_some))
        .collect();
    found.sort_by(|one, other| other.load().total_cmp(&one.load()));
    let mut places = MAX_SUBJECTS;
    found.retain(|statement| {
        let writes = statement
            .accesses
            .iter()
            .any(|access| access.write.is_some());
        let kept = writes || places > 0;
        places = places.saturating_sub(usize::from(!writes));
        kept
    });
    found
}

const fn dialect(engine: Engine) -> Dialect {
    match engine {
        Engine::Postgres => Dialect::Postgres,
        Engine::Sqlite => Dialect::Sqlite,
    }
}

/// The names of the tables that statements touch, with their schemas where they say them.
fn named(subjects: &[Subject], engine: Engine) -> Vec<(Option<String>, String)> {
    let mut names: Vec<(Option<String>, String)> = subjects
        .iter()
        .flat_map(|subject| crate::sql::parse::accesses(&subject.text, dialect(engine)))
        .map(|access| (access.schema, access.table))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Different values of a column up to which one of them is a kind of row; of more it is somebody's own, and told to nobody.
const KINDS: f64 = 100.0;

/// The conditions that the texts fix, by table: that there is no value, that a flag is set, or which kind of row it is.
fn fixed(statements: &[Statement<'_>], tables: &[Table]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for statement in statements.iter().filter(|known| known.subject.constant) {
        for (access, place) in statement.accesses.iter().zip(&statement.tables) {
            let Some((place, table)) = place.and_then(|place| Some((place, tables.get(place)?)))
            else {
                continue;
            };
            for condition in &access.conditions {
                let Some(predicate) = &condition.constant else {
                    continue;
                };
                let kinds = condition.columns.iter().all(|name| {
                    table
                        .column(name)
                        .is_some_and(|column| column.distinct <= KINDS)
                });
                let silent = predicate.ends_with("NULL") || condition.test == Test::Flag;
                let own = (place, predicate.clone());
                if (kinds || silent || predicate.ends_with(" 0")) && !found.contains(&own) {
                    found.push(own);
                }
            }
        }
    }
    found
}

/// What all statements would like of these tables, up to the bound: first what each would like most.
fn wanted(
    statements: &[Statement<'_>],
    tables: &[Table],
    shares: &HashMap<(usize, String), f64>,
    engine: Engine,
) -> Vec<Candidate> {
    let mut lists: Vec<Vec<Candidate>> = Vec::new();
    for statement in statements.iter().filter(|statement| statement.may_gain()) {
        let mut list = Vec::new();
        for (access, place) in statement.accesses.iter().zip(&statement.tables) {
            let Some((place, table)) = place.and_then(|place| Some((place, tables.get(place)?)))
            else {
                continue;
            };
            if table.rows < SMALL || matches!(access.write, Some(Write::Insert)) {
                continue;
            }
            let own: Vec<Fixed> = shares
                .iter()
                .filter(|((table, _), _)| *table == place && statement.subject.constant)
                .map(|((_, predicate), share)| Fixed {
                    predicate: predicate.clone(),
                    share: *share,
                })
                .collect();
            for shape in candidate::candidates(access, table, &own, engine) {
                let share = share(&shape, place, table, shares);
                // A name that can't be quoted takes its candidate with it, nothing else.
                let schema = table.schema.as_deref();
                let Ok(index) = IndexPlan::of(engine, schema, &table.name, shape) else {
                    continue;
                };
                list.push(Candidate {
                    table: place,
                    index,
                    share,
                });
            }
        }
        lists.push(list);
    }
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    let mut wanted: Vec<Candidate> = Vec::new();
    for rank in 0..longest {
        for candidate in lists.iter().filter_map(|list| list.get(rank)) {
            if wanted.len() < MAX_CANDIDATES && !wanted.contains(candidate) {
                wanted.push(candidate.clone());
            }
        }
    }
    wanted
}

/// The share of the rows that are in an index.
fn share(
    shape: &super::ddl::Shape,
    place: usize,
    table: &Table,
    shares: &HashMap<(usize, String), f64>,
) -> f64 {
    let Some(predicate) = &shape.predicate else {
        return 1.0;
    };
    let known = |part: &str| shares.get(&(place, part.to_owned())).copied();
    if let Some(share) = known(predicate) {
        return share;
    }
    let parts = predicate.split(" AND ").map(|part| {
        let column = part
            .strip_suffix(" IS NOT NULL")
            .and_then(|name| table.column(name.trim_matches('"')));
        known(part)
            .or_else(|| column.map(|column| 1.0 - column.nulls))
            .unwrap_or(1.0)
    });
    parts.product::<f64>().clamp(0.0, 1.0)
}
