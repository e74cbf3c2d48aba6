use super::*;

/// How many seconds a response with these headers is fresh: exactly `seconds`.
async fn check(headers: &'static [(&'static str, &'static str)], seconds: u64) {
    let bench = Bench::saying(headers);
    bench.get(&[]).await;
    if seconds > 0 {
        bench.pass(seconds - 1);
        assert_eq!(
            bench.get(&[]).await.mark(),
            "HIT",
            "{headers:?} before {seconds}"
        );
        bench.pass(1);
    }
    assert_eq!(
        bench.get(&[]).await.mark(),
        "MISS",
        "{headers:?} after {seconds}"
    );
}

#[tokio::test]
async fn rfc9111_4_2_1_the_first_word_on_freshness_counts() {
    check(&[("cache-control", "max-age=10")], 10).await;
    check(&[("cache-control", "MAX-AGE=10")], 10).await;
    check(&[("cache-control", "max-age=\"10\"")], 10).await;
    check(&[("cache-control", "max-age=10, s-maxage=20")], 20).await;
    check(&[("cache-control", "s-maxage=5, max-age=20")], 5).await;
    check(
        &[
            ("cache-control", "max-age=10"),
            ("expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ],
        10,
    )
    .await;
    check(&[("cache-control", "proxy-revalidate, max-age=10")], 10).await;
    check(&[("cache-control", "must-revalidate, max-age=10")], 10).await;
}

#[tokio::test]
async fn rfc9111_1_2_2_what_is_too_many_seconds_is_for_ever_and_the_routes_time_is_the_most() {
    check(&[("cache-control", "max-age=99999999999999999999999")], 100).await;
    check(&[("cache-control", "max-age=3600")], 100).await;
}

#[tokio::test]
async fn rfc9111_4_2_1_what_is_said_wrongly_or_twice_is_stale() {
    check(&[("cache-control", "max-age=-1")], 0).await;
    check(&[("cache-control", "max-age=1.5")], 0).await;
    check(&[("cache-control", "max-age")], 0).await;
    check(&[("cache-control", "max-age=ten")], 0).await;
    check(&[("cache-control", "max-age=10, max-age=20")], 0).await;
    check(&[("cache-control", "max-age=0")], 0).await;
    check(&[("expires", "0")], 0).await;
    check(&[("expires", "soon")], 0).await;
}

#[tokio::test]
async fn rfc9110_5_6_7_dates_are_read_in_their_three_forms() {
    // The bench's clock begins at 1,800,000,000 s.
    check(&[("expires", "Fri, 15 Jan 2027 08:00:10 GMT")], 10).await;
    check(&[("expires", "Friday, 15-Jan-27 08:00:10 GMT")], 10).await;
    check(&[("expires", "Fri Jan 15 08:00:10 2027")], 10).await;
}

#[tokio::test]
async fn rfc9111_4_2_3_the_age_that_a_response_brings_counts() {
    check(&[("cache-control", "max-age=30"), ("age", "20")], 10).await;
    check(
        &[
            ("cache-control", "max-age=30"),
            ("date", "Fri, 15 Jan 2027 07:59:40 GMT"),
            ("age", "5"),
        ],
        10,
    )
    .await;
    check(
        &[
            ("cache-control", "max-age=30"),
            ("age", "18446744073709551615"),
        ],
        0,
    )
    .await;
    check(&[("age", "100")], 0).await;
    check(&[("age", "many")], 100).await;
    let bench = Bench::saying(&[("age", "20")]);
    assert_eq!(bench.get(&[]).await.header("age"), "20");
    bench.pass(3);
    assert_eq!(bench.get(&[]).await.header("age"), "23");
}

#[tokio::test]
async fn rfc9110_6_6_1_a_stored_response_has_a_date() {
    let bench = Bench::saying(&[]);
    bench.get(&[]).await;
    bench.pass(50);
    assert_eq!(
        bench.get(&[]).await.header("date"),
        "Fri, 15 Jan 2027 08:00:00 GMT"
    );
}

#[tokio::test]
async fn rfc9111_5_2_2_4_no_cache_asks_every_time() {
    let bench = Bench::saying(&[("cache-control", "no-cache, max-age=60"), ("etag", "\"1\"")]);
    bench.get(&[]).await;
    assert_eq!(
        bench.get(&[("cache-control", "max-stale")]).await.mark(),
        "MISS"
    );
    assert_eq!(bench.seen(1)["if-none-match"], "\"1\"");
}

#[tokio::test]
async fn rfc9111_5_2_1_a_request_can_want_it_newer() {
    for (wish, mark) in [
        ("max-age=20", "HIT"),
        ("max-age=19", "MISS"),
        ("max-age=0", "MISS"),
        ("no-cache", "MISS"),
        ("NO-CACHE", "MISS"),
        ("min-fresh=80", "HIT"),
        ("min-fresh=81", "MISS"),
        ("max-stale=1", "HIT"),
        ("only-if-cached", "HIT"),
    ] {
        let bench = Bench::saying(&[]);
        bench.get(&[]).await;
        bench.pass(20);
        let got = bench.get(&[("cache-control", wish)]).await;
        assert_eq!(got.mark(), mark, "{wish}");
        // Who wanted it newer has done so for all.
        let next = bench.get(&[]).await;
        assert_eq!((next.mark(), &next.body), ("HIT", &got.body), "{wish}");
    }
}

#[tokio::test]
async fn rfc9111_5_4_pragma_asks_for_the_services_word() {
    let bench = Bench::saying(&[]);
    bench.get(&[]).await;
    assert_eq!(bench.get(&[("pragma", "no-cache")]).await.mark(), "MISS");
    let both = [("pragma", "no-cache"), ("cache-control", "max-age=60")];
    assert_eq!(bench.get(&both).await.mark(), "HIT");
}

#[tokio::test]
async fn rfc9111_5_2_1_2_a_request_can_accept_it_stale_where_the_response_lets_it() {
    for (said, wish, mark) in [
        ("max-age=10", "max-stale", "STALE"),
        ("max-age=10", "max-stale=10", "STALE"),
        ("max-age=10", "max-stale=9", "MISS"),
        ("max-age=10, must-revalidate", "max-stale", "MISS"),
        ("max-age=10, proxy-revalidate", "max-stale", "MISS"),
        ("s-maxage=10", "max-stale", "MISS"),
        ("max-age=10, no-cache", "max-stale", "MISS"),
    ] {
        let headers = [("cache-control", said), ("etag", "\"e\"")];
        let bench = Bench::new(move |_, n| Ok(answer(200, &headers, format!("{n}"))));
        bench.get(&[]).await;
        bench.pass(20);
        assert_eq!(
            bench.get(&[("cache-control", wish)]).await.mark(),
            mark,
            "{said} {wish}"
        );
    }
}

#[tokio::test]
async fn rfc9111_5_2_1_7_only_if_cached_is_answered_with_504_and_asks_nobody() {
    let bench = Bench::saying(&[]);
    let got = bench.get(&[("cache-control", "only-if-cached")]).await;
    assert_eq!((got.status, bench.calls()), (504, 0));
    bench.get(&[]).await;
    bench.pass(100);
    let got = bench.get(&[("cache-control", "only-if-cached")]).await;
    assert_eq!((got.status, bench.calls()), (504, 1));
    assert_eq!(
        bench
            .get(&[("cache-control", "only-if-cached, max-stale")])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn rfc5861_3_what_is_stale_is_served_while_one_request_refreshes_it() {
    let bench = Bench::saying(&[("cache-control", "max-age=10, stale-while-revalidate=20")]);
    bench.get(&[]).await;
    bench.pass(15);
    let got = bench.get(&[]).await;
    assert_eq!(
        (got.mark(), got.body.as_str(), got.header("age")),
        ("STALE", "1", "15")
    );
    assert_eq!(bench.get(&[]).await.body, "1");
    bench.settled().await;
    let got = bench.get(&[]).await;
    assert_eq!(
        (got.mark(), got.body.as_str(), bench.calls()),
        ("HIT", "2", 2)
    );
    bench.pass(30);
    assert_eq!(bench.get(&[]).await.mark(), "MISS");
    let row = bench.row();
    assert_eq!((row.hits, row.stale_hits, row.refreshes), (3, 2, 1));
    assert_eq!(
        row.loads + row.joined + row.unloaded,
        row.misses + row.refreshes
    );
}

#[tokio::test]
async fn rfc5861_3_what_has_become_private_is_not_served_stale_again() {
    let bench = Bench::new(|_, n| {
        let said = if n == 1 {
            "max-age=10, stale-while-revalidate=20"
        } else {
            "private"
        };
        Ok(answer(200, &[("cache-control", said)], format!("{n}")))
    });
    bench.get(&[]).await;
    bench.pass(15);
    assert_eq!(bench.get(&[]).await.mark(), "STALE");
    bench.settled().await;
    let got = bench.get(&[]).await;
    assert_eq!((got.mark(), got.body.as_str()), ("MISS", "3"));
}

#[tokio::test]
async fn rfc5861_4_what_is_stale_is_served_while_the_service_fails() {
    for fails in [500, 502, 503, 504, 0] {
        let bench = Bench::new(move |_, n| match (n, fails) {
            (1, _) | (4.., _) => Ok(answer(
                200,
                &[("cache-control", "max-age=10, stale-if-error=60")],
                format!("{n}"),
            )),
            (_, 0) => Err("broken"),
            (_, status) => Ok(answer(status, &[], "failed")),
        });
        bench.get(&[]).await;
        bench.pass(20);
        for calls in [2, 2] {
            let got = bench.get(&[]).await;
            assert_eq!(
                (got.mark(), got.body.as_str(), bench.calls()),
                ("STALE", "1", calls),
                "{fails}"
            );
        }
        // It isn't asked again at once, and is after a second.
        bench.pass(2);
        assert_eq!(
            (bench.get(&[]).await.mark(), bench.calls()),
            ("STALE", 3),
            "{fails}"
        );
        bench.pass(2);
        assert_eq!(bench.get(&[]).await.body, "4", "{fails}");
    }
}

#[tokio::test]
async fn rfc5861_4_not_without_its_leave_nor_after_its_time() {
    for (said, wait) in [
        ("max-age=10", 11),
        ("max-age=10, stale-if-error=5", 15),
        ("max-age=10, stale-if-error=60, must-revalidate", 11),
    ] {
        let bench = Bench::new(move |_, n| match n {
            1 => Ok(answer(200, &[("cache-control", said)], "1")),
            _ => Ok(answer(503, &[], "failed")),
        });
        bench.get(&[]).await;
        bench.pass(wait);
        let got = bench.get(&[]).await;
        assert_eq!((got.status, got.body.as_str()), (503, "failed"), "{said}");
    }
}
