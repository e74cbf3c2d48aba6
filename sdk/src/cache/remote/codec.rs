//! How the values of a function go into Redis and come back.

// Whatever the bytes are.
#![deny(clippy::indexing_slicing)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::{first_eight, shape};

/// MessagePack with the names of fields.
const FORMAT: &str = "msgpack-1";

pub(in crate::cache) struct Codec<V> {
    /// Names the function, so that two of them don't share values.
    pub(in crate::cache) path: &'static str,
    schema: u32,
    shape: fn() -> u64,
    encode: fn(&V) -> Option<Vec<u8>>,
    decode: fn(&[u8]) -> Option<V>,
}

impl<V> Codec<V> {
    pub(in crate::cache) const fn new(path: &'static str) -> Self
    where
        V: Serialize + DeserializeOwned + 'static,
    {
        Self {
            path,
            schema: 0,
            shape: shape::shape::<V>,
            encode: |value| rmp_serde::to_vec_named(value).ok(),
            decode: |bytes| rmp_serde::from_slice(bytes).ok(),
        }
    }

    pub(in crate::cache) const fn schema(self, schema: u32) -> Self {
        Self { schema, ..self }
    }

    /// What a value is: other types, and other meanings of the same, have another.
    pub(in crate::cache) fn fingerprint(&self) -> u64 {
        let mut digest = Sha256::new();
        digest.update(FORMAT);
        digest.update((self.shape)().to_le_bytes());
        digest.update(self.schema.to_le_bytes());
        first_eight(&digest.finalize())
    }

    pub(in crate::cache) fn encode(&self, value: &V) -> Option<Vec<u8>> {
        host(|| (self.encode)(value))
    }

    pub(in crate::cache) fn decode(&self, bytes: &[u8]) -> Option<V> {
        host(|| (self.decode)(bytes))
    }
}

impl<V> Copy for Codec<V> {}

impl<V> Clone for Codec<V> {
    fn clone(&self) -> Self {
        *self
    }
}

/// Runs code of the type's own, whose panic is an answer of none: somebody may be waiting for what comes next.
fn host<T>(code: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(code)).ok().flatten()
}
