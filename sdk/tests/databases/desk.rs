//! A deck with a pool on a database of one test's own.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use perfdeck::{Builder, Deck, Guard};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::postgres::Server;
use sqlx::{AssertSqlSafe, Executor as _, Postgres, Sqlite};

/// How long something that has to happen may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A deck with a pool, and the same database unseen; `Of` tells the desks of one file's tests from another's.
pub(crate) struct Desk<DB: sqlx::Database, Of> {
    pub(crate) pool: perfdeck::Pool<DB>,
    /// What is done through it no deck hears of.
    pub(crate) beside: sqlx::Pool<DB>,
    pub(crate) deck: Deck,
    pub(crate) folder: Folder,
    _guard: Guard,
    _server: Option<Arc<Server>>,
    _of: PhantomData<Of>,
}

pub(crate) fn deck(builder: Builder) -> (Guard, Deck, Folder) {
    let folder = Folder::new().unwrap();
    let (guard, deck) = builder
        .socket(folder.path().join("deck.sock"))
        .start()
        .unwrap();
    (guard, deck, folder)
}

pub(crate) async fn postgres<Of>(name: &str, schema: &str) -> Desk<Postgres, Of> {
    let server = Server::shared().unwrap();
    let url = server.database(name).unwrap();
    let beside = sqlx::PgPool::connect(&url).await.unwrap();
    let schema = AssertSqlSafe(schema.to_owned());
    beside.execute(sqlx::raw_sql(schema)).await.unwrap();
    let (guard, deck, folder) = deck(Builder::new("shop"));
    Desk {
        pool: deck.pool("primary", beside.clone()),
        beside,
        deck,
        folder,
        _guard: guard,
        _server: Some(server),
        _of: PhantomData,
    }
}

pub(crate) async fn sqlite<Of>(schema: &str) -> Desk<Sqlite, Of> {
    let (guard, deck, folder) = deck(Builder::new("shop"));
    let beside = sqlite_pool(&folder).await;
    let schema = AssertSqlSafe(schema.to_owned());
    beside.execute(sqlx::raw_sql(schema)).await.unwrap();
    Desk {
        pool: deck.pool("primary", beside.clone()),
        beside,
        deck,
        folder,
        _guard: guard,
        _server: None,
        _of: PhantomData,
    }
}

pub(crate) async fn sqlite_pool(folder: &Folder) -> sqlx::SqlitePool {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(folder.path().join("db"))
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
    sqlx::SqlitePool::connect_with(options).await.unwrap()
}
