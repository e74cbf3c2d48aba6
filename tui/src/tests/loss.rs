//! A viewer that loses frames shows a state that was, and after a quiet moment the state that is.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use perfdeck_bridge::board::Board;
use perfdeck_bridge::client::{Client, Options};
use perfdeck_bridge::codec::{Frames, MAX_FRAME};
use perfdeck_bridge::protocol::{
    ActReply, ActRequest, Answer, Hello, Question, State, Topic, Update,
};
use perfdeck_bridge::server::{Caller, Stats, serve};
use perfdeck_bridge::testing::{NOW, Sample, hello, updates_at};
use perfdeck_bridge::{BoxFuture, Source, Subscription, socket};
use perfdeck_tests::folder::Folder;
use tokio::io::{AsyncWriteExt as _, copy};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::model::Model;
use crate::msg::{LinkMsg, Msg};
use crate::update::update;

/// How often the host tells each topic, in the place of a second.
const PERIOD: Duration = Duration::from_millis(50);
/// Steps of one run, and how often in it the connection is cut.
const STEPS: u64 = 60;
const CUT_EACH: u64 = 25;
const SEEDS: [u64; 3] = [1, 0x5eed, 0xdead_beef];

#[test]
fn promise_8_lost_updates_never_become_wrong_state() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for seed in SEEDS {
        println!("seed {seed:#x}");
        runtime.block_on(run(seed));
    }
}

/// Changes states at random behind a line that loses half of what it carries, then looks once the line was quiet.
async fn run(seed: u64) {
    let folder = Folder::new().unwrap();
    let (server, way) = (
        folder.path().join("server.sock"),
        folder.path().join("line.sock"),
    );
    let truth = Truth(Board::new());
    let board = truth.0.clone();
    let listener = socket::bind_at(&server).unwrap();
    let attach = move |_: Caller| Arc::new(truth.clone()) as Arc<dyn Source>;
    let serving = tokio::spawn(serve(listener, attach, Arc::new(Stats::default())));

    let mut chance = Chance(seed);
    let mut model = Model::new(NOW);
    let mut line = Line::open(&server, &way, Chance(seed ^ 1));
    let mut viewer = Viewer::attach(&way, &mut model).await;
    let (mut lost, mut wrong) = (0, 0);
    for step in 1..=STEPS {
        let sample = Sample::ALL[chance.below(4) as usize];
        for fresh in updates_at(sample, NOW.after(Duration::from_secs(step))) {
            if chance.below(3) > 0 {
                board.publish(fresh);
            }
        }
        viewer.hear(&mut model, PERIOD / 5).await;
        wrong += differences(&model, &board).len();
        if step.is_multiple_of(CUT_EACH) {
            let (reason, retry_at) = ("cut".to_owned(), model.now);
            update(&mut model, Msg::Link(LinkMsg::Lost { reason, retry_at }));
            drop(viewer);
            lost += line.lost();
            drop(line);
            line = Line::open(&server, &way, Chance(seed ^ step));
            viewer = Viewer::attach(&way, &mut model).await;
        }
    }
    lost += line.lost();
    assert!(lost > 20, "the line lost {lost} frames only");
    assert!(wrong > 0, "nothing that was lost was missed");

    // One period more, on a line that is whole again: the host tells each topic once, as it does each second.
    line.heal();
    for topic in Topic::ALL {
        let state = board.latest(topic).unwrap().state.clone();
        let at = NOW.after(Duration::from_secs(STEPS + 1));
        board.publish(Arc::new(Update {
            at,
            state,
            left_out: 0,
        }));
    }
    viewer.hear(&mut model, PERIOD * 10).await;
    let wrong = differences(&model, &board);
    assert!(
        wrong.is_empty(),
        "seed {seed:#x}: {wrong:?} are not as the host says"
    );
    serving.abort();
}

/// The topics of which the viewer shows something else than the host says.
fn differences(model: &Model, board: &Board) -> Vec<Topic> {
    let differs = |topic: &Topic| {
        let told = board.latest(*topic).map(|update| update.state.clone());
        // As it is written: where nothing was seen a series has `NaN`, which does not even equal itself.
        format!("{:?}", shown(model, *topic)) != format!("{told:?}")
    };
    Topic::ALL.into_iter().filter(differs).collect()
}

fn shown(model: &Model, topic: Topic) -> Option<State> {
    let data = model.data();
    match topic {
        Topic::Status => data
            .status()
            .cloned()
            .map(|status| State::Status(Box::new(status))),
        Topic::Overview => data.overview().cloned().map(Box::new).map(State::Overview),
        Topic::Requests => data.requests().cloned().map(State::Requests),
        Topic::Queries => data.queries().cloned().map(State::Queries),
        Topic::Caches => data.caches().cloned().map(State::Caches),
        Topic::Database => data.database().cloned().map(State::Database),
        Topic::Alerts => data.alerts().cloned().map(State::Alerts),
        Topic::Advice => data.advice().cloned().map(State::Advice),
        Topic::Ledger => data.ledger().cloned().map(State::Ledger),
        Topic::Host => data.host().cloned().map(State::Host),
    }
}

/// What a viewer has open.
struct Viewer {
    _client: Client,
    subscription: Subscription,
}

impl Viewer {
    async fn attach(way: &Path, model: &mut Model) -> Self {
        let options = Options {
            viewer: "test".into(),
            read_only: true,
        };
        let client = Client::connect(way, options).await.unwrap();
        let hello = Box::new(client.hello().await.unwrap());
        update(model, Msg::Link(LinkMsg::Attached(hello)));
        let subscription = client.subscribe(&Topic::ALL);
        Self {
            _client: client,
            subscription,
        }
    }

    /// Takes in what arrives until nothing did for a while.
    async fn hear(&mut self, model: &mut Model, quiet: Duration) {
        while let Ok(Some(published)) = timeout(quiet, self.subscription.next()).await {
            update(model, Msg::Update(Arc::clone(&published.update)));
        }
    }
}

/// A way to the server that loses half of the states that come over it.
struct Line {
    carrying: JoinHandle<()>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    whole: AtomicBool,
    lost: AtomicU64,
}

impl Line {
    fn open(server: &Path, way: &Path, chance: Chance) -> Self {
        // The one before left its own behind.
        let _ = std::fs::remove_file(way);
        let listener = UnixListener::bind(way).unwrap();
        let shared = Arc::<Shared>::default();
        let carried = Arc::clone(&shared);
        let server = server.to_owned();
        let carrying = tokio::spawn(async move {
            let (viewer, _) = listener.accept().await.unwrap();
            carry(
                viewer,
                UnixStream::connect(server).await.unwrap(),
                chance,
                &carried,
            )
            .await;
        });
        Self { carrying, shared }
    }

    fn heal(&self) {
        self.shared.whole.store(true, Ordering::Relaxed);
    }

    fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

async fn carry(viewer: UnixStream, server: UnixStream, mut chance: Chance, shared: &Shared) {
    let (mut from_viewer, mut to_viewer) = viewer.into_split();
    let (from_server, mut to_server) = server.into_split();
    let there = async { drop(copy(&mut from_viewer, &mut to_server).await) };
    let back = async {
        let mut frames = Frames::new(from_server, MAX_FRAME);
        let mut first = true;
        while let Ok(Some(body)) = frames.next().await {
            // The hello is no state, and without it nobody is attached.
            let loses = !first && !shared.whole.load(Ordering::Relaxed) && chance.below(2) == 0;
            first = false;
            if loses {
                shared.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let length = (body.len() as u32).to_be_bytes();
            if to_viewer.write_all(&length).await.is_err()
                || to_viewer.write_all(&body).await.is_err()
            {
                return;
            }
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}

/// The host: whatever is on the board.
#[derive(Clone)]
struct Truth(Board);

impl Source for Truth {
    fn hello(&self) -> BoxFuture<'_, perfdeck_bridge::Result<Hello>> {
        Box::pin(async { Ok(hello(Sample::Typical)) })
    }

    fn subscribe(&self, topics: &[Topic]) -> Subscription {
        Subscription::new(self.0.follower(topics))
    }

    fn ask(&self, _: Question) -> BoxFuture<'_, perfdeck_bridge::Result<Answer>> {
        panic!("nobody asks")
    }

    fn act(&self, _: ActRequest) -> BoxFuture<'_, perfdeck_bridge::Result<ActReply>> {
        panic!("nobody acts")
    }
}

/// Numbers that a seed decides (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}
