//! The SDK's public entries with what no sane service gives them: nothing panics, and the deck stays within its memory.
//!
//! Names are empty, a mebibyte long, full of NULs and of what terminals obey; numbers are none, infinite or the last that
//! there is. `PERFDECK_FUZZ_EXECUTIONS` says how many calls are made, `PERFDECK_FUZZ_SEED` which; the long form is an hour:
//! `PERFDECK_FUZZ_EXECUTIONS=20000000 cargo test --release -p perfdeck --all-features --test hostile`.

#![cfg(feature = "full")]
#![expect(clippy::print_stderr, reason = "a test that fails says by what")]

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use perfdeck::cache::curve::{Candidate, Estimator, Replay};
use perfdeck::cache::{Eviction, Namespace, Policy};
use perfdeck::protocol::{
    Answer, HistoryOf, HistoryRequest, QueryId, Question, State, Status, Timestamp, Topic,
};
use perfdeck::{Builder, Deck, Rule};
use perfdeck_tests::folder::Folder;
use tower_layer::Layer as _;
use tower_service::Service;

/// Calls, each of one entry or a few that belong together.
const EXECUTIONS: u64 = 20_000;
/// Of so many calls one starts a deck of its own, and one makes an estimate of a cache.
const RARE: usize = 1_000;

/// The longest text.
const LONG: usize = 1 << 20;
/// What the deck may hold.
const LIMIT: u64 = 32 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_1_no_entry_panics_whatever_it_is_given() -> Result<(), Box<dyn Error>> {
    let setting = |name: &str, default| match std::env::var(name) {
        Ok(wished) => wished.parse(),
        Err(_) => Ok(default),
    };
    let executions: u64 = setting("PERFDECK_FUZZ_EXECUTIONS", EXECUTIONS)?;
    let seed: u64 = setting("PERFDECK_FUZZ_SEED", 1)?;
    let folder = Folder::new()?;
    let (guard, deck) = Builder::new("hostile")
        .socket(folder.path().join("deck.sock"))
        .memory_limit(LIMIT as usize)
        .start()?;
    let mut random = Random(seed);
    for number in 0..executions {
        // A test that fails says by which call, of which seed.
        let told = Told(seed, number);
        if random.below(RARE) == 0 {
            start(&mut random, &folder);
        } else if random.below(RARE) == 0 {
            curve(&mut random);
        } else {
            call(&mut random, &deck).await;
        }
        drop(told);
    }
    // What the agent makes of the last of it shows after a tick or two.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let status = status(&deck).await?;
    assert_eq!((status.deck.agent_panics, status.deck.agent_deaths), (0, 0));
    assert!(status.deck.memory_bytes <= LIMIT, "{:?}", status.deck);
    guard.stop();
    Ok(())
}

#[test]
fn a_share_of_the_processor_that_can_not_be_one_is_an_error_at_the_start() {
    for percent in [f64::NAN, -0.1, f64::NEG_INFINITY] {
        let started = Builder::new("share").cpu_limit(percent).start();
        let error = started
            .err()
            .unwrap_or_else(|| panic!("{percent} is taken"));
        assert!(error.is_config(), "{error}");
        assert!(error.to_string().contains(&percent.to_string()), "{error}");
    }
}

async fn status(deck: &Deck) -> Result<Status, Box<dyn Error>> {
    let source = deck.source().ok_or("the deck is on")?;
    let answer = source.ask(Question::Now(Topic::Status)).await?;
    match answer {
        Answer::Now(update) => match &update.state {
            State::Status(status) => Ok(Status::clone(status)),
            other => Err(format!("{other:?}").into()),
        },
        other => Err(format!("{other:?}").into()),
    }
}

async fn call(random: &mut Random, deck: &Deck) {
    match random.below(12) {
        0 => deck.counter(&random.text()).add(random.count()),
        1 => {
            let gauge = deck.gauge(&random.text());
            gauge.set(random.number());
            gauge.add(random.number());
        }
        2 => {
            let histogram = deck.histogram(&random.text());
            histogram.record(random.number());
            histogram.record_many(random.number(), random.count());
            histogram.record_duration(random.duration());
        }
        3 => facade(random, deck),
        4 => {
            let (rule, limit) = (random.rule(), random.number());
            let set = deck.set_threshold(rule, limit);
            assert!(
                set.is_err() || (limit.is_finite() && limit >= 0.0),
                "{limit}"
            );
        }
        5 => {
            let (route, rule) = (random.text(), random.rule());
            let _ = deck.set_route_threshold(&route, rule, random.number());
            deck.remove_route_threshold(&random.text(), rule);
        }
        6 => {
            let space = deck.cache(random.space());
            cached(random, &space).await;
        }
        7 => {
            let space = Namespace::new(&random.text(), random.policy());
            cached(random, &space).await;
        }
        8 => {
            let layer = deck.http_layer().headers(random.below(2) == 0);
            let layer = layer.template(|uri, _| Some(uri.path()));
            request(random, layer.layer(Echo)).await;
        }
        9 => {
            let cache = deck
                .http_cache()
                .route(&random.text(), random.duration())
                .route("/{id}", random.duration())
                .host(&random.text())
                .namespace(random.space());
            request(random, cache.layer(Echo)).await;
        }
        10 => {
            let width = deck
                .history(random.history())
                .await
                .map(|told| told.width_seconds);
            assert_ne!(width, Some(0));
        }
        _ => {
            let most = random.count() as usize;
            assert!(deck.slow_queries(most).await.len() <= most);
        }
    }
}

/// Asks a service under a layer something, and reads the answer.
async fn request<S, R>(random: &mut Random, mut service: S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible>,
    R: Body,
{
    let mut request = Request::new(Full::new(Bytes::from(random.text())));
    if let Ok(method) = Method::from_bytes(random.text().as_bytes()) {
        *request.method_mut() = method;
    }
    let path = match random.below(3) {
        0 => "/".to_owned() + &random.text(),
        1 => random.text(),
        _ => format!("/{}", random.below(50)),
    };
    *request.uri_mut() = Uri::try_from(path).unwrap_or_default();
    for name in [
        header::HOST,
        header::RANGE,
        header::IF_NONE_MATCH,
        header::CACHE_CONTROL,
    ] {
        if let Ok(value) = HeaderValue::from_bytes(random.text().as_bytes()) {
            request.headers_mut().insert(name, value);
        }
    }
    // Some callers go away.
    if random.below(8) == 0 {
        drop(service.call(request));
        return;
    }
    match service.call(request).await {
        Ok(answer) => drop(answer.into_body().collect().await),
        Err(never) => match never {},
    }
}

/// Answers with what it was asked, and with what it was told to say to caches.
#[derive(Clone)]
struct Echo;

impl Service<Request<Full<Bytes>>> for Echo {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let mut answer = Response::new(request.body().clone());
        for name in [
            header::CACHE_CONTROL,
            header::ETAG,
            header::VARY,
            header::AGE,
        ] {
            if let Some(value) = request.headers().get(header::CACHE_CONTROL) {
                answer.headers_mut().insert(name, value.clone());
            }
        }
        ready(Ok(answer))
    }
}

/// Numbers through the facade, whose labels are the caller's to invent.
fn facade(random: &mut Random, deck: &Deck) {
    metrics::with_local_recorder(&deck.metrics_recorder(), || {
        let (name, label) = (random.text(), random.text());
        metrics::describe_gauge!(name.clone(), metrics::Unit::Seconds, label.clone());
        metrics::gauge!(name.clone(), "label" => label.clone()).set(random.number());
        metrics::counter!(name.clone(), label.clone() => "x").absolute(random.count());
        metrics::histogram!(name, label.clone() => label).record(random.number());
    });
}

/// Whatever can be done with an entry.
async fn cached(random: &mut Random, space: &Namespace) {
    let (key, tag) = (random.text(), random.text());
    let entry = || space.entry(&key).tag(&tag);
    let value: Option<String> = entry().get();
    assert!(value.is_none_or(|value| value.len() <= LONG));
    match random.below(5) {
        0 => entry().ttl(random.duration()).insert(random.text()),
        1 => {
            let loaded = random.text();
            let load = || async move { Ok::<_, Infallible>(loaded) };
            let Ok(_) = entry().ttl(random.duration()).get_or_load(load).await;
        }
        2 => {
            let load = || async { Err::<String, _>("no") };
            let _ = space.get_or_load(&(random.number(), &key), load).await;
        }
        3 => drop(space.invalidate_tag(&tag)),
        _ => {
            drop(space.invalidate_key(&key));
            drop(space.invalidate());
        }
    }
}

/// A deck that starts or says why not.
fn start(random: &mut Random, folder: &Folder) {
    let name = random.text();
    let mut builder = Builder::new(&name)
        .version(random.text())
        .memory_limit(random.count() as usize)
        .cpu_limit(random.number())
        .cache(random.text(), random.policy());
    if random.below(2) == 0 {
        builder = builder.threshold(random.rule(), random.number());
    }
    // Nowhere but in the folder.
    let file = folder
        .path()
        .join(format!("f{}", random.text().replace("..", "")));
    builder = match random.below(3) {
        0 => builder.socket(file),
        1 => builder
            .socket(folder.path().join("deck-of-its-own"))
            .ledger(file),
        _ => builder
            .socket(folder.path().join("deck-of-its-own"))
            .record_to(file, random.count()),
    };
    if let Ok((guard, deck)) = builder.start() {
        assert!((1..=200).contains(&name.len()));
        drop(deck);
        guard.stop();
    }
}

/// What a cache of another size would do.
fn curve(random: &mut Random) {
    let candidates = [(); 3].map(|()| Candidate {
        eviction: random.eviction(),
        capacity: random.count(),
        ttl: (random.below(2) == 0).then(|| random.duration()),
    });
    let mut estimator = Estimator::new(&candidates);
    let mut replay = Replay::new(&candidates[0]);
    for _ in 0..50 {
        let at = random.duration();
        estimator.look_up(random.next(), at);
        replay.look_up(&random.text(), at);
    }
    assert_eq!(estimator.predictions().len(), 3);
    let ratio = replay.hit_ratio();
    assert!(
        ratio.is_none_or(|ratio| (0.0..=1.0).contains(&ratio)),
        "{ratio:?}"
    );
}

/// Says by which call a test failed.
struct Told(u64, u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("call {} of seed {}", self.1, self.0);
        }
    }
}

/// A small seeded generator (SplitMix64) of what nobody should give anybody.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A text of some of the parts that names are not made of; one of 200 is long.
    fn text(&mut self) -> String {
        const PARTS: [&str; 22] = [
            "",
            "a",
            "GET /x",
            "/",
            "{",
            "}",
            "{id}",
            "{*rest}",
            "{*",
            "\0",
            "\u{1b}[2J",
            "\u{202e}",
            "\u{200d}",
            "\u{feff}",
            "\r\n",
            "%00",
            "%zz",
            "..",
            "é",
            "\u{10ffff}",
            "max-age=99999999999999999999",
            ",*;q=0.001\"",
        ];
        match self.below(200) {
            0 => self
                .pick(&["\0", "x", "\u{10ffff}", "{a}"])
                .repeat(LONG / 4),
            1..40 => String::new(),
            // The same again and again, so that something is found.
            40..100 => format!("name{}", self.below(8)),
            _ => (0..=self.below(6)).map(|_| self.pick(&PARTS)).collect(),
        }
    }

    /// A namespace's name: of those that stay few, since each is for ever.
    fn space(&mut self) -> &'static str {
        self.pick(&["", "a", "http", "\0", "\u{202e}", "a\nb", "{}", "reports"])
    }

    fn number(&mut self) -> f64 {
        let any = f64::from_bits(self.next());
        self.pick(&[
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            f64::EPSILON,
            0.0,
            -0.0,
            -1.0,
            1.0,
            99.9,
            100.0,
            100.1,
            1e18,
            any,
        ])
    }

    fn count(&mut self) -> u64 {
        let any = self.next();
        self.pick(&[
            0,
            1,
            2,
            255,
            65_536,
            1 << 32,
            i64::MAX as u64,
            u64::MAX - 1,
            u64::MAX,
            any,
        ])
    }

    fn duration(&mut self) -> Duration {
        let any = Duration::from_nanos(self.next());
        self.pick(&[
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::from_secs(1),
            Duration::from_secs(u64::MAX / 1_000_000_000),
            Duration::from_secs(u64::MAX),
            Duration::MAX,
            any,
        ])
    }

    fn rule(&mut self) -> Rule {
        self.pick(&[
            Rule::CpuPercent,
            Rule::MemoryPercent,
            Rule::ResponseTimeP95,
            Rule::ErrorRate,
            Rule::PoolInUse,
        ])
    }

    fn eviction(&mut self) -> Eviction {
        self.pick(&[Eviction::Default, Eviction::Lru, Eviction::TinyLfu])
    }

    fn policy(&mut self) -> Policy {
        let policy = Policy::new()
            .ttl(self.duration())
            .jitter(self.next() as u8)
            .eviction(self.eviction())
            .stale_while_revalidate(self.duration())
            .fail_safe(self.duration())
            .negative_ttl(self.duration())
            .soft_timeout(self.duration())
            .early_refresh(self.below(2) == 0);
        // An engine makes room for some of what it is to hold at once.
        match self.below(40) {
            0 => policy.capacity(self.count()),
            1..20 => policy.capacity(self.next() % 100),
            _ => policy.capacity_bytes(self.count()),
        }
    }

    fn history(&mut self) -> HistoryRequest {
        let of = match self.below(7) {
            0 => HistoryOf::Number(self.text()),
            1 => HistoryOf::Requests,
            2 => HistoryOf::Route(self.text()),
            3 => HistoryOf::Queries,
            4 => HistoryOf::Query(QueryId(self.text())),
            5 => HistoryOf::Function(self.text()),
            _ => HistoryOf::Pool(self.text()),
        };
        let percentiles: Vec<f64> = (0..self.below(20)).map(|_| self.number()).collect();
        let mut request = HistoryRequest::of(of).percentiles(percentiles);
        request.from = (self.below(2) == 0).then(|| Timestamp::from_micros(self.count()));
        request.to = (self.below(2) == 0).then(|| Timestamp::from_micros(self.count()));
        request.width_seconds = (self.below(2) == 0).then(|| self.count() as u32);
        request
    }
}
