use super::*;

fn echo(cache: impl FnOnce(HttpCache) -> HttpCache) -> Bench {
    Bench::with(cache, |_, n| Ok(answer(200, &[], format!("{n}"))))
}

#[tokio::test]
async fn rfc9111_2_the_host_and_the_whole_query_tell_responses_apart() {
    let bench = echo(|cache| cache.route("/a", Route::new()));
    let asked = [
        ("/a", "one.example"),
        ("/a", "two.example"),
        ("/a?", "one.example"),
        ("/a?x=1", "one.example"),
        ("/a?x=2", "one.example"),
        ("/a?x=1&y=1", "one.example"),
        ("/a?y=1&x=1", "one.example"),
        ("/a?X=1", "one.example"),
    ];
    for mark in ["MISS", "HIT"] {
        for (uri, host) in asked {
            assert_eq!(
                bench.send("GET", uri, &[("host", host)]).await.mark(),
                mark,
                "{uri} {host}"
            );
        }
    }
    let upper = bench.send("GET", "/a", &[("host", "ONE.example")]).await;
    assert_eq!(upper.mark(), "HIT");
    let absolute = bench
        .send("GET", "http://two.example/a", &[("host", "one.example")])
        .await;
    assert_eq!(absolute.body, "2");
}

#[tokio::test]
async fn a_parameter_that_is_ignored_tells_nothing_apart() {
    let route = Route::new().ignore_query(["utm"]);
    let bench = echo(|cache| cache.route("/a", route));
    bench.send("GET", "/a?utm=1&x=1", &[]).await;
    assert_eq!(bench.send("GET", "/a?x=1&utm=2", &[]).await.mark(), "HIT");
    assert_eq!(
        bench.send("GET", "/a?x=1&utmost=2", &[]).await.mark(),
        "MISS"
    );
}

#[tokio::test]
async fn what_services_make_links_of_tells_responses_apart() {
    for name in [
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-prefix",
    ] {
        let bench = echo(|cache| cache.route("/a", Route::new()));
        bench.get(&[(name, "evil")]).await;
        assert_eq!(bench.get(&[]).await.mark(), "MISS", "{name}");
        assert_eq!(bench.get(&[(name, "evil")]).await.mark(), "HIT", "{name}");
    }
}

#[tokio::test]
async fn other_hosts_than_those_listed_bypass() {
    let bench = echo(|cache| cache.route("/a", Route::new()).host("one.example"));
    for (host, mark) in [
        ("one.example", "MISS"),
        ("One.Example", "HIT"),
        ("evil.example", "BYPASS"),
        ("one.example.evil", "BYPASS"),
    ] {
        assert_eq!(bench.get(&[("host", host)]).await.mark(), mark, "{host}");
    }
    assert_eq!(bench.get(&[]).await.mark(), "BYPASS");
    assert_eq!(
        bench
            .get(&[("host", "one.example"), ("host", "two.example")])
            .await
            .mark(),
        "BYPASS"
    );
}

#[tokio::test]
async fn paths_are_matched_by_part() {
    let bench = echo(|cache| {
        let route = |credentials| Route::new().credentials(credentials);
        cache
            .route("/b/{id}", route(false))
            .route("/c/{*rest}", route(false))
            .route("/b/new", route(true))
    });
    for (path, mark) in [
        ("/b/1", "MISS"),
        ("/b/", ""),
        ("/b", ""),
        ("/b/1/2", ""),
        ("/c/1", "MISS"),
        ("/c/1/2", "MISS"),
        ("/c/", ""),
        ("/c", ""),
        ("/", ""),
        ("/b/%31", "MISS"),
    ] {
        assert_eq!(bench.send("GET", path, &[]).await.mark(), mark, "{path}");
    }
    let known = [("cookie", "1")];
    assert_eq!(bench.send("GET", "/b/new", &known).await.mark(), "MISS");
    assert_eq!(bench.send("GET", "/b/old", &known).await.mark(), "BYPASS");
}

/// A service that answers in the language that it is asked for.
fn polyglot(vary: &'static str) -> Bench {
    Bench::new(move |request, n| {
        let language = request.headers().get("accept-language");
        let language = language.map_or("none", |value| value.to_str().unwrap());
        Ok(answer(200, &[("vary", vary)], format!("{language}-{n}")))
    })
}

#[tokio::test]
async fn rfc9111_4_1_what_vary_lists_tells_responses_apart() {
    for vary in [
        "Accept-Language",
        "accept-language, accept-encoding",
        "x-other,accept-language",
    ] {
        let bench = polyglot(vary);
        for _ in 0..2 {
            for (n, language) in ["de", "en", "none"].iter().enumerate() {
                let wish = [("accept-language", *language)];
                let wish = if *language == "none" {
                    &[][..]
                } else {
                    &wish[..]
                };
                assert_eq!(
                    bench.get(wish).await.body,
                    format!("{language}-{}", n + 1),
                    "{vary}"
                );
            }
        }
        assert_eq!(bench.calls(), 3, "{vary}");
    }
}

#[tokio::test]
async fn rfc9111_4_1_lines_of_a_header_are_one_value() {
    let bench = polyglot("accept-language");
    bench
        .get(&[("accept-language", "de"), ("accept-language", "en")])
        .await;
    assert_eq!(
        bench.get(&[("accept-language", "de, en")]).await.mark(),
        "HIT"
    );
    // Whether a space means something is the service's affair.
    assert_eq!(
        bench.get(&[("accept-language", "de,en")]).await.mark(),
        "MISS"
    );
    assert_eq!(bench.get(&[("accept-language", "de")]).await.mark(), "MISS");
    assert_eq!(bench.get(&[("accept-language", "")]).await.mark(), "MISS");
    assert_eq!(bench.get(&[]).await.mark(), "MISS");
}

#[tokio::test]
async fn rfc9111_4_1_a_star_matches_nothing() {
    for vary in ["*", "accept, *", "*, accept", "not a name"] {
        let bench = polyglot(vary);
        bench.get(&[]).await;
        assert_eq!(bench.get(&[]).await.mark(), "MISS", "{vary}");
    }
}

#[tokio::test]
async fn rfc9111_4_1_a_service_that_varies_by_something_else_now_is_believed() {
    let bench = Bench::new(|request, n| {
        let named = ["accept", "x-b"].map(|name| request.headers().get(name).cloned());
        let vary = if n == 1 { "accept" } else { "accept, x-b" };
        Ok(answer(200, &[("vary", vary)], format!("{named:?}")))
    });
    let mut asked = Vec::new();
    for accept in ["1", "2"] {
        for b in ["1", "2"] {
            asked.push([("accept", accept), ("x-b", b)]);
        }
    }
    bench.get(&asked[0]).await;
    for _ in 0..3 {
        for headers in &asked[2..] {
            let got = bench.get(headers).await;
            let named = headers.map(|(_, value)| Some(http::HeaderValue::from_static(value)));
            assert_eq!(got.body, format!("{named:?}"));
        }
    }
}

#[tokio::test]
async fn a_key_that_is_too_long_bypasses() {
    let bench = echo(|cache| cache.route("/a", Route::new()));
    let uri = format!("/a?{}", "x".repeat(20_000));
    for _ in 0..2 {
        assert_eq!(bench.send("GET", &uri, &[]).await.mark(), "BYPASS");
    }
    assert_eq!(bench.row().entries, 0);
}

#[tokio::test]
async fn two_caches_of_one_deck_share_nothing() {
    let (caches, _) = manual(true);
    let layered = |text: &'static str| {
        let script = move |_: &Request<Empty<Bytes>>, _| Ok(answer(200, &[], text));
        let origin = Origin {
            script: Arc::new(script),
            seen: Arc::default(),
        };
        HttpCache::new(&caches)
            .route("/a", Route::new())
            .layer(origin)
    };
    for (mut service, text) in [(layered("public"), "public"), (layered("admin"), "admin")] {
        let response = service.call(request("GET", "/a", &[])).await.unwrap();
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            text
        );
    }
}
