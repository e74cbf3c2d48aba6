//! What is invalidated in a transaction is so when it has committed, and not at all if it is rolled back.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use perfdeck::cache::Namespace;
use perfdeck::{Builder, Deck, cache_invalidate};
use perfdeck_tests::wait::{Seen, within};
use sqlx::{Executor, Postgres, Sqlite};

use crate::desk::{self, PATIENCE, deck};

const SCHEMA: &str = "CREATE TABLE users (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE notes (author BIGINT NOT NULL REFERENCES users DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO users VALUES (1, 'old'), (2, 'old')";

/// Whose desks these are.
enum Transactions {}

type Desk<DB> = desk::Desk<DB, Transactions>;

async fn postgres(name: &str) -> Desk<Postgres> {
    desk::postgres(name, SCHEMA).await
}

async fn sqlite(_: &str) -> Desk<Sqlite> {
    desk::sqlite(SCHEMA).await
}

/// The same tests on each database; one macro, since the executors of sqlx have no common bound that a function could name.
macro_rules! tests {
    ($database:ident, $type:ty) => {
        mod $database {
            use super::*;

            type Desk = super::Desk<$type>;
            type Transaction = perfdeck::Transaction<$type>;

            impl Desk {
                fn users(&self) -> Namespace {
                    self.deck.cache("users")
                }

                /// Reads through the cache, as a handler does.
                async fn name(&self, id: i64) -> String {
                    let pool = self.pool.clone();
                    let load = move || async move {
                        sqlx::query_scalar::<_, String>("SELECT name FROM users WHERE id = $1")
                            .bind(id)
                            .fetch_one(&pool)
                            .await
                            .map_err(Arc::new)
                    };
                    self.users()
                        .entry(&id)
                        .tag("all")
                        .get_or_load(load)
                        .await
                        .unwrap()
                }

                fn cached(&self, id: i64) -> Option<String> {
                    self.users().get(&id)
                }
            }

            async fn set<'c, E>(executor: E, id: i64, name: &str) -> Result<(), sqlx::Error>
            where
                E: Executor<'c, Database = $type>,
                for<'q> <$type as sqlx::Database>::Arguments: sqlx::IntoArguments<$type>,
            {
                sqlx::query("UPDATE users SET name = $1 WHERE id = $2")
                    .bind(name)
                    .bind(id)
                    .execute(executor)
                    .await?;
                Ok(())
            }

            #[cache_invalidate("users", key = "id", deck = deck)]
            async fn rename(
                deck: &Deck,
                transaction: &mut Transaction,
                id: i64,
            ) -> Result<(), sqlx::Error> {
                set(&mut **transaction, id, "new").await
            }

            #[cache_invalidate("users", key = "id", deck = deck)]
            async fn rename_on<'c, E>(deck: &Deck, executor: E, id: i64) -> Result<(), sqlx::Error>
            where
                E: Executor<'c, Database = $type>,
            {
                set(executor, id, "new").await
            }

            /// A transaction that no argument shows.
            struct Work<'a> {
                deck: &'a Deck,
                transaction: Transaction,
            }

            impl Work<'_> {
                #[cache_invalidate("users", key = "id", deck = self.deck)]
                #[cache_invalidate("users", tag = "\"none\"", deck = self.deck)]
                async fn rename(&mut self, id: i64) -> Result<(), sqlx::Error> {
                    rename_on(self.deck, &mut *self.transaction, id).await
                }
            }

            #[tokio::test]
            async fn what_a_reader_caches_before_the_commit_is_gone_after_it() {
                let desk = $database("commit").await;
                assert_eq!(desk.name(1).await, "old");
                let mut transaction = desk.pool.begin().await.unwrap();
                rename(&desk.deck, &mut transaction, 1).await.unwrap();
                // Nobody else sees the row yet, so what is cached is right, and so would be what is loaded anew.
                assert_eq!(desk.cached(1).as_deref(), Some("old"));
                desk.users().invalidate().await;
                assert_eq!(desk.name(1).await, "old");
                assert_eq!(desk.name(2).await, "old");
                transaction.commit().await.unwrap();
                assert_eq!(desk.cached(1), None);
                assert_eq!(desk.cached(2).as_deref(), Some("old"), "another key");
                assert_eq!(desk.name(1).await, "new");
            }

            #[tokio::test]
            async fn a_transaction_that_no_argument_shows_is_found() {
                let desk = $database("found").await;
                let transaction = desk.pool.begin().await.unwrap();
                let mut work = Work {
                    deck: &desk.deck,
                    transaction,
                };
                work.rename(1).await.unwrap();
                assert_eq!(desk.name(1).await, "old");
                work.transaction.commit().await.unwrap();
                assert_eq!(desk.cached(1), None);

                assert_eq!(desk.name(1).await, "new");
                let mut transaction = desk.pool.begin().await.unwrap();
                rename_on(&desk.deck, &mut *transaction, 1).await.unwrap();
                assert!(desk.cached(1).is_some());
                transaction.commit().await.unwrap();
                assert_eq!(desk.cached(1), None);
            }

            #[tokio::test]
            async fn what_is_rolled_back_or_dropped_invalidates_nothing() {
                let desk = $database("rollback").await;
                assert_eq!(desk.name(1).await, "old");
                let mut transaction = desk.pool.begin().await.unwrap();
                rename(&desk.deck, &mut transaction, 1).await.unwrap();
                transaction.rollback().await.unwrap();
                assert_eq!(desk.cached(1).as_deref(), Some("old"));

                let mut transaction = desk.pool.begin().await.unwrap();
                rename(&desk.deck, &mut transaction, 1).await.unwrap();
                drop(transaction);
                assert_eq!(desk.cached(1).as_deref(), Some("old"));

                // A commit that the database refuses is none.
                let mut transaction = desk.pool.begin().await.unwrap();
                rename(&desk.deck, &mut transaction, 1).await.unwrap();
                let nobody = sqlx::query("INSERT INTO notes VALUES (99)");
                nobody.execute(&mut *transaction).await.unwrap();
                transaction.commit().await.unwrap_err();
                assert_eq!(desk.cached(1).as_deref(), Some("old"));
            }

            #[tokio::test]
            async fn a_transaction_within_the_function_ends_before_it_does() {
                let desk = $database("within").await;

                #[cache_invalidate("users", key = "1", deck = desk.deck)]
                async fn commits(desk: &Desk, commits: bool) -> Result<(), sqlx::Error> {
                    let mut transaction = desk.pool.begin().await?;
                    set(&mut *transaction, 1, "new").await?;
                    if !commits {
                        return transaction.rollback().await;
                    }
                    transaction.commit().await?;
                    // One after another: what was committed counts, whatever follows.
                    let mut other = desk.pool.begin().await?;
                    set(&mut *other, 2, "new").await?;
                    other.rollback().await
                }

                assert_eq!(desk.name(1).await, "old");
                commits(&desk, false).await.unwrap();
                assert_eq!(desk.cached(1).as_deref(), Some("old"));
                commits(&desk, true).await.unwrap();
                assert_eq!(desk.cached(1), None);
            }

            #[tokio::test]
            async fn without_a_transaction_it_is_at_once() {
                let desk = $database("direct").await;
                assert_eq!(desk.name(1).await, "old");
                rename_on(&desk.deck, &desk.pool, 1).await.unwrap();
                assert_eq!(desk.cached(1), None);

                assert_eq!(desk.name(1).await, "new");
                let mut connection = desk.pool.acquire().await.unwrap();
                rename_on(&desk.deck, &mut *connection, 1).await.unwrap();
                assert_eq!(desk.cached(1), None);

                // One that is begun by hand is one, too.
                assert_eq!(desk.name(1).await, "new");
                connection.execute("BEGIN").await.unwrap();
                rename_on(&desk.deck, &mut *connection, 1).await.unwrap();
                assert!(desk.cached(1).is_some());
                connection.execute("COMMIT").await.unwrap();
                assert_eq!(desk.cached(1), None);

                assert_eq!(desk.name(1).await, "new");
                connection.execute("BEGIN").await.unwrap();
                rename_on(&desk.deck, &mut *connection, 1).await.unwrap();
                connection.execute("ROLLBACK").await.unwrap();
                assert!(desk.cached(1).is_some());
                rename_on(&desk.deck, &mut *connection, 1).await.unwrap();
                assert_eq!(desk.cached(1), None);
            }

            #[tokio::test]
            async fn by_hand_it_waits_as_well() {
                let desk = $database("hand").await;
                for round in 0..3 {
                    assert_eq!(desk.name(1).await, "old");
                    assert_eq!(desk.name(2).await, "old");
                    let transaction = desk.pool.begin().await.unwrap();
                    match round {
                        0 => transaction.invalidate_key(&desk.users(), &1),
                        1 => transaction.invalidate_tag(&desk.users(), "all"),
                        _ => transaction.invalidate(&desk.users()),
                    }
                    assert!(desk.cached(1).is_some() && desk.cached(2).is_some());
                    transaction.commit().await.unwrap();
                    assert_eq!(desk.cached(1), None);
                    assert_eq!(desk.cached(2).is_some(), round == 0);
                }
                let transaction = desk.pool.begin().await.unwrap();
                assert_eq!(desk.name(1).await, "old");
                transaction.invalidate(&desk.users());
                transaction.rollback().await.unwrap();
                assert!(desk.cached(1).is_some());
                let connection = desk.pool.acquire().await.unwrap();
                connection.invalidate(&desk.users());
                assert_eq!(desk.cached(1), None);
            }

            #[tokio::test]
            async fn a_queue_that_is_full_takes_the_namespace() {
                let desk = $database("full").await;
                let transaction = desk.pool.begin().await.unwrap();
                (10..5_000).for_each(|key| transaction.invalidate_key(&desk.users(), &key));
                assert_eq!(desk.name(1).await, "old");
                transaction.commit().await.unwrap();
                assert_eq!(desk.cached(1), None);
            }

            #[tokio::test]
            async fn who_goes_away_in_the_middle_of_a_commit_takes_no_invalidation_along() {
                let desk = $database("gone").await;
                assert_eq!(desk.name(1).await, "old");
                let mut transaction = desk.pool.begin().await.unwrap();
                rename(&desk.deck, &mut transaction, 1).await.unwrap();
                {
                    let mut commit = pin!(transaction.commit());
                    assert!(commit.as_mut().now_or_never().is_none());
                }
                let users = desk.users();
                let gone = tokio::task::spawn_blocking(move || {
                    within(PATIENCE, "invalidation", || {
                        Ok(match users.get::<String>(&1) {
                            None => Seen::Yes(()),
                            Some(name) => Seen::NotYet(name),
                        })
                    })
                });
                gone.await.unwrap().unwrap();
                assert_eq!(desk.name(1).await, "new");
            }
        }
    };
}

tests!(postgres, Postgres);
tests!(sqlite, Sqlite);

#[tokio::test]
async fn other_instances_hear_of_it_when_it_has_committed() {
    let redis = perfdeck_tests::redis::Server::start().unwrap();
    let desk = sqlite("redis").await;
    let (_one, here, _folder_one) = deck(Builder::new("shop").redis(redis.url()));
    let (_two, there, _folder_two) = deck(Builder::new("shop").redis(redis.url()));
    let (users, others) = (here.cache("users"), there.cache("users"));
    within(PATIENCE, "agreement", || {
        // An entry that another instance's invalidation reaches shows that both are there.
        others.insert(&0, 0);
        users.invalidate_key(&0);
        std::thread::sleep(Duration::from_millis(20));
        Ok(match others.get::<i32>(&0) {
            None => Seen::Yes(()),
            Some(_) => Seen::NotYet("not attached".to_owned()),
        })
    })
    .unwrap();

    let transaction = desk.pool.begin().await.unwrap();
    transaction.invalidate_key(&users, &1);
    others.insert(&1, 1);
    // Another key's invalidation comes after it would have.
    others.insert(&2, 2);
    users.invalidate_key(&2).await;
    let gone = |key: i32| {
        within(PATIENCE, "invalidation", || {
            Ok(match others.get::<i32>(&key) {
                None => Seen::Yes(()),
                Some(_) => Seen::NotYet(format!("{key} is there")),
            })
        })
    };
    gone(2).unwrap();
    assert_eq!(others.get(&1), Some(1));
    transaction.commit().await.unwrap();
    gone(1).unwrap();
}
