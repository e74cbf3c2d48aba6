//! A miss of a cache that is full: the load, and an entry that has to go.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use anyhow::Result;
use perfdeck_peers::peer::deck::Perfdeck;

use super::super::{Case, Row};
use super::{
    CAPACITY, Value, cached_value, cached_value_async, cached_value_async_ttl, cached_value_ttl,
    foyer_memory, load, perfdeck_value, perfdeck_value_async, perfdeck_value_lru,
    perfdeck_value_tiny_lfu,
};
use crate::job::{Job, Report};

pub(in super::super) const CASE: Case = Case {
    name: "miss",
    title: "A cache miss",
    about: "Keys of 40 bytes that nobody asked for before, in a cache of 2,048 that is full: an `Arc` of 1 KiB is made and \
            kept. To write the key and to make the value is the bare loop's. What is async runs in a runtime of tokio's; \
            where it loads in a task of its own, that is in it.",
    rows: &[
        Row::new("bare loop", bare),
        Row::new("quick_cache 0.7", quick_cache).note("`get`, then `insert`"),
        Row::new("quick_cache 0.7, one load a key", quick_cache_shared)
            .note("`get_or_insert_with`"),
        Row::new("perfdeck `#[cached]`, sync", perfdeck).note("one load a key"),
        Row::new("perfdeck `#[cached]`, sync, lru", perfdeck_lru).note("the same over moka"),
        Row::new("perfdeck `#[cached]`, sync, tiny_lfu", perfdeck_tiny_lfu)
            .note("the same over moka"),
        Row::new("cached 4.1, sync", cached_sync),
        Row::new("cached 4.1, sync, ttl", cached_sync_ttl),
        Row::new("moka 0.12, sync", moka).note("one load a key: `get_with`"),
        Row::new("foyer 0.22, memory, sync", foyer).note("`get`, then `insert`"),
        Row::new("bare loop, in a runtime", bare_async),
        Row::new("perfdeck `#[cached]`, async", perfdeck_async)
            .note("one load a key, in a task of its own"),
        Row::new("cached 4.1, async", cached_async),
        Row::new("cached 4.1, async, ttl", cached_async_ttl),
        Row::new("moka 0.12, future", moka_future).note("one load a key: `get_with`"),
        Row::new("foyer 0.22, memory, async", foyer_async)
            .note("one load a key, in a task of its own"),
    ],
};

/// Keys that are each another's, of any thread.
struct Keys {
    text: String,
    thread: u64,
}

impl Keys {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static THREADS: AtomicU64 = AtomicU64::new(0);
        Self {
            text: String::new(),
            thread: THREADS.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn next(&mut self, number: u64) -> &str {
        self.text.clear();
        let _ = write!(
            self.text,
            "workspace:{:05}:documents:{number:013}",
            self.thread
        );
        &self.text
    }
}

/// Fills a cache up, and measures what it does with ever new keys.
fn miss(job: &Job, lookup: impl Fn(&str) -> Value + Sync) -> Result<Report> {
    let mut keys = Keys::new();
    for number in 0..2 * CAPACITY as u64 {
        black_box(lookup(keys.next(number)));
    }
    job.time(|| {
        let (mut keys, lookup) = (Keys::new(), &lookup);
        move |number| {
            black_box(lookup(keys.next(number)));
        }
    })
}

/// The same of what is waited for in a runtime; a task that it spawns is run by its one thread, which waits for it.
fn miss_in_a_runtime<F: Future<Output = Value>>(
    job: &Job,
    lookup: impl Fn(String) -> F + Sync,
) -> Result<Report> {
    let runtimes = || tokio::runtime::Builder::new_current_thread().build();
    let mut keys = Keys::new();
    let first = runtimes()?;
    for number in 0..2 * CAPACITY as u64 {
        black_box(first.block_on(lookup(keys.next(number).to_owned())));
    }
    job.time(|| {
        let (mut keys, lookup, runtime) = (Keys::new(), &lookup, runtimes());
        move |number| {
            let key = keys.next(number).to_owned();
            if let Ok(runtime) = &runtime {
                black_box(runtime.block_on(lookup(key)));
            }
        }
    })
}

fn bare(job: &Job) -> Result<Report> {
    miss(job, load)
}

fn quick_cache(job: &Job) -> Result<Report> {
    let cache = quick_cache::sync::Cache::<String, Value>::new(CAPACITY);
    miss(job, |key| {
        cache.get(key).unwrap_or_else(|| {
            let value = load(key);
            cache.insert(key.to_owned(), Arc::clone(&value));
            value
        })
    })
}

fn quick_cache_shared(job: &Job) -> Result<Report> {
    let cache = quick_cache::sync::Cache::<String, Value>::new(CAPACITY);
    miss(job, |key| {
        cache
            .get_or_insert_with(key, || anyhow::Ok(load(key)))
            .unwrap_or_else(|_| load(key))
    })
}

fn perfdeck(job: &Job) -> Result<Report> {
    let _perfdeck = Perfdeck::start()?;
    miss(job, perfdeck_value)
}

fn perfdeck_lru(job: &Job) -> Result<Report> {
    let _perfdeck = Perfdeck::start()?;
    miss(job, perfdeck_value_lru)
}

fn perfdeck_tiny_lfu(job: &Job) -> Result<Report> {
    let _perfdeck = Perfdeck::start()?;
    miss(job, perfdeck_value_tiny_lfu)
}

fn cached_sync(job: &Job) -> Result<Report> {
    miss(job, cached_value)
}

fn cached_sync_ttl(job: &Job) -> Result<Report> {
    miss(job, cached_value_ttl)
}

fn moka(job: &Job) -> Result<Report> {
    let cache = moka::sync::Cache::<String, Value>::new(CAPACITY as u64);
    miss(job, |key| cache.get_with_by_ref(key, || load(key)))
}

fn foyer(job: &Job) -> Result<Report> {
    let cache = foyer_memory();
    miss(job, |key| match cache.get(key) {
        Some(entry) => Arc::clone(entry.value()),
        None => Arc::clone(cache.insert(key.to_owned(), load(key)).value()),
    })
}

fn bare_async(job: &Job) -> Result<Report> {
    miss_in_a_runtime(job, |key| async move { load(&key) })
}

fn perfdeck_async(job: &Job) -> Result<Report> {
    let _perfdeck = Perfdeck::start()?;
    miss_in_a_runtime(job, |key| async move { perfdeck_value_async(&key).await })
}

fn cached_async(job: &Job) -> Result<Report> {
    miss_in_a_runtime(job, |key| async move { cached_value_async(&key).await })
}

fn cached_async_ttl(job: &Job) -> Result<Report> {
    miss_in_a_runtime(job, |key| async move { cached_value_async_ttl(&key).await })
}

fn moka_future(job: &Job) -> Result<Report> {
    let cache = moka::future::Cache::<String, Value>::new(CAPACITY as u64);
    miss_in_a_runtime(job, move |key| {
        let cache = cache.clone();
        async move { cache.get_with_by_ref(&key, async { load(&key) }).await }
    })
}

fn foyer_async(job: &Job) -> Result<Report> {
    let cache = foyer_memory();
    miss_in_a_runtime(job, move |key| {
        let cache = cache.clone();
        async move {
            let fetch = || {
                let key = key.clone();
                async move { anyhow::Ok(load(&key)) }
            };
            let entry = cache.get_or_fetch(&key, fetch).await;
            entry.map_or_else(|_| load(&key), |entry| Arc::clone(entry.value()))
        }
    })
}
