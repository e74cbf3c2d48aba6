//! A database in trouble, on a real server: the deck sees it, and says what to do.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use perfdeck_bridge::protocol::{Advice, Database, DatabaseHealth, Finding, Timestamp};
use perfdeck_tests::postgres::Server;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgPool};

use super::*;
use crate::database::Handle;
use crate::database::health::{Look, look};
use crate::judge::facts::Facts;
use crate::judge::finding::Book;
use crate::judge::window::Window;

/// How long what has to be seen may take: half a minute of idling and two looks, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(180);

async fn database(server: &Server, name: &str) -> PgPool {
    let options: PgConnectOptions = server.database(name).unwrap().parse().unwrap();
    let pool = PgPoolOptions::new().max_connections(4);
    pool.connect_with(options.application_name("shop"))
        .await
        .unwrap()
}

/// Runs a script on a connection of its own: what a process counted is told at its end at the latest.
async fn apart(pool: &PgPool, script: &str) -> Result<(), sqlx::Error> {
    let mut own = PgConnection::connect_with(&pool.connect_options()).await?;
    let done = own.execute(AssertSqlSafe(script.to_owned())).await;
    own.close().await?;
    done.map(drop)
}

/// A route that forgets its transaction.
#[derive(Clone)]
struct Forgets(crate::Pool<sqlx::Postgres>);

impl Service<Request<()>> for Forgets {
    type Response = Response<Empty<bytes::Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let pool = self.0.clone();
        Box::pin(async move {
            let mut transaction = pool.begin().await.unwrap();
            let update = "UPDATE account SET owner = 'geheim' WHERE id = 1";
            sqlx::query(update)
                .execute(&mut *transaction)
                .await
                .unwrap();
            tokio::spawn(async move {
                tokio::time::sleep(PATIENCE).await;
                drop(transaction);
            });
            Ok(Response::new(Empty::new()))
        })
    }
}

async fn state(deck: &Deck, topic: Topic) -> State {
    let Ok(Answer::Now(update)) = deck.source().unwrap().ask(Question::Now(topic)).await else {
        panic!("no answer")
    };
    update.state.clone()
}

async fn told_of_database(deck: &Deck) -> (Database, Vec<Finding>) {
    let State::Database(database) = state(deck, Topic::Database).await else {
        panic!("no database")
    };
    let State::Advice(Advice { findings, .. }) = state(deck, Topic::Advice).await else {
        panic!("no advice")
    };
    (database, findings)
}

#[tokio::test]
async fn a_database_in_trouble_is_seen_and_each_trouble_is_a_finding() {
    let server = Server::shared().unwrap();
    let beside = database(&server, "trouble").await;
    for script in [
        "CREATE TABLE account (id serial PRIMARY KEY, owner text)",
        "INSERT INTO account (owner) SELECT 'x' FROM generate_series(1, 100)",
        "SELECT setval('account_id_seq', 2000000000)",
    ] {
        apart(&beside, script).await.unwrap();
    }
    let index = "CREATE UNIQUE INDEX CONCURRENTLY account_owner ON account (owner)";
    apart(&beside, index).await.unwrap_err();

    let folder = Folder::new().unwrap();
    let builder = Builder::new("trouble").socket(folder.path().join("deck.sock"));
    let (guard, deck) = builder.start().unwrap();
    let pool = deck.pool("primary", beside.clone());
    let layer = deck.http_layer().template(|_, _| Some("/pay"));
    let mut service = layer.layer(Forgets(pool));
    service.call(Request::new(())).await.unwrap();
    let waiter = beside.clone();
    let waiting = tokio::spawn(async move {
        let update = "UPDATE account SET owner = 'other' WHERE id = 1";
        apart(&waiter, update).await
    });

    let expected = BTreeSet::from([
        "database_blocked",
        "database_idle_in_transaction",
        "database_invalid_index",
        "database_sequence_end",
    ]);
    let end = Instant::now() + PATIENCE;
    let (told, findings) = loop {
        let (told, findings) = told_of_database(&deck).await;
        let kinds: BTreeSet<_> = findings.iter().map(|found| found.kind.as_str()).collect();
        if kinds == expected {
            break (told, findings);
        }
        assert!(Instant::now() < end, "{kinds:?}\n{told:#?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let [health] = &told.databases[..] else {
        panic!("{told:#?}")
    };
    assert_eq!((health.pools.len(), health.failure.as_deref()), (1, None));
    let [blocked] = &health.blocked[..] else {
        panic!("{health:#?}")
    };
    assert_eq!(blocked.blocker.application, "shop");
    let route = blocked.blocker.route.as_deref();
    assert_eq!(route, Some("GET /pay"), "who runs its last statement");
    assert!(blocked.blocker.query.is_some());
    let all = format!("{told:?} {findings:?}");
    assert!(!all.contains("geheim"), "{all}");
    waiting.abort();
    guard.stop();
}

/// What is found in a state of a database.
fn found(health: &DatabaseHealth) -> Vec<String> {
    let facts = Facts {
        databases: vec![health.clone()],
        ..Facts::default()
    };
    let findings = Book::default().step(&Window::default(), &facts, NOW);
    findings.into_iter().map(|finding| finding.kind).collect()
}

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

#[tokio::test]
async fn upkeep_that_nobody_does_is_found_once_it_is_overdue_and_not_on_a_small_table() {
    let server = Server::shared().unwrap();
    let pool = database(&server, "upkeep").await;
    // On this server autovacuum is off.
    for script in [
        "CREATE TABLE event (id int PRIMARY KEY, text text)",
        "CREATE TABLE small (id int PRIMARY KEY, text text)",
        "INSERT INTO event SELECT n, repeat('x', 200) FROM generate_series(1, 100000) n",
        "INSERT INTO small SELECT n, repeat('x', 200) FROM generate_series(1, 900) n",
        "ANALYZE event",
        "ANALYZE small",
        "UPDATE event SET text = 'y' WHERE id <= 40000",
        "UPDATE small SET text = 'y'",
    ] {
        apart(&pool, script).await.unwrap();
    }
    let handle = Handle::of(&pool).unwrap();
    let mut health = DatabaseHealth::default();
    let mut seen = Vec::new();
    for minute in 0..=3 {
        let now = NOW.after(Duration::from_secs(60 * minute));
        health = look(&handle, Look::All, health, now).await;
        assert_eq!(health.failure, None);
        seen.push(found(&health));
    }
    let none: Vec<String> = Vec::new();
    assert_eq!(seen[..3], [none.clone(), none.clone(), none.clone()]);
    assert_eq!(seen[3], ["database_bloat", "database_stale_statistics"]);

    apart(&pool, "VACUUM ANALYZE event").await.unwrap();
    let health = look(
        &handle,
        Look::All,
        health,
        NOW.after(Duration::from_secs(240)),
    )
    .await;
    assert_eq!(found(&health), none, "{:#?}", health.tables);
}
