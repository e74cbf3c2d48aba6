//! Embeddings by the content that they are made of, and what was found by them.
//!
//! An embedding's key is a SHA-256 of all that it depends on: provider, model, revision, dimensions, whether it is
//! normalised, the prompt's prefix, and the text. What a search found is known by the vector's exact bits. Nothing here
//! takes one text for another that is only like it, but for [`Near`], whose verifier has the last word.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use super::Caches;
use super::load::{self, Call, Refusal};
use super::namespace::{BY_HAND, Namespace, tag_hash};
use super::policy::Policy;
use super::reach::Invalidation;
use super::site;
use super::terms::Origin;
use super::values::Values;

mod digest;
mod near;
mod search;
#[cfg(test)]
mod tests;

use digest::Digest;
pub use near::{Near, Question};
pub use search::{Index, Search};

const NAMESPACE: &str = "vectors";
/// What the namespace holds when nobody says, in bytes.
const CAPACITY: u64 = 64 << 20;

/// Embeddings and what was found by them, in one namespace; see [`Deck::vectors`](crate::Deck::vectors).
///
/// Its policy is the builder's, [`Builder::cache`](crate::Builder::cache); else it holds 64 MiB, embeddings for 600 s and
/// what searches found for 300 s. One load runs a key; it goes on when its caller leaves; an error isn't cached.
///
/// # Examples
///
/// ```
/// use perfdeck::cache::vector::{Model, VectorCache, VectorError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), VectorError<String>> {
/// let vectors = VectorCache::new();
/// let model = vectors.model(Model::new("openai", "text-embedding-3-small", 3).normalised(true));
/// let embed = |text: &str| {
///     let length = text.len() as f32;
///     async move { Ok::<_, String>(vec![length, 0.0, 1.0]) }
/// };
/// let vector = model.get_or_embed("a query", || embed("a query")).await?;
/// assert_eq!(vector[..], [7.0, 0.0, 1.0]);
///
/// let documents = vectors.index("documents");
/// let search = documents.search(&vector, 10).filter(&("tenant", 7));
/// let found = search.get_or_search(|| async { Ok::<_, String>(vec![3, 1, 4]) }).await;
/// assert_eq!(found, Ok(vec![3, 1, 4]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct VectorCache {
    namespace: Namespace,
    /// Of a deck, which knows other namespaces.
    caches: Option<Caches>,
}

/// What turns texts into vectors: everything that makes them others is part of their key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    provider: String,
    name: String,
    revision: String,
    dimensions: usize,
    normalised: bool,
    prefix: String,
}

/// The embeddings of one model.
#[derive(Debug, Clone)]
pub struct Embeddings {
    namespace: Namespace,
    model: Arc<Model>,
    values: Values<Vector>,
    ttl: Duration,
}

/// An embedding; cheap to clone.
#[derive(Clone, PartialEq)]
pub struct Vector(Arc<[f32]>);

/// Why there is no embedding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VectorError<E> {
    /// The model failed.
    #[error("{0}")]
    Embed(E),
    /// It has another length than its model says.
    #[error("the embedding has {got} dimensions instead of {expected}")]
    Dimensions {
        /// What the model says.
        expected: usize,
        /// What came.
        got: usize,
    },
    /// It holds an infinity, or what is no number.
    #[error("dimension {at} of the embedding is not finite")]
    NotFinite {
        /// The first such dimension.
        at: usize,
    },
}

impl VectorCache {
    /// How long an embedding is fresh when nothing says otherwise.
    pub const EMBEDDING_TTL: Duration = Duration::from_secs(600);
    /// How long what a search found is fresh when nothing says otherwise.
    pub const SEARCH_TTL: Duration = Duration::from_secs(300);

    /// Makes a cache that belongs to no deck: nothing of it is counted.
    #[must_use]
    pub fn new() -> Self {
        Self {
            namespace: Namespace::new(NAMESPACE, policy()),
            caches: None,
        }
    }

    pub(crate) fn of(caches: &Caches) -> Self {
        Self {
            namespace: namespace(caches, NAMESPACE),
            caches: Some(caches.clone()),
        }
    }

    /// Keeps them in another namespace; `vectors` by default.
    #[must_use]
    pub fn namespace(self, name: &str) -> Self {
        let namespace = match &self.caches {
            Some(caches) => namespace(caches, name),
            None => Namespace::new(name, policy()),
        };
        Self { namespace, ..self }
    }

    /// Returns the embeddings of a model.
    #[must_use]
    pub fn model(&self, model: Model) -> Embeddings {
        Embeddings {
            namespace: self.namespace.clone(),
            model: Arc::new(model),
            values: Values::new().weigh(|vector| size_of_val(&*vector.0)),
            ttl: Self::EMBEDDING_TTL,
        }
    }

    /// Returns what was found in an index of vectors.
    #[must_use]
    pub fn index(&self, name: &str) -> Index {
        Index::new(self.namespace.clone(), name)
    }

    /// Makes all embeddings and all that was found unusable.
    #[expect(
        clippy::must_use_candidate,
        reason = "it has taken effect, waited for or not"
    )]
    pub fn invalidate(&self) -> Invalidation {
        self.namespace.invalidate()
    }
}

impl Default for VectorCache {
    fn default() -> Self {
        Self::new()
    }
}

impl Model {
    /// Names a model and says how many dimensions its embeddings have; another number is an error of the load.
    #[must_use]
    pub fn new(provider: &str, name: &str, dimensions: usize) -> Self {
        Self {
            provider: provider.to_owned(),
            name: name.to_owned(),
            revision: String::new(),
            dimensions,
            normalised: false,
            prefix: String::new(),
        }
    }

    /// Says which revision of the model answers, where the provider tells.
    #[must_use]
    pub fn revision(mut self, revision: &str) -> Self {
        revision.clone_into(&mut self.revision);
        self
    }

    /// Says whether the embeddings are of length one; it is part of the key, and nothing is normalised here.
    #[must_use]
    pub const fn normalised(mut self, normalised: bool) -> Self {
        self.normalised = normalised;
        self
    }

    /// Says what is put before each text, as `query: `; it is part of the key, and nothing is put there here.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    fn digest(&self) -> Digest {
        Digest::new("model")
            .text(&self.provider)
            .text(&self.name)
            .text(&self.revision)
            .number(self.dimensions as u64)
            .number(self.normalised.into())
            .text(&self.prefix)
    }

    /// Checks that an embedding is one of the model's.
    fn check<E>(&self, vector: &[f32]) -> Result<(), VectorError<E>> {
        if vector.len() != self.dimensions {
            return Err(VectorError::Dimensions {
                expected: self.dimensions,
                got: vector.len(),
            });
        }
        match not_finite(vector) {
            Some(at) => Err(VectorError::NotFinite { at }),
            None => Ok(()),
        }
    }
}

impl Embeddings {
    /// Keeps them for another time than 600 s; never for longer than the namespace's policy says.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Shares them with other instances through Redis, where the deck has one: no part of a text goes there, but the
    /// hash of it, and the vector.
    #[cfg(feature = "redis")]
    #[must_use]
    pub const fn redis(mut self) -> Self {
        self.values = self.values.redis("perfdeck::cache::vector");
        self
    }

    /// Returns the embedding of a text, and has it made if it isn't there.
    ///
    /// Callers who miss the same text at the same time share one load.
    ///
    /// # Errors
    ///
    /// Returns what `embed` returned, or what is wrong with its vector: neither is cached.
    pub async fn get_or_embed<E, F>(
        &self,
        text: &str,
        embed: impl FnOnce() -> F,
    ) -> Result<Vector, VectorError<E>>
    where
        E: Clone + Send + Sync + 'static,
        F: Future<Output = Result<Vec<f32>, E>> + Send + 'static,
    {
        let space = &self.namespace.space;
        let mut key = self.key(text);
        let tags = tag_hash(space, &mut key, 0, &self.tag());
        let call = Call {
            space,
            site: BY_HAND,
            key: &key,
            tags: tags.as_slice(),
            tables: &[],
            values: self.values.ttl(Some(self.ttl)),
            refusal: Refusal::shared(),
        };
        let model = Arc::clone(&self.model);
        let load = || {
            let embedded = embed();
            async move {
                let vector = embedded.await.map_err(VectorError::Embed)?;
                model.check(&vector)?;
                Ok(Vector::from(vector))
            }
        };
        let vector: Vector = load::spawned(call, load).await?;
        // Of this instance's memory it is; what another put into Redis is looked at as well.
        if let Err(wrong) = self.model.check(&vector) {
            self.namespace.invalidate_written(&key);
            return Err(wrong);
        }
        Ok(vector)
    }

    /// Returns the embedding of a text, if it is there.
    #[must_use]
    pub fn get(&self, text: &str) -> Option<Vector> {
        let entry = self.namespace.entry(&self.identity(text));
        let vector: Vector = entry.get()?;
        self.model.check::<()>(&vector).is_ok().then_some(vector)
    }

    /// Makes all embeddings of the model unusable.
    #[expect(
        clippy::must_use_candidate,
        reason = "it has taken effect, waited for or not"
    )]
    pub fn invalidate(&self) -> Invalidation {
        self.namespace.invalidate_tag(&self.tag())
    }

    fn key(&self, text: &str) -> super::KeyWriter {
        site::written(&self.identity(text))
    }

    fn identity(&self, text: &str) -> (&'static str, [u64; 4]) {
        ("embedding", self.model.digest().text(text).finish())
    }

    fn tag(&self) -> (&'static str, [u64; 4]) {
        ("model", self.model.digest().finish())
    }
}

impl Deref for Vector {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl From<Vec<f32>> for Vector {
    fn from(vector: Vec<f32>) -> Self {
        Self(vector.into())
    }
}

/// Of an embedding its length is told: the rest is long, and can be turned back into what it is of.
impl fmt::Debug for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vector")
            .field("dimensions", &self.0.len())
            .finish_non_exhaustive()
    }
}

impl Serialize for Vector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0[..].serialize(serializer)
    }
}

/// Only finite vectors are read.
impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let vector = Vec::<f32>::deserialize(deserializer)?;
        match not_finite(&vector) {
            Some(at) => Err(D::Error::custom(format_args!(
                "dimension {at} is not finite"
            ))),
            None => Ok(vector.into()),
        }
    }
}

/// The first dimension that is not finite.
fn not_finite(vector: &[f32]) -> Option<usize> {
    vector.iter().position(|value| !value.is_finite())
}

const fn policy() -> Policy {
    Policy::new().capacity_bytes(CAPACITY)
}

fn namespace(caches: &Caches, name: &str) -> Namespace {
    let space = caches.space(name, &policy(), Origin::Function);
    Namespace { space }
}
