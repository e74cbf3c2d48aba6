//! Promises to those who let perfdeck into their process; each test bears its promise's number and name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::routing::get;
use perfdeck::cache::Policy;
use perfdeck::{Pool, Risk};
use perfdeck_bridge::Source;
use perfdeck_bridge::client::Client;
use perfdeck_bridge::codec::{self, Frames, MAX_FRAME};
use perfdeck_bridge::protocol::{
    ActRequest, CacheCapacity, Evidence, ExemplarId, FindingId, FromHost, FromViewer, Intent,
    LedgerId, LedgerRow, LedgerStatus, PROTOCOL_VERSION, PlanId, QueryId, Question, RefusalCode,
    State, Topic, WhichExemplar,
};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::postgres::Server;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Executor, Sqlite, SqlitePool};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, fmt};

use crate::desk;

/// Every way to write a literal, and texts that end inside one.
const LITERALS: [&str; 27] = [
    "'SECRET'",
    "'it''s SECRET'",
    "E'SECRET\\''",
    "e'\\\\SECRET'",
    "U&'SECRET'",
    "u&'\\0041SECRET'",
    "N'SECRET'",
    "$$SECRET$$",
    "$a$SECRET$$ $a$",
    "\"SECRET\"",
    "'SECRET\nSECRET'",
    "'SECRET' 'SECRET'",
    "'SECRET'::text",
    "CAST('SECRET' AS text)",
    "date 'SECRET'",
    "INTERVAL 'SECRET'",
    "-4711471147",
    "4711471147.4711471147e3",
    "('SECRET')",
    "'SECRET",
    "\"SECRET x",
    "$$SECRET",
    "/* SECRET */ 1",
    "1 -- SECRET\n",
    "'SECRET\\'",
    "lower(\"SECRET\")",
    "json_extract('SECRET', '$.SECRET')",
];

/// Every place that takes one; most of them fail, which must tell no more.
const PLACES: [&str; 14] = [
    "SELECT body FROM notes WHERE ticket = {}",
    "SELECT body FROM notes WHERE ticket IN ({}, {})",
    "SELECT body FROM notes WHERE ticket LIKE {}",
    "SELECT body FROM notes WHERE id BETWEEN {} AND {}",
    "SELECT body FROM nowhere WHERE ticket = {}",
    "INSERT INTO notes (ticket, body) VALUES ({}, {}), ({}, {})",
    "INSERT INTO notes (id, ticket, body) VALUES (1, {}, {})",
    "UPDATE notes SET body = {} WHERE ticket <> {} AND id < 0",
    "WITH x AS (SELECT 1 WHERE 1 = {}) SELECT * FROM x",
    "SELECT CASE WHEN 1 = {} THEN {} ELSE {} END",
    "CREATE ROLE x PASSWORD {}",
    "PRAGMA nothing = {}",
    "not sql at all = {}",
    "EXPLAIN SELECT 1 = {}",
];

#[test]
fn promise_24_no_dump_by_passes_redaction() -> Result<()> {
    tracing::subscriber::set_global_default(
        tracing_subscriber::registry().with(
            fmt::layer()
                .with_writer(|| Log)
                .with_filter(Targets::new().with_target("perfdeck", tracing::Level::TRACE)),
        ),
    )?;
    desk::runtime()?.block_on(async {
        let folder = Folder::new()?;
        let ledger = folder.path().join("ledger");
        let (guard, deck) = perfdeck::Builder::new("promise-24")
            .socket(folder.path().join("deck.sock"))
            .ledger(&ledger)
            .allow(Risk::Schema)
            .start()?;
        let pool = deck.pool("primary", desk::database(&folder.path().join("db")).await?);
        // Most are no SQLite, and the others no PostgreSQL.
        run_corpus(async |sql| {
            let _ = sqlx::query(AssertSqlSafe(sql)).execute(&pool).await;
        })
        .await;
        let server = Server::shared()?;
        let reports = PgPool::connect(&server.database("promise_24")?).await?;
        reports
            .execute("CREATE TABLE notes (id int PRIMARY KEY, ticket text, body text)")
            .await?;
        let reports = deck.pool("reports", reports);
        run_corpus(async |sql| {
            let _ = sqlx::query(AssertSqlSafe(sql)).execute(&reports).await;
        })
        .await;
        let _ = sqlx::query("SELECT body FROM notes WHERE ticket = ? AND id = ?")
            .bind("SECRET")
            .bind(4_711_471_147_i64)
            .fetch_all(&pool)
            .await;

        // A literal in the statement's own text that takes time, again and again: a missing index and an N+1.
        let routes = Router::new()
            .route("/tickets/{id}", get(repeats))
            .with_state(pool.clone())
            .layer(deck.http_layer().headers(true));
        let address = desk::serve(routes).await?;
        let load = tokio::spawn(async move {
            loop {
                let _ = desk::get(address, "/tickets/SECRET?q=SECRET", "").await;
                let _ = desk::get(address, "/nowhere/SECRET", "").await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let client = desk::viewer(&deck, false).await?;
        let mut told = Vec::new();
        let repeated = desk::until("N+1", || desk::finding(&client, "n_plus_one")).await?;
        let Evidence::NPlusOne(evidence) = &repeated.evidence else {
            bail!("{repeated:?}")
        };
        ensure!(evidence.rewrite.is_some(), "{repeated:?}");
        let missing = desk::until("missing index", || desk::finding(&client, "missing_index"));
        let missing = missing.await?;
        let Evidence::MissingIndex(evidence) = &missing.evidence else {
            bail!("{missing:?}")
        };
        ensure!(
            !evidence.plan_before.is_empty() && !evidence.plan_after.is_empty(),
            "{missing:?}"
        );
        told.push(serde_json::to_string(&[&repeated, &missing])?);
        told.extend(desk::everything(&client).await?);

        told.push(desk::applied(&client, &missing).await?);
        told.extend(desk::everything(&client).await?);
        load.abort();
        guard.stop();

        let rows = std::fs::read_to_string(&ledger)?;
        ensure!(
            rows.contains("create_index"),
            "the ledger has no row: {rows}"
        );
        told.push(rows);
        told.push(String::from_utf8_lossy(&log()).into_owned());
        let whole = told.join("\n");
        ensure!(
            whole.contains("<unparsable ") && whole.contains("ticket = ?"),
            "the statements were not seen"
        );
        for text in told {
            for secret in ["secret", "4711471147"] {
                let lower = text.to_ascii_lowercase();
                if let Some(at) = lower.find(secret) {
                    let near = lower.get(at.saturating_sub(200)..at + 100);
                    bail!("{secret} is told: {:?}", near.unwrap_or(&lower));
                }
            }
        }
        Ok(())
    })
}

#[test]
fn promise_24_only_the_redactor_makes_redacted_text() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut makers = BTreeSet::new();
    let mut open = ["sdk/src", "tui/src", "bridge/src"]
        .map(|part| root.join(part))
        .to_vec();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                open.push(entry?.path());
            }
        } else if std::fs::read_to_string(&path)?.contains("Redacted::through") {
            let path = path.strip_prefix(&root)?;
            makers.insert(path.display().to_string());
        }
    }
    assert_eq!(
        makers,
        BTreeSet::from([
            // Its own documentation, and the samples that viewers are tested with.
            "bridge/src/protocol/redacted.rs".to_owned(),
            "bridge/src/testing/voice.rs".to_owned(),
            "sdk/src/sql/redacted.rs".to_owned(),
        ])
    );
    Ok(())
}

async fn run_corpus(run: impl AsyncFn(String)) {
    let statements = PLACES.iter().flat_map(|place| {
        LITERALS
            .iter()
            .map(move |literal| place.replace("{}", literal))
    });
    let long = format!("SELECT '{}'", "SECRET ".repeat(150_000));
    for sql in statements.chain([long, format!("SELECT {}", "'SECRET', ".repeat(2_000))]) {
        run(sql).await;
    }
}

async fn repeats(
    axum::extract::State(pool): axum::extract::State<Pool<Sqlite>>,
) -> Result<&'static str, axum::http::StatusCode> {
    for number in 0..8 {
        let sql = format!("SELECT body FROM notes WHERE ticket = 'SECRET-{number}4711471147'");
        sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&pool)
            .await
            .map_err(|_| axum::http::StatusCode::INTERNAL_SERVER_ERROR)?;
    }
    Ok("done")
}

/// What perfdeck has logged.
fn log() -> MutexGuard<'static, Vec<u8>> {
    static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        log().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn promise_15_observe_role_cannot_change_anything() -> Result<()> {
    let runtime = desk::runtime()?;
    let folder = Folder::new()?;
    let ledger = folder.path().join("ledger");
    let file = folder.path().join("db");
    let (guard, deck) = perfdeck::Builder::new("promise-15")
        .socket(folder.path().join("deck.sock"))
        .ledger(&ledger)
        .allow(Risk::Schema)
        .allow(Risk::Backend)
        .allow(Risk::Host)
        .cache("reports", Policy::new())
        .start()?;
    let reports = deck.cache("reports");
    deck.cache("spare").insert(&0, 0);
    for key in 0..50_u32 {
        reports.insert(&key, key * 7);
    }

    let (client, pool, targets) = runtime.block_on(async {
        let pool = deck.pool("primary", desk::database(&file).await?);
        let client = desk::viewer(&deck, false).await?;
        let finding = desk::until("missing index", || async {
            for _ in 0..20 {
                sqlx::query("SELECT body FROM notes WHERE ticket = ?")
                    .bind("ticket-7")
                    .fetch_all(&pool)
                    .await?;
            }
            desk::finding(&client, "missing_index").await
        })
        .await?;
        let clear = |namespace: &str| Intent::ClearCache {
            namespace: namespace.into(),
        };
        // Something that could be undone.
        let plan = desk::preview(&client, clear("spare")).await?;
        client.act(ActRequest::Apply(plan)).await?;
        let done = |row: &LedgerRow| row.status == LedgerStatus::Done && row.undo.is_some();
        let undoable = desk::row(&client, "a row to undo", done).await?.id;
        let targets = Targeted {
            finding: finding.id.clone(),
            // Good ones, but another's.
            plans: vec![
                desk::preview(&client, Intent::Apply(finding.id)).await?,
                desk::preview(&client, clear("reports")).await?,
            ],
            undoable,
        };
        anyhow::Ok((client, pool, targets))
    })?;

    let look = || {
        runtime.block_on(async {
            anyhow::Ok(Seen {
                entries: (0..50_u32).map(|key| reports.get(&key)).collect(),
                schema: schema(pool.inner()).await?,
                files: files(folder.path())?,
                rows: rows(&client).await?,
                spare: deck.cache("spare").get(&0),
                connections: pool.inner().options().get_max_connections(),
                closed: pool.inner().is_closed(),
            })
        })
    };
    let before = look()?;
    ensure!(before.entries.iter().all(Option::is_some) && !before.schema.is_empty());
    let socket = deck.socket().context("the deck is on")?;
    let mut runner = TestRunner::new(Config {
        cases: 48,
        failure_persistence: None,
        ..Config::default()
    });
    let messages = prop::collection::vec(message(targets), 1..24);
    runner.run(&messages, |messages| {
        runtime
            .block_on(observe(socket, messages))
            .map_err(|error| TestCaseError::fail(format!("{error:#}")))
    })?;
    // What was begun beside the tick would be done by then.
    std::thread::sleep(Duration::from_millis(2_500));
    let after = look()?;
    ensure!(before == after, "something has changed");
    guard.stop();
    Ok(())
}

/// All that an action could change.
#[derive(PartialEq)]
struct Seen {
    entries: Vec<Option<u32>>,
    schema: Vec<String>,
    /// The database among them.
    files: BTreeMap<PathBuf, Vec<u8>>,
    rows: Vec<(LedgerId, LedgerStatus)>,
    spare: Option<u32>,
    connections: u32,
    closed: bool,
}

/// What there is to act on.
#[derive(Debug, Clone)]
struct Targeted {
    finding: FindingId,
    plans: Vec<PlanId>,
    undoable: LedgerId,
}

/// What is in the ledger; a verdict may still come.
async fn rows(client: &Client) -> Result<Vec<(LedgerId, LedgerStatus)>> {
    let State::Ledger(ledger) = desk::now(client, Topic::Ledger).await? else {
        bail!("no ledger");
    };
    let rows = ledger.rows.iter();
    Ok(rows.map(|row| (row.id, row.status)).collect())
}

/// What is in each file of a folder but the ledger.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() && !path.ends_with("ledger") {
            files.insert(path.clone(), std::fs::read(path)?);
        }
    }
    Ok(files)
}

async fn schema(pool: &SqlitePool) -> Result<Vec<String>> {
    let sql = "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name";
    Ok(sqlx::query_scalar(sql).fetch_all(pool).await?)
}

/// Says these as a viewer that gave its right up, and then tries to take it back.
async fn observe(socket: &Path, messages: Vec<FromViewer>) -> Result<()> {
    let (reader, writer) = UnixStream::connect(socket).await?.into_split();
    let mut wire = Wire {
        frames: Frames::new(reader, MAX_FRAME),
        writer,
    };
    let hello = |read_only| FromViewer::Hello {
        protocol: PROTOCOL_VERSION,
        viewer: "test".into(),
        read_only,
    };
    wire.say(&hello(true)).await?;
    ensure!(matches!(wire.hear().await?, Some(FromHost::Hello(_))));
    for message in messages {
        wire.say(&message).await?;
        let id = match &message {
            FromViewer::Ask(id, _) | FromViewer::Act(id, _) => *id,
            FromViewer::Hello { .. } | FromViewer::Subscribe(_) => continue,
        };
        let reply = loop {
            match wire.hear().await?.context("the host hung up")? {
                FromHost::Reply(of, reply) if of == id => break reply,
                FromHost::Update(_) => {}
                other => bail!("{other:?} to {message:?}"),
            }
        };
        if matches!(message, FromViewer::Act(..)) {
            let refused = reply
                .as_ref()
                .is_err_and(|refusal| refusal.code == RefusalCode::NotAllowed);
            ensure!(refused, "{reply:?} to {message:?}");
        }
    }
    // A second hello ends the connection, so whatever follows is heard by nobody.
    wire.say(&hello(false)).await?;
    while let Some(message) = wire.hear().await? {
        ensure!(
            !matches!(message, FromHost::Hello(_) | FromHost::Reply(..)),
            "{message:?} to a second hello"
        );
    }
    Ok(())
}

struct Wire {
    frames: Frames<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Wire {
    async fn say(&mut self, message: &FromViewer) -> Result<()> {
        Ok(self
            .writer
            .write_all(&codec::encode_request(message)?)
            .await?)
    }

    async fn hear(&mut self) -> Result<Option<FromHost>> {
        match self.frames.next().await? {
            Some(body) => Ok(Some(codec::decode(&body)?)),
            None => Ok(None),
        }
    }
}

/// Every message but the hello, mostly about what is really there.
fn message(targets: Targeted) -> impl Strategy<Value = FromViewer> {
    let topic = || prop::sample::select(Topic::ALL.to_vec());
    let finding = prop_oneof![
        3 => Just(targets.finding.0),
        1 => ".{0,40}".prop_map(|text| text),
    ];
    let intent = prop_oneof![
        finding.prop_map(|id| Intent::Apply(FindingId(id))),
        prop_oneof![3 => Just("reports".to_owned()), 1 => ".{0,40}".prop_map(|text| text)]
            .prop_map(|namespace| Intent::ClearCache { namespace }),
        any::<u64>().prop_map(|entries| Intent::ResizeCache {
            namespace: "reports".to_owned(),
            capacity: CacheCapacity::Entries(entries),
        }),
        any::<u32>().prop_map(|ttl_seconds| Intent::SetCacheTtl {
            namespace: "reports".to_owned(),
            ttl_seconds,
        }),
        prop_oneof![Just(targets.undoable), (0..5_u64).prop_map(LedgerId)].prop_map(Intent::Undo),
        Just(Intent::ClearAlerts),
    ];
    let plan = prop_oneof![
        3 => prop::sample::select(targets.plans),
        1 => ".{0,40}".prop_map(PlanId),
    ];
    let act = prop_oneof![
        2 => intent.prop_map(ActRequest::Preview),
        1 => plan.prop_map(ActRequest::Apply),
    ];
    let question = prop_oneof![
        topic().prop_map(Question::Now),
        "[0-9a-f]{16}".prop_map(|id| Question::Query(QueryId(id))),
        ".{0,40}".prop_map(Question::Route),
        ".{0,40}".prop_map(Question::Exemplars),
        any::<u64>().prop_map(|id| Question::Exemplar(WhichExemplar::Id(ExemplarId(id)))),
    ];
    prop_oneof![
        1 => prop::collection::vec(topic(), 0..9).prop_map(FromViewer::Subscribe),
        2 => (any::<u32>(), question).prop_map(|(id, question)| FromViewer::Ask(id, question)),
        4 => (any::<u32>(), act).prop_map(|(id, act)| FromViewer::Act(id, act)),
    ]
}
