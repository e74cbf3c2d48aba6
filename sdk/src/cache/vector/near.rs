//! What was found for a question that is near, where the host's own verifier says that it is the same.
//!
//! How near two vectors are says nothing of whether one answer is right for both: opposite questions lie close together.
//! So there is no look-up by nearness without a verifier.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use super::search::{Index, Search};

/// Questions that are remembered.
const QUESTIONS: usize = 256;
/// Of those near enough, so many are shown to the verifier, the nearest first.
const ASKED: usize = 3;

/// What was found in an index, for questions that the verifier takes for the same.
///
/// The last 256 questions that were searched for are remembered, and looked through by their vectors' cosine. Of those
/// that reach the threshold, with the same filter and limit, the three nearest are shown to the verifier; what was found
/// for the first that it accepts is the answer, while that is fresh and not invalidated.
///
/// # Examples
///
/// ```
/// use perfdeck::cache::vector::VectorCache;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), String> {
/// let vectors = VectorCache::new();
/// let answers = vectors.index("answers");
/// let near = answers.near(0.95, |asked: &String, known: &String, _| {
///     asked.trim_end_matches('?') == known.trim_end_matches('?')
/// });
/// let search = |vector: Vec<f32>, text: &str, answer: &'static str| {
///     let (answers, near, text) = (answers.clone(), near.clone(), text.to_owned());
///     async move {
///         let search = answers.search(&vector, 1);
///         near.get_or_search(search, text, || async move { Ok::<_, String>(answer) }).await
///     }
/// };
/// assert_eq!(search(vec![1.0, 0.0], "is it on", "yes").await?, "yes");
/// assert_eq!(search(vec![1.0, 0.01], "is it on?", "a second search").await?, "yes");
/// assert_eq!(search(vec![1.0, 0.02], "is it off", "no").await?, "no");
/// # Ok(())
/// # }
/// ```
pub struct Near<Q> {
    shared: Arc<Shared<Q>>,
}

/// A question that was searched for.
struct Known<Q> {
    scope: [u64; 4],
    key: [u64; 4],
    /// Of length one.
    direction: Arc<[f32]>,
    question: Arc<Q>,
}

struct Shared<Q> {
    index: Index,
    threshold: f32,
    verify: Box<Verify<Q>>,
    known: Mutex<VecDeque<Known<Q>>>,
}

type Verify<Q> = dyn Fn(&Q, &Q, f32) -> bool + Send + Sync;

/// What a verifier compares: the text, most of the time.
pub trait Question: Send + Sync + 'static {}

impl<Q: Send + Sync + 'static> Question for Q {}

impl Index {
    /// Also answers with what was found for a near question that `verify` takes for the same.
    ///
    /// It is handed the question that is asked, one that was, and the cosine of their vectors, and is run by who asks.
    /// What it accepts wrongly is answered wrongly.
    #[must_use]
    pub fn near<Q: Question>(
        &self,
        threshold: f32,
        verify: impl Fn(&Q, &Q, f32) -> bool + Send + Sync + 'static,
    ) -> Near<Q> {
        Near {
            shared: Arc::new(Shared {
                index: self.clone(),
                threshold,
                verify: Box::new(verify),
                known: Mutex::default(),
            }),
        }
    }
}

impl<Q: Question> Near<Q> {
    /// Returns what was found by this vector or for a near question, and searches if that isn't known.
    ///
    /// A search in another index than this one's goes by the vector's exact bits alone.
    ///
    /// # Errors
    ///
    /// Returns what `search` returned, to all who waited for it; it isn't cached.
    pub async fn get_or_search<V, E, F>(
        &self,
        asked: Search<'_>,
        question: Q,
        search: impl FnOnce() -> F,
    ) -> Result<V, E>
    where
        V: Clone + Send + Sync + 'static,
        E: Clone + Send + Sync + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        let shared = &self.shared;
        let own = asked.index.name == shared.index.name;
        let direction = direction(asked.vector).filter(|_| own);
        let (Some(scope), Some(key), Some(direction)) = (asked.scope, asked.identity(), direction)
        else {
            return asked.get_or_search(search).await;
        };
        if let Some(found) = asked.entry(&key).peek() {
            return Ok(found);
        }
        for known in shared.near(scope, &direction, &question) {
            if let Some(found) = shared.index.entry(&known).peek() {
                return Ok(found);
            }
        }
        let found = asked.get_or_search(search).await?;
        shared.remember(Known {
            scope,
            key,
            direction,
            question: Arc::new(question),
        });
        Ok(found)
    }
}

impl<Q> Shared<Q> {
    /// The keys of what was found for near questions that the verifier accepts, as it is asked.
    fn near(
        &self,
        scope: [u64; 4],
        direction: &[f32],
        question: &Q,
    ) -> impl Iterator<Item = [u64; 4]> {
        let mut near: Vec<(f32, Known<Q>)> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let scoped = known
                .iter()
                .filter(|known| known.scope == scope && known.direction.len() == direction.len());
            scoped
                .map(|known| (cosine(direction, &known.direction), known))
                .filter(|(cosine, _)| *cosine >= self.threshold)
                .map(|(cosine, known)| (cosine, known.share()))
                .collect()
        };
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        near.truncate(ASKED);
        // The verifier is the host's own, and runs under no lock.
        near.into_iter()
            .filter(move |(cosine, known)| (self.verify)(question, &known.question, *cosine))
            .map(|(_, known)| known.key)
    }

    fn remember(&self, newest: Known<Q>) {
        let gone = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let place = known.iter().position(|known| known.key == newest.key);
            let again = place.and_then(|place| known.remove(place));
            let oldest = (known.len() >= QUESTIONS).then(|| known.pop_front());
            known.push_back(newest);
            (again, oldest)
        };
        // A question is the host's own, too.
        drop(gone);
    }
}

impl<Q> Known<Q> {
    fn share(&self) -> Self {
        Self {
            scope: self.scope,
            key: self.key,
            direction: Arc::clone(&self.direction),
            question: Arc::clone(&self.question),
        }
    }
}

impl<Q> Clone for Near<Q> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<Q> fmt::Debug for Near<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Near")
            .field("index", &self.shared.index.name)
            .field("threshold", &self.shared.threshold)
            .finish_non_exhaustive()
    }
}

/// A vector's direction; `None` where it has none.
fn direction(vector: &[f32]) -> Option<Arc<[f32]>> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    let has_one = length.is_finite() && length > 0.0;
    has_one.then(|| vector.iter().map(|value| value / length).collect())
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
