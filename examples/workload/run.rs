//! Calls statements in turns, each as often as its weight says.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::sync::Semaphore;

use crate::item::Item;
use crate::tell;

/// How long calls may take to come to an end after the run's.
const LAST: Duration = Duration::from_secs(15);

/// How a workload is run.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) seconds: u64,
    pub(crate) rate: f64,
    pub(crate) commit: bool,
}

/// A database that statements are called on.
pub(crate) trait Callable: Clone + Send + Sync + 'static {
    /// What a statement is called with.
    type Arguments: Send + Sync + 'static;

    /// Calls at the same time.
    const AT_ONCE: usize;

    /// Gives the parameters of one call the types that the database wants.
    fn arguments(
        &self,
        item: &Item,
        params: &[serde_json::Value],
    ) -> impl Future<Output = anyhow::Result<Self::Arguments>> + Send;

    /// Calls a statement and reads all that it returns.
    fn call(
        &self,
        sql: &str,
        arguments: &Self::Arguments,
        how: How,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// What becomes of what a statement writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Read,
    RollBack,
    Commit,
}

/// A statement that is ready to be called.
struct Ready<A> {
    name: String,
    sql: String,
    weight: f64,
    arguments: Vec<A>,
    how: How,
    calls: AtomicU64,
    errors: AtomicU64,
    error: Mutex<Option<String>>,
}

/// Runs the workload.
pub(crate) async fn run<D: Callable>(
    database: D,
    items: &[Item],
    terms: &Terms,
) -> anyhow::Result<()> {
    let ready = prepare(&database, items, terms).await?;
    let ready: Arc<[Ready<D::Arguments>]> = ready.into();
    let places = Arc::new(Semaphore::new(D::AT_ONCE));
    let started = Instant::now();
    let end = started + Duration::from_secs(terms.seconds);
    let turns = Turns::new(ready.iter().map(|item| item.weight));
    let mut progress = Progress::new(terms.seconds);
    let mut calls = 0_u64;
    for turn in turns {
        let due = started + Duration::from_secs_f64(calls as f64 / terms.rate);
        if due >= end || Instant::now() >= end {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        let place = tokio::time::timeout_at(end.into(), Arc::clone(&places).acquire_owned()).await;
        let Ok(Ok(place)) = place else { break };
        let (database, items) = (database.clone(), Arc::clone(&ready));
        tokio::spawn(async move {
            if let Some(item) = items.get(turn) {
                item.call(&database).await;
            }
            drop(place);
        });
        calls += 1;
        progress.tell(calls, &ready);
    }
    // Whatever still runs has its last seconds.
    let all = u32::try_from(D::AT_ONCE)?;
    let _ = tokio::time::timeout(LAST, places.acquire_many(all)).await;
    progress.end();
    told(&ready, calls, started.elapsed())
}

async fn prepare<D: Callable>(
    database: &D,
    items: &[Item],
    terms: &Terms,
) -> anyhow::Result<Vec<Ready<D::Arguments>>> {
    let mut ready = Vec::new();
    let mut unfit = 0;
    for item in items.iter().filter(|item| item.weight > 0.0) {
        let none = [Vec::new()];
        let lists = if item.params.is_empty() {
            &none[..]
        } else {
            &item.params
        };
        let mut arguments = Vec::new();
        for params in lists {
            match database.arguments(item, params).await {
                Ok(own) => arguments.push(own),
                Err(error) => {
                    tell(format!("{} is left out: {error:#}", item.name()));
                    break;
                }
            }
        }
        if arguments.len() < lists.len() {
            unfit += 1;
            continue;
        }
        ready.push(Ready {
            name: item.name(),
            sql: item.sql.clone(),
            weight: item.weight,
            arguments,
            how: match (item.writes(), terms.commit) {
                (false, _) => How::Read,
                (true, false) => How::RollBack,
                (true, true) => How::Commit,
            },
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            error: Mutex::new(None),
        });
    }
    if ready.is_empty() {
        bail!("none of the {unfit} statements can be called");
    }
    Ok(ready)
}

impl<A> Ready<A> {
    async fn call<D: Callable<Arguments = A>>(&self, database: &D) {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let turn = usize::try_from(call).unwrap_or(0) % self.arguments.len().max(1);
        let Some(arguments) = self.arguments.get(turn) else {
            return;
        };
        if let Err(error) = database.call(&self.sql, arguments, self.how).await {
            self.errors.fetch_add(1, Ordering::Relaxed);
            let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
            if first.is_none() {
                let error = format!("{error:#}");
                tell(format!("\r{}: {error}", self.name));
                *first = Some(error);
            }
        }
    }
}

fn told<A>(ready: &[Ready<A>], calls: u64, took: Duration) -> anyhow::Result<()> {
    let errors: u64 = ready
        .iter()
        .map(|item| item.errors.load(Ordering::Relaxed))
        .sum();
    tell(format!(
        "{calls} calls of {} statements in {:.1} s, {errors} of them failed",
        ready.len(),
        took.as_secs_f64()
    ));
    for item in ready {
        let (calls, errors) = (
            item.calls.load(Ordering::Relaxed),
            item.errors.load(Ordering::Relaxed),
        );
        if errors > 0 {
            let first = item.error.lock().unwrap_or_else(PoisonError::into_inner);
            tell(format!(
                "  {}: {errors} of {calls} calls failed: {}",
                item.name,
                first.as_deref().unwrap_or("")
            ));
        }
    }
    if errors >= calls {
        let first = ready
            .iter()
            .find_map(|item| item.error.lock().ok()?.clone());
        return Err(anyhow::anyhow!(first.unwrap_or_default())).context("every call failed");
    }
    Ok(())
}

/// Whose turn it is: each once at first, then as often as its weight says, evenly over time.
#[derive(Debug)]
struct Turns {
    /// When each is due next, in thousandths of a call.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    every: Vec<u64>,
}

impl Turns {
    fn new(weights: impl Iterator<Item = f64>) -> Self {
        let weights: Vec<f64> = weights.collect();
        let all: f64 = weights.iter().sum();
        let every: Vec<u64> = weights
            .iter()
            .map(|weight| (1e3 * all / weight.max(f64::MIN_POSITIVE)).min(1e18) as u64)
            .collect();
        let due = (0..weights.len()).map(|place| Reverse((0, place)));
        Self {
            due: due.collect(),
            every,
        }
    }
}

impl Iterator for Turns {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let Reverse((due, place)) = self.due.pop()?;
        let every = self.every.get(place)?;
        self.due
            .push(Reverse((due.saturating_add((*every).max(1)), place)));
        Some(place)
    }
}

/// Says how far it is: on a terminal in one line, else now and then.
struct Progress {
    told: Instant,
    started: Instant,
    seconds: u64,
    terminal: bool,
}

impl Progress {
    fn new(seconds: u64) -> Self {
        Self {
            told: Instant::now(),
            started: Instant::now(),
            seconds,
            terminal: io::stderr().is_terminal(),
        }
    }

    fn tell<A>(&mut self, calls: u64, ready: &[Ready<A>]) {
        let every = if self.terminal { 1 } else { 10 };
        if self.told.elapsed() < Duration::from_secs(every) {
            return;
        }
        self.told = Instant::now();
        let errors: u64 = ready
            .iter()
            .map(|item| item.errors.load(Ordering::Relaxed))
            .sum();
        let line = format!(
            "{:.0} of {} s, {calls} calls, {errors} failed",
            self.started.elapsed().as_secs_f64(),
            self.seconds
        );
        if self.terminal {
            let _ = write!(io::stderr(), "\r{line}");
        } else {
            tell(line);
        }
    }

    fn end(&self) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_turn_first_and_then_as_often_as_it_weighs() {
        let turns = Turns::new([90.0, 9.0, 0.001].into_iter());
        let turns: Vec<usize> = turns.take(1_000).collect();
        assert_eq!(turns.get(..3), Some(&[0, 1, 2][..]));
        let count = |place| turns.iter().filter(|turn| **turn == place).count();
        assert!((895..=915).contains(&count(0)), "{}", count(0));
        assert!((85..=100).contains(&count(1)), "{}", count(1));
        assert_eq!(count(2), 1);
    }
}
