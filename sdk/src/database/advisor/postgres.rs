//! The what-if of PostgreSQL: hypothetical indexes where the extension hypopg is installed, else a model on the planner's
//! statistics. Both on one connection of perfdeck's own, one statement at a time.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgPool;
use sqlx::postgres::PgConnection;
use tokio::time::Instant;

use super::fault::Texts;
use super::rule::{Facts, qualified};
use super::search::{Planner, Search};
use super::{
    Advice, Method, ROUND, Statement, Subject, Usage, fixed, named, statements, told, wanted,
};
use crate::database::postgres::{close, command, connect_keeping};
use crate::database::{Engine, Error};

mod catalog;
mod hypopg;
mod model;
mod plan;
mod sample;
mod server;
#[cfg(test)]
mod tests;

use hypopg::Hypopg;
use model::Model;
use server::Server;

/// Prepared statements that the connection keeps.
const KEPT: usize = 512;

pub(super) async fn advise(
    pool: &PgPool,
    subjects: &[Subject],
    usage: &Usage,
) -> Result<Advice, Error> {
    let mut connection = connect_keeping(pool, KEPT).await?;
    let found = on(&mut connection, subjects, usage).await;
    close(connection).await;
    found.map_err(|error| Error::failed("look for missing indexes", &error))
}

async fn on(
    connection: &mut PgConnection,
    subjects: &[Subject],
    usage: &Usage,
) -> Result<Advice, sqlx::Error> {
    let deadline = Instant::now() + ROUND;
    for sql in [
        "SET statement_timeout = '3s'",
        "SET lock_timeout = '200ms'",
        "SET default_transaction_read_only = on",
        "SET plan_cache_mode = force_custom_plan",
    ] {
        command(connection, sql.into()).await?;
    }
    let catalog = catalog::read(connection, &named(subjects, Engine::Postgres), subjects).await?;
    let statements = statements(subjects, &catalog.tables, Engine::Postgres);
    let shares = shares(connection, &statements, &catalog).await?;
    let candidates = wanted(&statements, &catalog.tables, &shares, Engine::Postgres);
    let extension = Hypopg::find(connection).await?;
    let bounds = sample::bounds(connection, &statements, &catalog.tables).await?;
    let mut server = Server::new(connection, &statements, &catalog.tables, bounds, extension);
    let mut advice = if server.extension.is_some() {
        let advice = searched(&mut server, &statements, &catalog, candidates, deadline).await?;
        server.reset().await?;
        advice
    } else {
        let mut model = Model::new(&mut server, &catalog);
        searched(&mut model, &statements, &catalog, candidates, deadline).await?
    };
    let costs: Vec<Option<f64>> = server.costs();
    let facts = Facts {
        statements: &statements,
        tables: &catalog.tables,
        costs: &costs,
        scans: &server.scans,
        trigrams: catalog.trigrams,
        engine: Engine::Postgres,
    };
    let inside = facts.inside();
    let references = facts.references(&advice.proposals);
    advice.proposals.extend(inside);
    advice.proposals.extend(references);
    advice.drops = facts.drops(usage, &server.used);
    advice.suspects = Texts {
        statements: &statements,
        tables: &catalog.tables,
        scans: &server.scans,
        proposals: &advice.proposals,
        engine: Engine::Postgres,
    }
    .suspects();
    for table in &catalog.tables {
        let counted = table.indexes.iter();
        let counted = counted.filter_map(|index| Some((qualified(table, index), index.scans?)));
        advice.scans.extend(counted);
    }
    Ok(advice)
}

/// Tells how plans are shown.
trait Shown: Planner {
    fn method(&self) -> Method;

    /// The plan of a statement, a line a step, as it is now.
    fn lines(
        &mut self,
        statement: usize,
    ) -> impl Future<Output = Result<Vec<perfdeck_bridge::protocol::Redacted>, sqlx::Error>> + Send;
}

async fn searched<P: Shown>(
    planner: &mut P,
    statements: &[Statement<'_>],
    catalog: &catalog::Catalog,
    candidates: Vec<super::Candidate>,
    deadline: Instant,
) -> Result<Advice, sqlx::Error> {
    let mut search = Search::new(
        planner,
        statements,
        &catalog.tables,
        Engine::Postgres,
        deadline,
    );
    search.look().await?;
    let found = search.run(candidates).await?;
    let served = told::served(&found);
    let mut before = HashMap::new();
    for place in &served {
        before.insert(*place, planner.lines(*place).await?);
    }
    for id in &found.chosen {
        if let Some(candidate) = found.candidates.get(*id) {
            planner.show(*id, candidate).await?;
        }
    }
    let mut plans = Vec::new();
    for place in served {
        let after = planner.lines(place).await?;
        plans.push((place, (before.remove(&place).unwrap_or_default(), after)));
    }
    let method = planner.method();
    let proposals = told::proposals(
        &found,
        statements,
        &catalog.tables,
        method,
        &plans,
        Engine::Postgres,
    );
    Ok(Advice {
        proposals,
        ..Advice::default()
    })
}

/// Asks the planner what share of a table's rows the conditions leave that texts fix.
async fn shares(
    connection: &mut PgConnection,
    statements: &[Statement<'_>],
    catalog: &catalog::Catalog,
) -> Result<HashMap<(usize, String), f64>, sqlx::Error> {
    let mut shares = HashMap::new();
    let asked: BTreeSet<(usize, String)> = fixed(statements, &catalog.tables).into_iter().collect();
    for (place, predicate) in asked {
        let Some(table) = catalog.tables.get(place) else {
            continue;
        };
        if let Some(rows) = plan::rows_of(connection, table, &predicate).await {
            shares.insert(
                (place, predicate),
                (rows / table.rows.max(1.0)).clamp(0.0, 1.0),
            );
        }
    }
    Ok(shares)
}
