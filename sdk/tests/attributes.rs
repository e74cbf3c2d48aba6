//! The attributes as a host writes them.
#![cfg(feature = "cache")]

use std::cell::Cell;
use std::fmt::Display;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, PoisonError};

use perfdeck::cache::{Namespace, Policy};
use perfdeck::{cache_invalidate, cached, monitor};

/// Stands for a deck: all that `deck = ...` needs, with a namespace for each test.
struct Deck;

impl Deck {
    fn cache(&self, name: &str) -> Namespace {
        static SPACES: LazyLock<std::sync::Mutex<std::collections::HashMap<String, Namespace>>> =
            LazyLock::new(Default::default);
        let mut spaces = SPACES.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Namespace::new(name, Policy::new());
        spaces.entry(name.to_owned()).or_insert_with(made).clone()
    }
}

/// Counts runs of a body.
struct Runs(AtomicU32);

impl Runs {
    const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[derive(Debug, PartialEq)]
struct NotClone(&'static str);

#[tokio::test]
async fn an_async_function_runs_once_for_equal_arguments() {
    static RUNS: Runs = Runs::new();

    /// Documented, and with a `mut` argument.
    #[cached(ttl = "5m", capacity = 1_000, deck = Deck)]
    async fn double(mut number: u64, text: String) -> (u64, u32) {
        number *= 2;
        if text.is_empty() {
            return (0, RUNS.next());
        }
        (number, RUNS.next())
    }
    for _ in 0..3 {
        assert_eq!(double(4, "a".into()).await, (8, 1));
    }
    assert_eq!(double(4, String::new()).await, (0, 2));
    assert_eq!(double(5, "a".into()).await, (10, 3));
}

#[test]
fn a_function_that_is_not_async_is_cached_too() {
    static RUNS: Runs = Runs::new();

    #[cached(ttl = 300, deck = Deck)]
    fn length<'a>(text: &'a str, parts: &[&'a str]) -> Result<usize, NotClone> {
        let run = RUNS.next();
        if parts.is_empty() {
            return Err(NotClone("empty"));
        }
        Ok(text.len() + parts.len() + run as usize)
    }
    assert_eq!(length("ab", &["c"]), Ok(4));
    assert_eq!(length("ab", &["c"]), Ok(4));
    assert_eq!(length("ab", &[]), Err(NotClone("empty")));
    assert_eq!(
        length("ab", &[]),
        Err(NotClone("empty")),
        "errors are not cached"
    );
    assert_eq!(RUNS.next(), 4);
}

#[tokio::test]
async fn only_ok_is_cached_and_question_marks_convert() {
    static RUNS: Runs = Runs::new();

    #[cached(deck = Deck)]
    async fn parse(text: &str) -> Result<u32, Box<dyn std::error::Error>> {
        let number = text.parse::<u32>()?;
        RUNS.next();
        Ok(number)
    }
    assert!(parse("x").await.is_err());
    assert_eq!(parse("7").await.unwrap(), 7);
    assert_eq!(parse("7").await.unwrap(), 7);
    assert_eq!(RUNS.next(), 2);
}

#[tokio::test]
async fn an_absent_value_is_not_cached_where_the_host_says_so() {
    static RUNS: Runs = Runs::new();

    #[cached(option, deck = Deck)]
    async fn find(number: u32) -> Option<u32> {
        let run = RUNS.next();
        (run > 1).then_some(number + run)
    }
    assert_eq!(find(1).await, None);
    assert_eq!(find(1).await, Some(3));
    assert_eq!(find(1).await, Some(3));
}

#[tokio::test]
async fn a_key_meets_its_invalidation_across_functions_and_types() {
    static RUNS: Runs = Runs::new();

    #[cached(namespace = "documents", key = "workspace", deck = Deck)]
    async fn documents(workspace: i64, _page: u32) -> u32 {
        RUNS.next()
    }
    #[cached(namespace = "documents", skip(_pool), deck = Deck)]
    fn titles(_pool: &(), workspace: u32) -> u32 {
        RUNS.next()
    }
    #[cache_invalidate("documents", key = "workspace", deck = Deck)]
    async fn post(workspace: u64, works: bool) -> Result<(), NotClone> {
        if !works {
            return Err(NotClone("refused"));
        }
        Ok(())
    }
    let seen = async || {
        (
            documents(7, 1).await,
            documents(7, 2).await,
            titles(&(), 7),
            titles(&(), 8),
        )
    };
    assert_eq!(seen().await, (1, 1, 2, 3));
    post(7, false).await.unwrap_err();
    assert_eq!(
        seen().await,
        (1, 1, 2, 3),
        "what failed invalidates nothing"
    );
    post(7, true).await.unwrap();
    let (first, second, title, other) = seen().await;
    assert_eq!((first, second, title), (4, 4, 5));
    // A neighbour on the same stripe would have run too; 7 and 8 need not be neighbours.
    assert!(other == 3 || other == 6);
}

#[tokio::test]
async fn several_invalidations_add_up() {
    static RUNS: Runs = Runs::new();

    #[cached(namespace = "left", deck = Deck)]
    async fn left() -> u32 {
        RUNS.next()
    }
    #[cached(namespace = "right", key = "docs:{workspace}:{page + 1}", deck = Deck)]
    async fn right(workspace: String, page: u32) -> u32 {
        RUNS.next()
    }
    #[cache_invalidate("left", deck = Deck)]
    #[cache_invalidate("right", key = "docs:{workspace}:{next}", deck = Deck)]
    async fn write(workspace: String, next: u32) -> u32 {
        drop(workspace);
        next
    }
    assert_eq!((left().await, right("a:1".into(), 1).await), (1, 2));
    assert_eq!((left().await, right("a:1".into(), 1).await), (1, 2));
    assert_eq!(right("a".into(), 1).await, 3);
    assert_eq!(write("a:1".into(), 2).await, 2);
    assert_eq!((left().await, right("a:1".into(), 1).await), (4, 5));
}

#[tokio::test]
async fn instances_of_a_generic_function_are_kept_apart() {
    /// A type that holds a number of bytes.
    trait Sized2 {
        const BYTES: u32;
    }
    impl Sized2 for u8 {
        const BYTES: u32 = 1;
    }
    impl Sized2 for u64 {
        const BYTES: u32 = 8;
    }
    #[cached(deck = Deck)]
    async fn bytes<T, const N: u32>() -> u32
    where
        T: Sized2,
    {
        T::BYTES * N
    }
    #[cached(deck = Deck)]
    fn shown(value: impl Display + perfdeck::cache::CacheKey) -> String {
        format!("{value}{}", std::any::type_name_of_val(&value))
    }
    struct Holder<T>(T);
    impl<T: Sized2> Holder<T> {
        #[cached(key = "number", deck = Deck)]
        async fn bytes(&self, number: u32) -> u32 {
            let _ = &self.0;
            T::BYTES * number
        }
    }
    assert_eq!(
        (
            bytes::<u8, 1>().await,
            bytes::<u64, 1>().await,
            bytes::<u8, 3>().await
        ),
        (1, 8, 3)
    );
    assert_ne!(shown(7u8), shown(7u64));
    assert_eq!(
        (Holder(0u8).bytes(2).await, Holder(0u64).bytes(2).await),
        (2, 16)
    );
}

#[tokio::test]
async fn a_load_that_can_not_change_threads_runs_in_its_caller() {
    #[cached(deck = Deck)]
    async fn local(number: u32) -> u32 {
        let counted = Rc::new(Cell::new(number));
        tokio::task::yield_now().await;
        counted.set(counted.get() + 1);
        counted.get()
    }
    assert_eq!((local(1).await, local(1).await), (2, 2));
}

#[tokio::test]
async fn a_function_that_calls_itself_is_cached_all_the_way() {
    static RUNS: Runs = Runs::new();

    #[cached(deck = Deck)]
    async fn fibonacci(number: u64) -> u64 {
        RUNS.next();
        if number < 2 {
            return number;
        }
        Box::pin(fibonacci(number - 1)).await + Box::pin(fibonacci(number - 2)).await
    }
    assert_eq!(fibonacci(40).await, 102_334_155);
    assert_eq!(RUNS.next(), 42);
}

#[tokio::test]
async fn a_call_whose_key_equals_nothing_is_not_cached() {
    static RUNS: Runs = Runs::new();

    #[cached(deck = Deck)]
    fn root(number: f64) -> u32 {
        RUNS.next()
    }
    assert_eq!(
        (root(f64::NAN), root(f64::NAN), root(1.0), root(1.0)),
        (1, 2, 3, 3)
    );
}

#[tokio::test]
async fn a_callers_end_does_not_end_a_load_that_owns_its_arguments() {
    static RUNS: Runs = Runs::new();
    static GATE: tokio::sync::Notify = tokio::sync::Notify::const_new();

    #[cached(deck = Deck)]
    async fn slow(number: u32) -> u32 {
        let run = RUNS.next();
        GATE.notified().await;
        number + run
    }
    let caller = tokio::spawn(slow(1));
    while RUNS.0.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    GATE.notify_one();
    assert_eq!(slow(1).await, 2);
}

#[tokio::test]
async fn monitored_functions_do_what_they_did() {
    #[monitor]
    fn parse(text: &str) -> Result<u32, std::num::ParseIntError> {
        let number = text.parse::<u32>()?;
        Ok(number)
    }
    #[monitor(name = "fetch")]
    async fn fetch<'a>(texts: &'a [String], at: usize) -> Option<&'a str> {
        tokio::task::yield_now().await;
        Some(texts.get(at)?.as_str())
    }
    #[monitor]
    fn odd(below: u32) -> impl Iterator<Item = u32> {
        (0..below).filter(|number| number % 2 == 1)
    }
    #[monitor]
    async fn nothing() {}
    struct Counter(u32);
    impl Counter {
        #[monitor]
        fn next(&mut self) -> u32 {
            self.0 += 1;
            self.0
        }
    }
    assert_eq!(parse("7"), Ok(7));
    assert!(parse("x").is_err());
    let texts = ["a".to_owned()];
    assert_eq!(
        (fetch(&texts, 0).await, fetch(&texts, 1).await),
        (Some("a"), None)
    );
    assert_eq!(odd(4).collect::<Vec<_>>(), [1, 3]);
    nothing().await;
    assert_eq!(Counter(1).next(), 2);
}

#[tokio::test]
async fn before_a_deck_is_started_the_body_just_runs() {
    static RUNS: Runs = Runs::new();

    #[cached(ttl = "1h", namespace = "analytics")]
    async fn report() -> u32 {
        RUNS.next()
    }
    #[cache_invalidate("analytics")]
    async fn write() {}
    assert_eq!(report().await, 1);
    write().await;
    assert_eq!(report().await, 2);
}

#[tokio::test]
async fn functions_that_could_be_cached_do_what_they_did() {
    /// Neither `Hash` nor `Debug`.
    struct Opaque(u32);

    type Answer = Result<f64, NotClone>;

    struct Desk {
        workspace: u32,
    }

    impl Desk {
        #[monitor(key = "{self.workspace}:{id}")]
        async fn title(&self, id: u32) -> Option<String> {
            (id > 0).then(|| format!("{id} of {}", self.workspace))
        }
    }

    #[monitor(cacheable)]
    fn double(number: u32, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        2 * number
    }

    #[monitor(skip(rc), result)]
    async fn half(rc: Rc<u32>, number: f64) -> Answer {
        if *rc == 0 {
            Err(NotClone("none"))?;
        }
        Ok(number / 2.0)
    }

    #[monitor(cacheable, name = "opaque")]
    fn opaque(number: u32) -> Opaque {
        Opaque(number)
    }

    #[monitor(cacheable)]
    fn shown<T: Display + perfdeck::cache::CacheKey>(value: T) -> String {
        value.to_string()
    }

    for _ in 0..2 {
        assert_eq!(double(2, "a"), 4);
        assert_eq!(double(2, ""), 0);
        assert_eq!(half(Rc::new(1), 3.0).await, Ok(1.5));
        assert_eq!(half(Rc::new(0), 3.0).await, Err(NotClone("none")));
        assert_eq!(opaque(7).0, 7);
        assert_eq!(shown(8), "8");
        let desk = Desk { workspace: 3 };
        assert_eq!(desk.title(1).await.as_deref(), Some("1 of 3"));
        assert_eq!(desk.title(0).await, None);
    }
}
