use super::*;

fn bench(status: u16, headers: &'static [(&'static str, &'static str)]) -> Bench {
    Bench::with(
        |cache| {
            cache
                .route("/a", Route::new())
                .route("/b/{id}", Route::new())
        },
        move |request, n| match *request.method() {
            Method::GET => Ok(answer(200, &[("vary", "accept")], format!("{n}"))),
            _ => Ok(answer(status, headers, "")),
        },
    )
}

/// Whether `uri` is still answered from the cache after a write.
async fn kept(bench: &Bench, method: &str, written: &str, uri: &str) -> bool {
    let host = [("host", "one.example")];
    bench.send("GET", uri, &host).await;
    bench.send(method, written, &host).await;
    bench.send("GET", uri, &host).await.mark() == "HIT"
}

#[tokio::test]
async fn rfc9111_4_4_a_write_that_went_well_makes_its_uri_unusable() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"] {
        for (status, stays) in [
            (200, false),
            (204, false),
            (303, false),
            (400, true),
            (404, true),
            (500, true),
        ] {
            assert_eq!(
                kept(&bench(status, &[]), method, "/a", "/a").await,
                stays,
                "{method} {status}"
            );
        }
    }
    for method in ["OPTIONS", "TRACE"] {
        assert!(kept(&bench(200, &[]), method, "/a", "/a").await, "{method}");
    }
}

#[tokio::test]
async fn rfc9111_4_4_all_variants_go_and_no_other_uri() {
    let bench = bench(200, &[]);
    for accept in ["a", "b"] {
        bench.get(&[("accept", accept)]).await;
    }
    bench.send("GET", "/b/1", &[]).await;
    bench.send("POST", "/a", &[]).await;
    for accept in ["a", "b"] {
        assert_eq!(bench.get(&[("accept", accept)]).await.mark(), "MISS");
    }
    assert_eq!(bench.send("GET", "/b/1", &[]).await.mark(), "HIT");
}

#[tokio::test]
async fn rfc9111_4_4_what_the_answer_names_on_the_same_host_goes_too() {
    for name in ["location", "content-location"] {
        for (value, stays) in [
            ("/b/1", false),
            ("b/1", false),
            ("http://one.example/b/1", false),
            ("//one.example/b/1", false),
            ("/b/1#part", false),
            ("http://two.example/b/1", true),
            ("/b/2", true),
            ("::", true),
        ] {
            let headers: &'static [_] = Box::leak(Box::new([(name, value)]));
            assert_eq!(
                kept(&bench(201, headers), "POST", "/a", "/b/1").await,
                stays,
                "{name} {value}"
            );
        }
    }
}

#[tokio::test]
async fn an_invalidation_of_the_namespace_or_of_a_key_holds_and_so_does_a_clear() {
    let bench = Bench::saying(&[("etag", "\"e\"")]);
    let host = [("host", "one.example")];
    let namespace = bench.caches.namespace("http");
    let ways: [&dyn Fn(); 3] = [
        &|| drop(namespace.invalidate()),
        &|| drop(namespace.invalidate_key(&("one.example", "/a"))),
        &|| drop(bench.caches.clear("http")),
    ];
    for way in ways {
        bench.get(&host).await;
        assert_eq!(bench.get(&host).await.mark(), "HIT");
        way();
        assert_eq!(bench.get(&host).await.mark(), "MISS");
    }
}

#[tokio::test]
async fn what_was_invalidated_while_it_failed_is_not_served_in_its_stead() {
    let caches = Arc::new(std::sync::OnceLock::<Caches>::new());
    let known = Arc::clone(&caches);
    let bench = Bench::new(move |_, n| match n {
        1 => Ok(answer(
            200,
            &[("cache-control", "max-age=10, stale-if-error=60")],
            "1",
        )),
        _ => {
            known.get().unwrap().namespace("http").invalidate();
            Ok(answer(500, &[], "failed"))
        }
    });
    caches.set(bench.caches.clone()).unwrap();
    bench.get(&[]).await;
    bench.pass(20);
    assert_eq!(bench.get(&[]).await.status, 500);
}
