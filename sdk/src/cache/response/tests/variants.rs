use super::*;

const ASKED: [(&str, &str); 3] = [("foo", "1"), ("bar", "abc"), ("baz", "789")];

/// Whether a response to a request with [`ASKED`] is used for one with these headers.
async fn matches(vary: &'static [(&'static str, &'static str)], asked: &[(&str, &str)]) -> bool {
    let bench = Bench::saying(vary);
    bench.get(&ASKED).await;
    bench.get(asked).await.mark() == "HIT"
}

#[tokio::test]
async fn rfc9111_4_1_all_that_vary_lists_has_to_match() {
    const THREE: &[(&str, &str)] = &[("vary", "Foo, Bar, Baz")];
    const TWO: &[(&str, &str)] = &[("vary", "Foo"), ("vary", "bar")];
    for (vary, asked, matched) in [
        (THREE, &ASKED as &[_], true),
        (THREE, &[("baz", "789"), ("bar", "abc"), ("foo", "1")], true),
        (
            THREE,
            &[("foo", "2"), ("bar", "abc"), ("baz", "789")],
            false,
        ),
        (
            THREE,
            &[("foo", "1"), ("baz", "789"), ("bar", "abcde")],
            false,
        ),
        (THREE, &[("foo", "1"), ("bar", "abc")], false),
        (THREE, &[], false),
        (TWO, &[("foo", "1"), ("bar", "abc")], true),
        (TWO, &[("foo", "1"), ("bar", "abc"), ("baz", "0")], true),
        (TWO, &[("foo", "2"), ("bar", "abc")], false),
        (TWO, &[("foo", "1")], false),
        (TWO, &[], false),
    ] {
        assert_eq!(matches(vary, asked).await, matched, "{vary:?} {asked:?}");
    }
}

#[tokio::test]
async fn rfc9111_4_1_a_header_that_both_requests_lack_matches() {
    let bench = Bench::saying(&[("vary", "foo, bar")]);
    bench.get(&[("foo", "1")]).await;
    assert_eq!(bench.get(&[("foo", "1")]).await.mark(), "HIT");
    for asked in [&[("foo", "1"), ("bar", "")] as &[_], &[("bar", "1")], &[]] {
        assert_eq!(bench.get(asked).await.mark(), "MISS", "{asked:?}");
    }
}

#[tokio::test]
async fn rfc9111_4_1_a_star_anywhere_in_vary_matches_nothing() {
    for vary in [
        &[("vary", "*")] as &'static [_],
        &[("vary", "*, *")],
        &[("vary", "*"), ("vary", "*")],
        &[("vary", ", *")],
        &[("vary", ""), ("vary", "*")],
        &[("vary", "*, foo")],
        &[("vary", "foo, *")],
    ] {
        assert!(!matches(vary, &ASKED).await, "{vary:?}");
    }
}

#[tokio::test]
async fn rfc9111_4_3_1_what_is_validated_is_asked_for_with_what_it_was_selected_by() {
    let bench = Bench::new(|request, n| {
        let status = if request.headers().contains_key("if-none-match") {
            304
        } else {
            200
        };
        let headers = [
            ("vary", "abc"),
            ("etag", "\"e\""),
            ("cache-control", "max-age=1"),
        ];
        Ok(answer(status, &headers, format!("{n}")))
    });
    bench.get(&[("abc", "123")]).await;
    bench.pass(1);
    assert_eq!(bench.get(&[("abc", "123")]).await.body, "1");
    assert_eq!(bench.seen(1)["abc"], "123");
    // Another variant is none to validate with.
    assert_eq!(bench.get(&[("abc", "456")]).await.body, "3");
    assert!(!bench.seen(2).contains_key("if-none-match"));
}
