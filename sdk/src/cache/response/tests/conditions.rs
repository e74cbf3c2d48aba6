use super::*;

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

#[tokio::test]
async fn rfc9110_13_1_2_if_none_match_is_compared_weakly() {
    for (stored, wish, status) in [
        ("\"a\"", "\"a\"", 304),
        ("\"a\"", "W/\"a\"", 304),
        ("W/\"a\"", "\"a\"", 304),
        ("\"a\"", "\"b\", \"a\"", 304),
        ("\"a,b\"", "\"x\", \"a,b\"", 304),
        ("\"a\"", "*", 304),
        ("\"a\"", "\"b\"", 200),
        ("\"a\"", "\"ab\"", 200),
        ("\"a\"", "a", 200),
        ("\"b\"", "\"a,\"b\"", 200),
        ("\"a\"", "\"", 200),
    ] {
        let bench =
            Bench::new(move |_, _| Ok(answer(200, &[("etag", stored), ("x-own", "1")], "body")));
        for mark in ["MISS", "HIT"] {
            let got = bench.get(&[("if-none-match", wish)]).await;
            assert_eq!((got.status, got.mark()), (status, mark), "{stored} {wish}");
            assert_eq!(got.body, if status == 304 { "" } else { "body" });
            assert_eq!(got.header("etag"), stored);
        }
        // The service is asked for the whole.
        assert_eq!(
            (bench.calls(), bench.seen(0).contains_key("if-none-match")),
            (1, false)
        );
    }
}

#[tokio::test]
async fn rfc9110_13_1_3_if_modified_since_counts_where_there_is_no_tag_in_question() {
    for (wish, status) in [
        (&[("if-modified-since", MODIFIED)] as &[_], 304),
        (
            &[("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")],
            200,
        ),
        (&[("if-modified-since", "yesterday")], 200),
        (
            &[
                ("if-modified-since", MODIFIED),
                ("if-none-match", "\"other\""),
            ],
            200,
        ),
        (
            &[
                ("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT"),
                ("if-none-match", "\"e\""),
            ],
            304,
        ),
    ] {
        let bench = Bench::saying(&[("last-modified", MODIFIED), ("etag", "\"e\"")]);
        bench.get(&[]).await;
        assert_eq!(bench.get(wish).await.status, status, "{wish:?}");
    }
}

#[tokio::test]
async fn rfc9110_15_4_5_a_304_has_the_headers_that_it_should() {
    let bench = Bench::saying(&[
        ("etag", "\"e\""),
        ("vary", "accept"),
        ("cache-control", "max-age=50"),
        ("content-type", "text/plain"),
        ("content-length", "1"),
    ]);
    bench.get(&[]).await;
    let got = bench.get(&[("if-none-match", "\"e\"")]).await;
    assert_eq!(
        (got.status, got.header("vary"), got.header("cache-control")),
        (304, "accept", "max-age=50")
    );
    assert_eq!(
        (got.header("age"), got.mark(), got.header("content-length")),
        ("0", "HIT", "")
    );
}

#[tokio::test]
async fn rfc9111_4_3_what_is_stale_is_validated_and_freshened_by_a_304() {
    let bench = Bench::new(|_, n| match n {
        1 => Ok(answer(
            200,
            &[
                ("etag", "\"e\""),
                ("last-modified", MODIFIED),
                ("x-n", "1"),
                ("content-type", "a/b"),
            ],
            "1",
        )),
        _ => Ok(answer(
            304,
            &[
                ("etag", "\"e\""),
                ("x-n", "2"),
                ("x-new", "2"),
                ("content-type", "c/d"),
            ],
            "",
        )),
    });
    bench.get(&[]).await;
    bench.pass(100);
    for mark in ["MISS", "HIT"] {
        let got = bench.get(&[]).await;
        assert_eq!(
            (got.status, got.body.as_str(), got.mark()),
            (200, "1", mark)
        );
        assert_eq!(
            (
                got.header("x-n"),
                got.header("x-new"),
                got.header("content-type")
            ),
            ("2", "2", "a/b")
        );
    }
    assert_eq!(bench.seen(1)["if-none-match"], "\"e\"");
    assert_eq!(bench.seen(1)["if-modified-since"], MODIFIED);
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn rfc9111_4_3_3_a_whole_answer_replaces_what_was_stored() {
    let bench = Bench::new(|_, n| {
        Ok(answer(
            200,
            &[("etag", &format!("\"{n}\""))],
            format!("{n}"),
        ))
    });
    bench.get(&[]).await;
    bench.pass(100);
    assert_eq!(bench.get(&[]).await.body, "2");
    assert_eq!(bench.get(&[]).await.body, "2");
}

#[tokio::test]
async fn rfc9111_4_3_4_a_304_that_forbids_storing_ends_it() {
    let bench = Bench::new(|_, n| match n {
        1 => Ok(answer(200, &[("etag", "\"e\"")], "1")),
        2 => Ok(answer(
            304,
            &[("etag", "\"e\""), ("cache-control", "private")],
            "",
        )),
        _ => Ok(answer(200, &[], format!("{n}"))),
    });
    bench.get(&[]).await;
    bench.pass(100);
    assert_eq!(bench.get(&[]).await.body, "1");
    assert_eq!(bench.get(&[]).await.body, "3");
}

#[tokio::test]
async fn rfc9111_4_3_4_a_304_changes_what_it_names_and_nothing_of_the_body() {
    let bench = Bench::new(|_, n| match n {
        1 => Ok(answer(
            200,
            &[
                ("last-modified", MODIFIED),
                ("cache-control", "max-age=2"),
                ("x-old", "1"),
                ("content-length", "1"),
            ],
            "1",
        )),
        _ => Ok(answer(
            304,
            &[("cache-control", "max-age=50"), ("content-length", "10")],
            "",
        )),
    });
    bench.get(&[]).await;
    bench.pass(2);
    for (wait, mark) in [(0, "MISS"), (49, "HIT"), (1, "MISS")] {
        bench.pass(wait);
        let got = bench.get(&[]).await;
        assert_eq!((got.body.as_str(), got.mark()), ("1", mark));
        assert_eq!(
            (
                got.header("x-old"),
                got.header("cache-control"),
                got.header("content-length")
            ),
            ("1", "max-age=50", "1")
        );
    }
    assert_eq!(bench.seen(1)["if-modified-since"], MODIFIED);
}

#[tokio::test]
async fn rfc9111_4_3_5_what_the_answer_to_a_head_contradicts_is_stale() {
    const KEPT: [(&str, &str); 3] = [
        ("etag", "\"e\""),
        ("last-modified", MODIFIED),
        ("cache-control", "max-age=50"),
    ];
    for (status, news, mark) in [
        (200, &KEPT as &[_], "HIT"),
        (200, &[], "HIT"),
        (200, &[("content-length", "1")], "HIT"),
        (503, &[("content-length", "7")], "HIT"),
        (200, &[("etag", "\"f\"")], "MISS"),
        (
            200,
            &[("last-modified", "Sun, 06 Nov 1994 08:49:38 GMT")],
            "MISS",
        ),
        (200, &[("content-length", "2")], "MISS"),
    ] {
        let bench = Bench::new(move |request, n| match *request.method() {
            Method::HEAD => Ok(answer(status, news, "")),
            _ => Ok(answer(200, &KEPT, format!("{n}"))),
        });
        bench.get(&[]).await;
        let anew = [("cache-control", "no-cache")];
        assert_eq!(bench.send("HEAD", "/a", &anew).await.status, status);
        assert_eq!(bench.get(&[]).await.mark(), mark, "{status} {news:?}");
    }
}

#[tokio::test]
async fn rfc9111_4_3_5_head_is_answered_from_a_stored_get() {
    let bench = Bench::saying(&[("etag", "\"e\"")]);
    bench.get(&[]).await;
    let got = bench.send("HEAD", "/a", &[]).await;
    assert_eq!(
        (
            got.status,
            got.mark(),
            got.body.as_str(),
            got.header("content-length")
        ),
        (200, "HIT", "", "1")
    );
    assert_eq!(
        bench
            .send("HEAD", "/a", &[("if-none-match", "\"e\"")])
            .await
            .status,
        304
    );
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn rfc9111_4_3_5_the_answer_to_a_head_is_no_answer_to_a_get() {
    let bench = Bench::saying(&[]);
    assert_eq!(bench.send("HEAD", "/a", &[]).await.mark(), "MISS");
    assert_eq!(
        bench
            .send("HEAD", "/a", &[("cache-control", "no-cache")])
            .await
            .mark(),
        "MISS"
    );
    assert_eq!((bench.get(&[]).await.mark(), bench.calls()), ("MISS", 3));
}

#[tokio::test]
async fn a_tag_is_made_only_where_the_route_asks_and_never_told_to_the_service() {
    let plain = Bench::saying(&[]);
    plain.get(&[]).await;
    assert_eq!(plain.get(&[]).await.header("etag"), "");

    let script = |_: &Request<Empty<Bytes>>, _| Ok(answer(200, &[], "same"));
    let bench = Bench::with(|cache| cache.route("/a", Route::new().etag(true)), script);
    let tag = bench.get(&[]).await.header("etag").to_owned();
    assert_eq!(tag.len(), 34);
    assert_eq!(bench.get(&[("if-none-match", &tag)]).await.status, 304);
    bench.pass(300);
    assert_eq!(bench.get(&[("if-none-match", &tag)]).await.status, 304);
    assert_eq!(
        (bench.calls(), bench.seen(1).contains_key("if-none-match")),
        (2, false)
    );
}

#[tokio::test]
async fn an_answer_that_is_not_kept_meets_the_clients_condition_all_the_same() {
    let bench = Bench::saying(&[("cache-control", "private"), ("etag", "\"e\"")]);
    let got = bench.get(&[("if-none-match", "\"e\"")]).await;
    assert_eq!(
        (got.status, got.body.as_str(), got.mark()),
        (304, "", "MISS")
    );
}
