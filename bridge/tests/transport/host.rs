//! A host made for tests: it publishes what it is told, answers what it can, and remembers who asked for what.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use perfdeck_bridge::board::Board;
use perfdeck_bridge::client::{Client, Options};
use perfdeck_bridge::protocol::{
    ActReply, ActRequest, Answer, Hello, Intent, LedgerId, LedgerRow, LedgerStatus,
    PROTOCOL_VERSION, PlanId, Preview, Question, Refusal, RefusalCode, RequestRow, Requests, Risk,
    Role, RouteDetail, State, Status, Timestamp, Topic, Undo, Update, Verdict,
};
use perfdeck_bridge::server::{Caller, Stats, serve};
use perfdeck_bridge::{BoxFuture, Error, Result, Source, Subscription, socket};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What all connections of a host share.
#[derive(Default)]
pub(crate) struct Deck {
    pub(crate) board: Board,
    pub(crate) acts: Mutex<Vec<ActRequest>>,
    pub(crate) finished: AtomicU64,
    pub(crate) asks: AtomicU64,
    pub(crate) running: AtomicU32,
    pub most_running: AtomicU32,
    /// Lets one slow question or action go on.
    pub(crate) gate: Notify,
    pub(crate) callers: Mutex<Vec<Caller>>,
}

struct View {
    deck: Arc<Deck>,
    caller: Caller,
}

impl Source for View {
    fn hello(&self) -> BoxFuture<'_, Result<Hello>> {
        Box::pin(async { Ok(hello(self.caller.role)) })
    }

    fn subscribe(&self, topics: &[Topic]) -> Subscription {
        Subscription::new(self.deck.board.follower(topics))
    }

    fn ask(&self, question: Question) -> BoxFuture<'_, Result<Answer>> {
        Box::pin(async move {
            self.deck.asks.fetch_add(1, Ordering::SeqCst);
            match question {
                Question::Now(topic) => {
                    let unknown = || Refusal::new(RefusalCode::Unknown, "nothing yet");
                    Ok(Answer::Now(
                        self.deck.board.latest(topic).ok_or_else(unknown)?,
                    ))
                }
                Question::Query(id) => {
                    Err(Refusal::new(RefusalCode::Unknown, format!("no statement {}", id.0)).into())
                }
                Question::Route(name) if name == "slow" => {
                    let running = self.deck.running.fetch_add(1, Ordering::SeqCst) + 1;
                    self.deck.most_running.fetch_max(running, Ordering::SeqCst);
                    self.deck.gate.notified().await;
                    self.deck.running.fetch_sub(1, Ordering::SeqCst);
                    Ok(Answer::Route(RouteDetail::default()))
                }
                Question::Route(name) if name == "huge" => {
                    let mut detail = RouteDetail::default();
                    detail.row.route = "x".repeat(1 << 20);
                    Ok(Answer::Route(detail))
                }
                Question::Route(name) if name == "panic" => panic!("a source that panics"),
                Question::Route(route) => {
                    let row = RequestRow {
                        route,
                        ..RequestRow::default()
                    };
                    Ok(Answer::Route(RouteDetail {
                        row,
                        ..RouteDetail::default()
                    }))
                }
                Question::Exemplars(_)
                | Question::Exemplar(_)
                | Question::History(_)
                | Question::Numbers => {
                    Err(Refusal::new(RefusalCode::Unknown, "nothing is kept here").into())
                }
            }
        })
    }

    fn act(&self, request: ActRequest) -> BoxFuture<'_, Result<ActReply>> {
        Box::pin(async move {
            self.deck.acts.lock().unwrap().push(request.clone());
            let reply = match request {
                ActRequest::Preview(_) => ActReply::Preview(preview()),
                ActRequest::Apply(PlanId(plan)) => {
                    if plan == "slow" {
                        self.deck.gate.notified().await;
                    }
                    ActReply::Applied(row())
                }
            };
            self.deck.finished.fetch_add(1, Ordering::SeqCst);
            Ok(reply)
        })
    }
}

/// A served host in a folder of its own, which goes when it is dropped.
pub(crate) struct Host {
    pub(crate) deck: Arc<Deck>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) path: PathBuf,
    pub(crate) folder: Folder,
    server: JoinHandle<()>,
}

impl Host {
    pub(crate) fn start(name: &str) -> Self {
        let folder = Folder::new(name);
        let path = folder.path.join("demo-1-1.sock");
        let listener = socket::bind_at(&path).unwrap();
        let (deck, stats) = (Arc::new(Deck::default()), Arc::new(Stats::default()));
        let server = tokio::spawn(serve(listener, attach(&deck), Arc::clone(&stats)));
        Self {
            deck,
            stats,
            path,
            folder,
            server,
        }
    }

    /// Ends the server and waits until it is gone.
    pub(crate) async fn stop(&mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.path, options(false)).await.unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) fn attach(
    deck: &Arc<Deck>,
) -> impl Fn(Caller) -> Arc<dyn Source> + Send + Sync + 'static {
    let deck = Arc::clone(deck);
    move |caller| {
        deck.callers.lock().unwrap().push(caller);
        Arc::new(View {
            deck: Arc::clone(&deck),
            caller,
        })
    }
}

/// A folder that only this user may enter.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
}

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        use std::os::unix::fs::DirBuilderExt;
        let path = std::env::temp_dir().join(format!("pdt-{}-{name}", std::process::id()));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .unwrap();
        Self { path }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

pub(crate) fn options(read_only: bool) -> Options {
    Options {
        viewer: "test 0".to_owned(),
        read_only,
    }
}

pub(crate) fn hello(role: Role) -> Hello {
    Hello {
        protocol: PROTOCOL_VERSION,
        service: "demo".to_owned(),
        version: None,
        pid: 1,
        started_at: Timestamp::from_micros(0),
        sdk: "0.1.0".to_owned(),
        role,
        allows: vec![Risk::Cache],
    }
}

pub(crate) fn status(score: f64) -> Arc<Update> {
    let mut status = Status::default();
    status.optimization_summary.performance_score = score;
    Arc::new(Update {
        at: Timestamp::from_micros(1),
        state: State::Status(Box::new(status)),
        left_out: 0,
    })
}

pub(crate) fn score(update: &Update) -> f64 {
    match &update.state {
        State::Status(status) => status.optimization_summary.performance_score,
        other => panic!("no status but {other:?}"),
    }
}

/// A state of about `bytes` bytes.
pub(crate) fn bulky(requests: u64, bytes: usize) -> Arc<Update> {
    let row = RequestRow {
        route: "x".repeat(bytes),
        ..RequestRow::default()
    };
    let requests = Requests {
        requests,
        routes: vec![row],
        ..Requests::default()
    };
    Arc::new(Update {
        at: Timestamp::from_micros(1),
        state: State::Requests(requests),
        left_out: 0,
    })
}

pub(crate) fn row() -> LedgerRow {
    LedgerRow {
        id: LedgerId(1),
        at: Timestamp::from_micros(0),
        actor: "uid 0".to_owned(),
        action: "clear_cache".to_owned(),
        target: "analytics".to_owned(),
        status: LedgerStatus::Done,
        message: "done".to_owned(),
        verdict: Verdict::Measuring,
        predicted: None,
        realised: None,
        interval: None,
        undo_of: None,
        undo: None,
    }
}

pub(crate) fn preview() -> Preview {
    Preview {
        plan_id: PlanId("plan".to_owned()),
        expires_at: Timestamp::from_micros(60_000_000),
        kind: "clear_cache".to_owned(),
        title: "clear analytics".to_owned(),
        statement: "clear analytics".to_owned(),
        risk: Risk::Cache,
        notes: Vec::new(),
        expected: None,
        undo: Undo {
            statement: "restore".to_owned(),
            until: None,
        },
        confirm: None,
    }
}

/// One of each kind of action.
pub(crate) fn every_act() -> Vec<ActRequest> {
    let finding = perfdeck_bridge::protocol::FindingId("f".to_owned());
    vec![
        ActRequest::Preview(Intent::Apply(finding)),
        ActRequest::Preview(Intent::ClearCache {
            namespace: "analytics".to_owned(),
        }),
        ActRequest::Preview(Intent::Undo(LedgerId(1))),
        ActRequest::Preview(Intent::ClearAlerts),
        ActRequest::Apply(PlanId("plan".to_owned())),
    ]
}

/// Waits until `condition` holds; fails when it has not for long.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let patience = tokio::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(
            tokio::time::Instant::now() < patience,
            "it never came about that {what}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Returns the refusal that an error is.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T>) -> Refusal {
    match result {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("no refusal but {other:?}"),
    }
}

pub(crate) fn is_there(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}
