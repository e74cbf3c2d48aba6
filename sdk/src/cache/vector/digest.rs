//! The hash that stands for a content: of all its parts, each with its length, so that no two contents are one text.

use sha2::{Digest as _, Sha256};

/// A hash in the making.
pub(super) struct Digest(Sha256);

impl Digest {
    /// Begins the hash of a kind of content.
    pub(super) fn new(kind: &str) -> Self {
        Self(Sha256::new()).text(kind)
    }

    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.update(number.to_le_bytes());
        self
    }

    /// Adds a vector by its bits: 0 and -0 are two.
    pub(super) fn vector(self, vector: &[f32]) -> Self {
        let mut digest = self.number(vector.len() as u64);
        for value in vector {
            digest.0.update(value.to_bits().to_le_bytes());
        }
        digest
    }

    pub(super) fn finish(self) -> [u64; 4] {
        let mut parts = [0; 4];
        for (part, bytes) in parts.iter_mut().zip(self.0.finalize().chunks_exact(8)) {
            *part = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        }
        parts
    }
}
