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
    // By the route's time; only if they say for how long.
    for (status, plain, fresh) in [
        (200, true, true),
        (204, true, true),
        (301, true, true),
        (410, true, true),
        (302, false, true),
        (307, false, true),
        (404, false, true),
        (206, false, false),
        (400, false, false),
        (401, false, false),
        (403, false, false),
        (500, false, false),
        (503, false, false),
        (599, false, false),
    ] {
        for (headers, stored) in [(&[] as &[_], plain), (FRESH, fresh)] {
            let bench = Bench::new(move |_, n| Ok(answer(status, headers, format!("{n}"))));
            assert_eq!(reuses(&bench, &[]).await, stored, "{status} {headers:?}");
        }
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
    let bench = Bench::saying(&[
        ("connection", "x-hop, close"),
        ("keep-alive", "timeout=5"),
        ("x-hop", "1"),
        ("x-kept", "1"),
        ("trailer", "x-sum"),
        ("proxy-authenticate", "Basic"),
    ]);
    bench.get(&[]).await;
    let got = bench.get(&[]).await;
    assert_eq!((got.mark(), got.header("x-kept")), ("HIT", "1"));
    for name in [
        "connection",
        "keep-alive",
        "x-hop",
        "trailer",
        "proxy-authenticate",
    ] {
        assert!(!got.headers.contains_key(name), "{name}");
    }
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
