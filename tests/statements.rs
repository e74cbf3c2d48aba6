//! In = out for statements: perfdeck's counts beside the server's own, with each tier and with both.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use perfdeck::{Builder, Deck};
use perfdeck_bridge::Source;
use perfdeck_bridge::client::{Client, Options};
use perfdeck_bridge::protocol::{Answer, QueryRow, Question, State, Topic};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::postgres::Server;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor, Row};
use tokio::time::timeout;
use tracing_subscriber::prelude::*;

/// Each statement is known by a name of its own, and runs a different number of times; where it has `{}` it has another
/// literal each time, and where it has `{list}` a longer list.
const STATEMENTS: [(&str, u64); 6] = [
    ("SELECT $1::int AS probe_plain", 40),
    (
        "SELECT count(*) AS probe_long FROM pg_class WHERE relname <> $1::text AND relkind = 'r'",
        25,
    ),
    (
        "WITH probe_with AS (SELECT 1 AS one) SELECT one FROM probe_with WHERE one = $1",
        17,
    ),
    ("SELECT 7 AS probe_constant", 9),
    ("select {} AS probe_literals, '{}' AS text", 12),
    (
        "SELECT count(*) AS probe_list FROM pg_class WHERE relname IN ({list})",
        6,
    ),
];

/// Its caller does not wait for it.
const GIVEN_UP: &str = "SELECT pg_sleep(3), 1 AS probe_given_up";

#[tokio::test]
async fn tier_0_counts_what_the_server_counts() -> Result<()> {
    check("t0", Some, |_, pool| Either::Plain(pool)).await
}

#[tokio::test]
async fn tier_1_counts_what_the_server_counts() -> Result<()> {
    check(
        "t1",
        |_| None,
        |deck, pool| Either::Named(deck.pool("primary", pool)),
    )
    .await
}

#[tokio::test]
async fn both_tiers_together_count_nothing_twice() -> Result<()> {
    let named = |deck: &Deck, pool| Either::Named(deck.pool("primary", pool));
    check("both", Some, named).await
}

enum Either {
    Plain(PgPool),
    Named(perfdeck::Pool<sqlx::Postgres>),
}

/// PostgreSQL's driver tells of its statements on the caller's thread, so a thread's own subscriber hears them.
async fn check(
    name: &str,
    layer: impl Fn(Deck) -> Option<Deck>,
    pool: impl Fn(&Deck, PgPool) -> Either,
) -> Result<()> {
    let server = Server::shared()?;
    server.require("pg_stat_statements")?;
    let url = server.database(&format!("statements_{name}"))?;
    let folder = Folder::new()?;
    let (guard, deck) = Builder::new("statements")
        .socket(folder.path().join("deck.sock"))
        .start()?;
    let layer = layer(deck.clone()).map(|deck| deck.layer());
    let _heard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

    let plain = PgPoolOptions::new()
        .max_connections(2)
        .connect(&url)
        .await?;
    // The test's own server: perfdeck itself never makes an extension.
    plain.execute("CREATE EXTENSION pg_stat_statements").await?;
    let slow = || sqlx::query(GIVEN_UP);
    let short = Duration::from_secs(1);
    match pool(&deck, plain.clone()) {
        Either::Plain(pool) => {
            ensure!(timeout(short, slow().fetch_one(&pool)).await.is_err());
            run(&pool).await?;
        }
        Either::Named(pool) => {
            ensure!(timeout(short, slow().fetch_one(&pool)).await.is_err());
            run(&pool).await?;
            let mut transaction = pool.begin().await?;
            run(&mut *transaction).await?;
            transaction.commit().await?;
        }
    }
    // What was given up ends in the server all the same.
    tokio::time::sleep(Duration::from_secs(3)).await;
    for statement in STATEMENTS
        .map(|(statement, _)| statement)
        .iter()
        .chain([&GIVEN_UP])
    {
        let marker = marker(statement);
        let counted = "SELECT sum(calls)::bigint AS calls FROM pg_stat_statements
            WHERE query LIKE '%' || $1 || '%' AND query NOT LIKE '%pg_stat_statements%'
            AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let row = sqlx::query(counted).bind(marker).fetch_one(&plain).await?;
        let by_server = u64::try_from(row.get::<i64, _>("calls"))?;
        let socket = deck.socket().context("the deck is on")?;
        let [by_deck] = calls(socket, marker, by_server).await?[..] else {
            bail!("{marker} is not one statement")
        };
        ensure!(
            by_deck == by_server,
            "{marker}: {by_deck} by the deck, {by_server} by the server"
        );
    }
    guard.stop();
    Ok(())
}

/// Anything that can run all statements: a pool, or a transaction as often as it is lent.
trait Runs {
    async fn once(&mut self, statement: String, number: i32) -> Result<()>;
}

macro_rules! runs {
    ($($type:ty => $self:ident $executor:expr),*) => { $(
        impl Runs for $type {
            async fn once(&mut $self, statement: String, number: i32) -> Result<()> {
                let (text, number_bound) = (statement.contains("::text"), statement.contains("$1"));
                let query = sqlx::query(AssertSqlSafe(statement));
                let query = match (text, number_bound) {
                    (true, _) => query.bind(number.to_string()),
                    (_, true) => query.bind(number),
                    _ => query,
                };
                query.fetch_all($executor).await?;
                Ok(())
            }
        }
    )* };
}

runs!(
    &PgPool => self *self,
    &perfdeck::Pool<sqlx::Postgres> => self *self,
    &mut perfdeck::Executing<sqlx::Postgres> => self &mut **self
);

async fn run(mut runs: impl Runs) -> Result<()> {
    for (statement, times) in STATEMENTS {
        for number in 0..times {
            let list: Vec<_> = (0..=number).map(|item| format!("'item {item}'")).collect();
            let statement = statement.replace("{list}", &list.join(", "));
            let statement = statement.replace("{}", &number.to_string());
            runs.once(statement, i32::try_from(number)?).await?;
        }
    }
    Ok(())
}

fn marker(statement: &str) -> &str {
    statement
        .split_whitespace()
        .find(|word| word.starts_with("probe_"))
        .unwrap_or(statement)
}

/// What the deck counts of the statements with a name, once it counts as many as `expected`, or after five seconds.
async fn calls(socket: &Path, marker: &str, expected: u64) -> Result<Vec<u64>> {
    let options = Options {
        viewer: "test".into(),
        read_only: true,
    };
    let client = Client::connect(socket, options).await?;
    let mut seen = Vec::new();
    let mut settled = false;
    for _ in 0..40 {
        let Answer::Now(update) = client.ask(Question::Now(Topic::Queries)).await? else {
            continue;
        };
        if let State::Queries(queries) = &update.state {
            let rows = queries.queries.iter();
            let of = |query: &&QueryRow| query.text.as_str().contains(marker);
            seen = rows.filter(of).map(|query| query.calls).collect();
        }
        let sum: u64 = seen.iter().sum();
        if sum > expected || (sum == expected && settled) {
            break;
        }
        // What is counted twice may come late, so it must still be as many two ticks later.
        settled = sum == expected;
        tokio::time::sleep(Duration::from_millis(if settled { 2_200 } else { 200 })).await;
    }
    Ok(seen)
}
