//! One instance of a service whose instances share cached values, for `fleet.rs`: it does what it is told on standard
//! input, a line at a time, and answers each line with one.
//!
//! - `ask KEY CALLERS`: so many callers ask for the key at once, and one in ten goes away again. `answered N LEAST MOST`
//!   are the answers, and the versions of the value among them.
//! - `run WORKERS MILLIS KEYS`: so many workers ask for keys, one after the other. `ran N WRONG P99 MAX` are the answers,
//!   those that were no user of that key, and milliseconds.
//! - `invalidate KEY`: `applied`, `deferred` or `local`.

#![expect(clippy::print_stdout, reason = "it answers there")]

use std::io::BufRead as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use perfdeck::cache::{Namespace, Policy, Reach};
use perfdeck_bridge::protocol::{Answer, Question, State, Topic};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// What the SDK promises of invalidations; after it all instances know the namespace.
const BOUND: Duration = Duration::from_millis(1_250);

/// A user of a version: its id and the version.
type User = (u64, u64);

#[derive(Clone)]
struct Node {
    users: Namespace,
    origin: Arc<str>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [redis, origin, socket, ttl] = arguments.as_slice() else {
        bail!("fleet_node REDIS ORIGIN SOCKET TTL_MILLIS");
    };
    let ttl = Duration::from_millis(ttl.parse()?);
    let (_guard, deck) = perfdeck::Builder::new("fleet")
        .redis(redis)
        .cache("users", Policy::new().ttl(ttl))
        .socket(socket)
        .start()?;
    let node = Node {
        users: deck.cache("users"),
        origin: origin.as_str().into(),
    };
    attached(&deck).await?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |place: usize| -> Result<u64> {
            let word = words.get(place).with_context(|| format!("`{line}`"))?;
            Ok(word.parse()?)
        };
        match words.first() {
            Some(&"ask") => node.ask(number(1)?, number(2)?).await?,
            Some(&"run") => node.run(number(1)?, number(2)?, number(3)?).await?,
            Some(&"invalidate") => match node.users.invalidate_key(&number(1)?).await {
                Reach::Applied => println!("applied"),
                Reach::Deferred => println!("deferred"),
                _ => println!("local"),
            },
            _ => bail!("`{line}`"),
        }
    }
    Ok(())
}

/// Waits until the deck agrees with Redis, and everybody has seen the namespace.
async fn attached(deck: &perfdeck::Deck) -> Result<()> {
    let source = deck.source().context("the deck is off")?;
    let since = Instant::now();
    loop {
        let told = source.ask(Question::Now(Topic::Caches)).await;
        if let Ok(Answer::Now(update)) = told
            && let State::Caches(caches) = &update.state
            && caches.shared.as_ref().is_some_and(|shared| shared.attached)
        {
            break;
        }
        ensure!(since.elapsed() < Duration::from_secs(20), "not attached");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(BOUND).await;
    Ok(())
}

impl Node {
    async fn get(&self, id: u64) -> Result<User, String> {
        let origin = Arc::clone(&self.origin);
        let load =
            move || async move { load(&origin, id).await.map_err(|error| error.to_string()) };
        self.users.entry(&id).get_or_load_shared(load).await
    }

    async fn ask(&self, id: u64, callers: u64) -> Result<()> {
        let mut tasks = Vec::new();
        for _ in 0..callers {
            let node = self.clone();
            tasks.push(tokio::spawn(async move { node.get(id).await }));
        }
        let (mut answers, mut least, mut most) = (0, u64::MAX, 0);
        for (at, task) in tasks.into_iter().enumerate() {
            if at % 10 == 3 {
                task.abort();
                continue;
            }
            let (asked, version) = task.await?.map_err(anyhow::Error::msg)?;
            ensure!(asked == id, "user {asked} for {id}");
            answers += 1;
            least = least.min(version);
            most = most.max(version);
        }
        println!("answered {answers} {least} {most}");
        Ok(())
    }

    async fn run(&self, workers: u64, millis: u64, keys: u64) -> Result<()> {
        let end = Instant::now() + Duration::from_millis(millis);
        let mut tasks = Vec::new();
        for worker in 0..workers {
            let node = self.clone();
            tasks.push(tokio::spawn(async move {
                let (mut times, mut wrong) = (Vec::new(), 0);
                let mut draw = worker;
                while Instant::now() < end {
                    draw = draw
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let id = (draw >> 33) % keys;
                    let begun = Instant::now();
                    let answer = node.get(id).await;
                    times.push(begun.elapsed());
                    wrong += u64::from(!matches!(answer, Ok((asked, _)) if asked == id));
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                (times, wrong)
            }));
        }
        let (mut times, mut wrong) = (Vec::new(), 0);
        for task in tasks {
            let (own, own_wrong) = task.await?;
            times.extend(own);
            wrong += own_wrong;
        }
        times.sort_unstable();
        let place = times.len().saturating_sub(1) * 99 / 100;
        let at = |place: usize| times.get(place).map_or(0, Duration::as_millis);
        let most = at(times.len().saturating_sub(1));
        println!("ran {} {wrong} {} {most}", times.len(), at(place));
        Ok(())
    }
}

/// Asks the test's origin, which counts.
async fn load(origin: &str, id: u64) -> Result<User> {
    let mut stream = BufReader::new(TcpStream::connect(origin).await?);
    let asked = format!("{} {id}\n", std::process::id());
    stream.write_all(asked.as_bytes()).await?;
    let mut version = String::new();
    stream.read_line(&mut version).await?;
    Ok((id, version.trim().parse()?))
}
