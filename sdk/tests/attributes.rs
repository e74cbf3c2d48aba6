//! The attributes as a host writes them.
#![cfg(feature = "cache")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use perfdeck::cache::{Namespace, Policy};
use perfdeck::{cache_invalidate, cached, monitor};

/// Stands for a deck: all that `deck = ...` needs.
struct Deck(Namespace);

impl Deck {
    fn cache(&self, _: &str) -> Namespace {
        self.0.clone()
    }
}

fn deck() -> Deck {
    Deck(Namespace::new("test", Policy::new()))
}

#[tokio::test]
async fn an_async_function_runs_once_for_equal_arguments() {
    #[cached(ttl = "5m", skip(deck, runs), deck = deck)]
    async fn double(deck: Arc<Deck>, runs: Arc<AtomicU32>, number: u32) -> u32 {
        runs.fetch_add(1, Ordering::Relaxed);
        let _ = &deck;
        number * 2
    }
    let (deck, runs) = (Arc::new(deck()), Arc::new(AtomicU32::new(0)));
    for _ in 0..3 {
        assert_eq!(double(Arc::clone(&deck), Arc::clone(&runs), 4).await, 8);
    }
    assert_eq!(double(deck, Arc::clone(&runs), 5).await, 10);
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[monitor]
#[expect(dead_code)]
fn parse(text: &str) -> Result<u32, std::num::ParseIntError> {
    let number = text.parse::<u32>()?;
    Ok(number)
}
