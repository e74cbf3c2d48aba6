use super::*;

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

/// What a failing service leaves of a response that was fresh for ten seconds: the client gets the failure.
async fn falls_through(said: &'static str, wait: u64, wish: &str) {
    for breaks in [false, true] {
        let bench = Bench::new(move |_, n| match (n, breaks) {
            (1, _) => Ok(answer(
                200,
                &[("cache-control", said), ("etag", "\"e\"")],
                "1",
            )),
            (_, false) => Ok(answer(503, &[], "failed")),
            (_, true) => Err("broken"),
        });
        bench.get(&[]).await;
        bench.pass(wait);
        let got = bench
            .try_send("GET", "/a", &[("cache-control", wish)])
            .await;
        match got {
            Ok(got) => assert_eq!((got.status, got.body.as_str()), (503, "failed"), "{said}"),
            Err(error) => assert_eq!(error, "broken", "{said}"),
        }
    }
}

#[tokio::test]
async fn rfc5861_4_not_without_its_leave_nor_after_its_time() {
    falls_through("max-age=10", 11, "").await;
    falls_through("max-age=10, stale-if-error=5", 15, "").await;
}

#[tokio::test]
async fn rfc9111_4_2_4_what_is_forbidden_stale_is_not_served_for_a_failure() {
    for said in [
        "max-age=10, must-revalidate",
        "max-age=10, must-revalidate, stale-if-error=60",
        "max-age=10, proxy-revalidate, stale-if-error=60",
        "max-age=10, no-cache, stale-if-error=60",
        "max-age=90, s-maxage=10",
    ] {
        for wish in ["", "max-stale", "stale-if-error=60"] {
            falls_through(said, 11, wish).await;
        }
    }
}

#[tokio::test]
async fn rfc9111_4_2_4_must_revalidate_has_it_validated_and_then_used() {
    let bench = Bench::new(|_, n| {
        let headers = [
            ("cache-control", "max-age=10, must-revalidate"),
            ("etag", "\"e\""),
        ];
        Ok(answer(
            if n == 1 { 200 } else { 304 },
            &headers,
            format!("{n}"),
        ))
    });
    for (wait, mark) in [(0, "MISS"), (9, "HIT"), (1, "MISS"), (9, "HIT")] {
        bench.pass(wait);
        let got = bench.get(&[]).await;
        assert_eq!((got.body.as_str(), got.mark()), ("1", mark));
    }
    assert_eq!(bench.seen(1)["if-none-match"], "\"e\"");
}

#[tokio::test]
async fn rfc9111_5_2_2_5_what_came_before_a_no_store_is_not_used_after_it() {
    for said in ["no-store", "no-store, max-age=0"] {
        let bench = Bench::new(move |_, n| {
            let said = if n == 2 { said } else { "max-age=90" };
            Ok(answer(200, &[("cache-control", said)], format!("{n}")))
        });
        bench.get(&[]).await;
        assert_eq!(bench.get(&[("cache-control", "no-cache")]).await.body, "2");
        let got = bench.get(&[]).await;
        assert_eq!((got.body.as_str(), got.mark()), ("3", "MISS"), "{said}");
    }
}
