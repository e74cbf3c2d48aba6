//! What an attached viewer gets.

use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use perfdeck_bridge::client::Client;
use perfdeck_bridge::protocol::{
    ActReply, ActRequest, Answer, FromHost, FromViewer, PROTOCOL_VERSION, PlanId, QueryId,
    Question, RefusalCode, Role, State, Topic,
};
use perfdeck_bridge::{Error, Source, codec};
use tokio::time::timeout;

use crate::host::{
    Folder, Host, bulky, eventually, every_act, is_there, options, refusal, score, status,
};
use crate::raw::{Far, Viewer, requests};

#[tokio::test]
async fn a_viewer_gets_the_hello_the_present_state_and_each_new_one() {
    let host = Host::start("state");
    host.deck.board.publish(status(70.0));
    let client = host.client().await;
    assert_eq!(client.hello().await.unwrap().service, "demo");
    let mut subscription = client.subscribe(&[Topic::Status]);
    assert_eq!(score(&subscription.next().await.unwrap().update), 70.0);
    for value in [71.0, 72.0] {
        host.deck.board.publish(status(value));
        assert_eq!(score(&subscription.next().await.unwrap().update), value);
    }
    assert_eq!(host.stats.viewers.load(Ordering::Relaxed), 1);
    drop(client);
    eventually("the viewer is gone", || {
        host.stats.viewers.load(Ordering::Relaxed) == 0
    })
    .await;
    assert!(
        subscription.next().await.is_none(),
        "the connection ends with the last client"
    );
}

#[tokio::test]
async fn questions_and_actions_are_answered() {
    let host = Host::start("answers");
    let client = host.client().await;
    let Answer::Route(detail) = client
        .ask(Question::Route("GET /".to_owned()))
        .await
        .unwrap()
    else {
        panic!("another answer");
    };
    assert_eq!(detail.row.route, "GET /");
    let refused = refusal(client.ask(Question::Query(QueryId("q".to_owned()))).await);
    assert_eq!(refused.code, RefusalCode::Unknown);
    assert_eq!(refused.message, "no statement q");
    for act in every_act() {
        client.act(act).await.unwrap();
    }
    assert_eq!(*host.deck.acts.lock().unwrap(), every_act());
}

#[tokio::test]
async fn the_host_learns_what_anyone_follows() {
    let host = Host::start("followed");
    let client = host.client().await;
    let other = client.clone();
    let followed = || host.deck.board.followed().collect::<Vec<_>>();
    let mut first = client.subscribe(&[Topic::Status, Topic::Queries]);
    let second = other.subscribe(&[Topic::Queries, Topic::Host]);
    eventually("the union is followed", || {
        followed() == [Topic::Status, Topic::Queries, Topic::Host]
    })
    .await;
    drop(second);
    eventually("only the first is left", || {
        followed() == [Topic::Status, Topic::Queries]
    })
    .await;
    first.follow(&[]);
    eventually("nothing is left", || followed().is_empty()).await;
    // What was published meanwhile is what a new follower gets, never what was there before.
    host.deck.board.publish(status(1.0));
    first.follow(&[Topic::Status]);
    assert_eq!(score(&first.next().await.unwrap().update), 1.0);
    first.follow(&[]);
    eventually("nothing is left", || followed().is_empty()).await;
    host.deck.board.publish(status(2.0));
    first.follow(&[Topic::Status]);
    assert_eq!(score(&first.next().await.unwrap().update), 2.0);
}

#[tokio::test]
async fn a_viewer_that_does_not_read_gets_only_the_newest_and_delays_nobody() {
    let host = Host::start("slow");
    let quick = host.client().await;
    let mut quick_states = quick.subscribe(&[Topic::Requests]);
    // A viewer in words of its own, so that nothing reads for it.
    let mut slow = Viewer::attach(&host.path).await;
    slow.say(&FromViewer::Subscribe(vec![Topic::Requests]))
        .await;
    eventually("both follow", || host.deck.board.followed().count() == 1).await;
    const STATES: u64 = 50;
    for number in 1..=STATES {
        host.deck.board.publish(bulky(number, 100_000));
        let got = timeout(Duration::from_secs(5), quick_states.next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(requests(&got.update), number, "the quick one gets each");
    }
    let mut got = Vec::new();
    while got.last() != Some(&STATES) {
        got.push(slow.next_requests().await);
    }
    assert!(
        got.len() < 10,
        "a socket's buffer holds a few, no queue the rest: {got:?}"
    );
    assert!(got.is_sorted());
    assert!(host.deck.board.missed() >= STATES - 10);
}

#[tokio::test]
async fn at_most_four_questions_run_at_a_time() {
    let host = Host::start("four");
    let client = host.client().await;
    let asks: Vec<_> = (0..10)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.ask(Question::Route("slow".to_owned())).await })
        })
        .collect();
    eventually("four run", || host.deck.running.load(Ordering::SeqCst) == 4).await;
    for ask in asks {
        while !ask.is_finished() {
            host.deck.gate.notify_waiters();
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        ask.await.unwrap().unwrap();
    }
    assert_eq!(host.deck.most_running.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn actions_run_one_by_one_in_the_order_they_came() {
    let host = Host::start("order");
    let mut viewer = Viewer::attach(&host.path).await;
    let plans = ["slow", "a", "b"].map(|plan| ActRequest::Apply(PlanId(plan.to_owned())));
    for (id, plan) in plans.iter().enumerate() {
        viewer.say(&FromViewer::Act(id as u32, plan.clone())).await;
    }
    // A question overtakes them.
    let question = Question::Route("GET /".to_owned());
    viewer.say(&FromViewer::Ask(9, question)).await;
    assert_eq!(viewer.next_reply().await, 9);
    assert_eq!(*host.deck.acts.lock().unwrap(), plans[..1]);
    host.deck.gate.notify_one();
    for id in 0..3 {
        assert_eq!(viewer.next_reply().await, id);
    }
    assert_eq!(*host.deck.acts.lock().unwrap(), plans);
}

#[tokio::test]
async fn an_action_that_runs_is_finished_when_its_viewer_leaves() {
    let host = Host::start("leave");
    let mut viewer = Viewer::attach(&host.path).await;
    viewer
        .say(&FromViewer::Subscribe(vec![Topic::Status]))
        .await;
    for (id, plan) in ["slow", "never"].into_iter().enumerate() {
        let act = ActRequest::Apply(PlanId(plan.to_owned()));
        viewer.say(&FromViewer::Act(id as u32, act)).await;
    }
    eventually("it runs", || host.deck.acts.lock().unwrap().len() == 1).await;
    drop(viewer);
    eventually("the host noticed", || {
        host.deck.board.followed().count() == 0
    })
    .await;
    host.deck.gate.notify_one();
    eventually("it is finished", || {
        host.deck.finished.load(Ordering::SeqCst) == 1
    })
    .await;
    eventually("the viewer is gone", || {
        host.stats.viewers.load(Ordering::Relaxed) == 0
    })
    .await;
    assert_eq!(
        host.deck.acts.lock().unwrap().len(),
        1,
        "the second never began"
    );
}

#[tokio::test]
async fn an_answer_too_large_for_a_frame_is_refused_and_a_state_told_with_fewer_rows() {
    let host = Host::start("huge");
    let client = host.client().await;
    let refused = refusal(client.ask(Question::Route("huge".to_owned())).await);
    assert_eq!(refused.code, RefusalCode::Failed);
    assert!(
        refused.message.contains("over the limit of 262144"),
        "{refused}"
    );
    assert_eq!(host.stats.oversized.load(Ordering::Relaxed), 1);
    let mut states = client.subscribe(&[Topic::Requests]);
    host.deck.board.publish(bulky(7, 1 << 20));
    let received = states.next().await.unwrap();
    let update = &received.update;
    let State::Requests(told) = &update.state else {
        panic!("{update:?}")
    };
    assert_eq!(
        (told.requests, told.routes.len(), update.left_out),
        (7, 0, 1)
    );
    client
        .ask(Question::Route("GET /".to_owned()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_source_that_panics_takes_only_its_own_viewer_along() {
    let host = Host::start("panic");
    let (victim, other) = (host.client().await, host.client().await);
    let lost = victim.ask(Question::Route("panic".to_owned())).await;
    assert!(matches!(lost, Err(Error::Closed)), "{lost:?}");
    other
        .ask(Question::Route("GET /".to_owned()))
        .await
        .unwrap();
    host.client().await;
}

#[tokio::test]
async fn a_client_says_when_its_host_is_gone() {
    let mut host = Host::start("gone");
    let client = host.client().await;
    let mut subscription = client.subscribe(&[Topic::Status]);
    host.stop().await;
    assert!(matches!(client.closed().await, Error::Closed));
    assert!(subscription.next().await.is_none());
    let late = client.ask(Question::Now(Topic::Status)).await;
    assert!(matches!(late, Err(Error::Closed)), "{late:?}");
    assert!(!is_there(&host.path), "the socket goes with its server");
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_stale_and_another_file_is_no_socket() {
    let folder = Folder::new("stale");
    let path = folder.path.join("old-1-1.sock");
    drop(UnixListener::bind(&path).unwrap());
    let error = Client::connect(&path, options(false)).await.unwrap_err();
    assert!(
        matches!(&error, Error::Stale { path: stale } if *stale == path),
        "{error:?}"
    );
    let file = folder.path.join("file");
    std::fs::write(&file, "").unwrap();
    let error = Client::connect(&file, options(false)).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("file is not safe to use: it is not a socket"),
        "{error}"
    );
    let error = Client::connect(&folder.path.join("no"), options(false))
        .await
        .unwrap_err();
    assert!(
        error.to_string().starts_with("could not connect to /"),
        "{error}"
    );
}

#[tokio::test]
async fn a_client_works_over_any_two_streams() {
    let host = Host::start("streams");
    host.deck.board.publish(status(5.0));
    // What a relay does: it joins two streams to the socket.
    let (near, far) = tokio::io::duplex(64);
    let mut socket = tokio::net::UnixStream::connect(&host.path).await.unwrap();
    let relay = tokio::spawn(async move {
        let mut far = far;
        tokio::io::copy_bidirectional(&mut far, &mut socket).await
    });
    let (reader, writer) = tokio::io::split(near);
    let client = Client::over(reader, writer, options(true)).await.unwrap();
    assert_eq!(client.hello().await.unwrap().role, Role::Observe);
    let mut states = client.subscribe(&[Topic::Status]);
    assert_eq!(score(&states.next().await.unwrap().update), 5.0);
    relay.abort();
    assert!(matches!(client.closed().await, Error::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_silent_host_is_given_up() {
    let (near, _far) = tokio::io::duplex(1024);
    let (reader, writer) = tokio::io::split(near);
    let error = Client::over(reader, writer, options(false))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the host did not answer within 30 s to the attempt to attach"
    );
}

#[tokio::test(start_paused = true)]
async fn a_question_that_gets_no_answer_is_given_up() {
    let (near, far) = tokio::io::duplex(1024);
    let mut far = Far::new(far);
    let attached = tokio::spawn(async move {
        let (reader, writer) = tokio::io::split(near);
        Client::over(reader, writer, options(false)).await.unwrap()
    });
    far.say_hello(PROTOCOL_VERSION).await;
    let client = attached.await.unwrap();
    let error = client.ask(Question::Now(Topic::Status)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the host did not answer within 30 s to a question"
    );
}

#[tokio::test]
async fn two_ends_of_different_versions_say_so() {
    // A viewer of the future at a host of today.
    let host = Host::start("version");
    let mut viewer = Viewer::connect(&host.path).await;
    viewer.say_hello(2).await;
    assert!(viewer.next().await.unwrap().starts_with("Hello"));
    let goodbye = viewer.next().await.unwrap();
    assert!(goodbye.contains("Incompatible"), "{goodbye}");
    assert!(viewer.next().await.is_none());
    assert_eq!(host.stats.refused.load(Ordering::Relaxed), 1);

    // A viewer of today at a host of the future.
    let (near, far) = tokio::io::duplex(1024);
    let mut far = Far::new(far);
    let attached = tokio::spawn(async move {
        let (reader, writer) = tokio::io::split(near);
        Client::over(reader, writer, options(false)).await
    });
    far.say_hello(2).await;
    let error = attached.await.unwrap().unwrap_err();
    assert!(
        matches!(error, Error::Incompatible { theirs: 2, ours: 1 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn words_of_a_newer_viewer_are_passed_over_or_refused_one_by_one() {
    let host = Host::start("newer");
    host.deck.board.publish(status(3.0));
    let mut viewer = Viewer::attach(&host.path).await;
    viewer
        .say(&serde_json::json!({ "wave": { "hand": "left" } }))
        .await;
    viewer.say(&serde_json::json!("wave")).await;
    viewer
        .say(&serde_json::json!({ "ask": [7, { "weather": "here" }] }))
        .await;
    assert_eq!(viewer.next_reply().await, 7);
    viewer
        .say(&serde_json::json!({ "act": [8, { "dance": [] }] }))
        .await;
    assert_eq!(viewer.next_reply().await, 8);
    viewer
        .say(&serde_json::json!({ "subscribe": ["weather", "status"] }))
        .await;
    assert!(viewer.next().await.unwrap().starts_with("Update"));
    assert!(host.deck.acts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn words_of_a_newer_host_are_passed_over_and_its_strange_answers_told() {
    let (near, far) = tokio::io::duplex(4096);
    let mut far = Far::new(far);
    let attached = tokio::spawn(async move {
        let (reader, writer) = tokio::io::split(near);
        Client::over(reader, writer, options(false)).await.unwrap()
    });
    far.say(&serde_json::json!({ "weather": "fine" })).await;
    far.say_hello(PROTOCOL_VERSION).await;
    let client = attached.await.unwrap();
    let mut states = client.subscribe(&[Topic::Status]);
    let asked = client.clone();
    let ask = tokio::spawn(async move { asked.ask(Question::Now(Topic::Host)).await });
    far.hear(3).await;
    far.say(&serde_json::json!({ "update": { "at": 1, "state": { "weather": {} } } }))
        .await;
    far.say(&serde_json::json!({ "reply": [1, { "Ok": { "forecast": {} } }] }))
        .await;
    far.say(&serde_json::json!({ "reply": [99, { "Err": { "code": "new", "message": "" } }] }))
        .await;
    far.say(&FromHost::Update(status(8.0))).await;
    let error = ask.await.unwrap().unwrap_err();
    assert!(
        error.to_string().ends_with("the host's SDK is newer"),
        "{error}"
    );
    assert_eq!(score(&states.next().await.unwrap().update), 8.0);
    far.say(&serde_json::json!({ "goodbye": { "code": "tired", "message": "good night" } }))
        .await;
    let error = client.closed().await;
    assert_eq!(error.to_string(), "good night");
}

#[tokio::test]
async fn a_client_that_is_dropped_with_open_requests_ends_its_connection() {
    let host = Host::start("dropped");
    let client = host.client().await;
    let asks: Vec<_> = (0..100)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.ask(Question::Route("slow".to_owned())).await })
        })
        .collect();
    drop(client);
    eventually("four run", || host.deck.running.load(Ordering::SeqCst) == 4).await;
    for ask in asks {
        ask.abort();
    }
    eventually("the viewer is gone", || {
        // The host reads on, and so learns of it, when one of the four is done.
        host.deck.gate.notify_one();
        host.stats.viewers.load(Ordering::Relaxed) == 0
    })
    .await;
}

#[tokio::test]
async fn garbage_ends_the_connection_with_a_reason() {
    let host = Host::start("garbage");
    let check = async |bytes: Vec<u8>, reason: &str| {
        let mut viewer = Viewer::connect(&host.path).await;
        viewer.write(&bytes).await;
        let goodbye = viewer.next().await.unwrap();
        assert!(
            goodbye.starts_with("Goodbye") && goodbye.contains(reason),
            "{goodbye}"
        );
        assert!(viewer.next().await.is_none());
    };
    check(
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        "over the limit of 16384",
    )
    .await;
    check(vec![0, 0, 0, 0], "ends too early").await;
    check(vec![0, 0, 0, 1, 0xc1], "no known type").await;
    check(vec![0, 0, 0, 1, 0xc0], "unknown meaning").await;
    let subscribe = codec::encode(&serde_json::json!({ "subscribe": [] })).unwrap();
    check(subscribe.to_vec(), "the first frame is no hello").await;
    let attached = host.client().await;
    attached
        .ask(Question::Route("GET /".to_owned()))
        .await
        .unwrap();
    let deck = Arc::clone(&host.deck);
    assert_eq!(
        deck.callers.lock().unwrap().len(),
        1,
        "none of these got a source"
    );
}

#[tokio::test]
async fn the_reply_to_an_action_is_the_actions() {
    let host = Host::start("kinds");
    let client = host.client().await;
    let [preview, .., apply] = &every_act()[..] else {
        panic!("too few")
    };
    assert!(matches!(
        client.act(preview.clone()).await,
        Ok(ActReply::Preview(_))
    ));
    assert!(matches!(
        client.act(apply.clone()).await,
        Ok(ActReply::Applied(_))
    ));
}
