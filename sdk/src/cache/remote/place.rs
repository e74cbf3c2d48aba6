//! The name of a value in Redis, and how it is told from others.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::super::reach::What;

/// Names a value, and says what it is.
#[derive(Debug, Clone)]
pub(in crate::cache) struct Place {
    pub(super) namespace: Arc<str>,
    pub(super) fingerprint: u64,
    /// Names it in Redis.
    pub(super) hash: [u8; 16],
    /// Tells it from another of that name.
    pub(super) check: [u8; 16],
    /// The numbers of the stripes that it hangs on.
    pub(super) stripes: Vec<u64>,
}

impl Place {
    /// Names the value of a key of a function, of a type with this fingerprint.
    pub(in crate::cache) fn new(
        namespace: Arc<str>,
        path: &str,
        key: &[u8],
        fingerprint: u64,
        stripes: &[u64],
    ) -> Self {
        let (hash, check) = hashed([path.as_bytes(), key].into_iter());
        Self {
            namespace,
            fingerprint,
            hash,
            check,
            stripes: stripes.iter().map(|hash| What::stripe(*hash)).collect(),
        }
    }
}

/// Two hashes of the parts, each of which is told from its neighbours.
pub(super) fn hashed<'a>(parts: impl Iterator<Item = &'a [u8]>) -> ([u8; 16], [u8; 16]) {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    let digest: [u8; 32] = digest.finalize().into();
    let (mut one, mut other) = ([0; 16], [0; 16]);
    let (front, back) = digest.split_at(16);
    one.copy_from_slice(front);
    other.copy_from_slice(back);
    (one, other)
}
