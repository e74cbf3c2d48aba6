use super::*;

#[tokio::test]
async fn rfc9111_4_2_1_the_first_word_on_freshness_counts() {
    fresh_for(&[("cache-control", "max-age=10")], 10).await;
    fresh_for(&[("cache-control", "MAX-AGE=10")], 10).await;
    fresh_for(&[("cache-control", "max-age=\"10\"")], 10).await;
    fresh_for(&[("cache-control", "max-age=10, s-maxage=20")], 20).await;
    fresh_for(&[("cache-control", "s-maxage=5, max-age=20")], 5).await;
    fresh_for(
        &[
            ("cache-control", "max-age=10"),
            ("expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ],
        10,
    )
    .await;
    fresh_for(&[("cache-control", "proxy-revalidate, max-age=10")], 10).await;
    fresh_for(&[("cache-control", "must-revalidate, max-age=10")], 10).await;
}

#[tokio::test]
async fn rfc9111_1_2_2_what_is_too_many_seconds_is_for_ever_and_the_routes_time_is_the_most() {
    fresh_for(&[("cache-control", "max-age=99999999999999999999999")], 100).await;
    fresh_for(&[("cache-control", "max-age=3600")], 100).await;
}

#[tokio::test]
async fn rfc9111_4_2_1_what_is_said_wrongly_or_twice_is_stale() {
    fresh_for(&[("cache-control", "max-age=-1")], 0).await;
    fresh_for(&[("cache-control", "max-age=1.5")], 0).await;
    fresh_for(&[("cache-control", "max-age")], 0).await;
    fresh_for(&[("cache-control", "max-age=ten")], 0).await;
    fresh_for(&[("cache-control", "max-age=10, max-age=20")], 0).await;
    fresh_for(&[("cache-control", "max-age=0")], 0).await;
    fresh_for(&[("expires", "0")], 0).await;
    fresh_for(&[("expires", "soon")], 0).await;
}

#[tokio::test]
async fn rfc9110_5_6_7_dates_are_read_in_their_three_forms() {
    // The bench's clock begins at 1,800,000,000 s.
    fresh_for(&[("expires", "Fri, 15 Jan 2027 08:00:10 GMT")], 10).await;
    fresh_for(&[("expires", "Friday, 15-Jan-27 08:00:10 GMT")], 10).await;
    fresh_for(&[("expires", "Fri Jan 15 08:00:10 2027")], 10).await;
}

#[tokio::test]
async fn rfc9111_4_2_3_the_age_that_a_response_brings_counts() {
    fresh_for(&[("cache-control", "max-age=30"), ("age", "20")], 10).await;
    fresh_for(
        &[
            ("cache-control", "max-age=30"),
            ("date", "Fri, 15 Jan 2027 07:59:40 GMT"),
            ("age", "5"),
        ],
        10,
    )
    .await;
    fresh_for(
        &[
            ("cache-control", "max-age=30"),
            ("age", "18446744073709551615"),
        ],
        0,
    )
    .await;
    fresh_for(&[("age", "100")], 0).await;
    fresh_for(&[("age", "many")], 100).await;
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
