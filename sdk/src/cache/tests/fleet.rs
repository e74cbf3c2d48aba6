//! Values that instances share through a real Redis: loaded once, never older than an invalidation, never another's.

use std::sync::atomic::AtomicI64;
use std::time::Instant;

use perfdeck_tests::proxy::Proxy;
use perfdeck_tests::redis::Server;
use serde::{Deserialize, Serialize};

#[cfg(feature = "redis-cluster")]
use super::shared::instance_of;
use super::shared::{attached, instance, instance_at, until};
use super::*;

/// What no test waits longer for.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct User {
    id: u64,
    pub(super) version: u64,
    name: String,
}

pub(super) fn user(id: u64, version: u64) -> User {
    let name = format!("user {id} of {version}");
    User { id, version, name }
}

/// A database of one number a key that counts who reads it, and how many at once.
#[derive(Debug, Default)]
pub(super) struct Origin {
    pub(super) version: AtomicU64,
    loads: AtomicU64,
    now: AtomicI64,
    pub(super) most: AtomicI64,
    time: Duration,
    pub(super) fails: std::sync::atomic::AtomicBool,
}

impl Origin {
    pub(super) fn taking(millis: u64) -> Arc<Self> {
        Arc::new(Self {
            time: Duration::from_millis(millis),
            ..Self::default()
        })
    }

    pub(super) fn loads(&self) -> u64 {
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

pub(super) async fn get(users: &Namespace, id: u64, origin: &Arc<Origin>) -> Result<User, String> {
    let origin = Arc::clone(origin);
    let load = move || origin.load(id);
    users.entry(&id).get_or_load_shared(load).await
}

pub(super) fn row(caches: &Caches) -> Row {
    caches
        .rows()
        .into_iter()
        .find(|row| &*row.name == "users")
        .unwrap()
}

pub(super) fn assert_conserved(caches: &Caches) {
    let row = row(caches);
    assert_eq!(
        row.loads + row.shared_hits + row.joined + row.unloaded,
        row.misses + row.refreshes,
        "{row:?}"
    );
}

/// Waits until what was loaded has reached Redis.
pub(super) fn stored(server: &Server, values: usize) {
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

#[cfg(feature = "redis-cluster")]
#[tokio::test(flavor = "multi_thread")]
async fn instances_share_a_cluster_as_they_do_one_redis() {
    let cluster = perfdeck_tests::redis::Cluster::start().unwrap();
    let url = Url::Cluster(cluster.urls());
    let ((one, users), (two, others)) = (instance_of(&url), instance_of(&url));
    attached(&[&one, &two]);
    let origin = Origin::taking(1);
    // Of all nodes.
    for id in 0..60 {
        assert_eq!(get(&users, id, &origin).await, Ok(user(id, 0)));
    }
    let since = Instant::now();
    loop {
        others.space.forget();
        for id in 0..60 {
            assert_eq!(get(&others, id, &origin).await, Ok(user(id, 0)));
        }
        if row(&two).shared_hits >= 60 {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "{:?}", row(&two));
    }
    origin.version.store(1, Ordering::SeqCst);
    for id in 0..10_u64 {
        assert_eq!(users.invalidate_key(&id).await, Reach::Applied);
    }
    let told = Instant::now();
    for id in 0..10 {
        while get(&others, id, &origin).await != Ok(user(id, 1)) {
            assert!(told.elapsed() < super::shared::BOUND);
        }
    }
    assert!(two.standing().unwrap().received >= 1);
    assert_eq!(one.standing().unwrap().errors, 0);
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
