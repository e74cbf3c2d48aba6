use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::{self, StreamExt as _};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::super::body::LONGEST;
use super::*;

fn streamed(frames: Vec<Result<Frame<Bytes>, String>>) -> Body {
    BodyExt::boxed(StreamBody::new(SyncStream(
        stream::iter(frames).boxed().into(),
    )))
}

/// A stream behind a lock, as the body of these tests is shared between threads.
struct SyncStream<T>(Mutex<Pin<Box<dyn stream::Stream<Item = T> + Send>>>);

impl<T> stream::Stream for SyncStream<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.lock().unwrap().as_mut().poll_next(context)
    }
}

fn data(text: &str) -> Result<Frame<Bytes>, String> {
    Ok(Frame::data(Bytes::copy_from_slice(text.as_bytes())))
}

#[tokio::test]
async fn a_body_in_parts_is_kept_whole() {
    let bench = Bench::new(|_, _| {
        Ok(Response::new(streamed(vec![
            data("a"),
            data(""),
            data("bc"),
        ])))
    });
    for mark in ["MISS", "HIT"] {
        let got = bench.get(&[]).await;
        assert_eq!((got.body.as_str(), got.mark()), ("abc", mark));
    }
}

#[tokio::test]
async fn a_body_of_a_mebibyte_is_kept_and_a_longer_one_passes_whole() {
    for declared in [true, false] {
        for (length, stored) in [(LONGEST, true), (LONGEST + 1, false), (3 * LONGEST, false)] {
            let bench = Bench::new(move |_, _| {
                let text = "x".repeat(length);
                let half = text.len() / 2;
                Ok(Response::new(match declared {
                    true => full(text),
                    false => streamed(vec![data(&text[..half]), data(&text[half..])]),
                }))
            });
            for _ in 0..2 {
                assert_eq!(bench.get(&[]).await.body.len(), length);
            }
            assert_eq!(bench.calls() == 1, stored, "{declared} {length}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_without_end_is_passed_on_after_a_second_with_what_was_read() {
    let bench = Bench::new(|_, _| {
        let ticks = stream::iter([data("first")]).chain(stream::pending());
        Ok(Response::new(BodyExt::boxed(StreamBody::new(SyncStream(
            Mutex::new(Box::pin(ticks)),
        )))))
    });
    let mut service = bench.service.clone();
    let mut body = service
        .call(request("GET", "/a", &[]))
        .await
        .unwrap()
        .into_body();
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "first");
    let more = tokio::time::timeout(Duration::from_secs(5), body.frame()).await;
    assert!(more.is_err());
    assert_eq!(bench.row().entries, 0);
}

#[tokio::test]
async fn a_stream_by_its_type_is_not_read_at_all() {
    let polled = Arc::new(AtomicUsize::new(0));
    for kind in [
        "text/event-stream",
        "Text/Event-Stream; charset=utf-8",
        "multipart/x-mixed-replace",
        "application/grpc+proto",
    ] {
        let counted = Arc::clone(&polled);
        let bench = Bench::new(move |_, _| {
            let counted = Arc::clone(&counted);
            let frames = stream::repeat_with(move || {
                counted.fetch_add(1, Ordering::SeqCst);
                data("x")
            });
            let body = BodyExt::boxed(StreamBody::new(SyncStream(Mutex::new(Box::pin(frames)))));
            Ok(Response::builder()
                .header("content-type", kind)
                .body(body)
                .unwrap())
        });
        let mut service = bench.service.clone();
        drop(service.call(request("GET", "/a", &[])).await.unwrap());
        assert_eq!(polled.load(Ordering::SeqCst), 0, "{kind}");
    }
}

#[tokio::test]
async fn trailers_pass_and_their_response_is_not_stored() {
    let bench = Bench::new(|_, _| {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        Ok(Response::new(streamed(vec![
            data("a"),
            Ok(Frame::trailers(trailers)),
        ])))
    });
    for _ in 0..2 {
        let mut service = bench.service.clone();
        let response = service.call(request("GET", "/a", &[])).await.unwrap();
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["x-sum"], "1");
        assert_eq!(body.to_bytes(), "a");
    }
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn rfc9111_3_3_a_body_that_breaks_off_is_passed_on_with_its_error() {
    let bench = Bench::new(|_, _| {
        Ok(Response::new(streamed(vec![
            data("a"),
            Err("broken".to_owned()),
        ])))
    });
    for _ in 0..2 {
        let mut service = bench.service.clone();
        let mut body = service
            .call(request("GET", "/a", &[]))
            .await
            .unwrap()
            .into_body();
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "a"
        );
        assert_eq!(body.frame().await.unwrap().unwrap_err(), "broken");
        assert!(body.frame().await.is_none());
    }
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn the_namespace_weighs_bodies() {
    let bench = Bench::with(
        |cache| cache.route("/a", Route::new()),
        |_, _| Ok(answer(200, &[], "x".repeat(100_000))),
    );
    for page in 0..1_500 {
        bench.send("GET", &format!("/a?{page}"), &[]).await;
    }
    let row = bench.row();
    assert!(row.evictions > 0);
    assert!((1_000_000..=64 << 20).contains(&row.bytes), "{}", row.bytes);
}
