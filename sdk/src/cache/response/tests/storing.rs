use super::*;

/// Whether a response with these headers is used again.
async fn check(headers: &'static [(&'static str, &'static str)], stored: bool) {
    assert_eq!(
        reuses(&Bench::saying(headers), &[]).await,
        stored,
        "{headers:?}"
    );
}

#[tokio::test]
async fn rfc9111_3_a_response_that_says_nothing_is_kept_for_its_routes_time() {
    let bench = Bench::saying(&[]);
    let first = bench.get(&[]).await;
    assert_eq!(
        (first.mark(), first.body.as_str(), first.header("age")),
        ("MISS", "1", "")
    );
    bench.pass(99);
    let second = bench.get(&[]).await;
    assert_eq!(
        (second.mark(), second.body.as_str(), second.header("age")),
        ("HIT", "1", "99")
    );
    bench.pass(1);
    assert_eq!(bench.get(&[]).await.body, "2");
}

#[tokio::test]
async fn rfc9111_3_what_forbids_storing_is_not_stored() {
    check(&[("cache-control", "no-store")], false).await;
    check(&[("cache-control", "private")], false).await;
    check(&[("cache-control", "max-age=60, Private")], false).await;
    check(&[("cache-control", "PRIVATE, max-age=60")], false).await;
    check(
        &[
            ("cache-control", "max-age=60"),
            ("cache-control", "No-Store"),
        ],
        false,
    )
    .await;
    check(
        &[("cache-control", "private=\"x-user\", max-age=60")],
        false,
    )
    .await;
    check(&[("cache-control", "public, private")], false).await;
    check(
        &[("cache-control", "max-age=60, x=\"unclosed, private")],
        false,
    )
    .await;
    for said in [
        "max-age=60, no-store",
        "max-age=60, No-CaChE",
        "private, max-age=60",
    ] {
        let headers = Box::leak(Box::new([
            ("cache-control", said),
            ("expires", "Fri, 15 Jan 2027 09:00:00 GMT"),
        ]));
        check(headers, false).await;
    }
}

#[tokio::test]
async fn trap_16_a_response_that_sets_a_cookie_is_not_stored() {
    check(&[("set-cookie", "session=1")], false).await;
    check(
        &[
            ("set-cookie", "session=1"),
            ("cache-control", "public, s-maxage=60"),
        ],
        false,
    )
    .await;
    check(
        &[("set-cookie2", "session=1"), ("cache-control", "public")],
        false,
    )
    .await;
}

#[tokio::test]
async fn rfc9111_5_2_a_directive_inside_quotes_is_none() {
    check(
        &[("cache-control", "max-age=60, ext=\"a, no-store, private\"")],
        true,
    )
    .await;
    check(
        &[("cache-control", "ext=\"\\\", private\", max-age=60")],
        true,
    )
    .await;
}

#[tokio::test]
async fn rfc9111_3_statuses_are_stored_as_they_last() {
    const FRESH: &[(&str, &str)] = &[("cache-control", "max-age=60")];
    const PUBLIC: &[(&str, &str)] = &[("cache-control", "public")];
    // By the route's time; only if they say for how long.
    for (status, plain, fresh) in [
        (200, true, true),
        (203, true, true),
        (204, true, true),
        (301, true, true),
        (308, true, true),
        (410, true, true),
        (302, false, true),
        (303, false, true),
        (307, false, true),
        (404, false, true),
        (201, false, false),
        (202, false, false),
        (299, false, false),
        (206, false, false),
        (400, false, false),
        (401, false, false),
        (403, false, false),
        (499, false, false),
        (500, false, false),
        (502, false, false),
        (503, false, false),
        (504, false, false),
        (599, false, false),
    ] {
        for (headers, stored) in [(&[] as &[_], plain), (PUBLIC, plain), (FRESH, fresh)] {
            let bench = Bench::new(move |_, n| Ok(answer(status, headers, format!("{n}"))));
            assert_eq!(reuses(&bench, &[]).await, stored, "{status} {headers:?}");
            bench.pass(100);
            let calls = bench.calls();
            bench.get(&[]).await;
            assert_eq!(bench.calls(), calls + 1, "{status} {headers:?} is stale");
        }
    }
}

#[tokio::test]
async fn rfc9111_5_2_2_3_no_store_counts_whether_the_status_is_understood_or_not() {
    const SAID: &[(&str, &str)] = &[("cache-control", "max-age=60, no-store, must-understand")];
    for status in [200, 599] {
        let bench = Bench::new(move |_, n| Ok(answer(status, SAID, format!("{n}"))));
        assert!(!reuses(&bench, &[]).await, "{status}");
    }
}

#[tokio::test]
async fn rfc9111_3_only_get_and_head_are_answered() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY"] {
        let bench = Bench::saying(&[("cache-control", "max-age=60, public")]);
        bench.send(method, "/a", &[]).await;
        assert_eq!(
            bench.send(method, "/a", &[]).await.mark(),
            "BYPASS",
            "{method}"
        );
        assert_eq!(bench.calls(), 2, "{method}");
    }
}

#[tokio::test]
async fn rfc9111_3_1_headers_of_the_connection_are_not_stored() {
    const OF_THE_CONNECTION: [(&str, &str); 12] = [
        ("connection", "x-hop, close"),
        ("keep-alive", "timeout=5"),
        ("x-hop", "1"),
        ("te", "trailers"),
        ("trailer", "x-sum"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("proxy-authenticate", "Basic"),
        ("proxy-authentication-info", "a=b"),
        ("proxy-authorization", "Basic"),
        ("proxy-connection", "close"),
        ("x-cache", "theirs"),
    ];
    let bench = Bench::new(|_, n| Ok(answer(200, &OF_THE_CONNECTION, format!("{n}"))));
    bench.get(&[]).await;
    let got = bench.get(&[]).await;
    assert_eq!(got.mark(), "HIT");
    for (name, _) in &OF_THE_CONNECTION[..11] {
        assert!(!got.headers.contains_key(*name), "{name}");
    }
}

#[tokio::test]
async fn rfc9111_3_1_all_other_headers_are_stored_as_they_came() {
    const KEPT: [(&str, &str); 16] = [
        ("test-header", "1"),
        ("x-test-header", "1"),
        ("content-foo", "1"),
        ("cache-control", "max-age=60"),
        ("content-encoding", "gzip"),
        ("content-length", "1"),
        ("content-location", "/foo"),
        ("content-md5", "rL0Y20zC+Fzt72VPzMSk2A=="),
        ("content-security-policy", "default-src 'self'"),
        ("content-type", "text/plain"),
        ("clear-site-data", "cache"),
        ("date", "Fri, 15 Jan 2027 08:00:00 GMT"),
        ("etag", "\"abcdef\""),
        ("expires", "Fri, 01 Jan 2038 01:01:01 GMT"),
        ("x-frame-options", "deny"),
        ("x-many", "1"),
    ];
    let bench = Bench::new(|_, n| {
        let mut all = KEPT.to_vec();
        all.push(("x-many", "2"));
        Ok(answer(200, &all, format!("{n}")))
    });
    bench.get(&[]).await;
    bench.pass(20);
    let got = bench.get(&[]).await;
    assert_eq!(got.mark(), "HIT");
    for (name, value) in KEPT {
        assert_eq!(got.header(name), value, "{name}");
    }
    assert_eq!(got.headers.get_all("x-many").iter().count(), 2);
}

#[tokio::test]
async fn rfc9111_3_3_a_body_of_another_length_than_said_is_not_stored() {
    check(&[("content-length", "1")], true).await;
    check(&[("content-length", "7")], false).await;
}

#[tokio::test]
async fn rfc9111_5_2_1_5_a_request_can_forbid_storing() {
    let bench = Bench::saying(&[]);
    assert_eq!(
        bench.get(&[("cache-control", "no-store")]).await.mark(),
        "BYPASS"
    );
    assert_eq!(bench.get(&[]).await.mark(), "MISS");
}

#[tokio::test]
async fn a_response_for_one_origins_scripts_is_not_stored_unless_it_varies() {
    check(&[("access-control-allow-origin", "*")], true).await;
    check(
        &[("access-control-allow-origin", "https://a.example")],
        false,
    )
    .await;
    check(
        &[
            ("access-control-allow-origin", "https://a.example"),
            ("vary", "origin"),
        ],
        true,
    )
    .await;
}

#[tokio::test]
async fn what_a_range_or_an_upgrade_or_an_override_asks_for_bypasses() {
    for header in [
        ("range", "bytes=0-1"),
        ("upgrade", "websocket"),
        ("if-match", "\"x\""),
        ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/admin"),
    ] {
        let bench = Bench::saying(&[("cache-control", "public, max-age=60")]);
        bench.get(&[]).await;
        let got = bench.get(&[header]).await;
        assert_eq!((got.mark(), bench.calls()), ("BYPASS", 2), "{header:?}");
    }
}

#[tokio::test]
async fn a_path_that_is_not_listed_passes_untouched() {
    let bench = Bench::saying(&[
        ("cache-control", "public, max-age=60"),
        ("x-cache", "theirs"),
    ]);
    for n in ["1", "2"] {
        let got = bench.send("GET", "/b", &[]).await;
        assert_eq!(
            (got.body.as_str(), got.mark(), got.status),
            (n, "theirs", 200)
        );
    }
}
