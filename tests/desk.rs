//! A small service in this process: a deck, a database file, and routes over loopback.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use perfdeck::Deck;
use perfdeck_bridge::Source;
use perfdeck_bridge::client::{Client, Options};
use perfdeck_bridge::protocol::{
    ActReply, ActRequest, Answer, Finding, HistoryOf, HistoryRequest, Intent, LedgerRow,
    LedgerStatus, PlanId, Question, RequestRow, State, Topic, WhichExemplar,
};
use perfdeck_tests::http::{self, Response};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

/// Opens a database file with a table that is worth an index on `ticket`.
pub(crate) async fn database(file: &Path) -> Result<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(4);
    let pool = pool.connect_with(options).await?;
    for sql in [
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, ticket TEXT NOT NULL, body TEXT NOT NULL)",
        "INSERT INTO notes (ticket, body) WITH RECURSIVE n (i) AS \
         (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) \
         SELECT 'ticket-' || (i % 8000), 'a note of some length, as notes are' FROM n",
    ] {
        sqlx::query(sql).execute(&pool).await?;
    }
    Ok(pool)
}

/// Serves routes until the runtime ends.
pub(crate) async fn serve(routes: Router) -> Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(address)
}

/// Sends a GET request with further header lines.
pub(crate) async fn get(to: SocketAddr, path: &str, headers: &str) -> Result<Response> {
    let (path, headers) = (path.to_owned(), headers.to_owned());
    let sent = tokio::task::spawn_blocking(move || http::send_with(to, "GET", &path, &headers, ""));
    sent.await?
}

/// Attaches through the deck's socket.
pub(crate) async fn viewer(deck: &Deck, read_only: bool) -> Result<Client> {
    let options = Options {
        viewer: "test".into(),
        read_only,
    };
    let socket = deck.socket().context("the deck is on")?;
    Ok(Client::connect(socket, options).await?)
}

/// Asks for a topic's present state.
pub(crate) async fn now(source: &dyn Source, topic: Topic) -> Result<State> {
    match source.ask(Question::Now(topic)).await? {
        Answer::Now(update) => Ok(update.state.clone()),
        other => bail!("no state of {topic:?} but {other:?}"),
    }
}

/// Returns the finding of a rule, if it is there.
pub(crate) async fn finding(client: &Client, kind: &str) -> Result<Option<Finding>> {
    let State::Advice(advice) = now(client, Topic::Advice).await? else {
        bail!("no advice");
    };
    let mut findings = advice.findings.into_iter();
    Ok(findings.find(|finding| finding.kind == kind))
}

/// All that a viewer can read, as JSON.
pub(crate) async fn everything(client: &Client) -> Result<Vec<String>> {
    let mut told = vec![serde_json::to_string(&client.hello().await?)?];
    let mut subscription = client.subscribe(&Topic::ALL);
    let mut missing: BTreeSet<Topic> = Topic::ALL.into();
    while !missing.is_empty() {
        let published = subscription.next().await.context("the deck is gone")?;
        missing.remove(&published.update.state.topic());
        told.push(serde_json::to_string(&published.update)?);
    }
    for topic in Topic::ALL {
        let state = now(client, topic).await?;
        let questions: Vec<Question> = match &state {
            State::Queries(queries) => {
                let rows = queries.queries.iter();
                rows.map(|row| Question::Query(row.id.clone())).collect()
            }
            State::Requests(requests) => requests.routes.iter().flat_map(of_route).collect(),
            State::Status(_) => vec![Question::Numbers],
            _ => Vec::new(),
        };
        told.push(serde_json::to_string(&state)?);
        for question in questions {
            let answer = client.ask(question).await?;
            if let Answer::Exemplars(kept) = &answer {
                for row in &kept.exemplars {
                    let which = Question::Exemplar(WhichExemplar::Id(row.id));
                    // It may have been given up for another meanwhile.
                    if let Ok(exemplar) = client.ask(which).await {
                        told.push(serde_json::to_string(&exemplar)?);
                    }
                }
            }
            told.push(serde_json::to_string(&answer)?);
        }
    }
    Ok(told)
}

/// What there is to ask about a route.
fn of_route(row: &RequestRow) -> [Question; 3] {
    let route = || row.route.clone();
    [
        Question::Route(route()),
        Question::Exemplars(route()),
        Question::History(HistoryRequest::of(HistoryOf::Route(route()))),
    ]
}

/// Applies a finding's action and waits for its end; returns what was told of it.
pub(crate) async fn applied(client: &Client, finding: &Finding) -> Result<String> {
    let plan = preview(client, Intent::Apply(finding.id.clone())).await?;
    let applied = client.act(ActRequest::Apply(plan.clone())).await?;
    // A plan is good once, and what refuses it is told as well.
    let Err(refused) = client.act(ActRequest::Apply(plan)).await else {
        bail!("a plan was applied twice");
    };
    let ended = |row: &LedgerRow| row.status != LedgerStatus::Running;
    row(client, "end of the action", ended).await?;
    Ok(format!("{}\n{refused}", serde_json::to_string(&applied)?))
}

/// Asks what an action would do.
pub(crate) async fn preview(client: &Client, intent: Intent) -> Result<PlanId> {
    match client.act(ActRequest::Preview(intent)).await? {
        ActReply::Preview(preview) => Ok(preview.plan_id),
        other @ ActReply::Applied(_) => bail!("no preview but {other:?}"),
    }
}

/// Waits until the newest row of the ledger is as it should be, and returns it; none may fail.
pub(crate) async fn row(
    client: &Client,
    what: &str,
    is: impl Fn(&LedgerRow) -> bool,
) -> Result<LedgerRow> {
    let ended_badly = |row: &LedgerRow| {
        let status = row.status;
        status == LedgerStatus::Failed || status == LedgerStatus::Refused
    };
    let row = any_row(client, what, |row| ended_badly(row) || is(row)).await?;
    ensure!(!ended_badly(&row), "{row:?}");
    Ok(row)
}

/// Waits until the newest row of the ledger is as it should be, and returns it.
pub(crate) async fn any_row(
    client: &Client,
    what: &str,
    is: impl Fn(&LedgerRow) -> bool,
) -> Result<LedgerRow> {
    until(what, || async {
        let State::Ledger(ledger) = now(client, Topic::Ledger).await? else {
            bail!("no ledger");
        };
        let row = ledger.rows.into_iter().next().context("no row")?;
        Ok(is(&row).then_some(row))
    })
    .await
}

/// Looks again and again until there is something, at most for two minutes.
pub(crate) async fn until<T, F>(what: &str, mut look: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() > end {
            bail!("no {what} within two minutes");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A runtime as a service has it.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(2).enable_all().build()?)
}
