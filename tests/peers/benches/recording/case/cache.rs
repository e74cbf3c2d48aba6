//! A hit of a cache, and in [`miss`] a miss.

use std::collections::HashMap;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use anyhow::Result;
use cached::macros::cached;
use foyer_memory::{Cache as Foyer, CacheBuilder};
use perfdeck_peers::peer::deck::Perfdeck;
use tokio::runtime::{Builder, Runtime};

use super::{Case, Row};
use crate::job::{Job, Report};

pub(super) mod miss;

pub(super) const CASE: Case = Case {
    name: "cache",
    title: "A cache hit",
    about: "1,024 warm keys of 40 bytes in turn; an `Arc` of 1 KiB comes out.",
    rows: &[
        Row::new("bare loop", bare),
        Row::new("HashMap, one for each thread", hash_map)
            .note("no lock, no bound, no time to live"),
        Row::new("quick_cache 0.7", quick_cache),
        Row::new("perfdeck `#[cached]`, sync", perfdeck).note("metered, with a time to live"),
        Row::new("perfdeck `#[cached]`, async", perfdeck_async)
            .note("metered, with a time to live"),
        Row::new("perfdeck `#[cached]`, sync, lru", perfdeck_lru).note("the same over moka"),
        Row::new("perfdeck `#[cached]`, sync, tiny_lfu", perfdeck_tiny_lfu)
            .note("the same over moka"),
        Row::new("cached 4.1, sync", cached_sync),
        Row::new("cached 4.1, sync, ttl", cached_sync_ttl),
        Row::new("cached 4.1, async", cached_async),
        Row::new("cached 4.1, async, ttl", cached_async_ttl),
        Row::new("moka 0.12, sync, lru", moka_lru),
        Row::new("moka 0.12, sync", moka).note("its default, tiny_lfu"),
        Row::new("moka 0.12, future", moka_future),
        Row::new("foyer 0.22, memory, sync", foyer),
        Row::new("foyer 0.22, memory, async", foyer_async).note("`get_or_fetch`, awaited"),
    ],
};

const KEYS: usize = 1_024;

/// Twice the keys, so that none has to go where entries are not spread evenly.
const CAPACITY: usize = 2 * KEYS;

type Value = Arc<[u8; 1024]>;

/// The bodies that have run.
static LOADS: AtomicU64 = AtomicU64::new(0);

/// The body of all functions below, and what is done on any other miss.
fn load(key: &str) -> Value {
    LOADS.fetch_add(1, Ordering::Relaxed);
    value(key)
}

fn value(key: &str) -> Value {
    Arc::new([key.len() as u8; 1024])
}

#[perfdeck::cached(ttl = "1h", namespace = "sync", capacity = 2048)]
fn perfdeck_value(key: &str) -> Value {
    load(key)
}

#[perfdeck::cached(ttl = "1h", namespace = "async", capacity = 2048)]
async fn perfdeck_value_async(key: &str) -> Value {
    load(key)
}

#[perfdeck::cached(ttl = "1h", namespace = "lru", capacity = 2048, eviction = "lru")]
fn perfdeck_value_lru(key: &str) -> Value {
    load(key)
}

#[perfdeck::cached(
    ttl = "1h",
    namespace = "tiny_lfu",
    capacity = 2048,
    eviction = "tiny_lfu"
)]
fn perfdeck_value_tiny_lfu(key: &str) -> Value {
    load(key)
}

#[cached(max_size = 2048, key = "String", convert = { key.to_owned() })]
fn cached_value(key: &str) -> Value {
    load(key)
}

#[cached(max_size = 2048, ttl_secs = 3600, key = "String", convert = { key.to_owned() })]
fn cached_value_ttl(key: &str) -> Value {
    load(key)
}

#[cached(max_size = 2048, key = "String", convert = { key.to_owned() })]
async fn cached_value_async(key: &str) -> Value {
    load(key)
}

#[cached(max_size = 2048, ttl_secs = 3600, key = "String", convert = { key.to_owned() })]
async fn cached_value_async_ttl(key: &str) -> Value {
    load(key)
}

fn bare(job: &Job) -> Result<Report> {
    look_up(job, || {
        let one = value("");
        move |_: &str| Arc::clone(&one)
    })
}

fn hash_map(job: &Job) -> Result<Report> {
    look_up(job, || {
        let entries = keys().into_iter().map(|key| {
            let value = value(&key);
            (key, value)
        });
        let map: HashMap<String, Value> = entries.collect();
        move |key: &str| map.get(key).map_or_else(|| load(key), Arc::clone)
    })
}

fn quick_cache(job: &Job) -> Result<Report> {
    let cache = quick_cache::sync::Cache::<String, Value>::new(CAPACITY);
    look_up(job, || {
        |key: &str| {
            cache.get(key).unwrap_or_else(|| {
                let value = load(key);
                cache.insert(key.to_owned(), Arc::clone(&value));
                value
            })
        }
    })
}

fn perfdeck(job: &Job) -> Result<Report> {
    let _perfdeck = Perfdeck::start()?;
    look_up(job, || perfdeck_value)
}

fn perfdeck_async(job: &Job) -> Result<Report> {
    let _perfdeck = Perfdeck::start()?;
    look_up(job, || |key: &str| at_once(perfdeck_value_async(key)))
}

fn perfdeck_lru(job: &Job) -> Result<Report> {
    let _perfdeck = Perfdeck::start()?;
    look_up(job, || perfdeck_value_lru)
}

fn perfdeck_tiny_lfu(job: &Job) -> Result<Report> {
    let _perfdeck = Perfdeck::start()?;
    look_up(job, || perfdeck_value_tiny_lfu)
}

fn cached_sync(job: &Job) -> Result<Report> {
    look_up(job, || cached_value)
}

fn cached_sync_ttl(job: &Job) -> Result<Report> {
    look_up(job, || cached_value_ttl)
}

fn cached_async(job: &Job) -> Result<Report> {
    look_up(job, || |key: &str| at_once(cached_value_async(key)))
}

fn cached_async_ttl(job: &Job) -> Result<Report> {
    look_up(job, || |key: &str| at_once(cached_value_async_ttl(key)))
}

fn moka(job: &Job) -> Result<Report> {
    moka_by(job, moka::policy::EvictionPolicy::tiny_lfu())
}

fn moka_lru(job: &Job) -> Result<Report> {
    moka_by(job, moka::policy::EvictionPolicy::lru())
}

fn moka_by(job: &Job, eviction: moka::policy::EvictionPolicy) -> Result<Report> {
    let cache = moka::sync::Cache::<String, Value>::builder()
        .max_capacity(CAPACITY as u64)
        .eviction_policy(eviction)
        .build();
    look_up(job, || {
        |key: &str| {
            cache.get(key).unwrap_or_else(|| {
                let value = load(key);
                cache.insert(key.to_owned(), Arc::clone(&value));
                value
            })
        }
    })
}

fn moka_future(job: &Job) -> Result<Report> {
    let cache = moka::future::Cache::<String, Value>::new(CAPACITY as u64);
    look_up(job, || {
        |key: &str| {
            at_once(cache.get(key)).unwrap_or_else(|| {
                let value = load(key);
                at_once(cache.insert(key.to_owned(), Arc::clone(&value)));
                value
            })
        }
    })
}

/// Its own default eviction, which its builder's documentation gives.
fn foyer_memory() -> Foyer<String, Value> {
    CacheBuilder::new(CAPACITY).build()
}

fn foyer(job: &Job) -> Result<Report> {
    let cache = foyer_memory();
    look_up(job, || {
        |key: &str| match cache.get(key) {
            Some(entry) => Arc::clone(entry.value()),
            None => Arc::clone(cache.insert(key.to_owned(), load(key)).value()),
        }
    })
}

fn foyer_async(job: &Job) -> Result<Report> {
    let cache = foyer_memory();
    // It asks for a runtime at each look-up, to spawn what it may have to load.
    let runtime: &'static Runtime = Box::leak(Box::new(runtime()?));
    look_up(job, || {
        let (cache, entered) = (cache.clone(), runtime.enter());
        move |key: &str| {
            let _ = &entered;
            let fetch = || {
                let key = key.to_owned();
                async move { anyhow::Ok(load(&key)) }
            };
            let entry = at_once(cache.get_or_fetch(key, fetch));
            entry.map_or_else(|_| load(key), |entry| Arc::clone(entry.value()))
        }
    })
}

/// A runtime with a thread of its own, for what is spawned.
fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(1).build()?)
}

/// Warms the cache up, and measures look-ups; those that were misses are lost.
fn look_up<L: Fn(&str) -> Value>(job: &Job, lookup: impl Fn() -> L + Sync) -> Result<Report> {
    let warm = lookup();
    for key in keys() {
        black_box(warm(&key));
    }
    let cold = LOADS.load(Ordering::Relaxed);
    let worker = || {
        let (keys, lookup) = (keys(), lookup());
        move |number| {
            black_box(lookup(&keys[number as usize % KEYS]));
        }
    };
    job.measure(
        worker,
        || Ok(()),
        |operations| Ok(Some(operations - (LOADS.load(Ordering::Relaxed) - cold))),
    )
}

fn keys() -> Vec<String> {
    (0..KEYS)
        .map(|number| format!("workspace:7:documents:published:{number:08}"))
        .collect()
}

/// Waits for a future as a runtime would, which has nothing else to do. What waits for a task of its own, as a miss may,
/// lets that go on.
fn at_once<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        std::thread::yield_now();
    }
}
