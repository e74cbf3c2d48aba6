use super::*;

const CREDENTIALS: [&str; 5] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "x-auth-token",
];

/// A service that tells everybody who he is, in words that forbid nothing.
fn gossip(said: &'static str, credentials: bool) -> Bench {
    let route = Route::new().credentials(credentials);
    Bench::with(
        |cache| cache.route("/a", route),
        move |request, _| {
            let who = CREDENTIALS
                .iter()
                .find_map(|name| request.headers().get(*name));
            let who = who.map_or("nobody", |who| who.to_str().unwrap());
            Ok(answer(200, &[("cache-control", said)], who))
        },
    )
}

#[tokio::test]
async fn rfc9111_3_5_authorization_is_not_stored_without_public() {
    for said in ["max-age=60", "must-revalidate, max-age=60", "private", ""] {
        let bench = gossip(said, true);
        assert_eq!(bench.get(&[("authorization", "ann")]).await.body, "ann");
        assert_eq!(
            bench.get(&[("authorization", "bob")]).await.body,
            "bob",
            "{said}"
        );
        assert_eq!(bench.get(&[]).await.body, "nobody", "{said}");
        // Nor does who brings them get what nobody in particular was told.
        assert_eq!(
            bench.get(&[("authorization", "cid")]).await.body,
            "cid",
            "{said}"
        );
    }
}

#[tokio::test]
async fn rfc9111_3_5_what_is_public_is_shared_where_the_route_says_so_too() {
    for said in ["public, max-age=60", "s-maxage=60"] {
        for (route, marks) in [(true, ["MISS", "HIT"]), (false, ["BYPASS", "BYPASS"])] {
            let bench = gossip(said, route);
            for mark in marks {
                assert_eq!(
                    bench.get(&[("authorization", "ann")]).await.mark(),
                    mark,
                    "{said} {route}"
                );
            }
        }
    }
}

#[tokio::test]
async fn trap_16_nothing_that_one_credential_got_is_served_to_another() {
    // Every word on caching, every credential, both routes, in an order that mixes them; only `public` and `s-maxage`
    // on a route that opts in may be shared.
    let words = [
        "",
        "max-age=60",
        "must-revalidate",
        "max-age=60, must-revalidate",
        "no-cache",
        "private",
        "Private, max-age=60",
        "no-store",
        "immutable",
        "max-age=60, immutable",
        "proxy-revalidate",
        "max-age=60, stale-while-revalidate=60, stale-if-error=60",
        "x-public",
        "no-public, max-age=60",
    ];
    for said in words {
        for route in [false, true] {
            let bench = gossip(said, route);
            for round in 0..3 {
                for name in CREDENTIALS {
                    for who in ["ann", "bob"] {
                        let ask = format!("{who}-{name}");
                        for wish in ["", "max-stale", "max-age=1000", "min-fresh=0"] {
                            let got = bench.get(&[(name, &ask), ("cache-control", wish)]).await;
                            assert_eq!(got.body, ask, "{said:?} {route} {round} {wish}");
                        }
                    }
                }
                assert_eq!(
                    bench.get(&[]).await.body,
                    "nobody",
                    "{said:?} {route} {round}"
                );
                bench.pass(40);
            }
        }
    }
}

#[tokio::test]
async fn trap_16_who_waits_is_not_told_what_another_credential_got() {
    let bench = gossip("max-age=60", true);
    let names: Vec<_> = (0..20).map(|n| format!("user-{n}")).collect();
    let bench = &bench;
    let asked = names.iter().map(|name| async move {
        let own = [("authorization", name.as_str())];
        (name, bench.get(&own).await.body)
    });
    for (name, body) in futures_util::future::join_all(asked).await {
        assert_eq!(*name, body);
    }
    assert_eq!(bench.calls(), 20);
}

#[tokio::test]
async fn a_credential_of_the_services_own_bypasses_once_it_is_named() {
    let name = http::HeaderName::from_static("x-session");
    let bench = Bench::with(
        |cache| cache.route("/a", Route::new()).credential(name),
        |_, n| Ok(answer(200, &[], format!("{n}"))),
    );
    bench.get(&[]).await;
    assert_eq!(bench.get(&[("x-session", "1")]).await.mark(), "BYPASS");
}
