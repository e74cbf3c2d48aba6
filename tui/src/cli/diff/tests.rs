use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use perfdeck_bridge::board::Board;
use perfdeck_bridge::protocol::{
    ActReply, ActRequest, Answer, Hello, Question, Refusal, RefusalCode, Requests, Topic, Update,
};
use perfdeck_bridge::recording::{Progress, Sink, record};
use perfdeck_bridge::testing::{self, NOW, Sample};
use perfdeck_bridge::{Source, Subscription};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::schema::problems;

use super::*;

/// A host that tells what a test makes up.
struct Feed(Board);

impl Source for Feed {
    fn hello(&self) -> BoxFuture<'_, perfdeck_bridge::Result<Hello>> {
        Box::pin(async { Ok(testing::hello(Sample::Typical)) })
    }

    fn subscribe(&self, topics: &[Topic]) -> Subscription {
        Subscription::new(self.0.follower(topics))
    }

    fn ask(&self, _: Question) -> BoxFuture<'_, perfdeck_bridge::Result<Answer>> {
        Box::pin(async { Err(Refusal::new(RefusalCode::Unknown, "it only tells").into()) })
    }

    fn act(&self, _: ActRequest) -> BoxFuture<'_, perfdeck_bridge::Result<ActReply>> {
        Box::pin(async { Err(Refusal::new(RefusalCode::NotAllowed, "it only tells").into()) })
    }
}

/// A value around `middle`, by the minute and the route; a fifth up and down.
fn around(middle: f64, minute: u64, route: u64) -> f64 {
    let noise = (minute * 7_919 + route * 104_729).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    middle * (0.8 + 0.4 * noise as f64 / f64::from(1 << 24))
}

/// Records so many minutes of twenty routes; `slower` are so many times as slow as they were.
async fn recorded(path: &Path, minutes: u64, seed: u64, slower: &[(u64, f64)]) {
    let board = Board::new();
    let progress = Progress::default();
    let feed = Arc::new(Feed(board.clone()));
    let recorder = tokio::spawn(record(feed, Sink::new(path, 64 << 20), progress.clone()));
    for minute in 0..=minutes {
        let routes = (0..20).map(|number| {
            let factor = slower.iter().find(|(slow, _)| *slow == number);
            let p95 =
                around(0.1, minute + seed, number) * factor.map_or(1.0, |(_, factor)| *factor);
            RequestRow {
                route: format!("GET /{number}"),
                requests_per_second: 1.0,
                p50_seconds: p95 / 3.0,
                p95_seconds: p95,
                ..RequestRow::default()
            }
        });
        let requests = Requests {
            routes: routes.collect(),
            ..Requests::default()
        };
        let at = NOW.after(Duration::from_secs(minute * 60));
        board.publish(Arc::new(Update {
            at,
            state: State::Requests(requests),
            left_out: 0,
        }));
        let written = async {
            while progress.state().blocks <= minute {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), written)
            .await
            .expect("no block came");
    }
    recorder.abort();
    let _ = recorder.await;
}

#[tokio::test(start_paused = true)]
async fn what_changed_is_told_and_chance_is_not() {
    let folder = Folder::new().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (before, after, same) = (file("before"), file("after"), file("same"));
    recorded(&before, 12, 0, &[]).await;
    recorded(&same, 12, 500, &[]).await;
    recorded(&after, 12, 900, &[(3, 2.0), (7, 0.4)]).await;

    let outcome = run(&before, &same).unwrap();
    assert_eq!(outcome.json["changes"].as_array().map(Vec::len), Some(0));
    assert!(!outcome.failed && outcome.text.contains("Nothing changed"));

    let outcome = run(&before, &after).unwrap();
    assert_eq!(problems("diff", &outcome.json), Vec::<String>::new());
    let changes = outcome.json["changes"].as_array().unwrap();
    let told: Vec<_> = changes
        .iter()
        .map(|change| {
            (
                change["of"]["route"].as_str().unwrap(),
                change["worse"] == true,
            )
        })
        .collect();
    let expected = [
        ("GET /3", true),
        ("GET /3", true),
        ("GET /7", false),
        ("GET /7", false),
    ];
    assert_eq!(told, expected, "{}", outcome.text);
    let ratio = changes[0]["ratio"].as_f64().unwrap();
    assert!((ratio - 1.0).abs() < 0.3, "{ratio}");
    assert!(outcome.failed, "something got worse");
}

#[tokio::test(start_paused = true)]
async fn too_little_is_no_ground_for_a_verdict() {
    let folder = Folder::new().unwrap();
    let file = |name: &str| folder.path().join(name);
    recorded(&file("short"), 3, 0, &[]).await;
    recorded(&file("slow"), 3, 0, &[(3, 9.0)]).await;
    let outcome = run(&file("short"), &file("slow")).unwrap();
    assert_eq!(outcome.json["compared"], 0);
    assert_eq!(outcome.json["too_short"], 20);
    assert!(!outcome.failed);
    recorded(&file("moment"), 0, 0, &[]).await;
    let error = run(&file("moment"), &file("slow")).unwrap_err();
    assert!(error.to_string().contains("less than a minute"), "{error}");
    assert!(run(&file("absent"), &file("slow")).is_err());
}

#[test]
fn the_correction_is_benjamini_and_hochberg_s() {
    let subject = Subject::Route(String::new());
    let tested = |ps: &[f64]| {
        let change = || Change::of(&subject, Measure::P95Seconds, &[1.0], &[2.0]);
        surprising(ps.iter().map(|p| (change(), *p)).collect())
    };
    // Of ten, the fourth smallest is under 0.05 * 4 / 10 though the third is over 0.05 * 3 / 10.
    let ps = [0.001, 0.012, 0.016, 0.019, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7];
    assert_eq!(tested(&ps).len(), 4);
    assert_eq!(tested(&[0.03; 1]).len(), 1);
    assert_eq!(tested(&[0.04, 0.9, 0.9]).len(), 0);
}

#[test]
fn a_measure_that_never_moves_is_no_change() {
    assert_eq!(chance(&[0.0; 8], &[0.0; 8]), 1.0);
}

#[test]
fn chance_is_small_where_the_sides_are_apart_and_large_where_they_mix() {
    let (low, high) = ([1.0, 1.1, 1.2, 1.3, 1.4], [2.0, 2.1, 2.2, 2.3, 2.4]);
    // The exact value is 2 / C(10, 5) = 0.0079; the approximation's is 0.0122.
    for p in [chance(&low, &high), chance(&high, &low)] {
        assert!((0.0079..0.013).contains(&p), "{p}");
    }
    let (odd, even) = ([1.0, 3.0, 5.0, 7.0, 9.0], [2.0, 4.0, 6.0, 8.0, 10.0]);
    assert!(chance(&odd, &even) > 0.5);
}
