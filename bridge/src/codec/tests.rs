use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::protocol::{
    ActRequest, Answer, CacheCapacity, ExemplarId, FindingId, Intent, LedgerId, PlanId, QueryId,
    Question, Refusal, RefusalCode, Reply, RequestRow, Requests, RouteDetail, State, Timestamp,
    Update, WhichExemplar,
};

fn topic() -> impl Strategy<Value = Topic> {
    proptest::sample::select(Topic::ALL.to_vec())
}

fn question() -> impl Strategy<Value = Question> {
    prop_oneof![
        topic().prop_map(Question::Now),
        any::<String>().prop_map(|id| Question::Query(QueryId(id))),
        any::<String>().prop_map(Question::Route),
        any::<String>().prop_map(Question::Exemplars),
        any::<u64>().prop_map(|id| Question::Exemplar(WhichExemplar::Id(ExemplarId(id)))),
        (any::<String>(), any::<u8>()).prop_map(|(route, percentile)| {
            Question::Exemplar(WhichExemplar::Near { route, percentile })
        }),
    ]
}

fn request() -> impl Strategy<Value = ActRequest> {
    prop_oneof![
        any::<String>().prop_map(|id| ActRequest::Preview(Intent::Apply(FindingId(id)))),
        any::<String>().prop_map(|namespace| ActRequest::Preview(Intent::ClearCache { namespace })),
        any::<u64>().prop_map(|id| ActRequest::Preview(Intent::Undo(LedgerId(id)))),
        Just(ActRequest::Preview(Intent::ClearAlerts)),
        Just(ActRequest::Preview(Intent::OptimizeCaches)),
        any::<String>().prop_map(|namespace| ActRequest::Preview(Intent::WarmCache { namespace })),
        (any::<String>(), capacity()).prop_map(|(namespace, capacity)| {
            ActRequest::Preview(Intent::ResizeCache {
                namespace,
                capacity,
            })
        }),
        (any::<String>(), any::<u32>()).prop_map(|(namespace, ttl_seconds)| {
            ActRequest::Preview(Intent::SetCacheTtl {
                namespace,
                ttl_seconds,
            })
        }),
        any::<String>().prop_map(|id| ActRequest::Apply(PlanId(id))),
    ]
}

fn capacity() -> impl Strategy<Value = CacheCapacity> {
    prop_oneof![
        any::<u64>().prop_map(CacheCapacity::Entries),
        any::<u64>().prop_map(CacheCapacity::Bytes),
    ]
}

fn from_viewer() -> impl Strategy<Value = FromViewer> {
    prop_oneof![
        (any::<u32>(), any::<String>(), any::<bool>()).prop_map(|(protocol, viewer, read_only)| {
            FromViewer::Hello {
                protocol,
                viewer,
                read_only,
            }
        }),
        vec(topic(), 0..20).prop_map(FromViewer::Subscribe),
        (any::<u32>(), question()).prop_map(|(id, question)| FromViewer::Ask(id, question)),
        (any::<u32>(), request()).prop_map(|(id, request)| FromViewer::Act(id, request)),
    ]
}

fn row() -> impl Strategy<Value = RequestRow> {
    use proptest::num::{f32, f64};
    (
        any::<String>(),
        any::<u64>(),
        f64::NORMAL,
        vec(f32::NORMAL | f32::INFINITE, 0..50),
    )
        .prop_map(|(route, requests, p95_seconds, recent)| RequestRow {
            route,
            requests,
            p95_seconds,
            recent,
            ..RequestRow::default()
        })
}

fn from_host() -> impl Strategy<Value = FromHost> {
    prop_oneof![
        (any::<u64>(), vec(row(), 0..10)).prop_map(|(at, routes)| {
            let state = State::Requests(Requests {
                routes,
                ..Requests::default()
            });
            FromHost::Update(Arc::new(Update {
                at: Timestamp::from_micros(at),
                state,
                left_out: 0,
            }))
        }),
        (any::<u32>(), row()).prop_map(|(id, row)| {
            let detail = RouteDetail {
                row,
                statements: Vec::new(),
                exemplars: Vec::new(),
            };
            FromHost::Reply(id, Ok(Reply::Answer(Answer::Route(detail))))
        }),
        (any::<u32>(), any::<String>())
            .prop_map(|(id, text)| FromHost::Reply(id, Err(Refusal::new(RefusalCode::Busy, text)))),
        any::<String>().prop_map(|text| FromHost::Goodbye(Refusal::new(RefusalCode::Full, text))),
    ]
}

proptest! {
    #[test]
    fn what_a_viewer_says_is_what_is_heard(message in from_viewer()) {
        let frame = encode_request(&message).unwrap();
        prop_assert_eq!(hear_viewer(&frame[LENGTH..]).unwrap(), Heard::Message(message));
    }

    #[test]
    fn what_a_host_says_is_what_is_heard(message in from_host()) {
        let frame = encode(&message).unwrap();
        prop_assert_eq!(hear_host(&frame[LENGTH..]).unwrap(), Heard::Message(message));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(body in vec(any::<u8>(), 0..200)) {
        let _ = hear_viewer(&body);
        let _ = hear_host(&body);
    }

    #[test]
    fn frames_come_whole_however_the_stream_is_cut(
        messages in vec(from_viewer(), 0..8),
        cuts in vec(1..40_usize, 1..20),
    ) {
        let stream: Vec<u8> =
            messages.iter().flat_map(|message| encode(message).unwrap()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let heard = runtime.block_on(async {
            let (mut near, far) = tokio::io::duplex(16);
            let send = async move {
                let mut rest = &stream[..];
                for cut in cuts.into_iter().cycle() {
                    if rest.is_empty() {
                        break;
                    }
                    let (now, later) = rest.split_at(cut.min(rest.len()));
                    tokio::io::AsyncWriteExt::write_all(&mut near, now).await.unwrap();
                    rest = later;
                }
            };
            let hear = async {
                let mut frames = Frames::new(far, MAX_FRAME);
                let mut heard = Vec::new();
                while let Some(body) = frames.next().await.unwrap() {
                    heard.push(decode::<FromViewer>(&body).unwrap());
                }
                heard
            };
            tokio::join!(send, hear).1
        });
        prop_assert_eq!(heard, messages);
    }
}

#[test]
fn a_message_over_the_limit_is_not_encoded() {
    let fits = Question::Route("x".repeat(MAX_REQUEST - 20));
    encode_request(&FromViewer::Ask(1, fits)).unwrap();
    let question = Question::Route("x".repeat(MAX_REQUEST));
    let error = encode_request(&FromViewer::Ask(1, question)).unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLarge {
                limit: MAX_REQUEST,
                ..
            }
        ),
        "{error:?}"
    );
    let error = encode(&"x".repeat(MAX_FRAME)).unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLarge {
                limit: MAX_FRAME,
                ..
            }
        ),
        "{error:?}"
    );
    encode(&"x".repeat(MAX_FRAME - 5)).unwrap();
}

#[test]
fn a_message_that_nobody_would_decode_is_not_encoded() {
    let error = encode(&vec![0_u8; MAX_VALUES]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the other end does not speak perfdeck's protocol: a frame has too many values"
    );
    let frame = encode(&vec![0_u8; MAX_VALUES - 1]).unwrap();
    decode::<Vec<u8>>(&frame[LENGTH..]).unwrap();
}

#[tokio::test]
async fn a_frame_that_claims_too_much_is_refused_before_it_comes() {
    let check = async |stream: &[u8], expected: Result<Option<()>, &str>| {
        let mut frames = Frames::new(stream, 100);
        let got = frames
            .next()
            .await
            .map(|body| body.map(drop))
            .map_err(|error| error.to_string());
        assert_eq!(got, expected.map_err(str::to_owned), "{stream:?}");
    };
    check(&[], Ok(None)).await;
    check(&[0, 0, 0, 1, 0xc0], Ok(Some(()))).await;
    check(
        &[0, 0, 0, 101],
        Err("a frame of 101 bytes is over the limit of 100"),
    )
    .await;
    check(
        &[255; 4],
        Err("a frame of 4294967295 bytes is over the limit of 100"),
    )
    .await;
    check(&[0, 0], Err("the connection to the host was closed")).await;
    check(
        &[0, 0, 0, 2, 0xc0],
        Err("the connection to the host was closed"),
    )
    .await;
}
