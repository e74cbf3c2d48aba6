//! Instances in processes of their own, which share cached values through a real Redis.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use perfdeck_tests::folder::Folder;
use perfdeck_tests::process::program;
use perfdeck_tests::redis::Server;

const PATIENCE: Duration = Duration::from_secs(60);
/// Loads at a time while Redis can't be asked, unless the builder says otherwise.
const ORIGIN_LIMIT: i64 = 10;

/// A database that counts who reads it.
struct Origin {
    address: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    version: AtomicU64,
    loads: AtomicU64,
    now: AtomicI64,
    most: AtomicI64,
    millis: AtomicU64,
    /// The process whose load is never answered, once it has asked.
    hung: Mutex<Option<u32>>,
    hangs: AtomicBool,
}

impl Origin {
    fn taking(millis: u64) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?.to_string();
        let state = Arc::new(State::default());
        state.millis.store(millis, Ordering::SeqCst);
        let shared = Arc::clone(&state);
        // It ends with the test's process.
        std::thread::Builder::new()
            .name("origin".into())
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    let state = Arc::clone(&shared);
                    let answer = move || drop(state.answer(stream));
                    let _ = std::thread::Builder::new().spawn(answer);
                }
            })?;
        Ok(Self { address, state })
    }

    fn loads(&self) -> u64 {
        self.state.loads.load(Ordering::SeqCst)
    }
}

impl State {
    fn answer(&self, stream: TcpStream) -> Result<()> {
        let mut asked = String::new();
        let mut reader = BufReader::new(stream);
        reader.read_line(&mut asked)?;
        let process = asked.split_whitespace().next().context("no process")?;
        self.loads.fetch_add(1, Ordering::SeqCst);
        if self.hangs.swap(false, Ordering::SeqCst) {
            *self.hung.lock().unwrap_or_else(PoisonError::into_inner) = Some(process.parse()?);
            // Until the other end is gone.
            reader.read_line(&mut asked)?;
            return Ok(());
        }
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let version = self.version.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(self.millis.load(Ordering::SeqCst)));
        self.now.fetch_sub(1, Ordering::SeqCst);
        reader
            .get_mut()
            .write_all(format!("{version}\n").as_bytes())?;
        Ok(())
    }
}

/// One instance.
struct Node {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    _folder: Folder,
}

impl Node {
    fn start(redis: &str, origin: &Origin, ttl: Duration) -> Result<Self> {
        let folder = Folder::new()?;
        let mut child = Command::new(program("examples/fleet_node")?)
            .args([redis, &origin.address])
            .arg(folder.path().join("deck.sock"))
            .arg(ttl.as_millis().to_string())
            .env_remove("PERFDECK")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().context("no standard input")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        let (tell, lines) = channel();
        std::thread::Builder::new()
            .name("node".into())
            .spawn(move || {
                let told = output.lines().map_while(std::result::Result::ok);
                told.for_each(|line| drop(tell.send(line)));
            })?;
        Ok(Self {
            child,
            input,
            lines,
            _folder: folder,
        })
    }

    /// Starts several, which know each other's namespace when this returns.
    fn fleet(size: usize, redis: &str, origin: &Origin, ttl: Duration) -> Result<Vec<Self>> {
        let nodes: Result<Vec<_>> = (0..size).map(|_| Self::start(redis, origin, ttl)).collect();
        let nodes = nodes?;
        for node in &nodes {
            ensure!(node.told()? == ["ready"]);
        }
        Ok(nodes)
    }

    fn tell(&mut self, line: &str) -> Result<()> {
        writeln!(self.input, "{line}")?;
        Ok(())
    }

    fn told(&self) -> Result<Vec<String>> {
        let line = self.lines.recv_timeout(PATIENCE).context("no answer")?;
        Ok(line.split_whitespace().map(str::to_owned).collect())
    }

    fn numbers(&self) -> Result<Vec<u64>> {
        let words = self.told()?;
        let numbers: std::result::Result<Vec<_>, _> =
            words.iter().skip(1).map(|word| word.parse()).collect();
        numbers.with_context(|| format!("{words:?}"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const LONG: Duration = Duration::from_secs(300);

/// With `PERFDECK_LONG` 10,000 callers a process, which takes an optimised build or more cores: where the processes are so
/// busy that Redis can't be heard for a quarter of a second, each loads for itself.
#[test]
fn promise_38_eight_processes_share_one_load() -> Result<()> {
    let callers: u64 = std::env::var("PERFDECK_LONG").map_or(1_000, |_| 10_000);
    let redis = Server::start()?;
    // Less than the lease of a load whose time nobody knows yet, which is 2 s.
    let origin = Origin::taking(1_000)?;
    let mut nodes = Node::fleet(8, &redis.url(), &origin, LONG)?;
    for node in &mut nodes {
        node.tell(&format!("ask 7 {callers}"))?;
    }
    for node in &nodes {
        assert_eq!(node.numbers()?, [callers / 10 * 9, 0, 0]);
    }
    assert_eq!(origin.loads(), 1);
    Ok(())
}

#[test]
fn promise_38_a_process_that_is_killed_as_it_loads_costs_one_more_load() -> Result<()> {
    let redis = Server::start()?;
    let origin = Origin::taking(100)?;
    origin.state.hangs.store(true, Ordering::SeqCst);
    let mut nodes = Node::fleet(8, &redis.url(), &origin, LONG)?;
    let since = Instant::now();
    for node in &mut nodes {
        node.tell("ask 7 1000")?;
    }
    let owner = loop {
        let hung = *origin
            .state
            .hung
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(owner) = hung {
            break owner;
        }
        ensure!(since.elapsed() < PATIENCE, "nobody loads");
        std::thread::sleep(Duration::from_millis(5));
    };
    let place = nodes.iter().position(|node| node.child.id() == owner);
    drop(nodes.remove(place.context("whose load is it?")?));
    let killed = Instant::now();
    for node in &nodes {
        assert_eq!(node.numbers()?, [900, 0, 0]);
    }
    assert_eq!(origin.loads(), 2);
    // The lease of a load whose time nobody knows, and a look; with room for a busy machine.
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    Ok(())
}

#[test]
fn promise_36_what_one_process_invalidates_no_other_has_after_the_bound() -> Result<()> {
    let redis = Server::start()?;
    let origin = Origin::taking(1)?;
    let mut nodes = Node::fleet(2, &redis.url(), &origin, LONG)?;
    for version in 1..=20_u64 {
        for node in &mut nodes {
            node.tell("ask 7 1")?;
            node.numbers()?;
        }
        origin.state.version.store(version, Ordering::SeqCst);
        nodes[0].tell("invalidate 7")?;
        assert_eq!(nodes[0].told()?, ["applied"]);
        let invalidated = Instant::now();
        nodes[0].tell("ask 7 1")?;
        assert_eq!(nodes[0].numbers()?, [1, version, version], "at once");
        loop {
            let asked = Instant::now();
            nodes[1].tell("ask 7 1")?;
            if nodes[1].numbers()? == [1, version, version] {
                break;
            }
            let age = asked - invalidated;
            assert!(age < Duration::from_millis(1_250), "{age:?} of {version}");
        }
    }
    Ok(())
}

/// Under load values come from Redis, then Redis is killed: nobody is given a wrong answer, the database is spared, and
/// nobody waits for long.
#[test]
fn promise_39_redis_killed_under_load_is_no_dead_database() -> Result<()> {
    let mut redis = Server::start()?;
    let origin = Origin::taking(5)?;
    // Short, so that values are asked for all the time.
    let mut nodes = Node::fleet(2, &redis.url(), &origin, Duration::from_millis(200))?;
    let run = |nodes: &mut Vec<Node>| -> Result<Vec<Vec<u64>>> {
        for node in nodes.iter_mut() {
            node.tell("run 8 4000 20")?;
        }
        nodes.iter().map(Node::numbers).collect()
    };
    let usual = run(&mut nodes)?;
    let usual_loads = origin.loads();
    let dies = std::thread::Builder::new().spawn(move || {
        std::thread::sleep(Duration::from_secs(1));
        redis.stop();
        redis
    })?;
    origin.state.most.store(0, Ordering::SeqCst);
    let dead = run(&mut nodes)?;
    let mut redis = dies.join().map_err(|_| anyhow::anyhow!("it panicked"))?;
    let most = origin.state.most.load(Ordering::SeqCst);
    assert!(most <= 2 * ORIGIN_LIMIT, "{most} loads at a time of two");
    for (usual, dead) in usual.iter().zip(&dead) {
        let [answers, wrong, p99, _] = dead[..] else {
            anyhow::bail!("{dead:?}")
        };
        assert!(
            answers > 500 && wrong == 0 && usual[1] == 0,
            "{usual:?} {dead:?}"
        );
        assert!(p99 <= usual[2] + 250, "{usual:?} {dead:?}");
    }
    redis.restart()?;
    // Back again they share as before.
    let before = origin.loads();
    let back = run(&mut nodes)?;
    let loads = origin.loads() - before;
    assert!(back.iter().all(|ran| ran[1] == 0), "{back:?}");
    assert!(
        loads <= 2 * usual_loads,
        "{loads} loads, {usual_loads} before"
    );
    Ok(())
}
