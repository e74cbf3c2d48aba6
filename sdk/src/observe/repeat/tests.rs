//! What is kept of calls that are watched, and of which.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tower_layer::Layer as _;
use tower_service::Service;

use super::*;
use crate::clock::Clock;
use crate::observe::request::HttpLayer;

fn eyes() -> &'static Eyes {
    Eyes::new(Clock::new())
}

/// The calls on the first seat, and how many there were in all.
fn taken(eyes: &Eyes) -> (Vec<Call>, u64) {
    let taken = eyes.repeats.take(0, Repeats::room()).unwrap();
    assert_eq!(taken.dropped, 0);
    (taken.calls, taken.all)
}

mod requests {
    use super::*;

    /// A body in pieces of so many bytes.
    struct Pieces(Vec<u8>, usize);

    impl Body for Pieces {
        type Data = bytes::Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
            if self.0.is_empty() {
                return Poll::Ready(None);
            }
            let end = self.1.min(self.0.len());
            let piece: Vec<u8> = self.0.drain(..end).collect();
            Poll::Ready(Some(Ok(Frame::data(piece.into()))))
        }
    }

    /// Answers with what the request's `body` says, in pieces as `piece` says.
    #[derive(Clone, Default)]
    struct Answers(HeaderMap);

    impl Service<Request<()>> for Answers {
        type Response = Response<Pieces>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<()>) -> Self::Future {
            let said = |name: &str| request.headers().get(name)?.to_str().ok();
            let body = said("body").unwrap_or("the same").as_bytes().to_vec();
            let piece = said("piece").and_then(|piece| piece.parse().ok());
            let mut response = Response::new(Pieces(body, piece.unwrap_or(usize::MAX)));
            *response.headers_mut() = self.0.clone();
            std::future::ready(Ok(response))
        }
    }

    async fn send(eyes: &'static Eyes, answer: &[(HeaderName, &str)], asked: &[(&str, &str)]) {
        let mut headers = HeaderMap::new();
        for (name, value) in answer {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let layer = HttpLayer::new(Some(eyes)).template(|_, _| Some("/tags"));
        let mut service = layer.layer(Answers(headers));
        let mut request = Request::get("/tags?page=1");
        for (name, value) in asked {
            request = match *name {
                "uri" => request.uri(*value),
                "method" => request.method(*value),
                name => request.header(name, *value),
            };
        }
        let response = service.call(request.body(()).unwrap()).await.unwrap();
        let _ = response.into_body().collect().await.unwrap();
    }

    /// Watches a route, and says what is kept of requests.
    fn watched() -> &'static Eyes {
        let eyes = eyes();
        let route = eyes.recorder.route(&Method::GET, Some("/tags"));
        eyes.repeats.watch(0, Subject::Route(route.hash), 0);
        eyes
    }

    #[tokio::test]
    async fn equal_requests_have_one_key_and_equal_bodies_one_answer() {
        let eyes = watched();
        send(eyes, &[], &[]).await;
        send(eyes, &[], &[("piece", "3")]).await;
        send(eyes, &[], &[("body", "another")]).await;
        send(eyes, &[], &[("uri", "/tags?page=2")]).await;
        send(eyes, &[], &[("host", "b.example.com")]).await;
        let (calls, all) = taken(eyes);
        assert_eq!((calls.len(), all), (5, 5));
        assert!(calls.iter().all(|call| call.answer != 0));
        let is_like = |at: usize| {
            (
                calls[at].hash == calls[0].hash,
                calls[at].answer == calls[0].answer,
            )
        };
        assert_eq!(is_like(1), (true, true), "in other pieces");
        assert_eq!(is_like(2), (true, false));
        assert_eq!(is_like(3), (false, true));
        assert_eq!(is_like(4), (false, true));
    }

    #[tokio::test]
    async fn what_no_shared_cache_would_keep_is_not_looked_at() {
        let eyes = watched();
        for asked in [
            ("authorization", "Bearer x"),
            ("cookie", "session=1"),
            ("range", "bytes=0-1"),
            ("method", "HEAD"),
            ("method", "POST"),
        ] {
            send(eyes, &[], &[asked]).await;
        }
        let own = eyes.repeats.take(0, Repeats::room()).unwrap();
        assert_eq!((own.calls.len(), own.unfit, own.all), (0, 3, 3));
        for answer in [
            (header::SET_COOKIE, "session=1"),
            (header::CACHE_CONTROL, "max-age=60, Private"),
            (header::CACHE_CONTROL, "no-store"),
            (header::VARY, "*"),
            (header::VARY, "accept, x-tenant"),
            // A cache answers already.
            (HeaderName::from_static("x-cache"), "MISS"),
        ] {
            send(eyes, &[answer], &[]).await;
        }
        send(eyes, &[], &[("body", &"x".repeat(70_000))]).await;
        assert_eq!(taken(eyes).0, []);
        send(eyes, &[(header::CACHE_CONTROL, "public, max-age=60")], &[]).await;
        assert_eq!(taken(eyes).0.len(), 1, "and this is");
    }

    #[tokio::test]
    async fn of_a_busy_route_only_what_is_in_the_sample_is_looked_at() {
        let eyes = watched();
        let route = eyes.recorder.route(&Method::GET, Some("/tags"));
        eyes.repeats.watch(0, Subject::Route(route.hash), 2);
        for page in 0..400 {
            let uri = ("uri", &*format!("/tags?page={page}"));
            send(eyes, &[], &[uri, ("cookie", "session=1")]).await;
            send(eyes, &[], &[uri]).await;
        }
        let taken = eyes.repeats.take(0, Repeats::room()).unwrap();
        assert_eq!(taken.all, 800);
        assert!((60..140).contains(&taken.unfit), "{}", taken.unfit);
        assert_eq!(
            taken.calls.len() as u64,
            taken.unfit,
            "all of a page or none"
        );
    }

    #[tokio::test]
    async fn where_an_answer_varies_its_fields_are_part_of_the_key() {
        let eyes = watched();
        let vary = [(header::VARY, "Accept-Language, Accept")];
        for language in ["de", "en", "de"] {
            send(eyes, &vary, &[("accept-language", language)]).await;
            send(eyes, &[], &[("accept-language", language)]).await;
        }
        let (calls, _) = taken(eyes);
        let hashes: Vec<_> = calls.iter().map(|call| call.hash).collect();
        assert!(
            hashes[0] != hashes[2] && hashes[0] == hashes[4],
            "{calls:?}"
        );
        assert!(
            hashes[1] == hashes[3] && hashes[1] == hashes[5],
            "it says nothing of it"
        );
        let places = hashes.iter().map(|hash| hash >> 32);
        assert_eq!(
            places.collect::<std::collections::HashSet<_>>().len(),
            1,
            "all or none are in the sample"
        );
    }

    #[tokio::test]
    async fn a_body_that_is_given_up_is_no_answer() {
        let eyes = watched();
        let mut service = HttpLayer::new(Some(eyes))
            .template(|_, _| Some("/tags"))
            .layer(Answers::default());
        let request = Request::get("/tags").header("piece", "1").body(()).unwrap();
        let mut body = service.call(request).await.unwrap().into_body();
        assert!(body.frame().await.is_some());
        drop(body);
        assert_eq!(taken(eyes), (Vec::new(), 1));
    }
}

#[cfg(all(
    feature = "query-cache",
    feature = "sqlx-postgres",
    feature = "sqlx-sqlite"
))]
mod queries {
    use perfdeck_tests::postgres::Server;
    use sqlx::postgres::PgPoolOptions;
    use sqlx::sqlite::SqlitePoolOptions;

    use super::*;
    use crate::Pool;
    use crate::cache::{CacheQuery as _, Caches};
    use crate::sql::redacted;

    const READ: &str = "SELECT title, price, weight, note FROM things WHERE id = $1";
    const TABLE: &str = "CREATE TABLE things (id BIGINT, title TEXT, price BIGINT, weight DOUBLE PRECISION, note TEXT)";
    const ROWS: &str = "INSERT INTO things VALUES (1, 'lamp', 7, 0.5, NULL), (2, 'lamp', 7, 0.5, NULL), (3, 'lamp', 7, 0.5, '')";
    const WRITE: &str = "UPDATE things SET price = 8 WHERE id = 1";

    /// What is kept of a database's queries; one macro, since each has its own types.
    macro_rules! check {
        ($pool:expr) => {{
            let eyes = eyes();
            let caches = Caches::new(true);
            let inner = $pool;
            let pool = Pool::new(inner.clone(), Some(eyes), 0).told_to(&caches);
            sqlx::query(TABLE).execute(&pool).await.unwrap();
            sqlx::query(ROWS).execute(&pool).await.unwrap();
            type Row = (String, i64, f64, Option<String>);
            let read = |id: i64| sqlx::query_as::<_, Row>(READ).bind(id);
            eyes.repeats.watch(0, Subject::Query(redacted::statement(READ).0), 0);

            // The same, the same of another key, and one that differs in a NULL alone; the row is whole for the host.
            for id in [1, 1, 2, 3] {
                let rows = read(id).fetch_all(&pool).await.unwrap();
                assert_eq!((rows[0].0.as_str(), rows[0].1, rows[0].2), ("lamp", 7, 0.5));
            }
            let (calls, all) = taken(eyes);
            assert_eq!((calls.len(), all), (4, 4));
            let like = |one: &Call, other: &Call| {
                (one.hash == other.hash, one.answer == other.answer, one.stamp == other.stamp)
            };
            assert_eq!(like(&calls[0], &calls[1]), (true, true, true));
            assert_eq!(like(&calls[0], &calls[2]), (false, true, true));
            assert_eq!(like(&calls[0], &calls[3]), (false, false, true));
            let before = calls[0];

            // Heard of.
            sqlx::query(WRITE).execute(&pool).await.unwrap();
            read(1).fetch_all(&pool).await.unwrap();
            let heard = taken(eyes).0[0];
            assert_eq!(like(&before, &heard), (true, false, false));
            // Not heard of: past the deck.
            sqlx::query("UPDATE things SET price = 9").execute(&inner).await.unwrap();
            read(1).fetch_all(&pool).await.unwrap();
            let unheard = taken(eyes).0[0];
            assert_eq!(like(&heard, &unheard), (true, false, true));

            // One row is another question; what isn't whole is none.
            assert_eq!(read(1).fetch_one(&pool).await.unwrap().1, 9);
            assert!(read(4).fetch_optional(&pool).await.unwrap().is_none());
            let (calls, _) = taken(eyes);
            assert_eq!(calls.len(), 2);
            assert_eq!(like(&unheard, &calls[0]).0, false);
            drop({
                use futures_util::StreamExt as _;
                let mut rows = read(1).fetch(&pool);
                rows.next().await
            });
            assert_eq!(taken(eyes).0, []);

            // A transaction's are not cached, and what a cache loads has one.
            let mut transaction = pool.begin().await.unwrap();
            read(1).fetch_all(&mut *transaction).await.unwrap();
            transaction.commit().await.unwrap();
            let cached = || read(1).cache(Duration::from_secs(60)).fetch_all(&pool);
            let _made = caches.namespace("queries");
            caches.sample("queries", Some(0));
            assert_eq!(cached().await.unwrap(), cached().await.unwrap());
            let looked_up = caches.sampled("queries", Vec::new()).unwrap().lookups;
            assert_eq!(looked_up.len(), 2);
            assert_eq!(looked_up[0].stamp, looked_up[1].stamp, "nothing was invalidated");
            assert!(looked_up.iter().all(|one| one.own_ttl().is_some()));
            assert_eq!(taken(eyes), (Vec::new(), 0));

            // Nor is one that no cache would take.
            const LOCKS: &str = "SELECT random(), title FROM things WHERE id = $1";
            eyes.repeats.watch(0, Subject::Query(redacted::statement(LOCKS).0), 0);
            sqlx::query(LOCKS).bind(1).fetch_all(&pool).await.unwrap();
            assert_eq!(taken(eyes), (Vec::new(), 0));
        }};
    }

    #[tokio::test]
    async fn of_sqlites_queries_equal_ones_are_compared() {
        check!(
            SqlitePoolOptions::new()
                .max_connections(1)
                .connect("sqlite::memory:")
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn of_postgresqls_queries_equal_ones_are_compared() {
        let server = Server::shared().unwrap();
        let url = server.database("repeats").unwrap();
        check!(
            PgPoolOptions::new()
                .max_connections(2)
                .connect(&url)
                .await
                .unwrap()
        );
    }
}

mod functions {
    use super::*;
    use crate::observe::monitor::{Answer, ByHash as _, ByText as _, Function, Unseen as _};

    /// A function of one test's own: it is numbered once, by one deck.
    macro_rules! report {
        () => {{
            static REPORT: Function = Function::new("desk::report").cacheable(", key = \"id\"");
            &REPORT
        }};
    }

    macro_rules! call {
        ($function:expr, $eyes:expr, $key:expr, $answer:expr) => {{
            let call = $function.call_in($eyes);
            let repeating = call.asked(|key| cache::CacheKey::write(&$key, key));
            let answer = $answer;
            if repeating.is_watched() {
                call.answered(repeating, (&&Answer(&answer)).digest());
            }
        }};
    }

    struct Opaque;

    #[test]
    fn answers_are_compared_by_their_hash_or_what_they_print() {
        let (eyes, report) = (eyes(), report!());
        call!(report, eyes, 1, "first");
        let [offered] = &eyes.repeats.offered()[..] else {
            panic!("{:?}", eyes.repeats.offered())
        };
        assert_eq!(
            (offered.name, offered.key),
            ("desk::report", ", key = \"id\"")
        );
        assert_eq!(taken(eyes), (Vec::new(), 0), "nobody watches yet");

        eyes.repeats.watch(0, Subject::Function(offered.number), 0);
        call!(report, eyes, 1, "text");
        call!(report, eyes, 1, String::from("text"));
        call!(report, eyes, 2, "other");
        call!(report, eyes, 1, 0.5);
        call!(report, eyes, 1, 0.5);
        call!(report, eyes, 1, Opaque);
        call!(report, eyes, 1, "x".repeat(100_000));
        call!(report, eyes, f64::NAN, "no key");
        let (calls, all) = taken(eyes);
        assert_eq!((calls.len(), all), (6, 7));
        assert_eq!(calls[0].answer, calls[1].answer);
        assert_ne!(calls[0].answer, calls[2].answer);
        assert_ne!(calls[0].hash, calls[2].hash);
        assert!(
            calls[3].answer == calls[4].answer && calls[3].answer != 0,
            "by `Debug`"
        );
        assert_eq!(calls[5].answer, 0, "nobody can see it");
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for_and_the_rest_is_counted() {
        let (eyes, report) = (eyes(), report!());
        call!(report, eyes, 0, ());
        let number = eyes.repeats.offered()[0].number;
        eyes.repeats.watch(0, Subject::Function(number), 0);
        (0..3_000).for_each(|key| call!(report, eyes, key, key));
        let taken = eyes.repeats.take(0, Vec::new()).unwrap();
        assert_eq!(
            (taken.calls.len(), taken.dropped, taken.all),
            (ROOM, 3_000 - ROOM as u64, 3_000)
        );
        // Of half the keys.
        eyes.repeats.watch(0, Subject::Function(number), 1);
        (0..1_000).for_each(|key| call!(report, eyes, key, key));
        let (calls, all) = super::taken(eyes);
        assert!((400..600).contains(&calls.len()), "{}", calls.len());
        assert_eq!(all, 1_000);
        eyes.repeats.leave(0);
        assert!(!eyes.repeats.any());
        call!(report, eyes, 1, ());
        assert_eq!(super::taken(eyes), (Vec::new(), 0));
    }
}
