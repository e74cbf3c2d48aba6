//! Cached queries: answered from memory, and gone when a statement has changed their tables.

use std::sync::Arc;
use std::time::Duration;

use perfdeck::Builder;
use perfdeck::cache::query::Bypass;
use perfdeck::cache::{CacheQuery as _, Policy};
use perfdeck_tests::wait::{Seen, within};
use sqlx::{AssertSqlSafe, Executor as _, Postgres, QueryBuilder, Row as _, Sqlite};

use crate::desk::{self, PATIENCE, deck, sqlite_pool};

const SCHEMA: &str = "CREATE TABLE users (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE notes (id BIGINT PRIMARY KEY, author BIGINT, text TEXT NOT NULL);
    INSERT INTO users VALUES (1, 'Ada'), (2, 'Bob');
    INSERT INTO notes VALUES (1, 1, 'one'), (2, 1, 'two')";
const TTL: Duration = Duration::from_secs(600);

/// Whose desks these are.
enum Queries {}

type Desk<DB> = desk::Desk<DB, Queries>;

#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
struct User {
    id: i64,
    name: String,
}

async fn postgres(name: &str) -> Desk<Postgres> {
    desk::postgres(&format!("queries_{name}"), SCHEMA).await
}

async fn sqlite(_: &str) -> Desk<Sqlite> {
    desk::sqlite(SCHEMA).await
}

macro_rules! tests {
    ($database:ident, $type:ty) => {
        mod $database {
            use super::*;

            type Desk = super::Desk<$type>;

            impl Desk {
                pub(super) async fn name(&self, id: i64) -> String {
                    sqlx::query_scalar::<_, String>("SELECT name FROM users WHERE id = $1")
                        .bind(id)
                        .cache(TTL)
                        .fetch_one(&self.pool)
                        .await
                        .unwrap()
                }

                /// Changes a name where nobody hears of it; what is cached stays.
                pub(super) async fn rename_unseen(&self, id: i64, name: &str) {
                    sqlx::query("UPDATE users SET name = $1 WHERE id = $2")
                        .bind(name)
                        .bind(id)
                        .execute(&self.beside)
                        .await
                        .unwrap();
                }

                async fn run(&self, sql: &str) {
                    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
                    self.pool.execute(sql).await.unwrap();
                }

                /// Whether what this query had brought is gone after that statement.
                pub(super) async fn goes(&self, query: &str, statement: &str) -> bool {
                    let text = |name: &str| AssertSqlSafe(query.replace("{}", name));
                    // One that nobody asked for yet.
                    static ROUND: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
                    let round = ROUND.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let name = format!("q{round}");
                    let fetch = async || {
                        let rows = sqlx::query(text(&name)).cache(TTL).fetch_all(&self.pool);
                        rows.await.unwrap()
                    };
                    let first = fetch().await;
                    assert!(Arc::ptr_eq(&first, &fetch().await), "{query} is not cached");
                    self.run(statement).await;
                    !Arc::ptr_eq(&first, &fetch().await)
                }
            }

            #[tokio::test]
            async fn each_kind_of_query_is_answered_from_memory() {
                let desk = $database("kinds").await;
                let by_id = "SELECT id, name FROM users WHERE id = $1";
                let ada = User { id: 1, name: "Ada".to_owned() };
                for _ in 0..2 {
                    let all = sqlx::query_as::<_, User>("SELECT id, name FROM users ORDER BY id");
                    let all = all.cache(TTL).fetch_all(&desk.pool).await.unwrap();
                    assert_eq!(all.len(), 2);
                    assert_eq!(all.first(), Some(&ada));
                    let one = sqlx::query_as::<_, User>(by_id).bind(1_i64).cache(TTL);
                    assert_eq!(one.fetch_one(&desk.pool).await.unwrap(), ada);
                    let none = sqlx::query_as::<_, User>(by_id).bind(9_i64).cache(TTL);
                    assert_eq!(none.fetch_optional(&desk.pool).await.unwrap(), None);
                    let none = sqlx::query_as::<_, User>(by_id).bind(9_i64).cache(TTL);
                    let error = none.fetch_one(&desk.pool).await.unwrap_err();
                    assert!(matches!(error, sqlx::Error::RowNotFound));
                    let name = sqlx::query_scalar::<_, String>("SELECT name FROM users WHERE id = $1");
                    let name = name.bind(1_i64).cache(TTL).fetch_one(&desk.pool).await.unwrap();
                    assert_eq!(name, "Ada");
                    let ids = sqlx::query_scalar::<_, i64>("SELECT id FROM users ORDER BY id");
                    let ids = ids.cache(TTL).fetch_all(&desk.pool).await.unwrap();
                    assert_eq!(ids, [1, 2]);
                    let row = sqlx::query(by_id).bind(1_i64).cache(TTL);
                    let row = row.fetch_one(&desk.pool).await.unwrap();
                    assert_eq!(row.get::<String, _>("name"), "Ada");
                    let mut built = QueryBuilder::<$type>::new("SELECT name FROM users WHERE id IN (");
                    built.separated(", ").push_bind(1_i64).push_bind(2_i64);
                    let built = built.push(") ORDER BY id").build_query_scalar::<String>();
                    let built = built.cache(TTL).fetch_all(&desk.pool).await.unwrap();
                    assert_eq!(built, ["Ada", "Bob"]);
                    // Nothing of this is seen, in the second round.
                    desk.beside.execute("UPDATE users SET name = 'Eve'").await.unwrap();
                    desk.beside.execute("INSERT INTO users VALUES (9, 'Eve')").await.ok();
                }
                // Neither type nor text nor values of another are taken for one's own.
                let eve = sqlx::query_as::<_, (i64, String)>(by_id).bind(1_i64).cache(TTL);
                assert_eq!(eve.fetch_one(&desk.pool).await.unwrap().1, "Eve");
                let eve = sqlx::query_as::<_, User>(by_id).bind(2_i64).cache(TTL);
                assert_eq!(eve.fetch_one(&desk.pool).await.unwrap().name, "Eve");
                for why in Bypass::ALL {
                    assert_eq!(desk.deck.bypassed_queries(why), 0, "{why:?}");
                }
            }

            #[tokio::test]
            async fn callers_at_the_same_time_share_one_query() {
                let desk = Arc::new($database("share").await);
                let fetches = (0..20).map(|_| {
                    let desk = Arc::clone(&desk);
                    tokio::spawn(async move {
                        let all = sqlx::query("SELECT id FROM users").cache(TTL);
                        all.fetch_all(&desk.pool).await.unwrap()
                    })
                });
                let mut rows = Vec::new();
                for fetch in fetches.collect::<Vec<_>>() {
                    rows.push(fetch.await.unwrap());
                }
                assert!(rows.iter().all(|other| Arc::ptr_eq(other, &rows[0])));
            }

            #[tokio::test]
            async fn a_statement_that_succeeded_invalidates_its_table() {
                let desk = $database("writes").await;
                assert_eq!(desk.name(1).await, "Ada");
                desk.rename_unseen(1, "Eve").await;
                assert_eq!(desk.name(1).await, "Ada", "it is cached");
                // Another table, and one that fails.
                sqlx::query("DELETE FROM notes").execute(&desk.pool).await.unwrap();
                sqlx::query("INSERT INTO users VALUES (1, 'twice')").execute(&desk.pool).await.unwrap_err();
                assert_eq!(desk.name(1).await, "Ada");
                sqlx::query("UPDATE users SET name = 'Fay' WHERE id = 2").execute(&desk.pool).await.unwrap();
                assert_eq!(desk.name(1).await, "Eve");

                // Of a statement that returns rows the first may be all that is wanted.
                desk.rename_unseen(1, "Gil").await;
                let returned = "UPDATE users SET name = 'Hal' WHERE id > $1 RETURNING name";
                let returned = sqlx::query_scalar::<_, String>(returned).bind(1_i64);
                assert_eq!(returned.fetch_one(&desk.pool).await.unwrap(), "Hal");
                assert_eq!(desk.name(1).await, "Gil");

                let mut connection = desk.pool.acquire().await.unwrap();
                desk.rename_unseen(1, "Ian").await;
                sqlx::query("UPDATE users SET name = 'Jo' WHERE id = 2").execute(&mut *connection).await.unwrap();
                assert_eq!(desk.name(1).await, "Ian");
                sqlx::query("INSERT INTO users VALUES (1, 'twice')").execute(&mut *connection).await.unwrap_err();
                desk.rename_unseen(1, "Kim").await;
                assert_eq!(desk.name(1).await, "Ian");
            }

            #[tokio::test]
            async fn in_a_transaction_it_is_at_the_commit() {
                let desk = $database("commit").await;
                assert_eq!(desk.name(1).await, "Ada");
                let update = "UPDATE users SET name = $1 WHERE id = 1";
                let mut transaction = desk.pool.begin().await.unwrap();
                sqlx::query(update).bind("Eve").execute(&mut *transaction).await.unwrap();
                // What is read in it is its own, and nobody else's.
                let inside = sqlx::query_scalar::<_, String>("SELECT name FROM users WHERE id = $1")
                    .bind(1_i64)
                    .cache(TTL)
                    .fetch_one(&mut *transaction);
                assert_eq!(inside.await.unwrap(), "Eve");
                assert_eq!(desk.deck.bypassed_queries(Bypass::Executor), 1);
                assert_eq!(desk.name(1).await, "Ada");
                desk.deck.cache("queries").invalidate().await;
                assert_eq!(desk.name(1).await, "Ada", "not committed yet");
                transaction.commit().await.unwrap();
                assert_eq!(desk.name(1).await, "Eve");

                // What is rolled back invalidates nothing: what was changed unseen stays so.
                let mut transaction = desk.pool.begin().await.unwrap();
                sqlx::query(update).bind("Fay").execute(&mut *transaction).await.unwrap();
                transaction.rollback().await.unwrap();
                desk.rename_unseen(1, "Gil").await;
                assert_eq!(desk.name(1).await, "Eve");
                let mut transaction = desk.pool.begin().await.unwrap();
                sqlx::query(update).bind("Fay").execute(&mut *transaction).await.unwrap();
                drop(transaction);
                assert_eq!(desk.name(1).await, "Eve");

                // One that is begun by hand.
                let mut connection = desk.pool.acquire().await.unwrap();
                connection.execute("BEGIN").await.unwrap();
                sqlx::query(update).bind("Hal").execute(&mut *connection).await.unwrap();
                assert_eq!(desk.name(1).await, "Eve");
                connection.execute("COMMIT").await.unwrap();
                assert_eq!(desk.name(1).await, "Hal");
            }

            #[tokio::test]
            async fn every_way_to_read_and_to_write_a_table_is_known() {
                let desk = $database("ways").await;
                let simple = "SELECT name AS {} FROM users";
                let changes = [
                    "INSERT INTO users VALUES (3, 'Cy')",
                    "INSERT INTO users VALUES (3, 'Cy') ON CONFLICT (id) DO UPDATE SET name = 'Di'",
                    "INSERT INTO \"users\" (id, name) SELECT id + 10, text FROM notes",
                    "UPDATE Users SET name = 'Di' WHERE id = 3",
                    "WITH old AS (SELECT 3 AS id) DELETE FROM users WHERE id IN (SELECT id FROM old)",
                    "CREATE TABLE other_one (id BIGINT)",
                    "ALTER TABLE notes ADD COLUMN more TEXT",
                    "DROP TABLE other_one",
                    "UPDATE notes SET text = 'x'; UPDATE users SET name = 'y'",
                ];
                for statement in changes {
                    assert!(desk.goes(simple, statement).await, "{statement}");
                }
                for statement in [
                    "UPDATE notes SET text = (SELECT name FROM users WHERE id = 1)",
                    "SELECT 1",
                    "INSERT INTO notes (id, text) SELECT id + 100, name FROM users",
                ] {
                    assert!(!desk.goes(simple, statement).await, "{statement}");
                }
                for query in [
                    "SELECT (SELECT max(name) FROM users) AS {}",
                    "SELECT text AS {} FROM notes JOIN users ON users.id = author",
                    "SELECT text AS {} FROM notes WHERE author IN (SELECT id FROM users)",
                    "WITH u AS (SELECT id FROM users) SELECT count(*) AS {} FROM u",
                    "SELECT name AS {} FROM (SELECT name FROM \"users\") AS inside",
                    "SELECT text AS {} FROM notes UNION SELECT name FROM users",
                    "SELECT text AS {} FROM notes WHERE EXISTS (SELECT 1 FROM users WHERE id = author)",
                ] {
                    let statement = "UPDATE users SET name = 'z' WHERE id = 2";
                    assert!(desk.goes(query, statement).await, "{query}");
                }
            }

            #[tokio::test]
            async fn what_may_not_be_kept_goes_through_and_is_counted() {
                let desk = $database("through").await;
                let check = async |sql: &'static str, why: Bypass| {
                    let before = desk.deck.bypassed_queries(why);
                    for _ in 0..2 {
                        sqlx::query(sql).cache(TTL).fetch_all(&desk.pool).await.unwrap();
                    }
                    assert_eq!(desk.deck.bypassed_queries(why), before + 2, "{sql}");
                };
                check("SELECT random()", Bypass::Volatile).await;
                check("SELECT id FROM users WHERE CURRENT_TIMESTAMP IS NOT NULL", Bypass::Volatile).await;
                check("UPDATE users SET name = 'x' RETURNING id", Bypass::NoQuery).await;
                // Elsewhere nothing is kept, either.
                for name in ["Eve", "Fay"] {
                    desk.rename_unseen(1, name).await;
                    let sql = "SELECT name FROM users WHERE id = 1";
                    let query = || sqlx::query_scalar::<_, String>(sql).cache(TTL);
                    assert_eq!(query().fetch_one(&desk.beside).await.unwrap(), name);
                    let mut connection = desk.pool.acquire().await.unwrap();
                    assert_eq!(query().fetch_one(&mut *connection).await.unwrap(), name);
                    assert_eq!(query().fetch_one(connection.inner()).await.unwrap(), name);
                }
                assert_eq!(desk.deck.bypassed_queries(Bypass::Executor), 2);
                let long = "x".repeat(100_000);
                let query = sqlx::query("SELECT id FROM users WHERE name = $1").bind(&long).cache(TTL);
                assert!(query.fetch_all(&desk.pool).await.unwrap().is_empty());
                assert_eq!(desk.deck.bypassed_queries(Bypass::Values), 1);
            }

            #[tokio::test]
            async fn a_name_is_for_invalidation_and_tells_nothing_apart() {
                let desk = $database("key").await;
                let by_id = "SELECT name FROM users WHERE id = $1";
                let named = async |id: i64| {
                    let query = sqlx::query_scalar::<_, String>(by_id).bind(id);
                    query.cache_key("users:one").fetch_one(&desk.pool).await.unwrap()
                };
                assert_eq!((named(1).await, named(2).await), ("Ada".to_owned(), "Bob".to_owned()));
                desk.rename_unseen(1, "Eve").await;
                assert_eq!((named(1).await, named(2).await), ("Ada".to_owned(), "Bob".to_owned()));
                desk.deck.cache("queries").invalidate_key("users:two");
                assert_eq!(named(1).await, "Ada");
                desk.deck.cache("queries").invalidate_key("users:one");
                assert_eq!(named(1).await, "Eve");
                let query = sqlx::query_scalar::<_, String>(by_id).bind(1_i64);
                let other = query.cache(TTL).cache_key(("users", 1)).namespace("people");
                assert_eq!(other.fetch_one(&desk.pool).await.unwrap(), "Eve");
                desk.rename_unseen(1, "Fay").await;
                desk.deck.cache("queries").invalidate();
                let query = sqlx::query_scalar::<_, String>(by_id).bind(1_i64);
                let other = query.cache(TTL).cache_key(("users", 1)).namespace("people");
                assert_eq!(other.fetch_one(&desk.pool).await.unwrap(), "Eve");
            }

            #[tokio::test]
            async fn a_statement_that_its_caller_gave_up_invalidates_what_it_has_done() {
                use futures_util::{FutureExt as _, TryStreamExt as _};
                let desk = $database("given_up").await;
                assert_eq!(desk.name(1).await, "Ada");
                let update = "UPDATE users SET name = 'Eve' RETURNING id";
                {
                    let mut rows = sqlx::query(update).fetch(&desk.pool);
                    assert!(rows.try_next().await.unwrap().is_some());
                }
                let settled = async |name: &str| {
                    let started = std::time::Instant::now();
                    while desk.name(1).await != name {
                        assert!(started.elapsed() < PATIENCE, "no {name}");
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                };
                settled("Eve").await;
                {
                    let update = sqlx::query("UPDATE users SET name = 'Fay'").execute(&desk.pool);
                    let mut update = std::pin::pin!(update);
                    // Until it is with the server.
                    while update.as_mut().now_or_never().is_none() {
                        let name = sqlx::query_scalar::<_, String>("SELECT name FROM users WHERE id = 1");
                        if name.fetch_one(&desk.beside).await.unwrap() == "Fay" {
                            break;
                        }
                    }
                }
                settled("Fay").await;
            }
        }
    };
}

tests!(postgres, Postgres);
tests!(sqlite, Sqlite);

#[tokio::test]
async fn what_only_postgres_has_is_known_as_well() {
    let desk = postgres("own").await;
    desk.beside
        .execute("CREATE SCHEMA audit; CREATE TABLE audit.users (id BIGINT)")
        .await
        .ok();
    let query = "SELECT name AS {} FROM public.users";
    for statement in [
        "WITH new AS (INSERT INTO users VALUES (7, 'x') RETURNING id) SELECT id FROM new",
        "WITH d AS (DELETE FROM users WHERE id = 7 RETURNING id), u AS (UPDATE notes SET text = 'x') SELECT id FROM d",
        "MERGE INTO users u USING notes n ON u.id = n.id WHEN MATCHED THEN UPDATE SET name = n.text",
        "DELETE FROM users USING notes WHERE users.id = notes.id + 1000",
        "DO $$ BEGIN UPDATE users SET name = 'y'; END $$",
        "TRUNCATE users",
        "TRUNCATE TABLE users CASCADE",
    ] {
        assert!(desk.goes(query, statement).await, "{statement}");
    }
    let query = sqlx::query("SELECT id FROM users FOR UPDATE").cache(TTL);
    query.fetch_all(&desk.pool).await.unwrap();
    assert_eq!(desk.deck.bypassed_queries(Bypass::Locks), 1);
    let query = sqlx::query("SELECT relname FROM pg_class LIMIT 1").cache(TTL);
    query.fetch_all(&desk.pool).await.unwrap();
    assert_eq!(desk.deck.bypassed_queries(Bypass::Catalog), 1);
}

#[tokio::test]
async fn two_databases_have_nothing_in_common() {
    let (one, two) = (sqlite("one").await, sqlite("two").await);
    // Under one deck, by one name.
    let other = one.deck.pool("primary", two.beside.clone());
    two.rename_unseen(1, "Zoe").await;
    assert_eq!(one.name(1).await, "Ada");
    let query = sqlx::query_scalar::<_, String>("SELECT name FROM users WHERE id = $1");
    let name = query.bind(1_i64).cache(TTL).fetch_one(&other).await;
    assert_eq!(name.unwrap(), "Zoe");
    assert_eq!(one.name(1).await, "Ada");
}

#[tokio::test]
async fn the_namespace_has_the_last_word_on_the_time() {
    let policy = Policy::new().ttl(Duration::from_millis(50)).jitter(0);
    let (_guard, deck, folder) = deck(Builder::new("shop").cache("queries", policy));
    let beside = sqlite_pool(&folder).await;
    beside.execute(sqlx::raw_sql(SCHEMA)).await.unwrap();
    let pool = deck.pool("primary", beside.clone());
    let name = async || {
        let query = sqlx::query_scalar::<_, String>("SELECT name FROM users WHERE id = 1");
        query.cache(TTL).fetch_one(&pool).await.unwrap()
    };
    assert_eq!(name().await, "Ada");
    beside
        .execute("UPDATE users SET name = 'Eve'")
        .await
        .unwrap();
    let started = std::time::Instant::now();
    while name().await != "Eve" {
        assert!(started.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_statement_in_one_instance_invalidates_in_the_others() {
    let redis = perfdeck_tests::redis::Server::start().unwrap();
    let (_one, here, folder) = deck(Builder::new("shop").redis(redis.url()));
    let (_two, there, _folder) = deck(Builder::new("shop").redis(redis.url()));
    let beside = sqlite_pool(&folder).await;
    beside.execute(sqlx::raw_sql(SCHEMA)).await.unwrap();
    // Each with connections of its own, by a name of its own; the first never caches anything.
    let writer = here.pool("writer", sqlite_pool(&folder).await);
    let reader = there.pool("reader", sqlite_pool(&folder).await);
    // What was put into a namespace before Redis was first asked about it doesn't count.
    let (users, others) = (here.cache("queries"), there.cache("queries"));
    within(PATIENCE, "agreement", || {
        others.insert(&0, 0);
        users.invalidate_key(&0);
        std::thread::sleep(Duration::from_millis(20));
        Ok(match others.get::<i32>(&0) {
            None => Seen::Yes(()),
            Some(_) => Seen::NotYet("not attached".to_owned()),
        })
    })
    .unwrap();

    let text = async || {
        let query = sqlx::query_scalar::<_, String>("SELECT text FROM notes WHERE id = 1");
        query.cache(TTL).fetch_one(&reader).await.unwrap()
    };
    let name = async || {
        let query = sqlx::query_scalar::<_, String>("SELECT name FROM users WHERE id = 1");
        query.cache(TTL).fetch_one(&reader).await.unwrap()
    };
    assert_eq!(
        (name().await, text().await),
        ("Ada".to_owned(), "one".to_owned())
    );
    beside
        .execute("UPDATE notes SET text = 'unseen'")
        .await
        .unwrap();
    let seen = async |expected: &str| {
        let started = std::time::Instant::now();
        while name().await != expected {
            assert!(started.elapsed() < PATIENCE, "no {expected}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let update = "UPDATE users SET name = $1";
    sqlx::query(update)
        .bind("Eve")
        .execute(&writer)
        .await
        .unwrap();
    seen("Eve").await;
    assert_eq!(text().await, "one", "another table");
    let mut transaction = writer.begin().await.unwrap();
    sqlx::query(update)
        .bind("Fay")
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    seen("Fay").await;
    assert_eq!(text().await, "one", "another table");
    writer
        .execute("CREATE INDEX notes_text ON notes (text)")
        .await
        .unwrap();
    let started = std::time::Instant::now();
    while text().await != "unseen" {
        assert!(
            started.elapsed() < PATIENCE,
            "a statement of its own changes all"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
