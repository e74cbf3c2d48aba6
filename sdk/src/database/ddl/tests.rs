use std::sync::Mutex;

use sqlx::{AssertSqlSafe, Executor as _};

use super::*;
use crate::database::plan_uses;
use crate::database::testing::{File, Postgres};

fn plan(engine: Engine, schema: Option<&str>, table: &str, columns: &[&str]) -> IndexPlan {
    let columns = columns.iter().map(|name| IndexColumn {
        name: (*name).into(),
        descending: false,
    });
    IndexPlan::new(engine, schema, table, columns.collect()).unwrap()
}

/// Names that break out of a statement wherever one is not quoted as it must be.
const HOSTILE: [&str; 12] = [
    "a\"; DROP TABLE victim; --",
    "a'; DROP TABLE victim; --",
    "a\" ON victim (id); --",
    "$$ DROP TABLE victim $$",
    "a/*",
    "*/ b",
    "-- a",
    "\"",
    "a) WHERE (1=1",
    "ééééééééééééééééééééééééééééééé",
    "a\u{202e}b",
    "SELECT",
];

#[test]
fn a_plan_words_its_statements() {
    let columns = vec![
        IndexColumn {
            name: "workspace_id".into(),
            descending: false,
        },
        IndexColumn {
            name: "uploaded_at".into(),
            descending: true,
        },
    ];
    let index = IndexPlan::new(Engine::Postgres, Some("public"), "documents", columns).unwrap();
    assert_eq!(
        index.create,
        "CREATE INDEX CONCURRENTLY \"perfdeck_documents_workspace_id_uploaded_at\" \
         ON \"public\".\"documents\" (\"workspace_id\", \"uploaded_at\" DESC)"
    );
    assert_eq!(
        index.drop,
        "DROP INDEX CONCURRENTLY \"public\".\"perfdeck_documents_workspace_id_uploaded_at\""
    );
    assert!(IndexPlan::new(Engine::Sqlite, None, "a\0b", Vec::new()).is_err());
}

#[tokio::test]
async fn an_index_of_sqlite_is_made_used_and_dropped() {
    let file = File::with("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT)").await;
    let (handle, index) = (file.handle(), plan(Engine::Sqlite, None, "t", &["a"]));
    let before = preflight(&handle, &index).await.unwrap();
    assert!(!before.exists);
    let told = Mutex::new(Vec::new());
    create_index(&handle, &index, |words| told.lock().unwrap().push(words))
        .await
        .unwrap();
    assert_eq!(*told.lock().unwrap(), ["building", "built"]);
    assert!(
        plan_uses(&handle, "SELECT * FROM t WHERE a = ?", &index.name)
            .await
            .unwrap()
    );
    assert!(
        !plan_uses(&handle, "SELECT * FROM t WHERE b = ?", &index.name)
            .await
            .unwrap()
    );
    assert!(
        plan_uses(&handle, "SELECT 1; DROP TABLE t", &index.name)
            .await
            .unwrap_err()
            .is_refused()
    );

    let after = preflight(&handle, &index).await.unwrap();
    assert!(after.exists);
    assert_ne!(after.state_hash, before.state_hash);
    assert!(create_index(&handle, &index, |_| ()).await.is_err());

    drop_index(&handle, &index).await.unwrap();
    assert_eq!(preflight(&handle, &index).await.unwrap(), before);
    assert!(drop_index(&handle, &index).await.unwrap_err().is_refused());
}

#[tokio::test]
async fn an_index_of_sqlite_that_is_not_as_it_was_made_is_kept() {
    let file = File::with(
        "CREATE TABLE t (a, b); CREATE INDEX perfdeck_t_a ON t (a, b); CREATE INDEX own ON t (b)",
    )
    .await;
    let index = plan(Engine::Sqlite, None, "t", &["a"]);
    assert!(preflight(&file.handle(), &index).await.unwrap().exists);
    assert!(
        drop_index(&file.handle(), &index)
            .await
            .unwrap_err()
            .is_refused()
    );
    assert!(
        preflight(&file.handle(), &plan(Engine::Sqlite, None, "t", &["b"]))
            .await
            .unwrap()
            .exists
    );
    let gone = preflight(
        &file.handle(),
        &plan(Engine::Sqlite, None, "nowhere", &["b"]),
    )
    .await;
    assert!(gone.unwrap_err().is_refused());
}

#[tokio::test]
async fn a_locked_sqlite_is_given_up_in_time() {
    let file = File::with("CREATE TABLE t (a)").await;
    let mut writer = file.pool.acquire().await.unwrap();
    writer.execute("BEGIN IMMEDIATE").await.unwrap();
    let index = plan(Engine::Sqlite, None, "t", &["a"]);
    let error = create_index(&file.handle(), &index, |_| ())
        .await
        .unwrap_err();
    assert!(error.is_busy(), "{error}");
    writer.execute("ROLLBACK").await.unwrap();
    create_index(&file.handle(), &index, |_| ()).await.unwrap();
}

#[tokio::test]
async fn a_database_in_memory_is_reached_through_the_pool() {
    let pool = sqlx::sqlite::SqlitePoolOptions::new()
        .max_connections(1)
        .connect("sqlite::memory:")
        .await
        .unwrap();
    pool.execute("CREATE TABLE t (a)").await.unwrap();
    let (handle, index) = (
        Handle::of(&pool).unwrap(),
        plan(Engine::Sqlite, None, "t", &["a"]),
    );
    create_index(&handle, &index, |_| ()).await.unwrap();
    assert!(
        plan_uses(&handle, "SELECT * FROM t WHERE a = ?", &index.name)
            .await
            .unwrap()
    );
    drop_index(&handle, &index).await.unwrap();
}

#[tokio::test]
async fn ddl_cannot_be_injected_into_sqlite() {
    for name in HOSTILE {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        let file = File::with(&format!(
            "CREATE TABLE victim (id INTEGER PRIMARY KEY); CREATE TABLE {quoted} (k INTEGER, {quoted} TEXT)"
        ))
        .await;
        let index = plan(Engine::Sqlite, None, name, &[name, "k"]);
        create_index(&file.handle(), &index, |_| ()).await.unwrap();
        let objects = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%' ORDER BY rowid";
        let objects: Vec<String> = sqlx::query_scalar(objects)
            .fetch_all(&file.pool)
            .await
            .unwrap();
        assert_eq!(objects, ["victim", name, index.name.as_str()]);
        drop_index(&file.handle(), &index).await.unwrap();
    }
}

#[tokio::test]
async fn ddl_cannot_be_injected_into_postgres() {
    let database = Postgres::with("CREATE TABLE victim (id int PRIMARY KEY)").await;
    for name in HOSTILE {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        let script = format!(
            "CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.{quoted} (k int, {quoted} text)"
        );
        database
            .pool
            .execute(sqlx::raw_sql(AssertSqlSafe(script)))
            .await
            .unwrap();
        let index = plan(Engine::Postgres, Some(name), name, &[name, "k"]);
        create_index(&database.handle(), &index, |_| ())
            .await
            .unwrap();
        let made: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT schemaname::text, tablename::text, indexname::text FROM pg_indexes WHERE indexname LIKE 'perfdeck%'",
        )
        .fetch_all(&database.pool)
        .await
        .unwrap();
        assert_eq!(
            made,
            [(name.to_owned(), name.to_owned(), index.name.clone())]
        );
        let victims = "SELECT count(*) FROM pg_class WHERE relname = 'victim'";
        let victims: i64 = sqlx::query_scalar(victims)
            .fetch_one(&database.pool)
            .await
            .unwrap();
        assert_eq!(victims, 1);
        drop_index(&database.handle(), &index).await.unwrap();
    }
}

#[tokio::test]
async fn an_index_of_postgres_is_made_used_marked_and_dropped() {
    let database = Postgres::with(
        "CREATE TABLE t (id int PRIMARY KEY, a int, b text);
         INSERT INTO t SELECT i, i, 'x' FROM generate_series(1, 20000) i; ANALYZE t",
    )
    .await;
    let (handle, index) = (
        database.handle(),
        plan(Engine::Postgres, Some("public"), "t", &["a"]),
    );
    let before = preflight(&handle, &index).await.unwrap();
    assert!(!before.exists);
    create_index(&handle, &index, |_| ()).await.unwrap();
    assert!(
        plan_uses(&handle, "SELECT * FROM t WHERE a = $1", &index.name)
            .await
            .unwrap()
    );
    assert!(
        !plan_uses(&handle, "SELECT * FROM t WHERE b = $1", &index.name)
            .await
            .unwrap()
    );
    assert!(preflight(&handle, &index).await.unwrap().exists);
    assert!(
        create_index(&handle, &index, |_| ())
            .await
            .unwrap_err()
            .is_refused()
    );
    drop_index(&handle, &index).await.unwrap();
    assert_eq!(preflight(&handle, &index).await.unwrap(), before);

    // The same name without the comment is somebody else's.
    database
        .pool
        .execute("CREATE INDEX perfdeck_t_a ON t (a)")
        .await
        .unwrap();
    assert!(drop_index(&handle, &index).await.unwrap_err().is_refused());
}

#[tokio::test]
async fn a_table_that_is_held_is_given_up_with_nothing_left() {
    let database =
        Postgres::with("CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 100)")
            .await;
    let (handle, index) = (
        database.handle(),
        plan(Engine::Postgres, Some("public"), "t", &["a"]),
    );
    for hold in [
        "LOCK TABLE t IN ACCESS EXCLUSIVE MODE",
        "INSERT INTO t VALUES (1)",
    ] {
        let mut holder = database.pool.begin().await.unwrap();
        holder.execute(hold).await.unwrap();
        let create = async { create_index(&handle, &index, |_| ()).await };
        let reader = async {
            // Whatever the build does, nobody who only reads queues behind it.
            if hold.starts_with("INSERT") {
                let read = database.pool.fetch_one("SELECT count(*) FROM t");
                tokio::time::timeout(std::time::Duration::from_secs(1), read)
                    .await
                    .unwrap()
                    .unwrap();
            }
        };
        let (created, ()) = futures_util::future::join(create, reader).await;
        let error = created.unwrap_err();
        assert_eq!(error.code(), Some("55P03"), "{error}");
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM pg_class WHERE relname LIKE 'perfdeck%'")
                .fetch_one(&database.pool)
                .await
                .unwrap();
        assert_eq!(left, 0, "after {hold}");
        holder.rollback().await.unwrap();
    }
    create_index(&handle, &index, |_| ()).await.unwrap();
}
