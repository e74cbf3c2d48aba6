//! `#[cached_query]`: a value goes when a table changes that its body read.

use std::sync::Arc;
use std::time::Duration;

use perfdeck::cache::CacheQuery as _;
use perfdeck::cache::query::Bypass;
use perfdeck::{Builder, Deck, cached_query};
use sqlx::{Executor as _, Postgres, Sqlite};
use tokio::sync::Notify;

use crate::desk::{self, PATIENCE, deck, sqlite_pool};

const SCHEMA: &str = "CREATE TABLE users (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT NOT NULL);
    INSERT INTO users VALUES (1, 'Ada'), (2, 'Bob');
    INSERT INTO notes VALUES (1, 'one')";

/// Whose desks these are.
enum Cached {}

type Desk<DB> = desk::Desk<DB, Cached>;

/// Lets a body stand still, so that something else can happen.
#[derive(Default)]
struct Gate {
    reached: Notify,
    open: Notify,
}

async fn postgres(name: &str) -> Desk<Postgres> {
    desk::postgres(&format!("cached_{name}"), SCHEMA).await
}

async fn sqlite(_: &str) -> Desk<Sqlite> {
    desk::sqlite(SCHEMA).await
}

macro_rules! tests {
    ($database:ident, $type:ty) => {
        mod $database {
            use super::*;

            type Pool = perfdeck::Pool<$type>;
            type Result<T> = std::result::Result<T, sqlx::Error>;

            #[cached_query(ttl = "5m", namespace = "names", key = "id", deck = deck)]
            pub(super) async fn name(
                deck: Deck,
                pool: Pool,
                id: i64,
                gate: Option<Arc<Gate>>,
            ) -> Result<String> {
                let name = sqlx::query_scalar("SELECT name FROM users WHERE id = $1");
                let name = name.bind(id).fetch_one(&pool).await?;
                if let Some(gate) = gate {
                    gate.reached.notify_one();
                    gate.open.notified().await;
                }
                Ok(name)
            }

            /// Runs in its caller, since it borrows.
            #[cached_query(namespace = "both", skip(deck, pool), deck = deck)]
            async fn both(deck: &Deck, pool: &Pool) -> Result<(String, i64)> {
                let text = sqlx::query_scalar("SELECT max(text) FROM notes")
                    .fetch_one(pool)
                    .await?;
                let users = sqlx::query_scalar("SELECT count(*) FROM users")
                    .fetch_one(pool)
                    .await?;
                Ok((text, users))
            }

            /// Made of other cached values.
            #[cached_query(namespace = "made", skip(deck, pool), deck = deck)]
            async fn made(deck: Deck, pool: Pool) -> Result<(String, i64)> {
                let count = sqlx::query_scalar("SELECT count(*) FROM notes");
                let count = count
                    .cache(Duration::from_secs(600))
                    .fetch_one(&pool)
                    .await?;
                Ok((name(deck.clone(), pool.clone(), 1, None).await?, count))
            }

            async fn unseen(pool: &sqlx::Pool<$type>, sql: &'static str) {
                pool.execute(sql).await.unwrap();
            }

            #[tokio::test]
            async fn a_value_goes_with_the_tables_that_were_read() {
                let desk = $database("goes").await;
                let name = async || {
                    name(desk.deck.clone(), desk.pool.clone(), 1, None)
                        .await
                        .unwrap()
                };
                assert_eq!(name().await, "Ada");
                unseen(&desk.beside, "UPDATE users SET name = 'Eve'").await;
                assert_eq!(name().await, "Ada", "it is cached");
                desk.pool
                    .execute("DELETE FROM notes WHERE id = 9")
                    .await
                    .unwrap();
                assert_eq!(name().await, "Ada", "another table");
                desk.pool
                    .execute("UPDATE users SET name = name WHERE id = 2")
                    .await
                    .unwrap();
                assert_eq!(name().await, "Eve");
                let mut transaction = desk.pool.begin().await.unwrap();
                transaction
                    .execute("UPDATE users SET name = 'Fay'")
                    .await
                    .unwrap();
                assert_eq!(name().await, "Eve");
                transaction.commit().await.unwrap();
                assert_eq!(name().await, "Fay");
                // Its key still is one.
                unseen(&desk.beside, "UPDATE users SET name = 'Gil'").await;
                desk.deck.cache("names").invalidate_key(&1);
                assert_eq!(name().await, "Gil");
            }

            #[tokio::test]
            async fn each_statement_of_a_body_counts() {
                let desk = $database("each").await;
                let both = async || both(&desk.deck, &desk.pool).await.unwrap();
                assert_eq!(both().await, ("one".to_owned(), 2));
                unseen(&desk.beside, "DELETE FROM users WHERE id = 2").await;
                assert_eq!(both().await.1, 2);
                desk.pool
                    .execute("UPDATE notes SET text = 'two'")
                    .await
                    .unwrap();
                assert_eq!(both().await, ("two".to_owned(), 1));
                desk.pool
                    .execute("INSERT INTO users VALUES (3, 'Cy')")
                    .await
                    .unwrap();
                assert_eq!(both().await.1, 2);
            }

            #[tokio::test]
            async fn what_is_made_of_cached_values_goes_with_them() {
                let desk = $database("made").await;
                let made = async || made(desk.deck.clone(), desk.pool.clone()).await.unwrap();
                // The first is loaded where nobody watches; from the second on it is known what it hangs on.
                for _ in 0..2 {
                    assert_eq!(made().await, ("Ada".to_owned(), 1));
                }
                unseen(&desk.beside, "UPDATE users SET name = 'Eve'").await;
                unseen(&desk.beside, "INSERT INTO notes VALUES (2, 'two')").await;
                let bypassed = desk.deck.bypassed_queries(Bypass::Executor);
                assert_eq!(made().await, ("Ada".to_owned(), 1));
                assert_eq!(desk.deck.bypassed_queries(Bypass::Executor), bypassed);
                desk.pool
                    .execute("UPDATE notes SET text = text")
                    .await
                    .unwrap();
                assert_eq!(made().await, ("Ada".to_owned(), 2));
                desk.pool
                    .execute("UPDATE users SET name = name")
                    .await
                    .unwrap();
                assert_eq!(made().await.0, "Eve");
            }

            #[tokio::test]
            async fn a_change_during_the_load_is_noticed() {
                let desk = $database("during").await;
                let gate = Arc::new(Gate::default());
                let (deck, pool) = (desk.deck.clone(), desk.pool.clone());
                let loading = tokio::spawn(name(deck, pool, 1, Some(Arc::clone(&gate))));
                gate.reached.notified().await;
                desk.pool
                    .execute("UPDATE users SET name = 'Eve'")
                    .await
                    .unwrap();
                // Whoever asks now, while the other load goes on, wants what there is now.
                let (deck, pool) = (desk.deck.clone(), desk.pool.clone());
                let asking = tokio::spawn(name(deck, pool, 1, None));
                tokio::task::yield_now().await;
                gate.open.notify_one();
                assert_eq!(loading.await.unwrap().unwrap(), "Ada");
                assert_eq!(asking.await.unwrap().unwrap(), "Eve");
                let again = name(desk.deck.clone(), desk.pool.clone(), 1, None).await;
                assert_eq!(again.unwrap(), "Eve");
            }

            #[tokio::test]
            async fn what_nothing_would_invalidate_is_not_kept() {
                #[cached_query(namespace = "beside", skip(deck, pool), deck = deck)]
                async fn beside(deck: &Deck, pool: &sqlx::Pool<$type>) -> Result<String> {
                    sqlx::query_scalar("SELECT name FROM users WHERE id = 1")
                        .fetch_one(pool)
                        .await
                }
                #[cached_query(namespace = "inside", skip(deck, transaction), deck = deck)]
                async fn inside(
                    deck: &Deck,
                    transaction: &mut perfdeck::Transaction<$type>,
                ) -> Result<String> {
                    let name = sqlx::query_scalar("SELECT name FROM users WHERE id = 1");
                    name.fetch_one(&mut **transaction).await
                }
                #[cached_query(namespace = "dice", skip(deck, pool), deck = deck)]
                async fn dice(deck: &Deck, pool: &Pool) -> Result<String> {
                    let dice = sqlx::query_scalar("SELECT CAST(random() AS TEXT)");
                    dice.fetch_one(pool).await
                }

                let desk = $database("nothing").await;
                assert_eq!(beside(&desk.deck, &desk.beside).await.unwrap(), "Ada");
                let mut transaction = desk.pool.begin().await.unwrap();
                transaction
                    .execute("UPDATE users SET name = 'Eve'")
                    .await
                    .unwrap();
                assert_eq!(inside(&desk.deck, &mut transaction).await.unwrap(), "Eve");
                transaction.rollback().await.unwrap();
                let mut transaction = desk.pool.begin().await.unwrap();
                assert_eq!(inside(&desk.deck, &mut transaction).await.unwrap(), "Ada");
                drop(transaction);
                unseen(&desk.beside, "UPDATE users SET name = 'Fay'").await;
                assert_eq!(beside(&desk.deck, &desk.beside).await.unwrap(), "Fay");
                assert_eq!(desk.deck.bypassed_queries(Bypass::Executor), 4);
                let first = dice(&desk.deck, &desk.pool).await.unwrap();
                assert_ne!(dice(&desk.deck, &desk.pool).await.unwrap(), first);
                assert_eq!(desk.deck.bypassed_queries(Bypass::Volatile), 2);
            }
        }
    };
}

tests!(postgres, Postgres);
tests!(sqlite, Sqlite);

#[tokio::test]
async fn another_instance_invalidates_it() {
    let redis = perfdeck_tests::redis::Server::start().unwrap();
    let desk = sqlite("").await;
    let (_one, here, _folder_one) = deck(Builder::new("shop").redis(redis.url()));
    let (_two, there, _folder_two) = deck(Builder::new("shop").redis(redis.url()));
    let writer = here.pool("primary", sqlite_pool(&desk.folder).await);
    let reader = there.pool("primary", sqlite_pool(&desk.folder).await);
    let name = async || {
        let name = sqlite::name(there.clone(), reader.clone(), 1, None);
        name.await.unwrap()
    };
    let seen = async |expected: &str| {
        let started = std::time::Instant::now();
        while name().await != expected {
            assert!(started.elapsed() < PATIENCE, "no {expected}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    seen("Ada").await;
    // The writer knows neither the function nor its namespace.
    for expected in ["Eve", "Fay"] {
        let update = sqlx::query("UPDATE users SET name = $1").bind(expected);
        update.execute(&writer).await.unwrap();
        seen(expected).await;
    }
}
