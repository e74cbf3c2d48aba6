//! Values that instances share through a real Redis: loaded once, never older than an invalidation, never another's, and
//! of no consequence when Redis is gone.

use std::sync::atomic::AtomicI64;
use std::time::Instant;

use perfdeck_tests::proxy::Proxy;
use perfdeck_tests::redis::Server;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::shared::{attached, instance, instance_at, until};
use super::*;

/// What no test waits longer for.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct User {
    id: u64,
    version: u64,
    name: String,
}

fn user(id: u64, version: u64) -> User {
    let name = format!("user {id} of {version}");
    User { id, version, name }
}

/// A database of one number a key that counts who reads it, and how many at once.
#[derive(Debug, Default)]
struct Origin {
    version: AtomicU64,
    loads: AtomicU64,
    now: AtomicI64,
    most: AtomicI64,
    time: Duration,
    fails: std::sync::atomic::AtomicBool,
}

impl Origin {
    fn taking(millis: u64) -> Arc<Self> {
        Arc::new(Self {
            time: Duration::from_millis(millis),
            ..Self::default()
        })
    }

    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    async fn load(self: Arc<Self>, id: u64) -> Result<User, String> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let version = self.version.load(Ordering::SeqCst);
        tokio::time::sleep(self.time).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) {
            return Err("the database is gone".to_owned());
        }
        Ok(user(id, version))
    }
}

async fn get(users: &Namespace, id: u64, origin: &Arc<Origin>) -> Result<User, String> {
    let origin = Arc::clone(origin);
    let load = move || origin.load(id);
    users.entry(&id).get_or_load_shared(load).await
}

fn row(caches: &Caches) -> Row {
    caches
        .rows()
        .into_iter()
        .find(|row| &*row.name == "users")
        .unwrap()
}

fn assert_conserved(caches: &Caches) {
    let row = row(caches);
    assert_eq!(
        row.loads + row.shared_hits + row.joined + row.unloaded,
        row.misses + row.refreshes,
        "{row:?}"
    );
}

/// Waits until what was loaded has reached Redis.
fn stored(server: &Server, values: usize) {
    let count = || {
        let size = server
            .ask(&["EVAL", "return #redis.call('KEYS', 'pd1:shop:v:*')", "0"])
            .unwrap();
        size.trim()
            .trim_start_matches(':')
            .parse::<usize>()
            .unwrap()
    };
    until("stored", PATIENCE, || count() >= values);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_instance_loads_the_others_take() {
    let server = Server::start().unwrap();
    let ((one, users), (two, others)) = (instance(&server), instance(&server));
    attached(&[&one, &two]);
    let origin = Origin::taking(1);
    for id in 0..10 {
        assert_eq!(get(&users, id, &origin).await, Ok(user(id, 0)));
    }
    stored(&server, 10);
    for id in 0..10 {
        assert_eq!(get(&others, id, &origin).await, Ok(user(id, 0)));
        assert_eq!(
            get(&others, id, &origin).await,
            Ok(user(id, 0)),
            "now its own"
        );
    }
    assert_eq!(origin.loads(), 10);
    let row = row(&two);
    assert_eq!(
        (row.shared_hits, row.loads, row.hits, row.misses),
        (10, 0, 10, 10)
    );
    assert_conserved(&one);
    assert_conserved(&two);
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_36_no_instance_takes_what_was_invalidated() {
    let server = Server::start().unwrap();
    let ((one, users), (two, others)) = (instance(&server), instance(&server));
    attached(&[&one, &two]);
    let origin = Origin::taking(0);
    for version in 1..60 {
        assert!(get(&users, 7, &origin).await.is_ok());
        origin.version.store(version, Ordering::SeqCst);
        let reach = match version % 3 {
            0 => users.invalidate().await,
            _ => users.invalidate_key(&7_u64).await,
        };
        assert_eq!(reach, Reach::Applied);
        // At once where it was invalidated, though Redis still has the value.
        assert_eq!(get(&users, 7, &origin).await, Ok(user(7, version)));
        let since = Instant::now();
        while get(&others, 7, &origin).await != Ok(user(7, version)) {
            assert!(
                since.elapsed() < super::shared::BOUND,
                "of version {version}"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    // Nobody waits for it to be told, and the next look-up asks Redis all the same.
    for version in 100..160 {
        origin.version.store(version, Ordering::SeqCst);
        users.invalidate_key(&7_u64);
        assert_eq!(
            get(&users, 7, &origin).await,
            Ok(user(7, version)),
            "unawaited"
        );
    }
    assert_conserved(&one);
    assert_conserved(&two);
}

/// When each version was written and told of.
type Told = std::sync::Mutex<Vec<(u64, Instant)>>;

/// Writers and readers of three instances against one register a key: no read that began a bound after a write may
/// return what was there before it.
#[tokio::test(flavor = "multi_thread")]
async fn promise_36_no_read_is_older_than_the_bound() {
    let rounds: u64 = std::env::var("PERFDECK_LONG").map_or(400, |_| 40_000);
    let server = Server::start().unwrap();
    let nodes: Vec<_> = (0..3).map(|_| instance(&server)).collect();
    attached(&nodes.iter().map(|(caches, _)| caches).collect::<Vec<_>>());
    // By key.
    let told: Arc<Vec<Told>> = Arc::new((0..4).map(|_| std::sync::Mutex::default()).collect());
    let origins: Vec<_> = (0..4).map(|_| Origin::taking(1)).collect();
    let mut tasks = Vec::new();
    for (at, (_, users)) in nodes.iter().enumerate() {
        for task in 0..4_u64 {
            let (users, told, origins) = (users.clone(), Arc::clone(&told), origins.clone());
            tasks.push(tokio::spawn(async move {
                let mut draw = at as u64 * 7_919 + task;
                for _ in 0..rounds {
                    draw = draw
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let id = (draw >> 60) % 4;
                    let origin = &origins[id as usize];
                    if (draw >> 33).is_multiple_of(16) {
                        let version = origin.version.fetch_add(1, Ordering::SeqCst) + 1;
                        users.invalidate_key(&id).await;
                        told[id as usize]
                            .lock()
                            .unwrap()
                            .push((version, Instant::now()));
                    } else {
                        let begun = Instant::now();
                        let seen = get(&users, id, origin).await.unwrap();
                        assert_eq!(seen.id, id);
                        let told = told[id as usize].lock().unwrap();
                        let before = |(version, at): &(u64, Instant)| {
                            (*at + super::shared::BOUND < begun).then_some(*version)
                        };
                        let owed = told.iter().filter_map(before).max().unwrap_or(0);
                        assert!(
                            seen.version >= owed,
                            "{} where {owed} was long there",
                            seen.version
                        );
                    }
                }
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    for (caches, _) in &nodes {
        assert_conserved(caches);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_38_instances_share_one_load() {
    let server = Server::start().unwrap();
    let nodes: Vec<_> = (0..8).map(|_| instance(&server)).collect();
    attached(&nodes.iter().map(|(caches, _)| caches).collect::<Vec<_>>());
    let origin = Origin::taking(150);
    let callers = 1_000;
    let mut tasks = Vec::new();
    for (_, users) in &nodes {
        for _ in 0..callers {
            let (users, origin) = (users.clone(), Arc::clone(&origin));
            tasks.push(tokio::spawn(async move { get(&users, 7, &origin).await }));
        }
    }
    // Some lose patience; the load goes on without them.
    for (at, task) in tasks.into_iter().enumerate() {
        if at % 10 == 3 {
            task.abort();
        } else {
            assert_eq!(task.await.unwrap(), Ok(user(7, 0)));
        }
    }
    assert_eq!(origin.loads(), 1);
    let waited: u64 = nodes
        .iter()
        .map(|(caches, _)| caches.standing().unwrap().waited)
        .sum();
    assert_eq!(waited, 7, "one of each other instance");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_whose_holder_is_gone_ends() {
    let server = Server::start().unwrap();
    let ((one, users), (two, others)) = (instance(&server), instance(&server));
    attached(&[&one, &two]);
    let never = Origin::taking(60_000);
    let hung = tokio::spawn({
        let (users, never) = (users.clone(), Arc::clone(&never));
        async move { get(&users, 7, &never).await }
    });
    until("loading", PATIENCE, || never.loads() == 1);
    let origin = Origin::taking(1);
    let since = Instant::now();
    assert_eq!(get(&others, 7, &origin).await, Ok(user(7, 0)));
    let took = since.elapsed();
    assert!(
        took > Duration::from_secs(1) && took < Duration::from_secs(4),
        "{took:?}"
    );
    assert_eq!(origin.loads(), 1);
    hung.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_39_without_redis_loads_take_turns() {
    let mut server = Server::start().unwrap();
    let (caches, users) = instance(&server);
    attached(&[&caches]);
    let origin = Origin::taking(20);
    assert!(get(&users, 0, &origin).await.is_ok());
    assert!(origin.most.swap(0, Ordering::SeqCst) >= 1);
    server.stop();
    let since = Instant::now();
    let mut tasks = Vec::new();
    for id in 1..200 {
        let (users, origin) = (users.clone(), Arc::clone(&origin));
        tasks.push(tokio::spawn(async move {
            let begun = Instant::now();
            let seen = get(&users, id, &origin).await;
            (seen == Ok(user(id, 0)), begun.elapsed())
        }));
    }
    for task in tasks {
        let (right, _) = task.await.unwrap();
        assert!(right);
    }
    let most = origin.most.load(Ordering::SeqCst);
    assert!(
        (1..=super::shared::TURNS as i64).contains(&most),
        "{most} at a time"
    );
    // 199 loads of 20 ms, four at a time.
    assert!(
        since.elapsed() < Duration::from_secs(4),
        "{:?}",
        since.elapsed()
    );
    // What is invalidated meanwhile holds when Redis is back, before anything is taken from it.
    origin.version.store(1, Ordering::SeqCst);
    assert_eq!(users.invalidate().await, Reach::Deferred);
    assert_eq!(get(&users, 1, &origin).await, Ok(user(1, 1)));
    server.restart().unwrap();
    attached(&[&caches]);
    let (two, others) = instance(&server);
    attached(&[&two]);
    assert_eq!(get(&users, 2, &origin).await, Ok(user(2, 1)));
    stored(&server, 1);
    assert_eq!(get(&others, 2, &origin).await, Ok(user(2, 1)));
    assert_eq!(row(&two).shared_hits, 1);
    assert_conserved(&caches);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_in_redis_stands_in_for_a_load_that_fails() {
    let server = Server::start().unwrap();
    let nodes = [instance(&server), instance(&server)];
    let policy = Policy::new()
        .ttl(Duration::from_millis(300))
        .fail_safe(Duration::from_secs(60));
    nodes
        .iter()
        .for_each(|(caches, _)| caches.policy("users", &policy));
    attached(&[&nodes[0].0, &nodes[1].0]);
    let origin = Origin::taking(1);
    assert!(get(&nodes[0].1, 7, &origin).await.is_ok());
    stored(&server, 1);
    tokio::time::sleep(Duration::from_millis(400)).await;
    origin.fails.store(true, Ordering::SeqCst);
    // The other instance never had it.
    assert_eq!(get(&nodes[1].1, 7, &origin).await, Ok(user(7, 0)));
    assert_eq!(row(&nodes[1].0).fail_safe, 1);
    assert!(get(&nodes[1].1, 8, &origin).await.is_err());
    let told = nodes[1].0.standing().unwrap();
    assert_eq!(told.not_stored, 0, "there was nothing to put down");
    assert_conserved(&nodes[1].0);
}

#[tokio::test(flavor = "multi_thread")]
async fn types_that_differ_share_nothing() {
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    struct Renamed {
        id: u64,
        version: u64,
        nickname: String,
    }
    let server = Server::start().unwrap();
    let (one, users) = instance(&server);
    attached(&[&one]);
    let origin = Origin::taking(1);
    assert!(get(&users, 7, &origin).await.is_ok());
    stored(&server, 1);
    let load = || async {
        let nickname = "Ada".to_owned();
        Ok::<_, String>(Renamed {
            id: 7,
            version: 3,
            nickname,
        })
    };
    let renamed = users.entry(&7_u64).get_or_load_shared(load).await.unwrap();
    assert_eq!(renamed.version, 3);
    stored(&server, 2);
    assert_eq!(
        one.standing().unwrap().undecodable,
        0,
        "a miss, not a mistake"
    );
}

/// A type whose own code panics, in and out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Brittle(u64);

impl Serialize for Brittle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(self.0 != 13, "no such number");
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Brittle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        assert!(number == 7, "nor this one");
        Ok(Self(number))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_panics_is_loaded_by_each() {
    let server = Server::start().unwrap();
    let ((one, users), (two, others)) = (instance(&server), instance(&server));
    attached(&[&one, &two]);
    for number in [7, 8, 13] {
        for namespace in [&users, &others] {
            let load = move || async move { Ok::<_, String>(Brittle(number)) };
            let answer = namespace.entry(&number).get_or_load_shared(load);
            let answer = tokio::time::timeout(PATIENCE, answer).await;
            assert_eq!(answer, Ok(Ok(Brittle(number))));
            if number < 13 {
                stored(&server, if number == 7 { 1 } else { 2 });
            }
        }
    }
    until("13 was not stored", PATIENCE, || {
        one.standing().unwrap().not_stored == 1
    });
    assert_eq!(row(&two).shared_hits, 1, "of 7");
    assert_conserved(&one);
    assert_conserved(&two);
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_41_hostile_bytes_are_a_miss() {
    let server = Server::start().unwrap();
    let ((one, users), (two, others)) = (instance(&server), instance(&server));
    attached(&[&one, &two]);
    let origin = Origin::taking(1);
    assert!(get(&users, 7, &origin).await.is_ok());
    stored(&server, 1);
    let overwrite = |script: &str| {
        let script = format!("local key = redis.call('KEYS', 'pd1:shop:v:*')[1] {script}");
        let answer = server.ask(&["EVAL", &script, "0"]).unwrap();
        assert!(!answer.starts_with('-'), "{answer}");
    };
    for (at, script) in [
        "redis.call('SET', key, '')",
        "redis.call('SET', key, 'x')",
        "redis.call('SET', key, string.rep('x', 100))",
        "redis.call('SET', key, string.rep('x', 40000000))",
        "redis.call('SETRANGE', key, 100, 'wrong')",
        "redis.call('SETRANGE', key, 84, '\\255\\255\\255\\255')",
        "redis.call('SET', key, string.sub(redis.call('GET', key), 1, -2))",
    ]
    .into_iter()
    .enumerate()
    {
        overwrite(script);
        let before = (origin.loads(), two.standing().unwrap().undecodable);
        // Only here is nothing held any more.
        others.space.forget();
        assert_eq!(get(&others, 7, &origin).await, Ok(user(7, 0)), "{script}");
        assert_eq!(origin.loads(), before.0 + 1, "{script}");
        if at > 0 {
            assert!(two.standing().unwrap().undecodable > before.1, "{script}");
        }
        // It was loaded under a lease, and its place taken.
        let whole = || {
            others.space.forget();
            let (others, origin) = (others.clone(), Arc::clone(&origin));
            let before = origin.loads();
            async move { get(&others, 7, &origin).await == Ok(user(7, 0)) && origin.loads() == before }
        };
        let since = Instant::now();
        while !whole().await {
            assert!(since.elapsed() < PATIENCE, "{script}");
        }
    }
    // Another's kind of thing under the name: never taken, never replaced, and of no consequence.
    overwrite("redis.call('DEL', key) redis.call('LPUSH', key, 'x')");
    others.space.forget();
    assert_eq!(get(&others, 7, &origin).await, Ok(user(7, 0)));
    assert_conserved(&two);
}

/// Answers that come late, to callers who have gone: nobody is given another's.
#[tokio::test(flavor = "multi_thread")]
async fn promise_40_a_cancelled_look_up_gives_nobody_anothers_value() {
    let requests: u64 = std::env::var("PERFDECK_LONG").map_or(3_000, |_| 1_000_000);
    let server = Server::start().unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let ((one, users), (two, others)) = (instance(&server), instance_at(&proxy.url()));
    attached(&[&one, &two]);
    let origin = Origin::taking(0);
    for id in 0..50 {
        assert!(get(&users, id, &origin).await.is_ok());
    }
    stored(&server, 50);
    proxy.delay(Duration::from_millis(20));
    let mut tasks = Vec::new();
    for request in 0..requests {
        let (asked, origin) = (others.clone(), Arc::clone(&origin));
        tasks.push(tokio::spawn(async move {
            let id = request % 50;
            assert_eq!(get(&asked, id, &origin).await, Ok(user(id, 0)));
        }));
        if request % 3 == 0 {
            tasks
                .swap_remove((request as usize * 7) % tasks.len())
                .abort();
        }
        if request % 50 == 0 {
            others.space.forget();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if request % 1_000 == 999 {
            proxy.cut();
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!(row(&two).shared_hits > 0, "{:?}", row(&two));
    assert_conserved(&two);
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_37_whatever_the_way_to_redis_does_the_bound_holds() {
    let server = Server::start().unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let ((one, users), (two, others)) = (instance(&server), instance_at(&proxy.url()));
    attached(&[&one, &two]);
    let origin = Origin::taking(0);
    let mut version = 0;
    for (what, bound) in [
        ("as it should be", super::shared::BOUND),
        ("slow", super::shared::BOUND),
        ("cut", super::shared::BOUND),
        // Nobody can know any more, and says so.
        ("silent", Duration::from_secs(5) + super::shared::BOUND),
        ("back", super::shared::BOUND),
    ] {
        assert!(get(&others, 7, &origin).await.is_ok());
        match what {
            "slow" => proxy.delay(Duration::from_millis(100)),
            "cut" => {
                proxy.delay(Duration::ZERO);
                proxy.cut();
            }
            "silent" => proxy.silence(true),
            "back" => {
                proxy.silence(false);
                attached(&[&two]);
            }
            _ => {}
        }
        version += 1;
        origin.version.store(version, Ordering::SeqCst);
        assert_eq!(users.invalidate_key(&7_u64).await, Reach::Applied);
        let since = Instant::now();
        while get(&others, 7, &origin).await != Ok(user(7, version)) {
            assert!(since.elapsed() < bound, "{what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert_conserved(&two);
}

mod envelope {
    use super::super::super::remote::envelope::{Header, LONGEST};
    use super::*;

    fn header(seed: u8) -> Header {
        Header {
            token: [seed; 16],
            fingerprint: u64::from(seed) << 40,
            check: [seed ^ 1; 16],
            stamp: [seed ^ 2; 16],
            fresh: (seed > 9).then(|| Duration::from_millis(u64::from(seed))),
            kept: Duration::from_secs(u64::from(seed)),
            cost: Duration::from_nanos(u64::from(seed)),
        }
    }

    #[test]
    fn a_value_stands_in_redis_as_version_1_says() {
        let sealed = header(7).sealed(b"abc").unwrap();
        let hex: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = concat!(
            "706401",
            "00",
            "07070707070707070707070707070707",
            "0000000000070000",
            "06060606060606060606060606060606",
            "05050505050505050505050505050505",
            "0000000000000000",
            "581b000000000000",
            "0700000000000000",
            "03000000",
        );
        assert_eq!(&hex[..176], expected);
        assert_eq!(&hex[184..], "616263");
        assert_eq!(Header::opened(&sealed), Some((header(7), b"abc".to_vec())));
    }

    #[test]
    fn long_values_are_compressed_and_the_longest_refused() {
        let even = vec![7; 8 << 20];
        let sealed = header(1).sealed(&even).unwrap();
        assert!(sealed.len() < 100_000);
        assert_eq!(Header::opened(&sealed).unwrap().1, even);
        assert!(header(1).sealed(&vec![7; 17 << 20]).is_none());
        let noise: Vec<u8> = (0..2_u64 << 20)
            .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 ^ (i >> 3) as u8)
            .collect();
        assert!(header(1).sealed(&noise).is_none() || noise.len() < LONGEST);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn promise_41_a_value_is_whole_or_none(
            payload in proptest::collection::vec(any::<u8>(), 0..6_000),
            seed in any::<u8>(),
            at in any::<proptest::sample::Index>(),
            flip in 1_u8..,
        ) {
            let sealed = header(seed).sealed(&payload).unwrap();
            prop_assert_eq!(Header::opened(&sealed), Some((header(seed), payload)));
            let mut broken = sealed.clone();
            broken[at.index(sealed.len())] ^= flip;
            prop_assert_eq!(Header::opened(&broken), None);
            prop_assert_eq!(Header::opened(&sealed[..at.index(sealed.len())]), None);
        }

        #[test]
        fn promise_41_any_bytes_are_read_within_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(Header::opened(&bytes), None);
        }
    }
}
