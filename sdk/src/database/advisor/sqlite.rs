//! The what-if of SQLite: a shadow of the schema in memory, with statistics, whose planner is asked with and without
//! candidates. The host's database is only read, and of its rows a bounded sample.

use std::collections::{BTreeSet, HashMap};

use sqlx::SqlitePool;
use tokio::time::Instant;

use super::catalog::Table;
use super::fault::Texts;
use super::rule::{Facts, Scan, qualified};
use super::search::{Planned, Planner, Search};
use super::{
    Advice, Candidate, Method, ROUND, Statement, Subject, Usage, fixed, statements, told, wanted,
};
use crate::database::sqlite::{Access, Side};
use crate::database::{Engine, Error};
use crate::sql::redacted::steps;

mod cost;
mod sample;
mod schema;
mod shadow;
#[cfg(test)]
mod tests;

use schema::Measured;
use shadow::Shadow;

pub(super) async fn advise(
    pool: &SqlitePool,
    subjects: &[Subject],
    usage: &Usage,
) -> Result<Advice, Error> {
    let deadline = Instant::now() + ROUND;
    let mut side = Side::open(pool, Access::Read).await?;
    let read = schema::read(&mut side, subjects).await;
    let schema = match read {
        Ok(schema) => schema,
        Err(error) => {
            side.close().await;
            return Err(Error::failed("read the schema", &error));
        }
    };
    let tables: Vec<Table> = schema
        .tables
        .iter()
        .map(|measured| measured.table.clone())
        .collect();
    let statements = statements(subjects, &tables, Engine::Sqlite);
    let mut shares = HashMap::new();
    for (place, predicate) in fixed(&statements, &tables) {
        if let Some(table) = tables.get(place)
            && let Some(share) = schema::share(&mut side, table, &predicate).await
        {
            shares.insert((place, predicate), share);
        }
    }
    side.close().await;
    let candidates = wanted(&statements, &tables, &shares, Engine::Sqlite);
    let mut shadow = Shadow::build(pool, &schema).await?;
    let mut planner = Asked {
        shadow: &mut shadow,
        statements: &statements,
        tables: &schema.tables,
        shares: &shares,
        shown: HashMap::new(),
        used: BTreeSet::new(),
        scans: HashMap::new(),
    };
    let found = searched(&mut planner, &statements, &tables, candidates, deadline).await;
    let (used, scans) = (planner.used, planner.scans);
    shadow.close().await;
    let (mut advice, costs) =
        found.map_err(|error| Error::failed("try an index on the shadow database", &error))?;
    let facts = Facts {
        statements: &statements,
        tables: &tables,
        costs: &costs,
        scans: &HashMap::new(),
        trigrams: false,
        engine: Engine::Sqlite,
    };
    let references = facts.references(&advice.proposals);
    advice.proposals.extend(references);
    advice.drops = facts.drops(usage, &used);
    advice.suspects = Texts {
        statements: &statements,
        tables: &tables,
        scans: &scans,
        proposals: &advice.proposals,
        engine: Engine::Sqlite,
    }
    .suspects();
    for table in &tables {
        // Nobody counts look-ups here: what no plan uses is unused.
        let named = table.indexes.iter().filter(|index| !index.name.is_empty());
        advice
            .scans
            .extend(named.map(|index| (qualified(table, index), 0)));
    }
    Ok(advice)
}

async fn searched(
    planner: &mut Asked<'_>,
    statements: &[Statement<'_>],
    tables: &[Table],
    candidates: Vec<Candidate>,
    deadline: Instant,
) -> Result<(Advice, Vec<Option<f64>>), sqlx::Error> {
    let mut search = Search::new(&mut *planner, statements, tables, Engine::Sqlite, deadline);
    let before = search.look().await?;
    let costs = before
        .iter()
        .map(|planned| planned.as_ref().map(Planned::mean))
        .collect();
    let found = search.run(candidates).await?;
    let served = told::served(&found);
    let mut before = HashMap::new();
    for place in &served {
        before.insert(*place, planner.steps(*place).await?);
    }
    for id in &found.chosen {
        if let Some(candidate) = found.candidates.get(*id) {
            planner.show(*id, candidate).await?;
        }
    }
    let mut plans = Vec::new();
    for place in served {
        let after = planner.steps(place).await?;
        let was = before.remove(&place).unwrap_or_default();
        plans.push((place, (steps(&was), steps(&after))));
    }
    let method = Method::Planned;
    let proposals = told::proposals(&found, statements, tables, method, &plans, Engine::Sqlite);
    let advice = Advice {
        proposals,
        ..Advice::default()
    };
    Ok((advice, costs))
}

/// The shadow's planner.
struct Asked<'a> {
    shadow: &'a mut Shadow,
    statements: &'a [Statement<'a>],
    tables: &'a [Measured],
    /// What share of their rows the conditions leave that texts fix.
    shares: &'a HashMap<(usize, String), f64>,
    shown: HashMap<usize, Candidate>,
    /// The indexes that are there and used.
    used: BTreeSet<String>,
    /// How tables are read without any candidate, by statement and table.
    scans: HashMap<(usize, usize), Scan>,
}

impl Asked<'_> {
    /// Notes the tables that a plan reads whole. How many rows its conditions leave nobody says here; of a statement on one
    /// table alone it is what it returned.
    fn note_scans(&mut self, statement: usize, plan: &[String]) {
        let Some(own) = self.statements.get(statement) else {
            return;
        };
        let [access] = own.accesses.as_slice() else {
            return;
        };
        for step in plan {
            let whole = step.starts_with("SCAN ") && !step.contains(" USING ");
            let Some(measured) = cost::table_of(step, own, self.tables).filter(|_| whole) else {
                continue;
            };
            let rows = measured.table.rows;
            // What is counted or comes a page at a time says nothing of the rows that were found.
            let left = if access.folded || access.limited {
                rows
            } else {
                own.subject.rows_per_call
            };
            let scan = Scan {
                cost: rows,
                rows: left,
                whole,
            };
            self.scans.insert((statement, measured.place), scan);
        }
    }

    async fn steps(&mut self, statement: usize) -> Result<Vec<String>, sqlx::Error> {
        match self.statements.get(statement) {
            Some(own) if own.may_be_planned() => self.shadow.explain(&own.subject.text).await,
            _ => Ok(Vec::new()),
        }
    }
}

impl Planner for Asked<'_> {
    async fn show(&mut self, id: usize, candidate: &Candidate) -> Result<bool, sqlx::Error> {
        let Some(measured) = self.tables.get(candidate.table) else {
            return Ok(false);
        };
        // What SQLite can't index, a generated column that isn't stored say, is no candidate.
        let made = self.shadow.add(candidate, measured).await.is_ok();
        if made {
            self.shown.insert(id, candidate.clone());
        }
        Ok(made)
    }

    async fn hide(&mut self, id: usize, candidate: &Candidate) -> Result<(), sqlx::Error> {
        self.shown.remove(&id);
        self.shadow.remove(candidate).await
    }

    async fn plan(&mut self, statement: usize) -> Result<Option<Planned>, sqlx::Error> {
        let Some(own) = self.statements.get(statement) else {
            return Ok(None);
        };
        // A statement that the shadow can't plan, for a function of the host's say, is left out.
        let Ok(plan) = self.steps(statement).await else {
            return Ok(None);
        };
        if plan.is_empty() {
            return Ok(None);
        }
        if self.shown.is_empty() {
            self.note_scans(statement, &plan);
        }
        let names = plan.iter().filter_map(|step| cost::index_of(step));
        self.used.extend(names.map(str::to_owned));
        let uses = self.shown.iter();
        let uses = uses.filter(|(_, candidate)| cost::uses(&plan, &candidate.index.name));
        Ok(Some(Planned {
            costs: vec![cost::of_plan(
                &plan,
                own,
                self.tables,
                &self.shown,
                self.shares,
            )],
            uses: uses.map(|(id, _)| *id).collect(),
            rows: own.value_rows as f64,
        }))
    }
}
