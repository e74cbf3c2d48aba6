//! Embeddings are told apart by all that they depend on, checked, and never taken for others that are only like them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::super::tests::{manual, pass, row};
use super::*;

type Embedded = Result<Vector, VectorError<String>>;

fn model() -> Model {
    Model::new("openai", "small", 3)
}

/// Embeds by a load that is counted.
async fn embed(of: &Embeddings, text: &str, made: Vec<f32>, loads: &Arc<AtomicU64>) -> Embedded {
    let loads = Arc::clone(loads);
    let embed = || async move {
        loads.fetch_add(1, Ordering::SeqCst);
        Ok::<_, String>(made)
    };
    of.get_or_embed(text, embed).await
}

#[tokio::test]
async fn an_embedding_is_made_once_a_model_and_text() {
    let vectors = VectorCache::new();
    let loads = Arc::new(AtomicU64::new(0));
    let models = [
        model(),
        Model::new("other", "small", 3),
        Model::new("openai", "large", 3),
        model().revision("2"),
        model().normalised(true),
        model().prefix("query: "),
        // The same letters, cut elsewhere.
        Model::new("openais", "mall", 3),
        Model::new("openai", "smallquery: ", 3),
    ];
    for _ in 0..2 {
        for (place, model) in models.iter().enumerate() {
            let of = vectors.model(model.clone());
            for text in ["a", "b", ""] {
                let made = vec![place as f32, text.len() as f32, 1.0];
                let vector = embed(&of, text, made.clone(), &loads).await.unwrap();
                assert_eq!(vector[..], made[..]);
                assert_eq!(of.get(text), Some(vector));
            }
        }
    }
    assert_eq!(loads.load(Ordering::SeqCst), 3 * models.len() as u64);
    assert_eq!(vectors.model(model()).get("c"), None);
}

#[tokio::test]
async fn a_model_of_other_dimensions_has_other_embeddings() {
    let vectors = VectorCache::new();
    let loads = Arc::new(AtomicU64::new(0));
    for dimensions in [3, 2, 3, 2] {
        let of = vectors.model(Model::new("openai", "small", dimensions));
        let made = vec![1.0; dimensions];
        let vector = embed(&of, "a", made, &loads).await.unwrap();
        assert_eq!(vector.len(), dimensions);
    }
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_wrong_embedding_is_an_error_and_is_not_kept() {
    let of = VectorCache::new().model(model());
    let loads = Arc::new(AtomicU64::new(0));
    let short = VectorError::Dimensions {
        expected: 3,
        got: 2,
    };
    let wrong = [
        (vec![1.0, 2.0], short),
        (vec![1.0, f32::NAN, 2.0], VectorError::NotFinite { at: 1 }),
        (
            vec![f32::NEG_INFINITY, 1.0, 2.0],
            VectorError::NotFinite { at: 0 },
        ),
    ];
    for (made, error) in wrong {
        assert_eq!(embed(&of, "a", made, &loads).await, Err(error));
        assert_eq!(of.get("a"), None);
    }
    let failed = of
        .get_or_embed("a", || async { Err("busy".to_owned()) })
        .await;
    assert_eq!(failed, Err(VectorError::Embed("busy".to_owned())));
    assert!(embed(&of, "a", vec![1.0; 3], &loads).await.is_ok());
    assert_eq!(loads.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn texts_longer_than_a_key_may_be_are_cached_and_told_apart() {
    let of = VectorCache::new().model(model());
    let loads = Arc::new(AtomicU64::new(0));
    let long = "x".repeat(1 << 20);
    for text in [&long, &format!("{long}x"), &long] {
        assert!(embed(&of, text, vec![1.0; 3], &loads).await.is_ok());
    }
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn embeddings_last_ten_minutes_and_searches_five() {
    let (caches, hand) = manual(true);
    let vectors = VectorCache::of(&caches);
    let of = vectors.model(model());
    let vector = of.get_or_embed("a", || async { Ok::<_, ()>(vec![1.0; 3]) });
    let vector = vector.await.unwrap();
    let documents = vectors.index("documents");
    let search = async |found: u32| {
        let search = documents.search(&vector, 10);
        search
            .get_or_search(|| async move { Ok::<_, ()>(found) })
            .await
    };
    assert_eq!(search(1).await, Ok(1));
    // A tenth of the time may be taken off, so that what was loaded together doesn't end together.
    pass(&hand, Duration::from_secs(269));
    assert_eq!(search(2).await, Ok(1));
    pass(&hand, Duration::from_secs(32));
    assert_eq!(search(3).await, Ok(3));
    pass(&hand, Duration::from_secs(238));
    assert!(of.get("a").is_some());
    pass(&hand, Duration::from_secs(62));
    assert_eq!(of.get("a"), None);
}

#[tokio::test]
async fn they_are_a_namespace_as_any_other() {
    let (caches, _) = manual(true);
    let vectors = VectorCache::of(&caches);
    let of = vectors.model(model());
    let loads = Arc::new(AtomicU64::new(0));
    for _ in 0..3 {
        embed(&of, "a", vec![1.0; 3], &loads).await.unwrap();
    }
    let seen = row(&caches, "vectors");
    assert_eq!(
        (seen.hits, seen.misses, seen.loads, seen.entries),
        (2, 1, 1, 1)
    );
    assert_eq!(seen.policy.capacity, 64 << 20);
    // Three numbers, a key of two parts, and the place.
    assert!((112..400).contains(&seen.bytes), "{}", seen.bytes);
    let elsewhere = vectors.clone().namespace("other").model(model());
    embed(&elsewhere, "a", vec![1.0; 3], &loads).await.unwrap();
    assert_eq!(row(&caches, "other").loads, 1);
}

#[tokio::test]
async fn a_model_s_and_an_index_s_are_invalidated_alone() {
    let vectors = VectorCache::new();
    let loads = Arc::new(AtomicU64::new(0));
    let [one, two] = ["1", "2"].map(|revision| vectors.model(model().revision(revision)));
    for of in [&one, &two] {
        embed(of, "a", vec![1.0; 3], &loads).await.unwrap();
    }
    let [news, books] = ["news", "books"].map(|name| vectors.index(name));
    for (index, found) in [(&news, 1), (&books, 2)] {
        let search = index.search(&[1.0], 1);
        let _ = search
            .get_or_search(|| async move { Ok::<_, ()>(found) })
            .await;
    }
    one.invalidate();
    news.invalidate();
    assert_eq!(
        (one.get("a").is_some(), two.get("a").is_some()),
        (false, true)
    );
    for (index, expected) in [(&news, 9), (&books, 2)] {
        let search = index.search(&[1.0], 1);
        let found = search.get_or_search(|| async { Ok::<_, ()>(9) }).await;
        assert_eq!(found, Ok(expected));
    }
    vectors.invalidate();
    assert_eq!(two.get("a"), None);
}

/// Searches, and returns what was found, which is `new` if it wasn't known.
async fn found(index: &Index, vector: &[f32], limit: usize, tenant: u32, new: u32) -> u32 {
    let search = index.search(vector, limit).filter(&("tenant", tenant));
    let found = search.get_or_search(|| async move { Ok::<_, ()>(new) });
    found.await.unwrap()
}

#[tokio::test]
async fn what_was_found_is_of_the_same_bits_index_limit_and_filter_alone() {
    let vectors = VectorCache::new();
    let [news, books] = ["news", "books"].map(|name| vectors.index(name));
    let vector = [1.0, 0.0];
    assert_eq!(found(&news, &vector, 10, 7, 1).await, 1);
    assert_eq!(found(&news, &vector, 10, 7, 2).await, 1);
    assert_eq!(found(&news, &[1.0, -0.0], 10, 7, 3).await, 3);
    assert_eq!(found(&news, &[1.0 + f32::EPSILON, 0.0], 10, 7, 4).await, 4);
    assert_eq!(found(&news, &[1.0, 0.0, 0.0], 10, 7, 5).await, 5);
    assert_eq!(found(&news, &vector, 11, 7, 6).await, 6);
    assert_eq!(found(&news, &vector, 10, 8, 7).await, 7);
    assert_eq!(found(&books, &vector, 10, 7, 8).await, 8);
    let unfiltered = news.search(&vector, 10);
    let unfiltered = unfiltered.get_or_search(|| async { Ok::<_, ()>(9) }).await;
    assert_eq!(unfiltered, Ok(9));
}

#[tokio::test]
async fn what_equals_nothing_is_searched_each_time() {
    let index = VectorCache::new().index("news");
    for new in 1..3 {
        assert_eq!(found(&index, &[f32::NAN, 1.0], 10, 7, new).await, new);
        assert_eq!(found(&index, &[f32::INFINITY], 10, 7, new).await, new);
        let search = index.search(&[1.0], 1).filter(&f64::NAN);
        let alone = search
            .get_or_search(|| async move { Ok::<_, ()>(new) })
            .await;
        assert_eq!(alone, Ok(new));
    }
}

/// Asks near by near; returns the answer.
async fn ask(
    near: &Near<&'static str>,
    index: &Index,
    vector: &[f32],
    text: &'static str,
    new: u32,
) -> u32 {
    let search = index.search(vector, 10);
    let found = near.get_or_search(search, text, || async move { Ok::<_, ()>(new) });
    found.await.unwrap()
}

#[tokio::test]
async fn a_near_question_is_answered_only_by_leave_of_the_verifier() {
    let index = VectorCache::new().index("answers");
    let accepts = Arc::new(AtomicBool::new(false));
    let leave = Arc::clone(&accepts);
    let near = index.near(0.9, move |_: &&str, _: &&str, _| {
        leave.load(Ordering::SeqCst)
    });
    assert_eq!(ask(&near, &index, &[1.0, 0.0], "on?", 1).await, 1);
    assert_eq!(ask(&near, &index, &[1.0, 0.1], "off?", 2).await, 2);
    accepts.store(true, Ordering::SeqCst);
    assert_eq!(ask(&near, &index, &[1.0, 0.02], "on", 3).await, 1);
    // What was answered so isn't known by its own bits, and is asked again.
    accepts.store(false, Ordering::SeqCst);
    assert_eq!(ask(&near, &index, &[1.0, 0.02], "on", 4).await, 4);
    accepts.store(true, Ordering::SeqCst);
    // Too far for it to be asked at all.
    assert_eq!(ask(&near, &index, &[0.0, 1.0], "else", 5).await, 5);
}

#[tokio::test]
async fn the_verifier_is_shown_the_nearest_first_of_the_same_filter() {
    let vectors = VectorCache::new();
    let index = vectors.index("answers");
    let shown = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&shown);
    let near = index.near(0.5, move |_: &&str, known: &&str, cosine| {
        seen.lock().unwrap().push((*known, cosine > 0.999));
        false
    });
    for (vector, text) in [
        ([1.0, 0.5], "far"),
        ([1.0, 0.2], "nearer"),
        ([1.0, 0.3], "near"),
        ([1.0, 0.9], "farthest"),
    ] {
        ask(&near, &index, &vector, text, 1).await;
    }
    let other = index.search(&[1.0, 0.0], 10).filter(&7);
    let other = near.get_or_search(other, "of another", || async { Ok::<_, ()>(1) });
    other.await.unwrap();
    shown.lock().unwrap().clear();
    ask(&near, &index, &[1.0, 0.01], "asked", 1).await;
    let expected = [("nearer", false), ("near", false), ("far", false)];
    assert_eq!(*shown.lock().unwrap(), expected);
}

#[tokio::test]
async fn what_was_found_for_a_near_question_is_no_older_than_an_invalidation() {
    let (caches, hand) = manual(true);
    let index = VectorCache::of(&caches).index("answers");
    let near = index.near(0.9, |_: &&str, _: &&str, _| true);
    assert_eq!(ask(&near, &index, &[1.0, 0.0], "on?", 1).await, 1);
    assert_eq!(ask(&near, &index, &[1.0, 0.1], "on", 2).await, 1);
    index.invalidate();
    assert_eq!(ask(&near, &index, &[1.0, 0.1], "on", 3).await, 3);
    pass(&hand, Duration::from_secs(301));
    assert_eq!(ask(&near, &index, &[1.0, 0.05], "on!", 4).await, 4);
    let seen = row(&caches, "vectors");
    assert_eq!((seen.hits, seen.misses, seen.loads), (1, 3, 3));
}

#[tokio::test]
async fn a_search_in_another_index_is_never_answered_nearly() {
    let vectors = VectorCache::new();
    let [news, books] = ["news", "books"].map(|name| vectors.index(name));
    let near = news.near(0.0, |_: &&str, _: &&str, _| true);
    assert_eq!(ask(&near, &news, &[1.0, 0.0], "a", 1).await, 1);
    assert_eq!(ask(&near, &books, &[1.0, 0.1], "a", 2).await, 2);
    // Nor is a vector without a direction.
    assert_eq!(ask(&near, &news, &[0.0, 0.0], "a", 3).await, 3);
    assert_eq!(ask(&near, &news, &[1e30, 1e30], "a", 4).await, 4);
}

#[tokio::test]
async fn the_questions_that_are_remembered_are_bounded() {
    let index = VectorCache::new().index("answers");
    let asked = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&asked);
    let near = index.near(0.999_999, move |_: &&str, _: &&str, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        true
    });
    // Far apart, each of them.
    let vector = |number: u32| {
        let angle = f64::from(number) * std::f64::consts::TAU / 300.0;
        [angle.cos() as f32, angle.sin() as f32]
    };
    for number in 0..300 {
        assert_eq!(
            ask(&near, &index, &vector(number), "one", number).await,
            number
        );
    }
    let beside = |number: u32| vector(number).map(|part| part * 2.0);
    assert_eq!(ask(&near, &index, &beside(299), "one", 1_000).await, 299);
    assert_eq!(ask(&near, &index, &beside(0), "one", 1_000).await, 1_000);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_vector_tells_its_length_alone_and_reads_only_what_is_finite() {
    let vector = Vector::from(vec![1.0, 2.5]);
    assert_eq!(format!("{vector:?}"), "Vector { dimensions: 2, .. }");
    let written = serde_json::to_string(&vector).unwrap();
    assert_eq!(written, "[1.0,2.5]");
    assert_eq!(serde_json::from_str::<Vector>(&written).unwrap(), vector);
    assert!(serde_json::from_str::<Vector>("[1.0, 1e39]").is_err());
}

proptest! {
    /// Two contents share a hash only if all their parts are the same.
    #[test]
    fn no_two_contents_are_one(one in content(), two in content()) {
        let digest = |(name, prefix, text): &(String, String, String)| {
            let model = Model::new("p", name, 3).prefix(prefix);
            model.digest().text(text).finish()
        };
        prop_assert_eq!(digest(&one) == digest(&two), one == two);
    }
}

/// Parts of few letters, so that their joints differ more than they do.
fn content() -> impl Strategy<Value = (String, String, String)> {
    ("[ab]{0,3}", "[ab]{0,3}", "[ab]{0,3}")
}
