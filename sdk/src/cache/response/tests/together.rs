use std::future::Future;
use std::pin::Pin;

use tokio::sync::Semaphore;

use super::*;

/// A service that answers when it is let.
#[derive(Clone)]
struct Slow {
    origin: Origin,
    gate: Arc<Semaphore>,
}

impl Slow {
    fn new(headers: &'static [(&'static str, &'static str)]) -> Self {
        let script = move |_: &Request<Empty<Bytes>>, n| Ok(answer(200, headers, format!("{n}")));
        let origin = Origin {
            script: Arc::new(script),
            seen: Arc::default(),
        };
        let gate = Arc::new(Semaphore::new(0));
        Self { origin, gate }
    }
}

impl Service<Request<Empty<Bytes>>> for Slow {
    type Response = Response<Body>;
    type Error = &'static str;
    type Future = Pin<Box<dyn Future<Output = Reply> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        let reply = self.origin.call(request);
        let gate = Arc::clone(&self.gate);
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            reply.await
        })
    }
}

/// The bodies and marks of ten requests at the same time, and how many of them the service saw.
async fn ten(
    headers: &'static [(&'static str, &'static str)],
) -> (Vec<(String, String)>, usize, Row) {
    let (caches, _) = manual(true);
    let slow = Slow::new(headers);
    let service = HttpCache::new(&caches)
        .route("/a", Route::new())
        .layer(slow.clone());
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let mut service = service.clone();
            tokio::spawn(async move {
                let response = service.call(request("GET", "/a", &[])).await.unwrap();
                let mark = response.headers()["x-cache"].to_str().unwrap().to_owned();
                let body = response.into_body().collect().await.unwrap().to_bytes();
                (String::from_utf8(body.to_vec()).unwrap(), mark)
            })
        })
        .collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(slow.origin.seen.lock().unwrap().len(), 1);
    slow.gate.add_permits(10);
    let mut got = Vec::new();
    for task in tasks {
        got.push(task.await.unwrap());
    }
    let calls = slow.origin.seen.lock().unwrap().len();
    (got, calls, row(&caches, "http"))
}

#[tokio::test]
async fn rfc9111_4_who_misses_together_asks_once() {
    let (got, calls, row) = ten(&[]).await;
    assert_eq!(calls, 1);
    assert!(
        got.iter().all(|(body, mark)| body == "1" && mark == "MISS"),
        "{got:?}"
    );
    assert_eq!(
        (row.misses, row.loads, row.joined, row.entries),
        (10, 1, 9, 1)
    );
}

#[tokio::test]
async fn rfc9111_4_an_answer_that_may_not_be_stored_is_shared_with_nobody() {
    for headers in [
        &[("cache-control", "private")] as &[_],
        &[("cache-control", "no-store")],
        &[("set-cookie", "a=1")],
        &[("vary", "*")],
        // Stored, and not to be used without a word of the service.
        &[("cache-control", "no-cache"), ("etag", "\"e\"")],
        &[("cache-control", "max-age=0"), ("etag", "\"e\"")],
    ] {
        let (got, calls, row) = ten(headers).await;
        let bodies: std::collections::HashSet<_> = got.iter().map(|(body, _)| body).collect();
        assert_eq!((calls, bodies.len()), (10, 10), "{headers:?}");
        assert_eq!(row.hits + row.misses, 10);
    }
}

/// Sends ten requests, and returns how many of them the service sees before it has answered any; then it answers them.
async fn burst(slow: &Slow, service: &HttpCacheService<Slow>, headers: &[(&str, &str)]) -> usize {
    let before = slow.origin.seen.lock().unwrap().len();
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let answer = service.clone().call(request("GET", "/a", headers));
            tokio::spawn(async move { answer.await.unwrap().into_body().collect().await.unwrap() })
        })
        .collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let at_once = slow.origin.seen.lock().unwrap().len() - before;
    slow.gate.add_permits(10);
    for task in tasks {
        task.await.unwrap();
    }
    slow.gate.forget_permits(10);
    at_once
}

#[tokio::test]
async fn who_asks_for_what_was_lately_not_shared_waits_for_nobody() {
    for headers in [
        &[("cache-control", "private")] as &[_],
        &[("set-cookie", "a=1")],
        &[("vary", "*")],
        &[("cache-control", "max-age=0"), ("etag", "\"e\"")],
    ] {
        let (caches, hand) = manual(true);
        let slow = Slow::new(headers);
        let service = HttpCache::new(&caches)
            .route("/a", Route::new())
            .layer(slow.clone());
        assert_eq!(burst(&slow, &service, &[]).await, 1, "{headers:?}");
        assert_eq!(burst(&slow, &service, &[]).await, 10, "{headers:?}");
        // It is forgotten after a while without an answer.
        pass(&hand, Duration::from_secs(10));
        assert_eq!(burst(&slow, &service, &[]).await, 1, "{headers:?}");
    }
}

#[tokio::test]
async fn who_asks_for_what_is_shared_again_waits_again() {
    let (caches, hand) = manual(true);
    let mut slow = Slow::new(&[]);
    slow.origin.script = Arc::new(|request, n| {
        let said = match n {
            1..=10 => "private",
            _ if request.headers().contains_key("cookie") => "private",
            _ => "public, max-age=1",
        };
        Ok(answer(200, &[("cache-control", said)], format!("{n}")))
    });
    let service = HttpCache::new(&caches)
        .route("/a", Route::new().credentials(true))
        .layer(slow.clone());
    assert_eq!(burst(&slow, &service, &[]).await, 1);
    assert_eq!(burst(&slow, &service, &[]).await, 10);
    pass(&hand, Duration::from_secs(1));
    assert_eq!(burst(&slow, &service, &[]).await, 1);
    pass(&hand, Duration::from_secs(1));
    // What those get who bring credentials says nothing of what others get.
    let known = [("cookie", "a=1")];
    assert_eq!(burst(&slow, &service, &known).await, 1);
    assert_eq!(burst(&slow, &service, &known).await, 10);
    assert_eq!(burst(&slow, &service, &[]).await, 1);
}

#[tokio::test]
async fn what_is_served_while_it_is_refreshed_is_shared() {
    let (caches, hand) = manual(true);
    let slow = Slow::new(&[("cache-control", "max-age=0, stale-while-revalidate=5")]);
    let service = HttpCache::new(&caches)
        .route("/a", Route::new())
        .layer(slow.clone());
    for _ in 0..3 {
        assert_eq!(burst(&slow, &service, &[]).await, 1);
        pass(&hand, Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_failure_of_the_service_says_nothing_of_sharing() {
    let (caches, _) = manual(true);
    let mut slow = Slow::new(&[]);
    slow.origin.script = Arc::new(|_, _| Ok(answer(503, &[], "failed")));
    let service = HttpCache::new(&caches)
        .route("/a", Route::new())
        .layer(slow.clone());
    for _ in 0..3 {
        assert_eq!(burst(&slow, &service, &[]).await, 1);
    }
}

#[tokio::test]
async fn who_goes_away_takes_nobodys_answer_along() {
    let (caches, _) = manual(true);
    let slow = Slow::new(&[]);
    let service = HttpCache::new(&caches)
        .route("/a", Route::new())
        .layer(slow.clone());
    let call = || {
        let mut service = service.clone();
        tokio::spawn(async move {
            service
                .call(request("GET", "/a", &[]))
                .await
                .unwrap()
                .status()
        })
    };
    let (first, second) = (call(), call());
    tokio::task::yield_now().await;
    first.abort();
    tokio::task::yield_now().await;
    slow.gate.add_permits(1);
    assert_eq!(second.await.unwrap(), 200);
    assert_eq!(slow.origin.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_error_of_the_service_is_its_callers_alone() {
    let bench = Bench::new(|_, _| Err("broken"));
    for _ in 0..2 {
        assert_eq!(bench.try_send("GET", "/a", &[]).await, Err("broken"));
    }
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn each_request_is_one_hit_or_one_miss() {
    let bench = Bench::saying(&[("cache-control", "max-age=10"), ("vary", "accept")]);
    for n in 0..100_u64 {
        let accept = format!("{}", n % 3);
        let wish = ["", "no-cache", "max-age=5", "only-if-cached", "max-stale"][n as usize % 5];
        bench
            .get(&[("accept", &accept), ("cache-control", wish)])
            .await;
        bench.pass(n % 4);
    }
    let row = bench.row();
    assert_eq!(row.hits + row.misses, 100);
    assert_eq!(
        row.loads + row.joined + row.unloaded,
        row.misses + row.refreshes
    );
    assert_eq!(row.loads as usize, bench.calls());
}

#[tokio::test]
async fn a_policy_that_keeps_for_failures_never_answers_for_a_response() {
    let bench = Bench::new(|_, n| {
        let said = if n == 1 { "max-age=5" } else { "private" };
        Ok(answer(200, &[("cache-control", said)], format!("{n}")))
    });
    let policy = Policy::new()
        .ttl(Duration::from_secs(10))
        .fail_safe(Duration::from_secs(1_000))
        .stale_while_revalidate(Duration::from_secs(1_000));
    bench.caches.policy("http", &policy);
    bench.get(&[]).await;
    for wait in [6, 6, 6] {
        bench.pass(wait);
        assert_ne!(bench.get(&[]).await.body, "1");
    }
}
